"""
The queue's words: ids, fates, and what is still to be done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from attrs import evolve, field, frozen

from .envelopes import Envelope
from .errors import SyntaxProblem

_QUEUE_ID = re.compile(r"[0-9a-f]{32}")


@frozen(order=True)
class QueueId:
    """
    A message on its way: 16 random octets, never reused.
    """

    octets: bytes

    @classmethod
    def parse(cls, text: str) -> QueueId:
        """
        @raise SyntaxProblem: not 32 hexadecimal digits.
        """
        if not _QUEUE_ID.fullmatch(text):
            raise SyntaxProblem("A queue id is 32 hexadecimal digits.")
        return cls(bytes.fromhex(text))

    def __str__(self) -> str:
        return self.octets.hex()


class Fate(Enum):
    """
    Where one recipient of one message stands; docs/explanation/spool.md has the table.
    """

    #: Promised, not yet settled.
    PENDING = "pending"
    #: An operator wants it kept until released.
    HELD = "held"
    #: In a mailbox here.
    DELIVERED = "delivered"
    #: Another server has taken it over.
    RELAYED = "relayed"
    #: It cannot be had, and the sender was told if the sender can be.
    FAILED = "failed"
    #: An operator took it out.
    REMOVED = "removed"

    @property
    def is_settled(self) -> bool:
        """
        Whether nothing more is to be done.
        """
        return self not in (Fate.PENDING, Fate.HELD)


#: Fates that close an entry of the ledger.
FINAL_FATES = tuple(fate for fate in Fate if fate.is_settled)


@frozen
class RecipientState:
    """
    One recipient's fate, and what was last said of it.
    """

    fate: Fate = Fate.PENDING
    #: For people: why it waits, where it went, what the other side said.
    detail: str = ""
    #: How often delivery was tried.
    attempts: int = 0
    #: When the fate last changed, seconds since 1970.
    changed: int = 0
    #: Before that second no further try is made; 0 for at once.
    due: int = 0
    #: Whether the sender was told of the delay (RFC 3461 section 5.3).
    is_delay_told: bool = False


@frozen
class Settlement:
    """
    A recipient's new fate.  C{number} is its place in the envelope, counted from 0.
    """

    queue_id: QueueId
    number: int
    state: RecipientState


@frozen
class QueuedMessage:
    """
    A message we have promised to deliver.
    """

    id: QueueId
    envelope: Envelope
    states: tuple[RecipientState, ...]
    #: Octets of the content, trace fields of intake included.
    size: int
    #: SHA-256 of that content.
    digest: bytes = field(repr=False)
    #: The content where it is small; else it is in the spool's file.
    inline: bytes | None = field(default=None, repr=False)
    #: Absolute path of that file, safe to link from once the message is committed.
    path: str | None = None

    @property
    def pending(self) -> tuple[int, ...]:
        """
        The numbers of the recipients that something is to be done for.
        """
        return tuple(number for number, state in enumerate(self.states) if state.fate is Fate.PENDING)

    @property
    def is_settled(self) -> bool:
        """
        Whether every recipient has its final fate.
        """
        return all(state.fate.is_settled for state in self.states)

    def with_state(self, number: int, state: RecipientState) -> QueuedMessage:
        """
        The same message after one recipient's fate has changed.
        """
        states = (*self.states[:number], state, *self.states[number + 1 :])
        return evolve(self, states=states)


class Outcome(Enum):
    """
    How one try ended for one recipient.
    """

    DELIVERED = "delivered"
    RELAYED = "relayed"
    #: Not now; another try may do better.
    DEFERRED = "deferred"
    #: Never.
    FAILED = "failed"


@frozen
class Result:
    """
    One try for one recipient, and what is known of it.
    """

    number: int
    outcome: Outcome
    #: For people: the mailbox, or what the other side said.
    detail: str
    #: Enhanced status code (RFC 3463).
    status: str = ""
    #: The other server's reply as a report shows it: C{smtp; 550 5.1.1 Unknown}; empty if none was had.
    diagnostic: str = ""
    #: The host that said so; empty for us.
    remote: str = ""
    #: Whether the other server took over the duty to report (RFC 3461 section 5.2.2).
    is_dsn_passed_on: bool = False


@frozen
class Report:
    """
    A message of our own that enters the spool in the transaction that makes it necessary.
    """

    id: QueueId
    envelope: Envelope
    content: bytes = field(repr=False)
    #: The message whose fate it tells, so that its story can name the report.
    about: QueueId | None = None


@frozen
class QueueEvent:
    """
    Something that happened to a message between its commit and its recipients' final fates.
    """

    #: Seconds since 1970.
    at: int
    #: Which recipient, counted from 0; C{None} for the whole message.
    number: int | None
    #: C{deferred}, C{held}, C{released}, C{retried}, C{removed}, C{reported}.
    what: str
    #: For people: what the other side said, who did it, the report's id.
    detail: str


@frozen
class Story:
    """
    All that is known of one message: where its recipients stand, and what was tried before.
    """

    message: QueuedMessage
    events: tuple[QueueEvent, ...]


@frozen
class Ledger:
    """
    The promises of all time, and what became of them; each recipient of each message is one.

    @ivar promised: entries opened, each by a C{250} or a report of ours.
    @ivar pending: those that are still to be delivered.
    @ivar held: those that an operator keeps.
    @ivar closed: those with a final fate, by fate.
    @ivar problems: what does not add up, a sentence each.
    """

    promised: int
    pending: int
    held: int
    closed: Mapping[Fate, int]
    problems: tuple[str, ...] = ()

    @property
    def unaccounted(self) -> int:
        """
        Promises of which nobody knows what became; anything but 0 is lost mail, or a damaged journal.
        """
        return self.promised - self.pending - self.held - sum(self.closed.values())

    def __add__(self, other: Ledger) -> Ledger:
        closed = {fate: self.closed.get(fate, 0) + other.closed.get(fate, 0) for fate in FINAL_FATES}
        return Ledger(
            self.promised + other.promised,
            self.pending + other.pending,
            self.held + other.held,
            closed,
            self.problems + other.problems,
        )


class QueueChange(Enum):
    """
    What an operator may do with a message that waits.
    """

    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    REMOVE = "remove"


@frozen
class Arrival:
    """
    One message for one account, on its way into the store.
    """

    queue_id: QueueId
    #: The recipient's place in the envelope: with the queue id it makes a repeated delivery known.
    number: int
    mailbox: str
    #: Per-recipient header fields, served before the content (Return-Path, Delivered-To).
    prefix: bytes = field(repr=False)
    size: int = 0
    digest: bytes = field(default=b"", repr=False)
    inline: bytes | None = field(default=None, repr=False)
    #: A durable file in the spool that may be linked from.
    path: str | None = None
    #: Whether several accounts get this content, so that one file is better than many copies.
    is_shared: bool = False
    flags: tuple[str, ...] = ()
    #: Seconds since 1970.
    internal_date: int = 0
