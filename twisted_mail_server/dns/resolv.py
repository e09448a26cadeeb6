"""
Which resolvers to ask: out of the settings, or out of the text of C{/etc/resolv.conf}.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from attrs import field, frozen

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import BadSetting

_PORT = 53
_HIGHEST_PORT = 65_535
# host:port, [host]:port, [host], host
_SERVER = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?|(?P<six>[^\[\]]*)")
# An interface, as in fe80::1%eth0 (RFC 4007 section 11.2).
_SCOPE = re.compile(r"[A-Za-z0-9_.\-]{1,15}")


@frozen
class NameServer:
    """
    A resolver: its IP address, with a scope if it needs one, and its port.
    """

    address: str
    port: int = _PORT
    #: What it says of DNSSEC reaches us unchanged: it is on this machine (RFC 6840 section 5.7 asks for a secure channel).
    is_trusted: bool = field(init=False)

    @is_trusted.default
    def _is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_resolv_conf(text: str) -> tuple[NameServer, ...]:
    """
    The C{nameserver} lines of C{resolv.conf(5)}; the machine itself if there are none.

    What cannot be read is passed over, as every program does with this file.  C{search} and C{domain} complete names that
    people type; names in mail are complete.  C{options} speak to the C library: our times are in the settings.
    """
    found: dict[NameServer, None] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            address = _address(words[1])
            if address is not None:
                found[NameServer(address)] = None
    return tuple(found)[: limits.DNS_RESOLVERS] or (NameServer("127.0.0.1"),)


def parse_servers(texts: Iterable[str]) -> tuple[NameServer, ...]:
    """
    The setting C{resolvers}: C{host:port}, where the port may be left out and an IPv6 address with a port stands in brackets.

    @raise BadSetting: one is no IP address with a port, or there are too many.
    """
    found = tuple(dict.fromkeys(map(_parse_server, texts)))
    if len(found) > limits.DNS_RESOLVERS:
        raise BadSetting(f"{len(found)} resolvers; at most {limits.DNS_RESOLVERS} are asked.")
    return found


def _parse_server(text: str) -> NameServer:
    parts = _SERVER.fullmatch(text)
    if parts is not None:
        host = parts["bracketed"] or parts["four"] or parts["six"] or ""
        address, port = _address(host), int(parts["port"] or _PORT)
        if address is not None and 0 < port <= _HIGHEST_PORT:
            return NameServer(address, port)
    raise BadSetting(f"{text!r} is no resolver: an IP address and a port, as in 127.0.0.1:53 or [::1]:53.")


def _address(text: str) -> str | None:
    bare, percent, scope = text.partition("%")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if percent and (address.version == 4 or not _SCOPE.fullmatch(scope)):
        return None
    return f"{address}{percent}{scope}"
