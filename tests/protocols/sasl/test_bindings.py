"""
L{twisted_mail_server.protocols.sasl.bindings}
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.support.certificates import client_connection, client_context, pair_for, shake_hands
from twisted_mail_server.protocols.sasl.bindings import channel_bindings, server_end_point


class MadeUpCertificate:
    """
    A certificate with a signature of our choice.
    """

    def __init__(self, algorithm: hashes.HashAlgorithm | None) -> None:
        self.signature_hash_algorithm = algorithm

    def fingerprint(self, algorithm: hashes.HashAlgorithm) -> bytes:
        """
        The name of the hash.
        """
        return algorithm.name.encode()


class BindingTests(SynchronousTestCase):
    """
    Both ends have the same.
    """

    def connect(self, version: int) -> tuple[SSL.Connection, SSL.Connection, Certificate]:
        """
        Two ends of one connection.
        """
        pair = pair_for("mail.example.org")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(pair.certificate)
        context.use_privatekey(pair.key)  # type: ignore[arg-type]
        server, client = SSL.Connection(context, None), client_connection(client_context(newest=version))
        shake_hands(server, client)
        return server, client, pair.certificate

    def test_same_on_both_ends(self) -> None:
        """
        TLS 1.3 has both types, exporter first; TLS 1.2 has that of the certificate only.
        """
        for version, kinds in (
            (SSL.TLS1_3_VERSION, ["tls-exporter", "tls-server-end-point"]),
            (SSL.TLS1_2_VERSION, ["tls-server-end-point"]),
        ):
            server, client, certificate = self.connect(version)
            here = channel_bindings(server, server.get_certificate(as_cryptography=True))
            there = channel_bindings(client, client.get_peer_certificate(as_cryptography=True))
            self.assertEqual(here, there)
            self.assertEqual(kinds, list(here))
            digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
            self.assertEqual(digest, here["tls-server-end-point"])
            self.assertTrue(all(len(data) == 32 for data in here.values()))

    def test_another_connection(self) -> None:
        """
        What the exporter gives is of one connection alone.
        """
        one, other = (channel_bindings(self.connect(SSL.TLS1_3_VERSION)[0], None) for _ in range(2))
        self.assertEqual(["tls-exporter"], list(one))
        self.assertNotEqual(one, other)

    def test_hash_of_the_signature(self) -> None:
        """
        The hash is the signature's own, a better one where that is weak, and none where there is none (RFC 5929 section 4.1).
        """
        cases: tuple[tuple[Any, bytes | None], ...] = (
            (hashes.SHA512(), b"sha512"),
            (hashes.SHA384(), b"sha384"),
            (hashes.SHA1(), b"sha256"),
            (hashes.MD5(), b"sha256"),
            (None, None),
        )
        for algorithm, expected in cases:
            self.assertEqual(expected, server_end_point(MadeUpCertificate(algorithm)))  # type: ignore[arg-type]
