"""
What makes the sessions of one listener: it counts them, lets no more in than may be, and ends them gently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from ..model import limits
from .terms import Ending, Terms, TlsUse, is_loopback, network_of

if TYPE_CHECKING:
    from .base import Session


@define
class Census:
    """
    The connections of one listener, whichever of its factories made their sessions.
    """

    #: Connections admitted, by network.
    by_address: dict[str, int] = field(factory=dict)
    admitted: int = 0
    #: All that ever came, refused ones too.
    total: int = 0


class SessionFactory(Factory):
    """
    Makes the sessions of one listener, counts them, and ends them.  A subclass names their class as C{protocol}.
    """

    noisy = False
    protocol: Callable[..., Session] | None = None  # type: ignore[assignment]

    def __init__(self, terms: Terms) -> None:
        if terms.tls_use is not TlsUse.OFF and terms.tls is None:
            raise AssertionError("TLS is used without certificates.")
        self.terms = terms
        #: Every connection that is not lost, refused ones too.
        self.sessions: set[Session] = set()
        self.is_draining = False
        self.census = Census()
        self._drained: list[Deferred[None]] = []
        meters, service = terms.meters, terms.service
        self._here = meters.level("mail_sessions", service)
        self._came = meters.counter("mail_sessions_opened_total", service)
        self._sent_away = meters.counter("mail_sessions_refused_total", service)
        self._received = meters.counter("mail_octets_received_total", service)
        self._sent = meters.counter("mail_octets_sent_total", service)
        #: Counts commands that were refused.
        self.refused = meters.counter("mail_commands_refused_total", service)

    def succeed(self, earlier: SessionFactory) -> None:
        """
        Take the place of another factory at its listener: its connections count here too.
        """
        self.census = earlier.census

    def admit(self, session: Session) -> Ending | None:
        """
        Take in a new session, or tell why not.
        """
        self.sessions.add(session)
        census = self.census
        census.total += 1
        self._came(1)
        if self.is_draining:
            return Ending.DRAINED
        place = network_of(session.peer)
        count = census.by_address.get(place, 0)
        if census.admitted >= self.terms.connections:
            self._sent_away(1)
            return Ending.CROWDED
        if count >= self.terms.connections_per_address and not is_loopback(session.peer):
            self._sent_away(1)
            return Ending.CROWDED
        census.by_address[place] = count + 1
        census.admitted += 1
        session._is_counted = True
        self._here(1)
        return None

    def forget(self, session: Session) -> None:
        """
        A session is over.
        """
        self.sessions.discard(session)
        self._received(session.octets_received)
        self._sent(session.octets_sent)
        if session.tls is not None:
            self.terms.meters.counter("mail_tls_sessions_total", self.terms.service, session.tls.version)(1)
        if session._is_counted:
            session._is_counted = False
            self._here(-1)
            census, place = self.census, network_of(session.peer)
            census.admitted -= 1
            census.by_address[place] -= 1
            if not census.by_address[place]:
                del census.by_address[place]
        if not self.sessions:
            drained, self._drained = self._drained, []
            for waiting in drained:
                waiting.callback(None)

    async def drain(self) -> None:
        """
        Take nobody in any more, end each session after its current command, and return when all are gone; after
        L{limits.DRAIN_TIMEOUT} they are aborted.
        """
        self.is_draining = True
        for session in tuple(self.sessions):
            session.drain()
        if not self.sessions:
            return
        gone: Deferred[None] = Deferred()
        self._drained.append(gone)
        timer = self.terms.clock.callLater(limits.DRAIN_TIMEOUT, self._abort)
        try:
            await gone
        finally:
            if timer.active():
                timer.cancel()

    def _abort(self) -> None:
        for session in tuple(self.sessions):
            session.abort()
