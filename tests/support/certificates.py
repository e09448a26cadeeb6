"""
Throw-away certificates, and TLS clients and servers in memory that use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from twisted_mail_server.tls.certificates import Pair, certificate_pem, key_pem, make_pair

#: The moment of every test that knows one.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@cache
def pair_for(*names: str) -> Pair:
    """
    A self-signed certificate for some names, and its key.
    """
    return make_pair(names, NOW)


def pems(pair: Pair) -> tuple[bytes, bytes]:
    """
    Certificate and key as files hold them.
    """
    return certificate_pem(pair), key_pem(pair)


@cache
def chained_pair(name: str) -> Pair:
    """
    A certificate that an intermediate authority signed; the authority's own follows it.  The key is RSA, as many are.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    key = rsa.generate_private_key(65537, 2048)
    return Pair(
        _signed(name, x509.Name([]), authority, key.public_key(), authority_key),
        (_signed(None, authority, authority, authority_key.public_key(), authority_key),),
        key,
    )


def _signed(
    name: str | None,
    subject: x509.Name,
    issuer: x509.Name,
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=90))
    )
    if name is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key, hashes.SHA256())


def client_context(*, newest: int = SSL.TLS1_3_VERSION, oldest: int = SSL.TLS1_2_VERSION) -> SSL.Context:
    """
    A client that believes everybody.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(oldest)
    context.set_max_proto_version(newest)
    return context


def client_connection(context: SSL.Context, server_name: str | None = None) -> SSL.Connection:
    """
    A client's end, in memory.
    """
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    if server_name is not None:
        connection.set_tlsext_host_name(server_name.encode("ascii"))
    return connection


def shake_hands(server: SSL.Connection, client: SSL.Connection) -> None:
    """
    Carry octets between two ends until both are content.

    @raise SSL.Error: they do not agree.
    """
    server.set_accept_state()
    ends: Sequence[tuple[SSL.Connection, SSL.Connection]] = ((client, server), (server, client))
    for _ in range(10):
        for end, other in ends:
            with suppress(SSL.WantReadError):
                end.do_handshake()
            with suppress(SSL.WantReadError):
                while True:
                    other.bio_write(end.bio_read(65536))
        # What comes after the handshake, session tickets among it.
        with suppress(SSL.WantReadError):
            client.recv(1)
