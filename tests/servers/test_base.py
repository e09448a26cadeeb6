"""
L{twisted_mail_server.servers.base}
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import collect_events
from tests.support.transports import MemoryTransport, ThrowAwayCertificates, TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import Ending, Session, SessionFactory, Terms, TlsUse, address_text, is_loopback


class Echo(Session):
    """
    A protocol of single words: C{wait} waits, C{big} answers much, C{oops} fails; all else is echoed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pending = b""
        self.waiting: Deferred[None] | None = None
        self.outcome: object = None
        self.is_over = False

    def opened(self) -> None:
        """
        Greet.
        """
        self.send(b"hello\r\n")

    def data_received(self, data: bytes) -> None:
        """
        Keep, and work.
        """
        self.pending += data
        if not self.is_busy and self.pending:
            self.work(self.answer())

    def unread(self) -> int:
        """
        What is kept.
        """
        return len(self.pending)

    def farewell(self, ending: Ending) -> bytes:
        """
        The reason.
        """
        return f"bye: {ending.value}\r\n".encode()

    def closed(self) -> None:
        """
        Remember it.
        """
        self.is_over = True

    def facts(self) -> dict[str, object]:
        """
        One.
        """
        return {"words": 1}

    def tls_started(self) -> None:
        """
        Say so.
        """
        self.send(b"now private\r\n")

    async def answer(self) -> None:
        """
        All that is pending.
        """
        while self.pending:
            word, _, self.pending = self.pending.partition(b"\r\n")
            if word == b"wait":
                self.waiting = Deferred()
                try:
                    await self.waiting
                except CancelledError:
                    self.outcome = "cancelled"
                    raise
            elif word == b"oops":
                raise RuntimeError("A bug.")
            elif word == b"tls":
                self.pending = b""
                self.start_tls()
            elif word.startswith(b"big"):
                for _ in range(10):
                    await self.write(b"x" * 100_000)
            elif word == b"quit":
                self.close()
                return
            else:
                await self.write(word + b"\r\n")


class EchoFactory(SessionFactory):
    """
    Makes L{Echo}s.
    """

    protocol = Echo


class BaseCase(SynchronousTestCase):
    """
    A factory on a clock.
    """

    def setUp(self) -> None:
        """
        A clock, and a listener to the log.
        """
        self.clock = Clock()
        self.events = collect_events(self)

    def make(self, **terms: Any) -> EchoFactory:
        """
        A factory.
        """
        count = iter(range(1, 10_000))
        settled: dict[str, Any] = {
            "service": "echo",
            "hostname": "mail.example.org",
            "clock": self.clock,
            "random": lambda length: next(count).to_bytes(length, "big"),
        }
        self.factory = EchoFactory(Terms(**{**settled, **terms}))
        return self.factory

    def connect(self, factory: EchoFactory | None = None, peer: str = "192.0.2.1") -> tuple[Echo, MemoryTransport]:
        """
        A new connection.
        """
        factory = factory or self.make()
        session = factory.buildProtocol(None)
        assert isinstance(session, Echo)
        transport = MemoryTransport(peer)
        transport.connect(session)
        return session, transport

    def ended(self) -> dict[str, Any]:
        """
        The log line at the end of a session.
        """
        (event,) = [event for event in self.events if "duration" in event]
        return event


class AddressTests(SynchronousTestCase):
    """
    L{address_text} and L{is_loopback}.
    """

    def test_forms(self) -> None:
        """
        IPv4 keeps its form though mapped into IPv6, scopes go, and a Unix socket has none.
        """
        cases = [
            ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 25)),
            ("192.0.2.1", IPv6Address("TCP", "::ffff:192.0.2.1", 25)),
            ("2001:db8::1", IPv6Address("TCP", "2001:DB8:0::1", 25)),
            ("fe80::1", IPv6Address("TCP", "fe80::1%eth0", 25)),
            ("", UNIXAddress(b"/run/mail")),
            ("", IPv4Address("TCP", "nonsense", 25)),
        ]
        for expected, address in cases:
            self.assertEqual(expected, address_text(address))

    def test_loopback(self) -> None:
        """
        Loopback is 127/8, C{::1} and Unix sockets.
        """
        self.assertEqual(
            [True, True, True, False, False],
            [is_loopback(peer) for peer in ("127.0.0.1", "::1", "", "192.0.2.1", "2001:db8::1")],
        )


class SessionTests(BaseCase):
    """
    One session, without TLS.
    """

    def test_opening(self) -> None:
        """
        A connection gets no delay, an id, and a greeting.
        """
        session, transport = self.connect()
        self.assertEqual({"nodelay": True, "keepalive": True}, transport.options)
        self.assertEqual("0000000000000001", session.session_id)
        self.assertEqual(b"hello\r\n", transport.take())

    def test_unix_socket(self) -> None:
        """
        A Unix socket has no TCP options, and an empty peer.
        """
        session = self.make().buildProtocol(None)
        transport = MemoryTransport(address=UNIXAddress(b"/run/mail"))
        transport.connect(session)
        assert isinstance(session, Echo)
        self.assertEqual(("", {}), (session.peer, transport.options))

    def test_one_at_a_time(self) -> None:
        """
        A word waits until the one before it is done; a second coroutine is a mistake.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\none\r\n")
        transport.deliver(b"two\r\n")
        self.assertEqual(b"hello\r\n", transport.take())
        self.assertRaises(AssertionError, session.work, session.answer())
        assert session.waiting is not None
        session.waiting.callback(None)
        self.assertEqual(b"one\r\ntwo\r\n", transport.take())
        self.assertFalse(session.is_busy)

    def test_bug(self) -> None:
        """
        An unexpected exception is logged with its traceback; the client gets one sentence, and the connection closes.
        """
        _session, transport = self.connect()
        transport.deliver(b"oops\r\n")
        self.assertEqual(b"hello\r\nbye: failed\r\n", transport.take())
        self.assertTrue(transport.disconnecting)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        transport.deliver(b"ignored\r\n")
        self.assertEqual(b"", transport.take())

    def test_bug_after_waiting(self) -> None:
        """
        So it is when what a coroutine waited for fails.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\n")
        assert session.waiting is not None
        session.waiting.errback(RuntimeError("A bug."))
        self.assertEqual(b"hello\r\nbye: failed\r\n", transport.take())
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_stray_cancellation(self) -> None:
        """
        A coroutine that is cancelled though the session goes on is a fault too.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\n")
        session.cancel()
        self.assertEqual(b"hello\r\nbye: failed\r\n", transport.take())
        self.assertEqual(1, len(self.flushLoggedErrors(CancelledError)))

    def test_bug_in_data_received(self) -> None:
        """
        And when the octets are not even taken.
        """
        session, transport = self.connect()
        self.patch(session, "data_received", lambda data: 1 / 0)
        transport.deliver(b"x")
        self.assertEqual(b"hello\r\nbye: failed\r\n", transport.take())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_lost_while_waiting(self) -> None:
        """
        When the connection is lost, what is waited for is cancelled, and nothing more is sent.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\none\r\n")
        transport.lose()
        self.assertEqual(("cancelled", True, False), (session.outcome, session.is_over, session.is_busy))
        self.assertEqual(b"hello\r\n", transport.take())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_shielded(self) -> None:
        """
        What is shielded is finished though the connection is lost; writing then unwinds it.
        """
        session, transport = self.connect()
        session.is_shielded = True
        transport.deliver(b"wait\r\none\r\n")
        transport.lose()
        self.assertTrue(session.is_busy)
        assert session.waiting is not None
        session.waiting.callback(None)
        self.assertFalse(session.is_busy)
        self.assertEqual(b"hello\r\n", transport.take())

    def test_shielded_from_goodbye(self) -> None:
        """
        Nor is it cancelled when the session is closed meanwhile; its answer is not sent.
        """
        session, transport = self.connect()
        session.is_shielded = True
        transport.deliver(b"wait\r\none\r\n")
        session.leave_now(Ending.DRAINED)
        assert session.waiting is not None
        session.waiting.callback(None)
        self.assertEqual((b"hello\r\nbye: drained\r\n", None), (transport.take(), session.outcome))
        self.assertEqual(b"", session.pending)
        self.assertFalse(session.is_busy)

    def test_half_closed(self) -> None:
        """
        A client that has sent its last octet is sent what was answered; what it waits for is cancelled.
        """
        session, transport = self.connect()
        transport.deliver(b"one\r\nwait\r\n")
        session.readConnectionLost()
        session.readConnectionLost()
        self.assertEqual((b"hello\r\none\r\n", True), (transport.take(), transport.disconnecting))
        self.assertEqual("cancelled", session.outcome)

    def test_bug_at_the_door(self) -> None:
        """
        A bug in the greeting is no worse than one elsewhere.
        """
        factory = self.make()
        session = factory.buildProtocol(None)
        self.patch(session, "opened", lambda: 1 / 0)
        transport = MemoryTransport()
        transport.connect(session)
        self.assertEqual(b"bye: failed\r\n", transport.take())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_log(self) -> None:
        """
        The end of a session is one event with its facts.
        """
        session, transport = self.connect()
        session.account = "someone@example.org"
        transport.deliver(b"one\r\n")
        self.clock.advance(2)
        transport.lose()
        event = self.ended()
        expected = {
            "service": "echo",
            "peer": "192.0.2.1",
            "session": "0000000000000001",
            "duration": 2.0,
            "received": 5,
            "sent": 12,
            "tls": "",
            "account": "someone@example.org",
            "ending": "",
            "words": 1,
        }
        self.assertEqual(expected, {key: event[key] for key in expected})

    def test_nothing_to_do(self) -> None:
        """
        What a subclass need not define does nothing, and what it must says so.
        """
        session = Session()
        session.opened()
        session.tls_started()
        session.closed()
        session.stopProducing()
        session.writeConnectionLost()
        session.about_to_wait()
        self.assertEqual((0, {}, True), (session.unread(), session.facts(), session.may_leave()))
        self.assertRaises(NotImplementedError, session.data_received, b"")
        self.assertRaises(NotImplementedError, session.farewell, Ending.DRAINED)


class PressureTests(BaseCase):
    """
    Clients that take nothing, and clients that send too much.
    """

    def test_output(self) -> None:
        """
        Writing waits while too much is queued, and goes on when the transport took it.
        """
        session, transport = self.connect()
        transport.take()
        session.pauseProducing()
        transport.deliver(b"big\r\n")
        self.assertEqual(300_000, len(transport.take()))
        self.assertTrue(session.is_busy and session.is_output_full)
        session.resumeProducing()
        self.assertEqual(700_000, len(transport.take()))
        self.assertFalse(session.is_busy)

    def test_output_and_loss(self) -> None:
        """
        A writer that waits is let go when the connection is lost.
        """
        session, transport = self.connect()
        session.pauseProducing()
        transport.deliver(b"big\r\n")
        transport.lose()
        self.assertFalse(session.is_busy)
        self.assertEqual(300_000, session.octets_sent - 7)

    def test_nothing_queued(self) -> None:
        """
        Waiting for an empty queue is no waiting.
        """
        session, _transport = self.connect()
        done: list[None] = []
        Deferred.fromCoroutine(session.drained()).addCallback(done.append)
        self.assertEqual([None], done)

    def test_input(self) -> None:
        """
        The transport is not read while a word is worked on and too much waits; then it is read again.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\n")
        transport.deliver(b"x" * limits.PIPELINE)
        self.assertEqual("producing", transport.producerState)
        transport.deliver(b"x")
        self.assertEqual("paused", transport.producerState)
        assert session.waiting is not None
        session.waiting.callback(None)
        self.assertEqual("producing", transport.producerState)

    def test_input_after_goodbye(self) -> None:
        """
        A session that closes reads again, to see the end of the connection.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\n")
        transport.deliver(b"x" * (limits.PIPELINE + 1))
        session.leave_now(Ending.EXPELLED)
        self.assertEqual(("producing", "cancelled"), (transport.producerState, session.outcome))

    def test_takes_nothing(self) -> None:
        """
        A client that takes nothing is cut off after a while.
        """
        session, transport = self.connect()
        session.pauseProducing()
        transport.deliver(b"big\r\n")
        self.clock.advance(limits.SEND_TIMEOUT - 1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)


class TimeTests(BaseCase):
    """
    Silence, deadlines, and one timer for all.
    """

    def test_silence(self) -> None:
        """
        Silence ends a session; each read begins it anew, with one timer.
        """
        session, transport = self.connect()
        for _ in range(5):
            self.clock.advance(session.idle_timeout - 1)
            transport.deliver(b"x\r\n")
            self.assertEqual(1, len(self.clock.getDelayedCalls()))
        transport.take()
        self.clock.advance(session.idle_timeout - 1)
        self.assertEqual(b"", transport.take())
        self.clock.advance(1)
        self.assertEqual(b"bye: timed out\r\n", transport.take())
        self.assertTrue(transport.disconnecting)

    def test_our_own_slowness(self) -> None:
        """
        While a word is worked on the client may be silent; it begins to count afterwards.
        """
        session, transport = self.connect()
        transport.deliver(b"wait\r\n")
        self.clock.pump([session.idle_timeout] * 5)
        assert session.waiting is not None
        session.waiting.callback(None)
        self.clock.advance(session.idle_timeout - 1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)

    def test_deadline(self) -> None:
        """
        A deadline ends even a busy session; taken back, it does not.
        """
        session, transport = self.connect()
        session.set_deadline(10)
        session.set_deadline(None)
        self.clock.advance(11)
        self.assertFalse(transport.disconnecting)
        session.set_deadline(10)
        transport.deliver(b"wait\r\n")
        self.clock.advance(10)
        self.assertTrue(transport.disconnecting)
        self.assertEqual("cancelled", session.outcome)

    def test_shorter_silence(self) -> None:
        """
        A state may allow less silence than the one before.
        """
        session, transport = self.connect()
        session.set_idle_timeout(5)
        self.clock.advance(5)
        self.assertTrue(transport.disconnecting)

    def test_goodbye_not_taken(self) -> None:
        """
        A client that does not let go is cut off.
        """
        session, transport = self.connect()
        transport.deliver(b"quit\r\n")
        self.assertTrue(transport.disconnecting)
        session.set_deadline(None)
        self.clock.advance(limits.CLOSE_TIMEOUT - 1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)
        session.close()
        transport.lose()
        self.assertEqual("timed out", self.ended()["ending"])

    def test_after_the_end(self) -> None:
        """
        What is asked of a session whose connection is lost does nothing.
        """
        session, transport = self.connect()
        transport.lose()
        session.set_deadline(1)
        session.set_idle_timeout(1)
        session.abort()
        session.leave(Ending.DRAINED)
        session.leave_now(Ending.DRAINED)
        session.send(b"x")
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual((b"hello\r\n", False), (transport.take(), transport.disconnecting))


class CountTests(BaseCase):
    """
    How many may come, and how they go.
    """

    def test_per_address(self) -> None:
        """
        One address may have so many connections; a refused one is told, and one that ends makes room.
        """
        factory = self.make(connections_per_address=2)
        _, first = self.connect(factory)
        self.connect(factory)
        _, third = self.connect(factory)
        self.assertEqual((b"bye: crowded\r\n", True), (third.take(), third.disconnecting))
        _, other = self.connect(factory, "192.0.2.2")
        self.assertEqual(b"hello\r\n", other.take())
        third.lose()
        first.lose()
        _, again = self.connect(factory)
        self.assertEqual(b"hello\r\n", again.take())

    def test_loopback(self) -> None:
        """
        Loopback is not counted by address, but in all.
        """
        factory = self.make(connections_per_address=1, connections=3)
        taken = [self.connect(factory, "127.0.0.1")[1].take() for _ in range(4)]
        self.assertEqual([b"hello\r\n"] * 3 + [b"bye: crowded\r\n"], taken)

    def test_ipv6(self) -> None:
        """
        All addresses of one IPv6 network count as one.
        """
        factory = self.make(connections_per_address=1)
        peers = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
        taken = [self.connect(factory, peer)[1].take() for peer in peers]
        self.assertEqual([b"hello\r\n", b"bye: crowded\r\n", b"hello\r\n"], taken)

    def test_drain(self) -> None:
        """
        Draining ends idle sessions at once, busy ones after their word, and then is done.
        """
        factory = self.make()
        _, idle = self.connect(factory)
        busy, transport = self.connect(factory)
        transport.deliver(b"wait\r\n")
        done: list[None] = []
        Deferred.fromCoroutine(factory.drain()).addCallback(done.append)
        self.assertEqual((b"hello\r\nbye: drained\r\n", b"hello\r\n"), (idle.take(), transport.take()))
        idle.lose()
        late = self.connect(factory)[1]
        self.assertEqual(b"bye: drained\r\n", late.take())
        late.lose()
        assert busy.waiting is not None
        busy.waiting.callback(None)
        self.assertEqual(b"bye: drained\r\n", transport.take())
        self.assertEqual([], done)
        transport.lose()
        self.assertEqual([None], done)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_drain_of_nobody(self) -> None:
        """
        Without sessions draining is done at once.
        """
        done: list[None] = []
        Deferred.fromCoroutine(self.make().drain()).addCallback(done.append)
        self.assertEqual([None], done)

    def test_drain_too_slow(self) -> None:
        """
        Who does not end in time is cut off.
        """
        factory = self.make()
        _, transport = self.connect(factory)
        transport.deliver(b"wait\r\n")
        done: list[None] = []
        Deferred.fromCoroutine(factory.drain()).addCallback(done.append)
        self.clock.advance(limits.DRAIN_TIMEOUT)
        self.assertTrue(transport.disconnected)
        transport.lose()
        self.assertEqual([None], done)

    def test_revoked(self) -> None:
        """
        A session is ended from outside, and the reason is logged.
        """
        session, transport = self.connect()
        session.revoke("The password was changed.")
        session.drain()
        self.assertEqual(b"hello\r\nbye: revoked\r\n", transport.take())
        self.assertIn("The password was changed.", [event.get("reason") for event in self.events])


class TlsTests(BaseCase):
    """
    TLS from the first octet, and later.
    """

    def test_needs_certificates(self) -> None:
        """
        Without certificates there is no TLS to offer.
        """
        self.assertRaises(AssertionError, self.make, tls_use=TlsUse.IMPLICIT)

    def test_upgrade(self) -> None:
        """
        After the upgrade the same session goes on under TLS, and knows it.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.STARTTLS)
        session, transport = self.connect(factory)
        self.assertTrue(session.can_start_tls)
        transport.take()
        transport.deliver(b"tls\r\n")
        session.dataReceived(b"plain\r\n")
        client = TlsClient(transport)
        self.assertEqual(b"now private\r\n", client.talk())
        self.assertEqual(b"one\r\n", client.talk(b"one\r\n"))
        assert session.tls is not None
        self.assertEqual("TLSv1.3", session.tls.version)
        self.assertEqual(f"TLSv1.3 {session.tls.cipher}", str(session.tls))
        self.assertTrue(session.is_private)
        self.assertFalse(session.can_start_tls)
        session.handshakeCompleted()
        session.drain()
        self.assertEqual(b"bye: drained\r\n", client.talk())
        transport.lose()
        self.assertEqual(str(session.tls), self.ended()["tls"])

    def test_implicit(self) -> None:
        """
        Nothing is said before the handshake.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT)
        _, transport = self.connect(factory)
        self.assertEqual(b"", transport.take())
        client = TlsClient(transport)
        self.assertEqual(b"hello\r\n", client.talk())

    def test_wrapped(self) -> None:
        """
        A TLS layer that is there already is waited for, and another is not put inside.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT)
        wrapped = TLSMemoryBIOFactory(
            ThrowAwayCertificates().server_options(), False, cast(Factory, factory), clock=self.clock
        ).buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        transport = MemoryTransport()
        transport.connect(wrapped)
        client = TlsClient(transport)
        said = client.talk()
        self.clock.advance(0)
        self.assertEqual(b"hello\r\n", said + client.talk())

    def test_no_handshake(self) -> None:
        """
        A client that does not shake hands is cut off.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT)
        _, transport = self.connect(factory)
        self.clock.advance(limits.TLS_HANDSHAKE_TIMEOUT)
        self.assertTrue(transport.disconnected)

    def test_crowded(self) -> None:
        """
        A refused client of implicit TLS gets no handshake, and no words in clear.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT, connections=0)
        _, transport = self.connect(factory)
        self.assertEqual((b"", True), (transport.take(), transport.disconnecting))

    def test_drained_during_handshake(self) -> None:
        """
        A server that stops while hands are shaken takes leave afterwards.
        """
        factory = self.make(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT)
        session, transport = self.connect(factory)
        session.drain()
        self.assertEqual(b"hello\r\nbye: drained\r\n", TlsClient(transport).talk())

    def test_plaintext_password(self) -> None:
        """
        Without TLS only loopback is private, and only where the settings allow it.
        """
        factory = self.make(allow_plaintext=True)
        self.assertTrue(self.connect(factory, "127.0.0.1")[0].is_private)
        self.assertFalse(self.connect(factory, "192.0.2.1")[0].is_private)
        self.assertFalse(self.connect(self.make(), "127.0.0.1")[0].is_private)
