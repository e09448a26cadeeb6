"""
L{twisted_mail_server.servers.smtp}: LMTP (RFC 2033).
"""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.smtp import ServerCase
from tests.support.transports import MemoryTransport, TlsClient
from twisted_mail_server.model.envelopes import Origin, Service
from twisted_mail_server.model.errors import DiskFull, NoSuchAccount, OverQuota
from twisted_mail_server.servers.base import TlsUse

SEND = b"LHLO client\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n"


class LmtpTests(ServerCase, SynchronousTestCase):
    """
    Mail from another server of the house.
    """

    service = Service.LMTP

    def test_message(self) -> None:
        """
        The end of content is answered for each recipient that was taken, after the intake's promise; nobody logs in.
        """
        self.intake.told = {
            "nobody@example.org": NoSuchAccount("Nobody of that name lives here."),
            "full@example.org": OverQuota("This mailbox is full."),
            "finish": Deferred(),
        }
        _, transport = self.connect(tls_use=TlsUse.OFF, authenticator=None)
        self.goes_on(
            transport,
            """
            S: 220 mail.example.org LMTP
            C: EHLO client
            S: 500 5.5.2 ...
            C: HELO client
            S: 500 5.5.2 ...
            C: MAIL FROM:<>
            S: 503 5.5.1 Say LHLO first.
            C: LHLO client
            S: 250-mail.example.org greets client
            S: 250-PIPELINING
            S: 250-*
            S: 250 LIMITS ...
            C: MAIL FROM:<a@example.net>
            S: 250 2.1.0 ...
            C: RCPT TO:<b@example.org>
            S: 250 2.1.5 ...
            C: RCPT TO:<nobody@example.org>
            S: 550 5.1.1 ...
            C: RCPT TO:<full@example.org>
            S: 552 5.2.2 ...
            C: RCPT TO:<b@example.org>
            S: 250 2.1.5 ...
            C: DATA
            S: 354 ...
            C+ Hello
            C: .
            """,
        )
        self.intake.told.pop("finish").callback(None)
        self.goes_on(
            transport,
            """
            S: 250 2.0.0 Queued as 00000000000000000000000000000000.
            S: 250 2.0.0 Queued as 00000000000000000000000000000000.
            C: DATA
            S: 503 5.5.1 MAIL comes first.
            C+ MAIL FROM:<>
            C+ RCPT TO:<nobody@example.org>
            C: DATA
            S: 250 ...
            S: 550 ...
            S: 503 5.5.1 No valid recipients.
            C: QUIT
            S: 221 2.0.0 Goodbye.
            """,
        )
        self.assertEqual([("a@example.net", ["b@example.org", "b@example.org"], b"Hello\r\n")], self.intake.taken)
        expected = Origin(Service.LMTP, "192.0.2.1", "client", "LMTP")
        self.assertEqual(expected, self.intake.transactions[0].origin)

    def test_refused(self) -> None:
        """
        A message that is refused as a whole is refused for each of its recipients.
        """
        self.intake.told = {"finish": DiskFull("No room.")}
        for content in (b"x", b"a\nb"):
            _, transport = self.connect()
            transport.deliver(SEND + b"DATA\r\n")
            transport.take()
            transport.deliver(content + b"\r\n.\r\nNOOP\r\n")
            first, second, third = transport.take().splitlines()
            self.assertEqual((first, b"250"), (second, third[:3]))
            self.assertIn(first[:3], (b"452", b"550"))

    def test_protocols(self) -> None:
        """
        TLS, and UTF-8, are told in the name of the protocol (RFC 3848, RFC 6531 section 4.3).
        """
        _, transport = self.connect()
        transport.deliver(b"LHLO me\r\nMAIL FROM:<> SMTPUTF8\r\nRSET\r\nSTARTTLS\r\n")
        transport.take()
        TlsClient(transport).talk(b"LHLO me\r\nMAIL FROM:<>\r\n")
        self.assertEqual(["UTF8LMTP", "LMTPS"], [one.origin.protocol for one in self.intake.transactions])

    def test_unix_socket(self) -> None:
        """
        A client that comes by a Unix socket has no address, and counts as one of this machine.
        """
        factory = self.make_factory(tls_use=TlsUse.OFF, terms={"connections_per_address": 1})
        for _ in range(2):
            session = factory.buildProtocol(None)
            transport = MemoryTransport(address=UNIXAddress(None))
            transport.connect(session)
            transport.deliver(SEND + b"BDAT 3 LAST\r\nx\r\n")
            self.assertEqual([b"250"] * 5, [line[:3] for line in transport.take().splitlines()[-5:]])
        self.assertEqual(["", ""], [one.origin.peer for one in self.intake.transactions])


class Client(Protocol):
    """
    Says all at once, and waits for the end.
    """

    def __init__(self) -> None:
        self.received = b""
        self.over: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(SEND + b"DATA\r\nx\r\n.\r\nQUIT\r\n")

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        """
        All is said.
        """
        self.over.callback(self.received)


class UnixSocketTests(ServerCase, TestCase):
    """
    LMTP on a real Unix socket.
    """

    service = Service.LMTP

    async def test_message(self) -> None:
        """
        A message comes in.
        """
        from twisted.internet import reactor
        from twisted.internet.endpoints import connectProtocol

        path = self.mktemp()[-90:]
        port = await UNIXServerEndpoint(reactor, path).listen(self.make_factory(tls_use=TlsUse.OFF))
        self.addCleanup(port.stopListening)
        client = Client()
        await connectProtocol(UNIXClientEndpoint(reactor, path), client)
        replies = [line[:3] for line in (await client.over).splitlines() if line[3:4] == b" "]
        self.assertEqual(b"220 250 250 250 250 354 250 250 221", b" ".join(replies))
        self.assertEqual([("a@example.net", ["b@example.org", "c@example.org"], b"x\r\n")], self.intake.taken)
