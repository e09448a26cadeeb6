"""
TLS as a client.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.certificates import NOW, chained_pair, pair_for, pems, shake_hands
from twisted_mail_server.model import limits
from twisted_mail_server.tls.certificates import Pair
from twisted_mail_server.tls.contexts import ServerContexts
from twisted_mail_server.tls.outbound import OutboundTls


class Layer:
    """
    What Twisted's TLS layer is asked.
    """

    def __init__(self) -> None:
        self.problems: list[Failure] = []

    def failVerification(self, reason: Failure) -> None:
        """
        Remembered.
        """
        self.problems.append(reason)


class OutboundTests(SynchronousTestCase):
    """
    L{OutboundTls}.
    """

    def setUp(self) -> None:
        """
        A server.
        """
        self.pair = pair_for("mx.example.net")
        self.server = ServerContexts([self.pair])
        self.layer = Layer()

    def trusting(self, pair: Pair) -> OutboundTls:
        """
        A client that trusts one certificate, and no other.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(pems(pair)[0])
        return OutboundTls(path)

    def connect(self, options: Any, server: ServerContexts | None = None) -> tuple[SSL.Connection, SSL.Connection]:
        """
        A finished handshake.
        """
        client = options.clientConnectionForTLS(self.layer)
        client.set_connect_state()
        far: Any = None
        end = (server or self.server).serverConnectionForTLS(far)
        shake_hands(end, client)
        with contextlib.suppress(SSL.Error):
            client.shutdown()
        return client, end

    def test_opportunistic(self) -> None:
        """
        Any certificate is taken, whoever signed it and whatever its name; the server hears whom we want.
        """
        client, end = self.connect(OutboundTls().client_options("elsewhere.example"))
        self.assertEqual("TLSv1.3", client.get_protocol_version_name())
        self.assertEqual(b"elsewhere.example", end.get_servername())
        self.assertEqual([], self.layer.problems)

    def test_address(self) -> None:
        """
        An IP address is no server name (RFC 6066 section 3).
        """
        _, end = self.connect(OutboundTls().client_options("192.0.2.1"))
        self.assertIsNone(end.get_servername())

    def test_old_protocols(self) -> None:
        """
        TLS 1.1 is no TLS any more.
        """
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.use_certificate(self.pair.certificate)
        key: Any = self.pair.key
        context.use_privatekey(key)
        options: Any = OutboundTls().client_options("mx.example.net")
        client = options.clientConnectionForTLS(self.layer)
        client.set_connect_state()
        self.assertRaises(SSL.Error, shake_hands, SSL.Connection(context, None), client)

    def weak_server(self) -> SSL.Connection:
        """
        A server with a key of 1024 bits.
        """
        key = rsa.generate_private_key(65537, 1024)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.net")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9))
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.use_certificate(builder.sign(key, hashes.SHA256()))
        context.use_privatekey(key)
        return SSL.Connection(context, None)

    def test_weak_keys(self) -> None:
        """
        A short key is better than none, unless a good one was asked for.
        """
        client: Any = OutboundTls().client_options("mx.example.net").clientConnectionForTLS(cast(Any, self.layer))
        client.set_connect_state()
        shake_hands(self.weak_server(), client)
        self.assertEqual("TLSv1.3", client.get_protocol_version_name())
        client = OutboundTls().verified_options("mx.example.net").clientConnectionForTLS(cast(Any, self.layer))
        client.set_connect_state()
        self.assertRaises(SSL.Error, shake_hands, self.weak_server(), client)

    def test_verified(self) -> None:
        """
        A certificate that is trusted, and for the right name.
        """
        tls = self.trusting(self.pair)
        client, _ = self.connect(tls.verified_options("mx.example.net"))
        self.assertEqual([], self.layer.problems)
        self.assertTrue(tls.accepts(client))
        self.assertFalse(OutboundTls().accepts(client))

    def test_wrong_name(self) -> None:
        """
        A trusted certificate for another name, or for no address; its session is not kept.
        """
        tls = self.trusting(self.pair)
        for host in ("mail.example.net", "192.0.2.9"):
            self.layer.problems.clear()
            client, _ = self.connect(tls.verified_options(host))
            self.assertFalse(tls.accepts(client))
            self.assertTrue(self.layer.problems)
            self.assertTrue(all(one.check(VerificationError) for one in self.layer.problems))
            self.assertIsNone(tls.session(host, True))

    def test_nobody_trusted(self) -> None:
        """
        A certificate that nobody knows is refused, and one of an unknown authority too.
        """
        for tls, server in (
            (OutboundTls(), self.server),
            (self.trusting(self.pair), ServerContexts([chained_pair("mx.example.net")])),
        ):
            self.assertRaises(SSL.Error, self.connect, tls.verified_options("mx.example.net"), server)

    def test_resumed(self) -> None:
        """
        A session is resumed at the same host, and nowhere else; verified and opportunistic ones are kept apart.
        """
        tls = self.trusting(self.pair)
        self.assertIsNone(tls.session("mx.example.net", False))
        first, _ = self.connect(tls.client_options("mx.example.net"))
        kept = tls.session("mx.example.net", False)
        self.assertIsNotNone(kept)
        self.assertIsNone(tls.session("mx.example.net", True))
        self.assertIsNone(tls.session("other.example.net", False))
        second, end = self.connect(tls.client_options("mx.example.net"))
        self.assertTrue(reused(second))
        self.assertTrue(reused(end))
        self.assertFalse(reused(first))

    def test_bounded(self) -> None:
        """
        Of all the sessions in the world only some are kept.
        """
        self.patch(limits, "TLS_SESSIONS", 2)
        tls = OutboundTls()
        for host in ("a.example", "b.example", "c.example"):
            self.connect(tls.client_options(host))
        kept = [tls.session(host, False) is not None for host in ("a.example", "b.example", "c.example")]
        self.assertEqual([False, True, True], kept)

    def test_international_name(self) -> None:
        """
        A name in other letters goes as the domain name system has it.
        """
        _, end = self.connect(OutboundTls().client_options("zoë.example"))
        self.assertEqual(b"xn--zo-ija.example", end.get_servername())


def reused(connection: Any) -> bool:
    """
    Whether its session was resumed; pyOpenSSL does not say.
    """
    return bool(SSL._lib.SSL_session_reused(connection._ssl))  # type: ignore[attr-defined]
