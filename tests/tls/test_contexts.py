"""
L{twisted_mail_server.tls.contexts}
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x25519
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import connectedServerAndClient
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.certificates import chained_pair, client_connection, client_context, pair_for, shake_hands
from twisted_mail_server.interfaces import ITlsCertificates
from twisted_mail_server.model.errors import BadSetting
from twisted_mail_server.tls.certificates import Pair
from twisted_mail_server.tls.contexts import ServerContexts

FIRST, SECOND, WILD = pair_for("mail.example.org", "localhost"), pair_for("mail.example.net"), pair_for("*.example.com")


class ServerContextsTests(SynchronousTestCase):
    """
    Handshakes in memory.
    """

    def setUp(self) -> None:
        """
        A server with three certificates.
        """
        self.contexts = ServerContexts([FIRST, SECOND, WILD])

    def server(self) -> SSL.Connection:
        """
        The server's end of a new connection.
        """
        protocol: Any = None
        return self.contexts.serverConnectionForTLS(protocol)

    def shown(self, server_name: str | None = None, **versions: int) -> x509.Certificate | None:
        """
        The certificate that a client is shown.
        """
        client = client_connection(client_context(**versions), server_name)
        shake_hands(self.server(), client)
        return client.get_peer_certificate(as_cryptography=True)

    def test_interfaces(self) -> None:
        """
        It is what Twisted asks for, and what servers are given.
        """
        self.assertTrue(verifyObject(IOpenSSLServerConnectionCreator, self.contexts))
        self.assertTrue(verifyObject(ITlsCertificates, self.contexts))
        self.assertIs(self.contexts, self.contexts.server_options())

    def test_chosen_by_name(self) -> None:
        """
        The certificate is the one for the name that the client asks for, in any case; wildcards stand for one label.
        """
        for name, pair in (
            ("mail.example.org", FIRST),
            ("LocalHost", FIRST),
            ("MAIL.example.net", SECOND),
            ("anything.example.com", WILD),
        ):
            self.assertEqual(pair.certificate, self.shown(name), name)

    def test_chosen_names(self) -> None:
        """
        Names that the operator chose for a certificate stand in place of its own.
        """
        self.contexts.replace([FIRST, evolve(SECOND, chosen_names=("b.example", "*.c.example"))])
        for name, pair in (("b.example", SECOND), ("x.c.example", SECOND), ("mail.example.net", FIRST)):
            self.assertEqual(pair.certificate, self.shown(name), name)

    def test_first_for_others(self) -> None:
        """
        Who names nobody, or somebody unknown, is shown the first.
        """
        for name in (None, "example.com", "a.b.example.com", "unknown"):
            self.assertEqual(FIRST.certificate, self.shown(name), name)

    def test_versions(self) -> None:
        """
        TLS 1.2 and 1.3 are spoken, nothing older.
        """
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.assertEqual(FIRST.certificate, self.shown(newest=version, oldest=version))
        self.assertRaises(SSL.Error, self.shown, newest=SSL.TLS1_1_VERSION, oldest=SSL.TLS1_VERSION)

    def test_chain(self) -> None:
        """
        The chain is shown with the certificate.
        """
        pair = chained_pair("mail.example.org")
        self.contexts = ServerContexts([pair])
        client = client_connection(client_context())
        shake_hands(self.server(), client)
        chain = client.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual([pair.certificate, *pair.chain], chain)

    def test_resumption(self) -> None:
        """
        A client that comes again resumes its session by its ticket.
        """
        context = client_context(newest=SSL.TLS1_2_VERSION)
        first = client_connection(context)
        shake_hands(self.server(), first)
        session = first.get_session()
        assert session is not None
        second = client_connection(context)
        second.set_session(session)
        shake_hands(self.server(), second)
        self.assertEqual(first.master_key(), second.master_key())

    def test_replace(self) -> None:
        """
        New certificates are shown from the next connection on; one under way keeps what it has.
        """
        under_way = self.server()
        self.contexts.replace([SECOND])
        client = client_connection(client_context())
        shake_hands(under_way, client)
        self.assertEqual(FIRST.certificate, client.get_peer_certificate(as_cryptography=True))
        self.assertEqual(SECOND.certificate, self.shown("mail.example.org"))

    def test_unusable(self) -> None:
        """
        A pair that OpenSSL will not use is refused, and nothing changes.
        """
        mismatched = Pair(FIRST.certificate, (), SECOND.key)
        unsuited = Pair(FIRST.certificate, (), x25519.X25519PrivateKey.generate())
        for pair in (mismatched, unsuited):
            self.assertRaises(BadSetting, self.contexts.replace, [SECOND, pair])
        self.assertEqual(FIRST.certificate, self.shown())

    def test_in_twisted(self) -> None:
        """
        Twisted's TLS takes it as it is, and octets go both ways.
        """
        received: list[bytes] = []

        class Echo(Protocol):
            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                self.transport.write(data.upper())

        class Client(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"hello")

            def dataReceived(self, data: bytes) -> None:
                received.append(data)

        clock = Clock()
        server = TLSMemoryBIOFactory(self.contexts, False, Factory.forProtocol(Echo), clock)
        client = TLSMemoryBIOFactory(CertificateOptions(), True, Factory.forProtocol(Client), clock)
        _, _, pump = connectedServerAndClient(
            lambda: server.buildProtocol(None), lambda: client.buildProtocol(None), clock=clock
        )
        pump.flush()
        for _ in range(3):
            clock.advance(0)
            pump.flush()
        self.assertEqual([b"HELLO"], received)
