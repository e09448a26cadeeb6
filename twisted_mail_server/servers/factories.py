"""
What makes the sessions of one listener: it counts them, lets no more in than may be, and ends them gently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from ..model import limits
from .terms import Ending, Terms, TlsUse, is_loopback, network_of

if TYPE_CHECKING:
    from .base import Session


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
        #: Connections admitted, by network.
        self._by_address: dict[str, int] = {}
        self._admitted = 0
        self._drained: list[Deferred[None]] = []

    def admit(self, session: Session) -> Ending | None:
        """
        Take in a new session, or tell why not.
        """
        self.sessions.add(session)
        if self.is_draining:
            return Ending.DRAINED
        place = network_of(session.peer)
        count = self._by_address.get(place, 0)
        if self._admitted >= self.terms.connections:
            return Ending.CROWDED
        if count >= self.terms.connections_per_address and not is_loopback(session.peer):
            return Ending.CROWDED
        self._by_address[place] = count + 1
        self._admitted += 1
        session._is_counted = True
        return None

    def forget(self, session: Session) -> None:
        """
        A session is over.
        """
        self.sessions.discard(session)
        if session._is_counted:
            session._is_counted = False
            self._admitted -= 1
            place = network_of(session.peer)
            self._by_address[place] -= 1
            if not self._by_address[place]:
                del self._by_address[place]
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
