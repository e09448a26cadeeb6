"""
DNS zones as text, and a small server for them that is written with dnspython's own messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

#: What is secure in it: what is at or below C{secure.example}.
ZONES = """
    example.org.             MX    10 mail.example.org.
    example.org.             MX    20 backup.example.net.
    example.org.             TXT   "v=spf1 mx -all"
    example.org.             TXT   "two " "strings"
    mail.example.org.        A     192.0.2.1
    mail.example.org.        A     192.0.2.2
    mail.example.org.        AAAA  2001:db8::1
    four.example.org.        A     192.0.2.4
    null.example.org.        MX    0 .
    below.deep.example.org.  A     192.0.2.5
    www.example.org.         CNAME web.example.org.
    web.example.org.         CNAME mail.example.org.
    nowhere.example.org.     CNAME missing.example.org.
    empty.example.org.       CNAME four.example.org.
    circle.example.org.      CNAME circus.example.org.
    circus.example.org.      CNAME circle.example.org.
    xn--bcher-kva.example.   MX    10 mail.example.org.
    1.2.0.192.in-addr.arpa.  PTR   mail.example.org.
    secure.example.          MX    10 mail.secure.example.
    mail.secure.example.     A     192.0.2.9
    _25._tcp.mail.secure.example. TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    half.secure.example.     CNAME mail.example.org.
"""
SECURE = ("secure.example",)

_SOA = "ns.invalid. root.invalid. 1 3600 600 86400 40"


class ZoneServer:
    """
    Answers as a recursive resolver that knows some zones, and that there is nothing else.
    """

    def __init__(self, zones: str = ZONES, secure: Iterable[str] = SECURE) -> None:
        self._records: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        self._secure = [dns.name.from_text(name) for name in secure]
        #: Names that nothing can be found out about.
        self.failing: set[str] = set()
        #: Whether an alias is all that is told, as by a server that does not follow it.
        self.follows = True
        #: What was asked: name, type, and whether over TCP.
        self.asked: list[tuple[str, str, bool]] = []
        for line in zones.strip().splitlines():
            owner, kind, data = line.split(None, 2)
            found = dns.rrset.from_text(owner, 300, "IN", kind, data)
            known = self._records.setdefault((found.name, found.rdtype), found)
            if known is not found:
                known.add(found[0])

    def answer(self, wire: bytes, *, is_stream: bool = False) -> bytes:
        """
        The answer to one query.
        """
        query = dns.message.from_wire(wire)
        (question,) = query.question
        self.asked.append((question.name.to_text(True), dns.rdatatype.to_text(question.rdtype), is_stream))
        reply = dns.message.make_response(query, recursion_available=True)
        reply.use_edns(query.edns, payload=1232)
        if question.name.to_text(True) in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire()
        self._fill(reply, question.name, question.rdtype)
        whole = reply.to_wire(max_size=65535)
        if is_stream or len(whole) <= (query.payload if query.edns >= 0 else 512):
            return whole
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= dns.flags.TC
        return reply.to_wire()

    def _fill(self, reply: dns.message.Message, name: dns.name.Name, kind: int) -> None:
        names = [name]
        while (name, kind) not in self._records and (name, dns.rdatatype.CNAME) in self._records:
            alias = self._records[(name, dns.rdatatype.CNAME)]
            reply.answer.append(alias)
            name = alias[0].target
            if name in names or not self.follows:
                break
            names.append(name)
        if all(any(one.is_subdomain(zone) for zone in self._secure) for one in names):
            reply.flags |= dns.flags.AD
        if (name, kind) in self._records and (self.follows or (len(names) == 1 and not reply.answer)):
            reply.answer.append(self._records[(name, kind)])
        elif self.follows and name not in names[:-1]:
            reply.authority.append(dns.rrset.from_text(name, 300, "IN", "SOA", _SOA))
            if not any(known.is_subdomain(name) for known, _ in self._records):
                reply.set_rcode(dns.rcode.NXDOMAIN)


class ZoneDatagrams(DatagramProtocol):
    """
    A zone server on a UDP port.
    """

    noisy = False

    def __init__(self, server: ZoneServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Answer at once.
        """
        transport: Any = self.transport
        transport.write(self._server.answer(datagram), addr)


class _ZoneStream(Protocol):
    def __init__(self, server: ZoneServer) -> None:
        self._server = server
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        size = int.from_bytes(self._received[:2], "big")
        if 2 < size + 2 <= len(self._received):
            answer = self._server.answer(self._received[2 : size + 2], is_stream=True)
            transport: Any = self.transport
            transport.write(len(answer).to_bytes(2, "big") + answer)


class ZoneStreams(Factory):
    """
    A zone server on a TCP port.
    """

    noisy = False

    def __init__(self, server: ZoneServer) -> None:
        self._server = server

    def buildProtocol(self, addr: object) -> Protocol:
        """
        A connection.
        """
        return _ZoneStream(self._server)
