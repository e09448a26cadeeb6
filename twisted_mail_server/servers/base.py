"""
What every session shares, whatever it speaks: timeouts, back-pressure, limits, TLS, drain.

A subclass of L{Session} is given octets (L{Session.data_received}), works on one command at a time in a coroutine it
hands to L{Session.work}, and sends with L{Session.send} or C{await} L{Session.write}.  It says once, in
L{Session.farewell}, how its protocol takes leave; it never touches a timer or a producer.

::

    connectionMade -> [PROXY header, from a proxy] -> [TLS handshake, if implicit] -> opened()
        -> data_received(...)* -> [leave(...)] -> closed()

Whatever a coroutine waits for is cancelled when the connection is lost, unless it is L{shielded <Session.is_shielded>}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IPushProducer,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..model import limits
from ..model.errors import SyntaxProblem
from ..protocols.proxy import ProxyReader
from ..protocols.sasl.bindings import channel_bindings
from .factories import SessionFactory
from .terms import Ending, Terms, TlsFacts, TlsUse, Transport, address_text, is_loopback, network_of

__all__ = [
    "Ending",
    "Session",
    "SessionFactory",
    "Terms",
    "TlsFacts",
    "TlsUse",
    "Transport",
    "address_text",
    "is_loopback",
    "network_of",
]

log = Logger()


#: Linux alone can be asked for it.
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


@implementer(IPushProducer, IHandshakeListener, IHalfCloseableProtocol)
class Session(Protocol):
    """
    One connection.  To its transport it is a push producer: C{pauseProducing} means "stop sending".
    """

    #: What a Twisted protocol knows as optional is there from C{connectionMade} on.
    transport: Transport  # type: ignore[assignment]
    factory: SessionFactory

    #: Seconds the client may be silent while nothing is being worked on; a subclass changes it as its states change.
    idle_timeout: float = limits.LOGIN_TIMEOUT
    #: Whether the running coroutine is not to be cancelled when the connection is lost: set around what must be finished.
    is_shielded: bool = False
    #: Who logged in, for logs.
    account: str = ""

    def __init__(self) -> None:
        #: The client's address, and that of whoever connected: a proxy, or the same.
        self.peer = self.neighbour = ""
        self.session_id = ""
        #: Present once a TLS handshake is finished.
        self.tls: TlsFacts | None = None
        self._bindings: Mapping[str, bytes] | None = None
        #: The TCP socket below whatever layers there are.
        self._socket: Any = None
        self.octets_received = 0
        self.octets_sent = 0
        #: Why the session ends, once that is decided by us.
        self.ending: Ending | None = None
        #: No more connection.
        self.is_lost = False
        #: Goodbye was said: what still comes in is ignored.
        self.is_closing = False
        #: Seconds since 1970, once there is a connection.
        self._seconds: Callable[[], float]
        self._opened_at = self._active_at = 0.0
        self._deadline: float | None = None
        self._timer: IDelayedCall | None = None
        #: When it rings.
        self._rings_at = 0.0
        self._task: Coroutine[Any, Any, None] | None = None
        self._awaited: Deferred[Any] | None = None
        self._input_paused = False
        self._output_paused = False
        self._unsent = 0
        self._sent_all: Deferred[None] | None = None
        self._blocked_at = 0.0
        self._handshake_pending = False
        self._proxy: ProxyReader | None = None
        self._is_counted = False

    # For subclasses to define.

    def opened(self) -> None:
        """
        The connection is ready, TLS too where it is implicit: greet.
        """

    def data_received(self, data: bytes) -> None:
        """
        Octets have come.  Also called while a coroutine is at work: keep them, and let L{unread} count them.
        """
        raise NotImplementedError

    def unread(self) -> int:
        """
        How many octets wait to be worked on; above L{limits.PIPELINE} the transport is not read while a coroutine is at work.
        """
        return 0

    def farewell(self, ending: Ending) -> bytes:
        """
        The last words of this protocol for each reason, line end included; may be empty.
        """
        raise NotImplementedError

    def tls_started(self) -> None:
        """
        The handshake that L{start_tls} began is finished.
        """

    def may_leave(self) -> bool:
        """
        Whether the session may end right now for a reason of ours; asked again after each coroutine.
        """
        return self._task is None

    def about_to_wait(self) -> None:
        """
        The coroutine is about to wait: what was answered so far may be sent.
        """

    def input_over(self) -> None:
        """
        The client will send nothing more, and may still read (half-closed TCP): what was answered is sent, and that is all.
        """
        self.close()

    def closed(self) -> None:
        """
        The connection is gone, and so is the coroutine unless it is shielded: let go of everything.
        """

    def facts(self) -> dict[str, object]:
        """
        What else the log line at the end tells.
        """
        return {}

    # For subclasses to call.

    @property
    def is_busy(self) -> bool:
        """
        Whether a coroutine is at work.
        """
        return self._task is not None

    @property
    def is_private(self) -> bool:
        """
        Whether a password may travel here: under TLS, or on loopback where the settings allow that.
        """
        if self.tls is not None:
            return True
        return self.factory.terms.allow_plaintext and is_loopback(self.peer) and is_loopback(self.neighbour)

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """
        What binds a login to this TLS connection (RFC 5929, RFC 9266), by type, best first; empty without TLS.
        """
        if self.tls is None:
            return {}
        if self._bindings is None:
            connection = self.transport.getHandle()
            self._bindings = channel_bindings(connection, connection.get_certificate(as_cryptography=True))
        return self._bindings

    @property
    def can_start_tls(self) -> bool:
        """
        Whether to offer an upgrade to TLS.
        """
        return self.factory.terms.tls_use is TlsUse.STARTTLS and self.tls is None

    def work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """
        Run a coroutine; one at a time.  It runs at once, without a Deferred, as far as it goes without waiting.
        """
        if self._task is not None:
            coroutine.close()
            raise AssertionError("One command at a time.")
        self._task = coroutine
        self._advance()

    def cancel(self) -> None:
        """
        Cancel what the coroutine waits for; it unwinds at once.
        """
        if self._awaited is not None:
            self._awaited.cancel()

    def send(self, data: bytes) -> None:
        """
        Send, or queue, without waiting.  Once the connection is lost, nothing happens.
        """
        if data and not self.is_lost and not self.is_closing:
            self.octets_sent += len(data)
            if self._output_paused:
                self._unsent += len(data)
            self.transport.write(data)

    @property
    def is_output_full(self) -> bool:
        """
        Whether to C{await} L{drained} before more is sent.
        """
        return self._unsent > limits.PENDING_OUTPUT

    async def write(self, data: bytes) -> None:
        """
        Send, and wait while more than L{limits.PENDING_OUTPUT} is queued.

        @raise CancelledError: the connection is lost, or goodbye was said.
        """
        self.send(data)
        if self.is_closing or self._unsent > limits.PENDING_OUTPUT:
            await self.drained()

    async def drained(self) -> None:
        """
        Wait until the transport took what was queued.

        @raise CancelledError: the connection is lost, or goodbye was said.
        """
        if self.is_closing:
            raise CancelledError
        if self._output_paused:
            assert self._sent_all is None
            self._sent_all = Deferred()
            self._blocked_at = now = self._seconds()
            self._arm(now)
            await self._sent_all

    def check_input(self) -> None:
        """
        Read the transport, or stop reading it, as L{unread} demands.  Call it when a coroutine has used up input.
        """
        is_full = self._task is not None and not self.is_closing and self.unread() > limits.PIPELINE
        if is_full != self._input_paused and not self.is_lost:
            self._input_paused = is_full
            if is_full:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def acknowledge(self) -> None:
        """
        Acknowledge at once what came.  A client that sends a command in small pieces may hold each back until the one before is
        acknowledged (RFC 896), which TCP does 40 ms later where nothing is answered.
        """
        if _QUICK_ACK is not None and hasattr(self._socket, "setsockopt") and not self.is_lost:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def set_deadline(self, seconds: float | None) -> None:
        """
        End the session so many seconds from now, active or not; C{None} takes that back.  Once it closes, that has its own.
        """
        if self.is_closing:
            return
        if seconds is None:
            # The timer may ring too early now; it looks then.
            self._deadline = None
        else:
            now = self._seconds()
            self._deadline = now + seconds
            self._arm(now)

    def set_idle_timeout(self, seconds: float) -> None:
        """
        Allow so many seconds of silence from now on.
        """
        self.idle_timeout = seconds
        self._arm(self._seconds())

    def start_tls(self) -> None:
        """
        Begin the server's side of a handshake.  The caller has said so, and has thrown away all plaintext it still held
        (RFC 3207 section 4.2, RFC 2595 section 4): what came before the handshake must not be taken for what came after.
        """
        certificates = self.factory.terms.tls
        assert certificates is not None, "TLS is used without certificates."
        self._await_handshake()
        self.transport.startTLS(certificates.server_options())

    def revoke(self, reason: str) -> None:
        """
        End the session from outside, after its current command; C{reason} is for the log.
        """
        log.info("{service} session of {peer} revoked: {reason}", reason=reason, **self._name())
        self.leave(Ending.REVOKED)

    def drain(self) -> None:
        """
        The server stops: end after the current command.
        """
        self.leave(Ending.DRAINED)

    def leave(self, ending: Ending) -> None:
        """
        Say farewell and close: at once if L{may_leave}, else after the current command.  The first reason counts.
        """
        if self.ending is None:
            self.ending = ending
        self._leave_if_possible()

    def leave_now(self, ending: Ending) -> None:
        """
        Say farewell and close, whatever is at work.
        """
        if not self.is_closing and not self.is_lost:
            self.ending = self.ending or ending
            if not self._is_opening:
                self.send(self.farewell(self.ending))
            self.close()

    def close(self) -> None:
        """
        Close once all is sent, or after L{limits.CLOSE_TIMEOUT}; what comes in from now on is ignored.
        """
        if self.is_closing or self.is_lost:
            return
        self.is_closing = True
        if not self.is_shielded:
            self.cancel()
        self.check_input()
        self._output_paused, self._unsent = False, 0
        self._release()
        now = self._seconds()
        self._deadline = now + limits.CLOSE_TIMEOUT
        self._arm(now)
        # A transport with a producer would wait for more.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """
        Close at once; what is queued is lost.
        """
        if not self.is_lost:
            self.is_closing = True
            self.transport.abortConnection()

    # Twisted's side.

    def connectionMade(self) -> None:
        """
        Open the connection, once it is known whose it is.
        """
        terms = self.factory.terms
        self._seconds = terms.clock.seconds
        self._opened_at = self._active_at = self._seconds()
        self.session_id = terms.random(8).hex()
        self.peer = self.neighbour = address_text(self.transport.getPeer())
        if self.peer and hasattr(self.transport, "setTcpNoDelay"):
            # Without it each answer may wait 40 ms for the acknowledgement of the one before.
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
            self._socket = self.transport.getHandle()
        self.transport.registerProducer(self, True)
        # Inside a TLS layer that was put around this factory no header can come first.
        if terms.is_proxy(self.peer) and not INegotiated.providedBy(self.transport):
            self._proxy = ProxyReader()
            self.factory.sessions.add(self)
            self.set_deadline(limits.PROXY_TIMEOUT)
        else:
            self._enter()

    def _read_proxy_header(self, reader: ProxyReader, data: bytes) -> None:
        try:
            header = reader.receive(data)
        except SyntaxProblem as problem:
            log.warn("{service} proxy {peer} makes no sense: {problem}", problem=problem.public, **self._name())
            self.abort()
            return
        if header is None:
            return
        self._proxy = None
        self.set_deadline(None)
        self.peer = header.source or self.neighbour
        self._enter()
        if reader.rest and not self.is_lost:
            # The first octets of the client; if TLS was begun, they are the handshake's.
            self.transport.protocol.dataReceived(reader.rest)
        self._leave_if_possible()

    def _enter(self) -> None:
        """
        Count the connection, and open it or send it away.
        """
        terms = self.factory.terms
        refusal = self.factory.admit(self)
        if refusal is not None:
            # In implicit TLS there is nothing to say before a handshake, and a handshake is what we cannot afford.
            self._handshake_pending = terms.tls_use is TlsUse.IMPLICIT
            self.leave_now(refusal)
            return
        self._arm(self._seconds())
        if terms.tls_use is TlsUse.IMPLICIT:
            if INegotiated.providedBy(self.transport):
                # A TLS layer was put around this factory: the handshake is its own affair.
                self._await_handshake()
            else:
                self.start_tls()
        else:
            self._guarded(self.opened)

    def handshakeCompleted(self) -> None:
        """
        The TLS handshake is finished; a renegotiation changes nothing.
        """
        if not self._handshake_pending or self.is_closing:
            return
        self._handshake_pending = False
        connection = self.transport.getHandle()
        self.tls = TlsFacts(connection.get_protocol_version_name(), connection.get_cipher_name() or "")
        self._active_at = self._seconds()
        self.set_deadline(None)
        if self.factory.terms.tls_use is TlsUse.IMPLICIT:
            self._guarded(self.opened)
        else:
            self._guarded(self.tls_started)
        self._leave_if_possible()

    def dataReceived(self, data: bytes) -> None:
        """
        One timestamp per read, however many commands are in it.
        """
        if self.is_closing or self._handshake_pending:
            return
        self._active_at = self._seconds()
        if self._proxy is not None:
            self._read_proxy_header(self._proxy, data)
            return
        self.octets_received += len(data)
        try:
            self.data_received(data)
        except Exception:  # noqa: BLE001 - anything here is a bug, and must not end the process's other sessions
            self._failed(Failure())
        if self._task is not None:
            self.check_input()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Cancel what is waited for, let go, and write the one line of log.
        """
        self.is_lost = self.is_closing = True
        self._output_paused, self._unsent = False, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.is_shielded:
            self.cancel()
        self._guarded(self.closed)
        self._release()
        self.factory.forget(self)
        log.info(
            "{service} session of {peer} ended after {duration:.3f} s",
            duration=self._seconds() - self._opened_at,
            received=self.octets_received,
            sent=self.octets_sent,
            tls="" if self.tls is None else str(self.tls),
            account=self.account,
            ending="" if self.ending is None else self.ending.value,
            **self._name(),
            **self.facts(),
        )

    def readConnectionLost(self) -> None:
        """
        The client sent its last octet.
        """
        if self._proxy is not None:
            self.abort()
        elif not self.is_closing:
            self._guarded(self.input_over)

    def writeConnectionLost(self) -> None:
        """
        Never told by TCP.
        """

    def pauseProducing(self) -> None:
        """
        The transport holds enough for now.
        """
        self._output_paused = True

    def resumeProducing(self) -> None:
        """
        The transport took what it held.
        """
        self._output_paused, self._unsent = False, 0
        self._release()

    def stopProducing(self) -> None:
        """
        The transport wants no more: the connection is about to be lost, and L{connectionLost} says so.
        """

    # Inside.

    @property
    def _is_opening(self) -> bool:
        """
        Whether nothing can be said yet that the client would understand.
        """
        return self._handshake_pending or self._proxy is not None

    def _await_handshake(self) -> None:
        self._handshake_pending = True
        self.set_deadline(limits.TLS_HANDSHAKE_TIMEOUT)

    def _name(self) -> dict[str, object]:
        return {"service": self.factory.terms.service, "peer": self.peer, "session": self.session_id}

    def _release(self) -> None:
        waiting, self._sent_all = self._sent_all, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:  # noqa: BLE001 - a bug ends its own session only
            self._failed(Failure())

    def _advance(self, result: object = None) -> None:
        """
        Run the coroutine until it ends or waits; C{result} is that of the Deferred it waited for.  It takes the result from the
        Deferred itself, but a failure must be thrown.
        """
        task, waited = self._task, self._awaited is not None
        assert task is not None
        self._awaited = None
        try:
            awaited = result.throwExceptionIntoGenerator(task) if isinstance(result, Failure) else task.send(None)
        except StopIteration:
            pass
        except CancelledError:
            if not self.is_closing:
                self._failed(Failure())
        except Exception:  # noqa: BLE001 - a bug ends its own session only
            self._failed(Failure())
        else:
            self._awaited = awaited
            self._guarded(self.about_to_wait)
            awaited.addBoth(self._advance)
            return
        self._task = None
        if waited:
            self._active_at = self._seconds()
        if self._input_paused:
            self.check_input()
        if self.ending is not None:
            self._leave_if_possible()

    def _failed(self, failure: Failure) -> None:
        terms = self.factory.terms
        log.failure(
            "{service} session of {peer} failed",
            failure,
            service=terms.service,
            peer=self.peer,
            session=self.session_id,
        )
        self.leave_now(Ending.FAILED)

    def _leave_if_possible(self) -> None:
        if self.ending is not None and not self.is_closing and not self._is_opening and self.may_leave():
            self.leave_now(self.ending)

    # Time: one timer, set anew only when it must ring earlier; when it rings too early it is set again.

    def _due(self, now: float) -> float:
        """
        When something will have to be done, as things stand.
        """
        if self._sent_all is not None:
            due = self._blocked_at + limits.SEND_TIMEOUT
        elif self._task is not None:
            # Our own slowness is not the client's.
            due = now + self.idle_timeout
        else:
            due = self._active_at + self.idle_timeout
        if self._deadline is None:
            return due
        return self._deadline if self.is_closing else min(due, self._deadline)

    def _arm(self, now: float) -> None:
        due = self._due(now)
        if self._timer is None:
            if self.is_lost:
                return
            due = max(now, due)
            self._timer = self.factory.terms.clock.callLater(due - now, self._rang)
        elif due < self._rings_at:
            due = max(now, due)
            self._timer.reset(due - now)
        else:
            return
        self._rings_at = due

    def _rang(self) -> None:
        self._timer = None
        now = self._seconds()
        if self._due(now) > now:
            self._arm(now)
        elif self.is_closing or self._sent_all is not None or self._is_opening:
            self.ending = self.ending or Ending.TIMED_OUT
            self.abort()
        else:
            self.leave_now(Ending.TIMED_OUT)
