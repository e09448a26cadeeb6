"""
Whatever a resolver sends: an answer, or L{DnsFailure}, within its time, and nothing is left open.  Names go to octets and back,
and what dnspython reads of an answer we read as well.
"""

from __future__ import annotations

import contextlib
from typing import Any

import dns.message
import dns.rdatatype
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.dns.network import MemoryNetwork, framed
from tests.support.zones import ZONES, ZoneServer
from twisted_mail_server.dns.codec import Question, decode, encode, is_reply
from twisted_mail_server.dns.memory import MemoryResolver
from twisted_mail_server.dns.names import canonical_name, to_text, to_wire
from twisted_mail_server.dns.resolv import NameServer, parse_resolv_conf, parse_servers
from twisted_mail_server.dns.resolver import Resolver
from twisted_mail_server.model.dns import DnsAnswer, RecordKind
from twisted_mail_server.model.errors import BadSetting, DnsFailure, SyntaxProblem

_rarely = settings(derandomize=True, max_examples=300, deadline=None, database=None)

_QUESTIONS = [
    Question(name, kind)
    for name, kind in (
        ("example.org", RecordKind.MX),
        ("example.org", RecordKind.TXT),
        ("www.example.org", RecordKind.A),
        ("mail.example.org", RecordKind.AAAA),
        ("missing.example.org", RecordKind.A),
        ("1.2.0.192.in-addr.arpa", RecordKind.PTR),
        ("_25._tcp.mail.secure.example", RecordKind.TLSA),
    )
]
_ZONES = ZoneServer()
_ANSWERS = [(question, _ZONES.answer(encode(question, 7), is_stream=True)) for question in _QUESTIONS]

#: Where, and what instead.
_EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from([b"", b"\0", b"\xff", b"\xc0\x0c", b"\x40"]) | st.binary(min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=4,
)


def mutated(packet: bytes, edits: list[tuple[float, bytes]], first: int = 0) -> bytes:
    """
    A packet with some octets replaced, or gone from there on, behind the first ones.
    """
    for where, what in edits:
        place = first + int(where * (len(packet) - first))
        packet = packet[:place] + what + packet[place + len(what) :] if what else packet[:place]
    return packet


class DnsInvariants(SynchronousTestCase):
    """
    Over generated input.
    """

    @_rarely
    @given(st.sampled_from(_ANSWERS), _EDITS)
    def test_decode(self, known: tuple[Question, bytes], edits: list[tuple[float, bytes]]) -> None:
        """
        What cannot be read is a failure of DNS.
        """
        question, packet = known
        for first in (0, 2, 12 + len(question.wire)):
            changed = mutated(packet, edits, first)
            if is_reply(question, 7, changed):
                with contextlib.suppress(DnsFailure):
                    decode(question, changed)

    @_rarely
    @given(st.sampled_from(_QUESTIONS), st.binary(max_size=80), st.tuples(*[st.integers(0, 3)] * 3))
    def test_decode_garbage(self, question: Question, rest: bytes, counts: tuple[int, int, int]) -> None:
        """
        The same with anything behind the question.
        """
        numbers = b"".join(one.to_bytes(2, "big") for one in (7, 0x8180, 1, *counts))
        packet = numbers + question.wire + rest
        self.assertTrue(is_reply(question, 7, packet))
        with contextlib.suppress(DnsFailure):
            decode(question, packet)

    @_rarely
    @given(st.sampled_from(_ANSWERS), _EDITS)
    def test_like_dnspython(self, known: tuple[Question, bytes], edits: list[tuple[float, bytes]]) -> None:
        """
        Where dnspython reads an answer, we read the same number of records for the same names.
        """
        question, packet = known
        changed = mutated(packet, edits, 12 + len(question.wire))
        try:
            message = dns.message.from_wire(changed, one_rr_per_rrset=True, ignore_trailing=True)
        except Exception:  # noqa: BLE001 (any refusal will do)
            return
        reply = decode(question, changed)
        kinds = (question.kind.value, dns.rdatatype.CNAME)
        expected = [to_text(one.name.labels[:-1]) for one in message.answer if one.rdtype in kinds and one.rdclass == 1]
        self.assertEqual(expected, [one.owner for one in reply.answers])
        self.assertEqual(message.rcode(), reply.rcode)

    @_rarely
    @given(st.sampled_from(_ANSWERS), _EDITS, st.booleans())
    def test_resolver(self, known: tuple[Question, bytes], edits: list[tuple[float, bytes]], is_stream: bool) -> None:
        """
        A resolver that is sent such things ends in its time, with an answer or a failure.
        """
        question, packet = known
        network = MemoryNetwork()
        changed = mutated(packet, edits, 2)
        cut = packet[:2] + b"\x83\x80" + packet[4:6] + bytes(6) + question.wire
        network.serve("127.0.0.1", lambda query: [cut if is_stream else changed], lambda query: framed(changed))
        resolver = Resolver(
            servers=[NameServer("127.0.0.1")], udp=network, tcp=network, clock=network, random=lambda size: b"\0\7"
        )
        results: list[Any] = []
        Deferred.fromCoroutine(resolver.query(question.name, question.kind)).addBoth(results.append)
        for _ in range(11):
            network.run()
            network.advance(1)
        (result,) = results
        self.assertTrue(isinstance(result, DnsAnswer) or result.check(DnsFailure), result)
        self.assertEqual(([], [], []), (network.ports, network.connections, network.getDelayedCalls()))

    @_rarely
    @given(st.text(st.sampled_from("aZ0.-_ \\\0@ü。ß\u0301\u2028\ud800xn"), max_size=80) | st.text(max_size=300))
    def test_names(self, text: str) -> None:
        """
        A name is in its one form after one step, and survives the wire.
        """
        name = canonical_name(text)
        if name is None:
            return
        self.assertEqual(name, canonical_name(name))
        wire = to_wire(name)
        self.assertLessEqual(len(wire), 255)
        labels, place = [], 0
        while wire[place]:
            labels.append(wire[place + 1 : place + 1 + wire[place]])
            place += 1 + wire[place]
        self.assertEqual(name, to_text(labels))

    @_rarely
    @given(st.text(st.sampled_from("nameserver 0129.:%[]fe#;\n\t"), max_size=80) | st.text(max_size=40))
    def test_lists_of_servers(self, text: str) -> None:
        """
        Any text of C{resolv.conf} names at least one resolver; a setting names one or is refused.
        """
        self.assertTrue(parse_resolv_conf("nameserver " + text))
        try:
            (server,) = parse_servers([text])
        except BadSetting:
            return
        self.assertEqual((server,), parse_servers([str(server)]))

    @_rarely
    @given(st.sampled_from(ZONES.strip().splitlines()), _EDITS)
    def test_zones(self, line: str, edits: list[tuple[float, bytes]]) -> None:
        """
        A line of a zone is read, or refused.
        """
        with contextlib.suppress(SyntaxProblem):
            MemoryResolver(mutated(line.strip().encode(), edits).decode("latin-1"))
