"""
The PROXY protocol, versions 1 and 2: for whom a proxy speaks (HAProxy's "The PROXY protocol", revision of 2020).

The header comes first on a connection, before everything else and before a TLS handshake.  It is believed because of who
sends it, so nothing here is lenient: what is not a header is an error, and no more octets are taken than one can have.
"""

from __future__ import annotations

import ipaddress
import re
import struct

from attrs import define, field, frozen

from ..model import limits
from ..model.errors import SyntaxProblem
from .buffers import CRLF

# Section 2.1: "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP port SP port CRLF, or "PROXY UNKNOWN" and anything.
_FIRST = b"PROXY "
_LINE = re.compile(
    rb"PROXY (?P<family>TCP4|TCP6) (?P<source>[0-9A-Fa-f:.]{2,39}) (?P<destination>[0-9A-Fa-f:.]{2,39})"
    rb" (?P<port>0|[1-9][0-9]{0,4}) (?P<other>0|[1-9][0-9]{0,4})"
)
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")
_HIGHEST_PORT = 65_535
_VERSIONS = {b"TCP4": 4, b"TCP6": 6}

# Section 2.2: a signature, version and command, family and transport, and the length of what follows.
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
#: By family and transport: octets of an address, and of all of them with their ports.  Other transports than streams
#: cannot have led to us.
_UNSPECIFIED, _UNIX = 0x00, 0x31
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}
_UNIX_ADDRESSES = 216


@frozen
class ProxyHeader:
    """
    What a header tells.
    """

    #: The client's IP address; empty where the proxy speaks for itself, or does not know.
    source: str = ""


@define(eq=False)
class ProxyReader:
    """
    Reads one header.
    """

    #: What came after the header, once it is whole.
    rest: bytes = field(default=b"", init=False)
    _data: bytes = field(default=b"", init=False)

    def receive(self, data: bytes) -> ProxyHeader | None:
        """
        Read on; C{None} until the header is whole.

        @raise SyntaxProblem: this is no header.
        """
        self._data += data
        if self._data[: len(_FIRST)] == _FIRST[: len(self._data)]:
            return self._read_line()
        if self._data[: len(_SIGNATURE)] == _SIGNATURE[: len(self._data)]:
            return self._read_binary()
        raise SyntaxProblem("No PROXY header.")

    def _read_line(self) -> ProxyHeader | None:
        end = self._data.find(CRLF, 0, limits.PROXY_LINE)
        if end < 0:
            if len(self._data) >= limits.PROXY_LINE:
                raise SyntaxProblem("The PROXY header does not end.")
            return None
        self.rest = self._data[end + len(CRLF) :]
        line = self._data[:end]
        if _UNKNOWN.fullmatch(line):
            return ProxyHeader()
        found = _LINE.fullmatch(line)
        if found is None or int(found["port"]) > _HIGHEST_PORT or int(found["other"]) > _HIGHEST_PORT:
            raise SyntaxProblem("The PROXY header is malformed.")
        version = _VERSIONS[found["family"]]
        _parse_address(found["destination"].decode("ascii"), version)
        return ProxyHeader(_parse_address(found["source"].decode("ascii"), version))

    def _read_binary(self) -> ProxyHeader | None:
        if len(self._data) < _FIXED.size:
            return None
        _, command, family, length = _FIXED.unpack_from(self._data)
        if command not in (_LOCAL, _PROXY):
            raise SyntaxProblem("The PROXY header has a version or command that is not known.")
        whole = _FIXED.size + length
        if whole > limits.PROXY_HEADER:
            raise SyntaxProblem("The PROXY header is too long.")
        if len(self._data) < whole:
            return None
        self.rest = self._data[whole:]
        # A health check comes from the proxy itself, whatever else it says.
        return ProxyHeader() if command == _LOCAL else _read_addresses(family, self._data[_FIXED.size : whole])


def _read_addresses(family: int, data: bytes) -> ProxyHeader:
    """
    What follows the addresses (section 2.2, TLVs) says nothing that is needed here.
    """
    if family == _UNSPECIFIED or (family == _UNIX and len(data) >= _UNIX_ADDRESSES):
        return ProxyHeader()
    size, whole = _ADDRESSES.get(family, (0, 0))
    if not size or len(data) < whole:
        raise SyntaxProblem("The PROXY header has no addresses of a stream.")
    return ProxyHeader(_plain(ipaddress.ip_address(data[:size])))


def _parse_address(text: str, version: int) -> str:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        raise SyntaxProblem("The PROXY header has no IP address.") from None
    if parsed.version != version:
        raise SyntaxProblem("The PROXY header has an address of another family.")
    return _plain(parsed)


def _plain(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """
    IPv4 in its own form, even if it came through IPv6.
    """
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
