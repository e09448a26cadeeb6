"""
Transports in memory, with real TLS and a switch for back-pressure.
"""

from __future__ import annotations

import datetime
from functools import cache
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.interfaces import ITlsCertificates


@implementer(ITlsCertificates)
class ThrowAwayCertificates:
    """
    One self-signed certificate for C{localhost}.
    """

    def server_options(self) -> CertificateOptions:
        """
        Made once for each run.
        """
        return _certificate().options()  # type: ignore[no-any-return]


@cache
def _certificate() -> Any:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2056))
    signed = builder.sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return PrivateCertificate.loadPEM(pem)


class MemoryTransport(StringTransport):
    """
    The server's end of a connection: it keeps what is written, and tells the protocol of losses once the test says so.
    """

    def __init__(self, peer: str = "192.0.2.1", address: object = None) -> None:
        super().__init__(peerAddress=address or IPv4Address("TCP", peer, 40000), lenient=True)
        self.options: dict[str, bool] = {}
        self.protocol: Any = None
        self._tls: Any = None
        self._clock = Clock()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Remembered for the test.
        """
        self.options["nodelay"] = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Remembered for the test.
        """
        self.options["keepalive"] = enabled

    def connect(self, protocol: Any) -> None:
        """
        Make the connection.
        """
        self.protocol = protocol
        protocol.makeConnection(self)

    def deliver(self, data: bytes) -> None:
        """
        Octets from the client.
        """
        self.protocol.dataReceived(data)
        self._clock.advance(0)

    def lose(self) -> None:
        """
        The connection is gone.
        """
        self.connected = False
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def take(self) -> bytes:
        """
        What was written since the last call.
        """
        self._clock.advance(0)
        written = self.value()
        self.clear()
        return bytes(written)

    # TLS, as twisted.internet.tcp does it.

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """
        Put a real TLS layer between this transport and its protocol.
        """
        producer = self.producer
        if producer is not None:
            self.unregisterProducer()
        below = cast(Factory, None)  # As twisted.internet.tcp does it.
        factory = TLSMemoryBIOFactory(contextFactory, False, below, clock=self._clock)
        tls = factory.protocol(factory, self.protocol, False)
        tls.makeConnection(_Below(self))
        self._tls = self.protocol = tls
        if producer is not None:
            self._tls.registerProducer(producer, True)

    def getHandle(self) -> Any:
        """
        The TLS connection.
        """
        return None if self._tls is None else self._tls.getHandle()

    def write(self, data: bytes) -> None:
        """
        Through TLS, if it is there.
        """
        if self._tls is None:
            super().write(data)
        else:
            self._tls.write(data)

    def unregisterProducer(self) -> None:
        """
        Through TLS, if it is there.
        """
        if self._tls is None:
            super().unregisterProducer()
        else:
            self._tls.unregisterProducer()

    def loseConnection(self) -> None:
        """
        Through TLS, if it is there.
        """
        super().loseConnection()
        if self._tls is not None:
            self._tls.loseConnection()


class _Below(StringTransport):
    """
    The transport as the TLS layer sees it.
    """

    def __init__(self, outer: MemoryTransport) -> None:
        super().__init__(lenient=True)
        self._outer = outer

    def write(self, data: bytes) -> None:
        """
        Ciphertext to the wire.
        """
        self._outer.io.write(data)


class TlsClient(Protocol):
    """
    A client that speaks TLS with what is behind a L{MemoryTransport}.
    """

    def __init__(self, server: MemoryTransport) -> None:
        self._server = server
        self._clock = Clock()
        self._wire = StringTransport(lenient=True)
        self._received: list[bytes] = []
        factory = TLSMemoryBIOFactory(
            CertificateOptions(method=SSL.TLS_METHOD, verify=False),
            True,
            Factory.forProtocol(Protocol),
            clock=self._clock,
        )
        self._tls = factory.protocol(factory, self)
        self._tls.makeConnection(self._wire)

    def dataReceived(self, data: bytes) -> None:
        """
        Plaintext from the server.
        """
        self._received.append(data)

    def talk(self, data: bytes = b"") -> bytes:
        """
        Send, carry octets both ways until it is quiet, and return what was answered.
        """
        if data:
            self._tls.write(data)
        while True:
            self._clock.advance(0)
            out = self._wire.value()
            self._wire.clear()
            if out:
                self._server.deliver(out)
            back = self._server.take()
            if back:
                self._tls.dataReceived(back)
            if not out and not back:
                break
        received, self._received = self._received, []
        return b"".join(received)
