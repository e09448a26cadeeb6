"""
What a listener is given and what a session learns, as values; and whose address is whose.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any
from typing import Protocol as Shape

from attrs import field, frozen
from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime

from ..interfaces import IMeters, ITlsCertificates, Unmetered
from ..model import limits


class TlsUse(Enum):
    """
    How a listener uses TLS.
    """

    OFF = "off"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Ending(Enum):
    """
    Why a session ends, if its client did not end it.
    """

    #: The server stops or restarts.
    DRAINED = "drained"
    #: The account was removed or disabled, or its password changed.
    REVOKED = "revoked"
    #: The client was silent for too long.
    TIMED_OUT = "timed out"
    #: A fault of ours.
    FAILED = "failed"
    #: There are too many connections, of this address or in all.
    CROWDED = "crowded"
    #: The client did what no client may do, and was told.
    EXPELLED = "expelled"


def trust_nobody(peer: str) -> bool:
    """
    What a listener is told about peers where the settings name none.
    """
    return False


@frozen
class Terms:
    """
    What every listener is given, whatever it speaks.
    """

    #: The name of the service, for logs: C{smtp}, C{submission}, C{lmtp}, C{imap}, C{pop3}, C{http}.
    service: str
    #: What the server calls itself.
    hostname: str
    clock: IReactorTime
    #: C{random(count)} gives so many random octets.
    random: Callable[[int], bytes]
    #: Needed unless C{tls_use} is C{OFF}.
    tls: ITlsCertificates | None = None
    tls_use: TlsUse = TlsUse.OFF
    #: Whether passwords may travel without TLS, on loopback.
    allow_plaintext: bool = False
    connections: int = limits.CONNECTIONS
    connections_per_address: int = limits.CONNECTIONS_PER_ADDRESS
    #: Whether a peer, by its address, is a proxy: then it tells first for whom it speaks, and that client is the peer.  Whoever
    #: else says so is not believed.
    is_proxy: Callable[[str], bool] = trust_nobody
    #: Where sessions are counted.
    meters: IMeters = field(factory=Unmetered)


@frozen
class TlsFacts:
    """
    What a finished handshake agreed on.
    """

    version: str
    cipher: str

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}"


class Transport(Shape):
    """
    What a session uses of its transport: TCP, Unix or in memory.  Each is as in L{twisted.internet.interfaces}.
    """

    write: Callable[[bytes], None]
    loseConnection: Callable[[], None]
    abortConnection: Callable[[], None]
    getPeer: Callable[[], IAddress]
    registerProducer: Callable[[IPushProducer, bool], None]
    unregisterProducer: Callable[[], None]
    pauseProducing: Callable[[], None]
    resumeProducing: Callable[[], None]
    #: Where there is TLS.
    startTLS: Callable[[object], None]
    getHandle: Callable[[], Any]
    #: What the transport gives octets to: the session, or its TLS layer.
    protocol: Any
    #: Where there is TCP.
    setTcpNoDelay: Callable[[bool], None]
    setTcpKeepAlive: Callable[[bool], None]


def address_text(address: object) -> str:
    """
    A peer's IP address; IPv4 in its own form even if it came through IPv6, no scope; empty for a Unix socket.
    """
    host = getattr(address, "host", None)
    return _host_text(host) if isinstance(host, str) else ""


@lru_cache(limits.LATELY)
def _host_text(host: str) -> str:
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


@lru_cache(limits.LATELY)
def is_loopback(peer: str) -> bool:
    """
    Whether an address, as L{address_text} writes it, is on this machine; a Unix socket is.
    """
    return not peer or ipaddress.ip_address(peer).is_loopback


@lru_cache(limits.LATELY)
def network_of(peer: str) -> str:
    """
    Whose connections are counted together: an IPv4 address, or the 64 bits that one IPv6 customer has at least.
    """
    return str(ipaddress.IPv6Network((peer, 64), strict=False)) if ":" in peer else peer
