"""
Sessions with other servers: open one, send messages over it, take leave.

The conversation is L{twisted_mail_server.protocols.smtp.client}; here are the socket, the clock and TLS.  One reply has one
time-out for all of it, so that a server gains nothing by sending it an octet at a time (RFC 5321 section 4.5.3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from attrs import evolve, frozen
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.interfaces import IOutboundTls
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.envelopes import Recipient
from twisted_mail_server.model.errors import MailError, TemporaryFailure
from twisted_mail_server.model.queue import Outcome, Result
from twisted_mail_server.protocols.sasl.bindings import channel_bindings
from twisted_mail_server.protocols.sasl.vocabulary import Means
from twisted_mail_server.protocols.smtp.client import ClientSide, Wishes, status_of_cause
from twisted_mail_server.protocols.smtp.client_events import (
    Cause,
    ContentWanted,
    Event,
    HandshakeDue,
    MailFinished,
    SessionOver,
)
from twisted_mail_server.protocols.smtp.client_replies import Stage, describe

from .targets import ConnectDeferred, ConnectFailed, ConnectRefused, Outgoing, Target

__all__ = ["ConnectDeferred", "ConnectFailed", "ConnectRefused", "Connection", "Connector", "Outgoing", "Target"]

log = Logger()


@frozen(kw_only=True)
class Connector:
    """
    Opens connections.
    """

    clock: IReactorTime
    connect: IReactorTCP
    #: What we call ourselves.
    hello_name: str
    #: C{random(count)} gives so many random octets.
    random: Callable[[int], bytes]
    #: Without it TLS is not used, and cannot be required.
    tls: IOutboundTls | None = None
    connect_timeout: float = limits.RELAY_CONNECT_TIMEOUT
    #: For one reply to a command; those to DATA and to the end of the content have their own.
    command_timeout: float = limits.RELAY_COMMAND_TIMEOUT

    async def open(self, target: Target) -> Connection:
        """
        A session that is ready for mail.  Cancelled, it leaves nothing behind.

        @raise ConnectDeferred: there is none for now.
        @raise ConnectRefused: the server wants none.
        """
        connection = Connection(self, target)
        if self.tls is None and target.tls in ("required", "implicit"):
            raise _no_session(connection, Cause.TLS, "TLS is required, and there are no rules for it.")
        factory = _Factory(connection, self.connect_timeout)
        # For typing: what makes the protocol is typed as a server's factory there, and seconds are whole.
        timeout = cast(int, self.connect_timeout)
        factory.connector = self.connect.connectTCP(target.address, target.port, cast(Any, factory), timeout)
        try:
            await factory.made
            await connection.opened()
        except ConnectFailed:
            raise
        except BaseException:
            connection.abort()
            raise
        return connection


class _Factory(ClientFactory):
    """
    Makes one connection.
    """

    noisy = False
    connector: IConnector

    def __init__(self, connection: Connection, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._is_given_up = False
        #: Fires when there is a connection.
        self.made: Deferred[None] = Deferred(self._give_up)
        connection.made = self.made

    def _give_up(self, made: Deferred[None]) -> None:
        self._is_given_up = True
        self.connector.disconnect()

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """
        It exists already.
        """
        return self._connection

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        There will be no connection.
        """
        if self._is_given_up:
            return
        problem = str(reason.value).rstrip(".")
        why = f"No connection within {self._patience:g} s" if reason.check(error.TimeoutError) else problem
        self.made.errback(_no_session(self._connection, Cause.CONNECT, f"{why}."))


def _no_session(connection: Connection, cause: Cause, text: str) -> ConnectDeferred:
    text = f"{connection.peer}: {text}"
    return ConnectDeferred(SessionOver(cause, text, Outcome.DEFERRED, status_of_cause(cause)))


@implementer(IPushProducer, IHandshakeListener)
class Connection(Protocol):
    """
    One session.  What waits for the server is one coroutine at a time.
    """

    transport: Any

    def __init__(self, connector: Connector, target: Target) -> None:
        self._connector = connector
        self.target = target
        login = target.login
        uses_tls = connector.tls is not None and target.tls != "off"
        self._smtp = ClientSide(
            Wishes(
                connector.hello_name,
                target.host,
                target.address,
                wants_tls=uses_tls,
                needs_tls=target.tls in ("required", "implicit"),
                secret=None if login is None else PlainSecret(login[0], login[1]),
                means=Means(connector.random),
                trusts_network=target.tls == "off",
                is_lmtp=target.is_lmtp,
            )
        )
        #: Fires when the connection is made; whoever gives up on that cancels it.
        self.made: Deferred[None]
        self.messages = 0
        self.octets_received = self.octets_sent = 0
        self._tls_text = ""
        self._is_handshaking = False
        self._is_lost = self._is_closing = self._is_busy = False
        self._is_paused = self._is_blocked = False
        self._over: SessionOver | None = None
        self._opened_at = 0.0
        self._waiting: Deferred[None] | None = None
        self._gone: Deferred[None] | None = None
        # Time: what is waited for, until when; and until when for all of it.
        self._awaited: object = None
        self._deadline = self._last = 0.0
        self._pieces = 0
        self._timer: IDelayedCall | None = None

    # For the relay.

    @property
    def peer(self) -> str:
        """
        Whom we talk to, for people.
        """
        return self._smtp.wishes.peer

    @property
    def is_usable(self) -> bool:
        """
        Whether another message may be sent: now, or as soon as a RSET is answered.
        """
        smtp = self._smtp
        return not (self._is_lost or self._is_closing or self._is_busy or smtp.is_over or smtp.is_exhausted)

    async def opened(self) -> None:
        """
        Return when the session is ready for mail.

        @raise ConnectFailed: it never will be.
        """
        self._last = self._connector.clock.seconds() + limits.RELAY_OPEN_TIMEOUT
        await self._get_ready()
        self._rest()
        over = self._over
        if over is not None:
            self._drop()
            raise (ConnectDeferred if over.outcome is Outcome.DEFERRED else ConnectRefused)(over)

    async def deliver(self, outgoing: Outgoing) -> list[Result]:
        """
        Send a message; a result for each recipient, in their order.  Nothing is raised: what goes wrong is a result.
        Cancelled, there is no result, and no connection any more.
        """
        assert not self._is_busy, "One message at a time."
        self._is_busy = True
        try:
            self._last = self._connector.clock.seconds() + limits.RELAY_MESSAGE_TIMEOUT
            results = await self._deliver(outgoing)
        except BaseException:
            self.abort()
            raise
        finally:
            self._is_busy = False
            self._rest()
        if self._smtp.is_over:
            self._drop()
        return [results[number] for number, _ in outgoing.recipients]

    async def close(self) -> None:
        """
        Take leave (RFC 5321 section 4.1.1.10), within L{limits.RELAY_QUIT_TIMEOUT}.
        """
        if self._is_lost or self._gone is not None:
            return
        if not self._is_closing and self._smtp.is_ready and not self._is_busy:
            self._smtp.quit()
            self._flush()
        else:
            self._drop()
        self._is_closing = True
        await self._is_gone()

    def abort(self) -> None:
        """
        Let go at once.
        """
        self._is_closing = True
        if not self._is_lost and self.transport is not None:
            self.transport.abortConnection()

    # One message.

    async def _deliver(self, outgoing: Outgoing) -> dict[int, Result]:
        smtp = self._smtp
        results: dict[int, Result] = {}
        waiting: Sequence[tuple[int, Recipient]] = tuple(outgoing.recipients)
        while waiting and await self._get_ready():
            if smtp.is_exhausted:
                text = f"{self.peer}: It takes no more messages on this connection."
                return results | {n: Result(n, Outcome.DEFERRED, text, "4.5.3") for n, _ in waiting}
            some, waiting = smtp.split(waiting)
            finished = await self._transact(evolve(outgoing, recipients=some))
            results |= {result.number: result for result in finished.results}
            if finished.postponed:
                waiting = (*(one for one in some if one[0] in finished.postponed), *waiting)
        over = self._over
        if waiting and over is not None:
            reply = "" if over.reply is None else f"smtp; {describe(over.reply)}"
            remote = self.target.host if reply else ""
            results |= {n: Result(n, Outcome.DEFERRED, over.text, over.status, reply, remote) for n, _ in waiting}
        return results

    async def _transact(self, mail: Outgoing) -> MailFinished:
        smtp = self._smtp
        smtp.begin(mail)
        self.messages += 1
        offset = 0
        while not isinstance(event := await self._next_event(), MailFinished):
            # Of a RSET before, that the session is ready may be told only now.
            if isinstance(event, ContentWanted):
                offset = await self._send_piece(mail, offset)
        return event

    async def _send_piece(self, mail: Outgoing, offset: int) -> int:
        """
        Send a piece, once the transport has room for it; where the message came to its end meanwhile, nothing.
        """
        smtp = self._smtp
        self._pieces += 1
        self._flush()
        self._is_blocked = True
        try:
            while self._is_paused and not smtp.events:
                await self._wait()
        finally:
            self._is_blocked = False
        if smtp.events:
            return offset
        size = min(limits.CONTENT_PIECE, mail.size - offset)
        try:
            piece = await mail.read(offset, size) if size else b""
            if len(piece) != size:
                raise TemporaryFailure("The content is shorter than it was.")
        except MailError as problem:
            # The message must not seem to end here.
            smtp.end(Cause.CONTENT, f"Nothing was sent: {problem.public}")
            self.abort()
            return offset
        offset += size
        smtp.write(piece, is_last=offset >= mail.size)
        return offset

    async def _get_ready(self) -> bool:
        """
        Whether the session is ready, once that is known.
        """
        while not self._smtp.is_ready and self._over is None:
            event = await self._next_event()
            if isinstance(event, HandshakeDue):
                self._start_tls()
        return self._over is None

    # Waiting.

    async def _next_event(self) -> Event:
        while (event := self._smtp.next_event()) is None:
            await self._wait()
        if isinstance(event, SessionOver):
            self._over = event
        return event

    async def _wait(self) -> None:
        """
        Send what there is to be sent, and wait until there is something to look at.
        """
        self._flush()
        if self._smtp.events:
            return
        waiting = self._waiting = Deferred()
        self._watch()
        try:
            await waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def _flush(self) -> None:
        output = self._smtp.take_output()
        if output and not self._is_lost:
            self.octets_sent += len(output)
            self.transport.write(output)

    # Time: one timer, set anew only when it must ring earlier; when it rings too early it is set again.

    def _watch(self) -> None:
        """
        Begin a time-out, if what is waited for now is not what was waited for before.
        """
        smtp = self._smtp
        awaited = (self._is_blocked and self._pieces, self._is_handshaking, smtp.awaited, smtp.replies)
        clock = self._connector.clock
        if awaited != self._awaited:
            self._awaited = awaited
            self._deadline = min(clock.seconds() + self._patience(), self._last)
        wait = max(0.0, self._deadline - clock.seconds())
        if self._timer is None or not self._timer.active():
            self._timer = clock.callLater(wait, self._rang)
        elif self._timer.getTime() > self._deadline:
            self._timer.reset(wait)

    def _patience(self) -> float:
        if self._is_handshaking:
            return limits.TLS_HANDSHAKE_TIMEOUT
        if self._is_blocked:
            return limits.RELAY_BLOCK_TIMEOUT
        own = {
            Stage.DATA: limits.RELAY_DATA_TIMEOUT,
            Stage.CONTENT: limits.RELAY_END_TIMEOUT,
            Stage.RSET: limits.RELAY_RESET_TIMEOUT,
        }
        return own.get(self._smtp.awaited or Stage.GREETING, self._connector.command_timeout)

    def _rang(self) -> None:
        clock = self._connector.clock
        if self._waiting is None:
            return
        if self._deadline > clock.seconds():
            self._timer = clock.callLater(self._deadline - clock.seconds(), self._rang)
        elif self._is_handshaking:
            self._end(Cause.TLS, "The TLS handshake took too long.")
        elif self._is_blocked:
            self._end(Cause.TIMEOUT, "The server took nothing of the content for too long.")
        else:
            self._end(Cause.TIMEOUT, "The server took too long.")

    def _rest(self) -> None:
        """
        Nobody waits any more.
        """
        self._awaited = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _end(self, cause: Cause, text: str) -> None:
        self._smtp.end(cause, text)
        self.abort()
        self._wake()

    # Leaving.

    def _drop(self) -> None:
        """
        Close once all is sent, or after L{limits.RELAY_QUIT_TIMEOUT}.
        """
        if self._is_lost or self._is_closing:
            return
        self._flush()
        self._is_closing = True
        self._rest()
        self._timer = self._connector.clock.callLater(limits.RELAY_QUIT_TIMEOUT, self.abort)
        # A transport with a producer would wait for more.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    async def _is_gone(self) -> None:
        self._gone = Deferred()
        timer = self._connector.clock.callLater(limits.RELAY_QUIT_TIMEOUT, self.abort)
        try:
            await self._gone
        finally:
            self._gone = None
            if timer.active():
                timer.cancel()
            self.abort()

    # TLS.

    def _start_tls(self) -> None:
        tls = self._connector.tls
        assert tls is not None, "TLS is used without its rules."
        host = self.target.host
        is_verified = self.target.tls in ("required", "implicit")
        self._is_handshaking = True
        self.transport.startTLS(tls.verified_options(host) if is_verified else tls.client_options(host))

    def handshakeCompleted(self) -> None:
        """
        The handshake is finished; a later one changes nothing.
        """
        tls = self._connector.tls
        if not self._is_handshaking or tls is None:
            return
        handle = self.transport.getHandle()
        if not tls.accepts(handle):
            # Why, connectionLost is told.
            self.abort()
            return
        self._is_handshaking = False
        self._tls_text = f"{handle.get_protocol_version_name()} {handle.get_cipher_name()}"
        certificate = None if self.target.login is None else handle.get_peer_certificate(as_cryptography=True)
        bindings = None if certificate is None else channel_bindings(handle, certificate)
        if self.target.tls == "implicit":
            self._smtp.secured(bindings)
        else:
            self._smtp.tls_started(bindings)
        self._flush()
        self._watch()

    # Twisted's side.

    def connectionMade(self) -> None:
        """
        The server greets, or TLS comes first.
        """
        self._opened_at = self._connector.clock.seconds()
        # Without it each command may wait 40 ms for the acknowledgement of the one before.
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        if self.target.tls == "implicit":
            self._start_tls()
        if self.made.called:
            # Nobody wants it any more.
            self.transport.abortConnection()
        else:
            self.made.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """
        The server said something.
        """
        if self._is_handshaking:
            return
        self.octets_received += len(data)
        smtp = self._smtp
        smtp.receive(data)
        self._flush()
        if self._waiting is not None:
            if smtp.events:
                self._wake()
            else:
                self._watch()
        elif smtp.is_over and not self._is_busy:
            # It took leave, or spoke without being asked, while nothing was under way.
            self._finish_idle()

    def _finish_idle(self) -> None:
        if self._is_closing and not self._is_lost:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
        else:
            self._drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Write the one line of log, and tell who waits.
        """
        self._is_lost = True
        if self._is_handshaking:
            self._smtp.end(Cause.TLS, f"The TLS handshake failed: {_explain(reason)}")
        else:
            self._smtp.end(Cause.LOST, _explain(reason))
        self._rest()
        last = self._smtp.last_reply
        log.info(
            "relay session with {remote} ended after {duration:.3f} s",
            remote=self.peer,
            port=self.target.port,
            duration=self._connector.clock.seconds() - self._opened_at,
            tls=self._tls_text,
            messages=self.messages,
            received=self.octets_received,
            sent=self.octets_sent,
            reply="" if last is None else describe(last),
        )
        self._wake()
        if self._gone is not None and not self._gone.called:
            self._gone.callback(None)

    def pauseProducing(self) -> None:
        """
        The transport holds enough for now.
        """
        self._is_paused = True

    def resumeProducing(self) -> None:
        """
        The transport took what it held.
        """
        self._is_paused = False
        if self._is_blocked:
            self._wake()

    def stopProducing(self) -> None:
        """
        The transport wants no more: L{connectionLost} follows.
        """


def _explain(reason: Failure) -> str:
    """
    Why a connection was lost, for people.
    """
    problem = reason.value
    if isinstance(problem, SSL.Error) and problem.args and isinstance(problem.args[0], list):
        return "; ".join(str(one[2]) for one in problem.args[0]) or "no reason was given."
    if isinstance(problem, VerificationError):
        return "the certificate is not this server's."
    if isinstance(problem, error.ConnectionDone):
        return "The server closed the connection."
    if isinstance(problem, error.ConnectionLost):
        return "The connection was lost."
    return f"The connection was lost: {str(problem).rstrip('.')}."
