"""
Sessions with other servers under TLS, and with a server of our own.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.certificates import pair_for, pems
from tests.support.smtp import PASSWORD, ServerCase, collect_events
from tests.support.smtp_client import CONTENT, outcomes
from tests.support.smtp_peers import Cable, ConnectionCase, Waiting, outgoing
from tests.support.transports import MemoryTransport
from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.model.errors import MailError, NoSuchAccount
from twisted_mail_server.model.queue import Outcome
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.relay.connections import ConnectDeferred, Connection, ConnectRefused, Target
from twisted_mail_server.servers.base import TlsUse
from twisted_mail_server.tls.contexts import ServerContexts
from twisted_mail_server.tls.outbound import OutboundTls

HOST = "mx.example.net"


class OurServerCase(ServerCase, ConnectionCase):
    """
    To be mixed into a test case: our client at our server, in memory.
    """

    def setUp(self) -> None:
        """
        Both share a clock.
        """
        ConnectionCase.setUp(self)
        clock = self.clock
        ServerCase.setUp(self)
        self.clock = clock

    def reach(self, outbound: OutboundTls | None = None, **options: Any) -> tuple[Waiting, Cable, MemoryTransport]:
        """
        A connection from the client to the server, and what came of it at once.
        """
        target = {key: options.pop(key) for key in ("tls", "login", "host", "is_lmtp") if key in options}
        terms = {"tls": ServerContexts([pair_for(HOST)]), **options.pop("terms", {})}
        factory = self.make_factory(terms=terms, **options)
        server = MemoryTransport("192.0.2.7")
        opening, client = self.dial(self.make_connector(tls=outbound), **target)
        server.connect(factory.buildProtocol(None))
        cable = Cable(client, server)
        cable.carry()
        return opening, cable, server

    def trusting(self) -> OutboundTls:
        """
        A client that trusts the server.
        """
        path = self.mktemp()  # type: ignore[attr-defined]
        with open(path, "wb") as file:
            file.write(pems(pair_for(HOST))[0])
        return OutboundTls(path)


class LoopbackTests(OurServerCase, SynchronousTestCase):
    """
    Our client and our server.
    """

    def test_opportunistic(self) -> None:
        """
        Under TLS with whatever certificate; some recipients are taken and some not; then the farewell.
        """
        events = collect_events(self)
        self.intake.told["cid@example.net"] = NoSuchAccount("Nobody of that name.")
        opening, cable, _ = self.reach(OutboundTls(), host="other.example.net")
        connection = opening.result
        assert isinstance(connection, Connection)
        sending = Waiting(connection.deliver(outgoing("bob@example.net", "cid@example.net")))
        cable.carry()
        self.assertEqual([(0, Outcome.RELAYED), (1, Outcome.FAILED)], [one[:2] for one in outcomes(sending.result)])
        self.assertEqual([("", ["bob@example.net"], CONTENT)], self.intake.taken)
        closing = Waiting(connection.close())
        cable.carry()
        self.assertTrue(closing.is_done)
        (event,) = [event for event in events if "relay session" in event.get("log_format", "")]
        self.assertTrue(event["tls"].startswith("TLSv1.3 "))

    def test_large(self) -> None:
        """
        A large message with dots in all places, and another one after it.
        """
        content = b".\r\n..\r\n" + b"x" * 70 + b"\r\n.y\r\n"
        content *= 8000
        opening, cable, _ = self.reach()
        connection = opening.result
        for _ in range(2):
            sending = Waiting(connection.deliver(outgoing(content=content)))
            cable.carry()
            self.assertEqual([Outcome.RELAYED], [one.outcome for one in sending.result])
        self.assertEqual([content, content], [one[2] for one in self.intake.taken])

    def test_drained(self) -> None:
        """
        A server that is restarted takes leave of an idle client.
        """
        opening, cable, _ = self.reach()
        connection = opening.result
        assert self.factory is None
        connection.transport.protocol.dataReceived(b"421 4.3.2 closing\r\n")
        self.assertFalse(connection.is_usable)
        cable.carry()

    def test_refused_by_the_intake(self) -> None:
        """
        What the server says at the end of the content is the result.
        """
        opening, cable, _ = self.reach()
        self.intake.told["finish"] = MailError("Not today.")
        sending = Waiting(opening.result.deliver(outgoing()))
        cable.carry()
        self.assertEqual([(0, Outcome.DEFERRED, "4.3.0")], outcomes(sending.result))

    def test_verified(self) -> None:
        """
        A smarthost whose certificate is right, by STARTTLS and from the first octet.
        """
        for tls, use in (("required", TlsUse.STARTTLS), ("implicit", TlsUse.IMPLICIT)):
            opening, cable, _ = self.reach(self.trusting(), tls=tls, tls_use=use, host=HOST)
            sending = Waiting(opening.result.deliver(outgoing()))
            cable.carry()
            self.assertEqual([Outcome.RELAYED], [one.outcome for one in sending.result])

    def test_not_verified(self) -> None:
        """
        A smarthost whose certificate is wrong, or nobody's, gets nothing: no greeting, no password.
        """
        for tls, use in (("required", TlsUse.STARTTLS), ("implicit", TlsUse.IMPLICIT)):
            for outbound, host in ((self.trusting(), "other.example.net"), (OutboundTls(), HOST)):
                opening, _, _ = self.reach(outbound, tls=tls, tls_use=use, host=host, login=("ann", PASSWORD))
                failure = opening.problem
                assert isinstance(failure, ConnectDeferred)
                self.assertEqual((Cause.TLS, "4.7.5"), (failure.cause, failure.status))
                self.assertIn("The TLS handshake failed: ", failure.public)
                self.assertIn("certificate", failure.public)
                self.assertEqual([], self.authenticator.asked)

    def test_no_tls_there(self) -> None:
        """
        Where TLS is required and the server has none, nothing is sent.
        """
        opening, _, _ = self.reach(self.trusting(), tls="required", tls_use=TlsUse.OFF, host=HOST)
        self.assertEqual(Cause.TLS, getattr(opening.problem, "cause", None))

    def test_no_rules(self) -> None:
        """
        Without rules for TLS it cannot be had, and what requires it fails.
        """
        for tls in ("required", "implicit"):
            opening = Waiting(self.make_connector().open(Target(HOST, "192.0.2.1", tls=tls)))
            self.assertEqual(Cause.TLS, getattr(opening.problem, "cause", None))
            self.assertEqual([], self.dialer.dialled)


class SubmissionTests(OurServerCase, SynchronousTestCase):
    """
    A smarthost that wants a login.
    """

    service = Service.SUBMISSION

    def test_login(self) -> None:
        """
        The right password opens the way.
        """
        opening, cable, _ = self.reach(self.trusting(), tls="required", host=HOST, login=("ann", PASSWORD))
        sending = Waiting(opening.result.deliver(outgoing()))
        cable.carry()
        self.assertEqual([Outcome.RELAYED], [one.outcome for one in sending.result])
        self.assertEqual([("ann", "192.0.2.7")], self.authenticator.asked)

    def test_wrong_password(self) -> None:
        """
        A wrong one is for people to put right.
        """
        opening, _, _ = self.reach(self.trusting(), tls="required", host=HOST, login=("ann", b"guess"))
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred)
        self.assertEqual((Cause.LOGIN, "5.7.8"), (failure.cause, failure.status))

    def test_no_password_in_clear(self) -> None:
        """
        A password does not go in clear because somebody took STARTTLS away.
        """
        opening, _, _ = self.reach(
            OutboundTls(),
            tls_use=TlsUse.OFF,
            login=("ann", PASSWORD),
            terms={"allow_plaintext": True},
        )
        self.assertEqual(Cause.LOGIN, getattr(opening.problem, "cause", None))
        self.assertEqual([], self.authenticator.asked)


class HandshakeTests(ConnectionCase, SynchronousTestCase):
    """
    Handshakes that fail.
    """

    def shake(self, **target: Any) -> tuple[Waiting, Any]:
        """
        A client that waits for the server's part.
        """
        opening, transport = self.dial(self.make_connector(tls=OutboundTls()), **target)
        transport.deliver(b"220 hi\r\n")
        transport.deliver(b"250-mx\r\n250 STARTTLS\r\n")
        transport.take()
        transport.deliver(b"220 Ready.\r\n")
        self.assertEqual(b"\x16\x03\x01", transport.take()[:3])
        return opening, transport

    def test_garbage(self) -> None:
        """
        A server that does not speak TLS after all; the relay may try again without.
        """
        opening, transport = self.shake()
        transport.deliver(b"500 What is that?\r\n")
        transport.lose()
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred) and not isinstance(failure, ConnectRefused)
        self.assertEqual((Cause.TLS, "4.7.5"), (failure.cause, failure.status))
        self.assertIn("The TLS handshake failed: wrong version number", failure.public)

    def test_gone(self) -> None:
        """
        A server that goes away.
        """
        opening, transport = self.shake()
        transport.protocol.connectionLost(Failure(error.ConnectionLost()))
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred)
        self.assertEqual(Cause.TLS, failure.cause)

    def test_silent(self) -> None:
        """
        A server that never answers.
        """
        opening, transport = self.shake()
        self.clock.advance(limits.TLS_HANDSHAKE_TIMEOUT)
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred)
        self.assertEqual(Cause.TLS, failure.cause)
        self.assertIn("too long", failure.public)
        self.assertTrue(transport.aborting)

    def test_clear_text(self) -> None:
        """
        What comes in clear while the handshake is under way is no reply.
        """
        opening, _ = self.shake()
        self.dialer.factory.buildProtocol(None).dataReceived(b"250 ok\r\n")
        self.assertFalse(opening.is_done)
