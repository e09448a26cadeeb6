"""
Channel bindings: what only the two ends of one TLS connection know, so that a login cannot be passed on by somebody in between
(RFC 5056).
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import Certificate

#: RFC 9266: of this connection alone.
EXPORTER = "tls-exporter"
#: RFC 5929 section 4: of this server's certificate.
SERVER_END_POINT = "tls-server-end-point"

#: RFC 9266 section 2: the label, and the octets to ask for; no context.
_LABEL = b"EXPORTER-Channel-Binding"
_LENGTH = 32
_WEAK = (hashes.MD5, hashes.SHA1)


class TlsConnection(Protocol):
    """
    What is used of an C{OpenSSL.SSL.Connection} whose handshake is finished.
    """

    def get_protocol_version_name(self) -> str:
        """
        Such as C{TLSv1.3}.
        """

    def export_keying_material(self, label: bytes, olen: int, context: bytes | None = None) -> bytes:
        """
        RFC 5705, RFC 8446 section 7.5.
        """


def channel_bindings(connection: TlsConnection, certificate: Certificate | None) -> dict[str, bytes]:
    """
    The data of every type of channel binding that a connection has, best first; C{certificate} is the server's.

    C{tls-exporter} is not there before TLS 1.3: with TLS 1.2 it would be safe only with the extended master secret
    (RFC 9266 section 4.2), and what OpenSSL knows of that cannot be asked for.
    """
    found = {}
    if connection.get_protocol_version_name() == "TLSv1.3":
        found[EXPORTER] = connection.export_keying_material(_LABEL, _LENGTH, b"")
    end_point = None if certificate is None else server_end_point(certificate)
    if end_point is not None:
        found[SERVER_END_POINT] = end_point
    return found


def server_end_point(certificate: Certificate) -> bytes | None:
    """
    The certificate hashed with the hash of its signature, or SHA-256 where that is MD5 or SHA-1; C{None} for a signature
    without a hash of its own, such as Ed25519's (RFC 5929 section 4.1).
    """
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return None
    return certificate.fingerprint(hashes.SHA256() if isinstance(algorithm, _WEAK) else algorithm)
