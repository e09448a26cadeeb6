"""
L{twisted_mail_server.protocols.proxy}
"""

from __future__ import annotations

import ipaddress
import struct

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.proxy import ProxyHeader, ProxyReader

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = bytes([192, 0, 2, 1, 198, 51, 100, 1]) + struct.pack("!HH", 40000, 25)
SIX = ipaddress.ip_address("2001:db8::1").packed * 2 + struct.pack("!HH", 40000, 25)


def binary(command: int, family: int, data: bytes, length: int | None = None) -> bytes:
    """
    A header of version 2.
    """
    return SIGNATURE + struct.pack("!BBH", command, family, len(data) if length is None else length) + data


def feed(reader: ProxyReader, data: bytes) -> None:
    """
    Octet by octet.
    """
    for at in range(len(data)):
        reader.receive(data[at : at + 1])


GOOD = (
    (b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\n", "192.0.2.1"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 0 25\r\n", "2001:db8::1"),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25\r\n", "192.0.2.1"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", ""),
    (binary(0x21, 0x11, FOUR), "192.0.2.1"),
    (binary(0x21, 0x21, SIX), "2001:db8::1"),
    (binary(0x21, 0x21, ipaddress.ip_address("::ffff:192.0.2.1").packed + SIX[16:]), "192.0.2.1"),
    (binary(0x21, 0x11, FOUR + b"\x01\x00\x02h2\x04\x00\x00"), "192.0.2.1"),
    (binary(0x21, 0x11, FOUR + b"x" * 508), "192.0.2.1"),
    (binary(0x21, 0x31, b"/run/a".ljust(108, b"\0") * 2), ""),
    (binary(0x21, 0x00, b""), ""),
    (binary(0x21, 0x00, b"anything"), ""),
    (binary(0x20, 0x00, b""), ""),
    (binary(0x20, 0x11, FOUR), ""),
    (binary(0x20, 0xFF, b"?"), ""),
)

BAD = (
    b"EHLO me\r\n",
    b"\x16\x03\x01",
    b"proxy TCP4 192.0.2.1 198.51.100.1 40000 25\r\n",
    b"PROXY  TCP4 192.0.2.1 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 40000\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100 40000 25\r\n",
    b"PROXY TCP4 2001:db8::1 2001:db8::2 40000 25\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.1 40000 25\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 40000 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 25 65536\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 040 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
    b"PROXY TCP5 192.0.2.1 198.51.100.1 40000 25\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY UNKNOWN a\nb\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY UNKNOWN " + b"x" * 100,
    SIGNATURE[:11] + b"\r",
    binary(0x11, 0x11, FOUR),
    binary(0x22, 0x11, FOUR),
    binary(0x21, 0x12, FOUR),
    binary(0x21, 0x10, FOUR),
    binary(0x21, 0x41, FOUR),
    binary(0x21, 0x11, FOUR[:-1]),
    binary(0x21, 0x21, SIX[:-1]),
    binary(0x21, 0x31, b"x" * 215),
    binary(0x21, 0x11, FOUR, limits.PROXY_HEADER),
    binary(0x20, 0x00, b"", 0xFFFF),
)


class ProxyReaderTests(SynchronousTestCase):
    """
    Headers of both versions.
    """

    def test_good(self) -> None:
        """
        A header tells the client's address, however it comes; what follows it is kept.
        """
        for header, source in GOOD:
            for rest in (b"", b"EHLO me\r\n"):
                whole = header + rest
                for cut in range(len(whole) + 1):
                    reader = ProxyReader()
                    found = reader.receive(whole[:cut])
                    if found is None:
                        self.assertLess(cut, len(header))
                        found = reader.receive(whole[cut:])
                        self.assertEqual(rest, reader.rest)
                    else:
                        self.assertGreaterEqual(cut, len(header))
                        self.assertEqual(whole[len(header) : cut], reader.rest)
                    self.assertEqual(ProxyHeader(source), found)

    def test_bad(self) -> None:
        """
        What is not exactly a header is an error, octet by octet too.
        """
        for header in BAD:
            self.assertRaises(SyntaxProblem, ProxyReader().receive, header)
            self.assertRaises(SyntaxProblem, feed, ProxyReader(), header)

    def test_bounded(self) -> None:
        """
        A header that does not end is an error after as many octets as one can have.
        """
        for start, bound in ((b"PROXY UNKNOWN ", limits.PROXY_LINE), (SIGNATURE, limits.PROXY_HEADER)):
            self.assertRaises(SyntaxProblem, feed, ProxyReader(), start + b"x" * (bound - len(start)))
