"""
What was promised, and where in the log.

A command is begun at one place and answered at another; a cut before its answer may find it done or not, a cut after it finds it done.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

from attrs import define, field, frozen

_T = TypeVar("_T")

_TOKEN = re.compile(rb"X-Token: ([0-9a-z-]+)", re.IGNORECASE)

#: Flags by token.
Messages = dict[str, frozenset[str]]


def token_of(content: bytes) -> str:
    """
    By what a message is known.
    """
    found = _TOKEN.search(content)
    return found[1].decode() if found else f"no token in {content[:200]!r}"


@define(eq=False)
class Promise:
    """
    A command, from its last octet to the last octet of a reply that says it is done.
    """

    begun: int
    answered: int | None = None

    def is_kept_at(self, at: int) -> bool:
        """
        Whether a cut there must find it done.
        """
        return self.answered is not None and self.answered <= at

    def is_open_at(self, at: int) -> bool:
        """
        Whether a cut there may find it done or not.
        """
        return self.begun <= at and not self.is_kept_at(at)


@define(eq=False)
class Step(Promise, Generic[_T]):
    """
    A command that changes a state as a whole.
    """

    after: _T = field(kw_only=True)
    #: Not promised, but read by the client after a refusal: what comes next is built on it.
    is_seen: bool = field(kw_only=True, default=False)


@define(eq=False)
class Track(Generic[_T]):
    """
    A state that one client alone changes, one command at a time.
    """

    first: _T
    steps: list[Step[_T]] = field(factory=list)

    @property
    def known(self) -> _T:
        """
        What stands if all is done.
        """
        known = [step for step in self.steps if step.answered is not None or step.is_seen]
        return known[-1].after if known else self.first

    def begin(self, at: int, after: _T) -> Step[_T]:
        """
        A command is on its way.
        """
        self.steps.append(Step(at, after=after))
        return self.steps[-1]

    def found(self, at: int, state: _T) -> None:
        """
        After a refusal: what stands, as the client read it.  That it could be read does not promise that it will stay.
        """
        self.steps.append(Step(at, after=state, is_seen=True))

    def allowed(self, at: int) -> list[_T]:
        """
        The states that a cut at C{at} may find.
        """
        states = [self.first]
        for step in self.steps:
            if step.is_kept_at(at):
                states = [step.after]
            elif step.is_open_at(at):
                states.append(step.after)
        return states


@define(eq=False)
class Sent(Promise):
    """
    A message that was handed to the server.
    """

    token: str = field(kw_only=True)
    content: bytes = field(kw_only=True, repr=False)
    #: Whose INBOX it is for.
    here: tuple[str, ...] = field(kw_only=True)
    #: Names elsewhere.
    elsewhere: tuple[str, ...] = field(kw_only=True, default=())
    #: Who gets the reports on it.
    sender: str | None = field(kw_only=True, default=None)


@define(eq=False)
class Removal(Promise):
    """
    A POP3 session's QUIT.
    """

    account: str = field(kw_only=True)
    tokens: frozenset[str] = field(kw_only=True)


@frozen
class Mail:
    """
    One IMAP client's mailboxes.
    """

    boxes: dict[str, Messages]
    subscribed: frozenset[str] = frozenset()


@define(eq=False)
class Named(Promise):
    """
    The UIDVALIDITY and UID that a reply gave to a message.
    """

    account: str = field(kw_only=True)
    mailbox: str = field(kw_only=True)
    token: str = field(kw_only=True)
    uidvalidity: int = field(kw_only=True)
    uid: int = field(kw_only=True)


@frozen
class People:
    """
    Who there is: a password for each address, and the targets of each alias.
    """

    passwords: dict[str, bytes]
    aliases: dict[str, tuple[str, ...]] = field(factory=dict)


@define(eq=False)
class Ledger:
    """
    All promises of a trial.
    """

    people: Track[People]
    sent: list[Sent] = field(factory=list)
    removals: list[Removal] = field(factory=list)
    named: list[Named] = field(factory=list)
    #: By account, and the prefix of the mailboxes' names.
    mail: dict[tuple[str, str], Track[Mail]] = field(factory=dict)
    #: The contents of all messages, by token.
    contents: dict[str, bytes] = field(factory=dict)

    def promised(self) -> int:
        """
        How many commands were answered.
        """
        tracks: list[Track[Mail] | Track[People]] = [self.people, *self.mail.values()]
        answered = [one for one in (*self.sent, *self.removals) if one.answered is not None]
        return len(answered) + sum(step.answered is not None for track in tracks for step in track.steps)
