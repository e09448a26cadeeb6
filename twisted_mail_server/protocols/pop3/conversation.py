"""
What a command sees: the session's state, its maildrop, and what the outside is like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import define, frozen

from ...model.accounts import ScramStart
from .events import Event
from .maildrop import Maildrop
from .states import MOVES, State, Step

if TYPE_CHECKING:
    from .vocabulary import Registry

#: What a command comes to: a whole response, or something for others to do.
Answer = bytes | Event


@frozen
class Surroundings:
    """
    What only the outside knows; TLS changes it.
    """

    #: Whether a password may travel: under TLS, or on loopback where the settings allow that.
    is_private: bool
    offers_tls: bool
    has_tls: bool = False
    #: SASL mechanisms on offer, best first.
    mechanisms: tuple[str, ...] = ()
    #: Seconds between two logins of one account (RFC 2449 section 6.5).
    login_delay: int = 0


@define(eq=False)
class Conversation:
    """
    One session.
    """

    hostname: str
    registry: Registry
    surroundings: Surroundings
    state: State = State.AUTHORIZATION
    #: What this command, if it is USER, names; and what the one before named, if that was USER.
    user: bytes | None = None
    named: bytes | None = None
    #: Takes the next line, which is no command, if there is one.
    continuation: Callable[[Conversation, bytes], Answer] | None = None
    #: Goes on with an exchange that asked for keys.
    resumption: Callable[[Conversation, ScramStart, Mapping[str, bytes]], Answer] | None = None
    #: Whether the client takes headers in UTF-8 (RFC 6856).
    is_utf8: bool = False
    _maildrop: Maildrop | None = None

    @property
    def maildrop(self) -> Maildrop:
        """
        The maildrop, in TRANSACTION and UPDATE.
        """
        assert self._maildrop is not None, "There is no maildrop yet."
        return self._maildrop

    def enter(self, maildrop: Maildrop) -> None:
        """
        The login succeeded.
        """
        self._maildrop = maildrop
        self.move(Step.ENTER)

    def move(self, step: Step) -> None:
        """
        Go where C{step} leads.
        """
        self.state = MOVES[self.state, step]
