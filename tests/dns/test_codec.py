"""
L{twisted_mail_server.dns.codec}
"""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.dns.codec import MalformedAnswer, Question, Record, Reply, decode, encode, is_reply
from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import MxRecord, RecordKind, TlsaRecord

MX = Question("example.org", RecordKind.MX)


def answer(question: Question, *records: str, authority: str = "", number: int = 7) -> dns.message.Message:
    """
    A whole answer; each record is a line.
    """
    reply = dns.message.make_response(dns.message.from_wire(encode(question, number)))
    for section, lines in ((reply.answer, records), (reply.authority, [authority] if authority else [])):
        for line in lines:
            owner, ttl, kind, data = line.split(None, 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return reply


def crafted(question: Question, counts: tuple[int, int, int], rest: bytes, flags: int = 0x8180) -> bytes:
    """
    An answer out of octets.
    """
    return struct.pack("!HHHHHH", 7, flags, 1, *counts) + question.wire + rest


class EncodeTests(SynchronousTestCase):
    """
    Queries.
    """

    def test_query(self) -> None:
        """
        What is written is what dnspython writes.
        """
        for name, kind in (("example.org", RecordKind.MX), (".", RecordKind.A), ("_25._tcp.a.b", RecordKind.TLSA)):
            flags = dns.flags.RD | dns.flags.AD
            expected = dns.message.make_query(name, kind.name, id=513, flags=flags, payload=1232, use_edns=0)
            self.assertEqual(expected.to_wire(), encode(Question(name, kind), 513))
            plain = dns.message.make_query(name, kind.name, id=513, flags=flags, use_edns=False)
            self.assertEqual(plain.to_wire(), encode(Question(name, kind), 513, edns=False))

    def test_question(self) -> None:
        """
        Questions about the same are the same.
        """
        self.assertEqual(MX, Question("example.org", RecordKind.MX))
        self.assertNotEqual(MX, Question("example.org", RecordKind.A))


class DecodeTests(SynchronousTestCase):
    """
    Answers.
    """

    def test_records(self) -> None:
        """
        Each kind of record is read, with names in lower case, and with octets escaped that no text has.
        """
        for kind, data, expected in (
            (RecordKind.A, "192.0.2.1", "192.0.2.1"),
            (RecordKind.AAAA, "2001:DB8:0:0::1", "2001:db8::1"),
            (RecordKind.MX, "10 Mail.Example.ORG.", MxRecord(10, "mail.example.org")),
            (RecordKind.MX, "0 .", MxRecord(0, ".")),
            (RecordKind.PTR, "a\\.b\\032\\000.example.org.", "a\\046b\\032\\000.example.org"),
            (RecordKind.TXT, '"a" "\\255" ""', b"a\xff"),
            (RecordKind.TLSA, "3 1 0 00ff", TlsaRecord(3, 1, 0, b"\0\xff")),
        ):
            question = Question("example.org", kind)
            reply = decode(question, answer(question, f"Example.ORG. 60 {kind.name} {data}").to_wire())
            self.assertEqual((Record("example.org", kind, 60, expected),), reply.answers)
            self.assertFalse(reply.has_others)

    def test_odd_digest(self) -> None:
        """
        A TLSA record whose digest has the wrong length is told as it is.
        """
        question = Question("example.org", RecordKind.TLSA)
        rest = b"\xc0\x0c" + struct.pack("!HHIH", 52, 1, 60, 4) + b"\3\1\1\xff"
        (found,) = decode(question, crafted(question, (1, 0, 0), rest)).answers
        self.assertEqual(TlsaRecord(3, 1, 1, b"\xff"), found.value)

    def test_flags(self) -> None:
        """
        The AD flag, the response code and the size are told; records of other kinds are passed over.
        """
        message = answer(
            MX, "example.org. 60 MX 1 a.", "example.org. 60 A 192.0.2.1", "example.org. 60 CNAME B.example."
        )
        message.flags |= dns.flags.AD
        message.set_rcode(dns.rcode.REFUSED)
        wire = message.to_wire()
        reply = decode(MX, wire)
        self.assertEqual((True, "REFUSED", len(wire)), (reply.is_authentic, reply.rcode_name, reply.octets))
        self.assertTrue(reply.has_others)
        self.assertEqual(Record("example.org", None, 60, "b.example"), reply.answers[1])

    def test_negative_ttl(self) -> None:
        """
        A "no" lasts for the less of the SOA record's time and its minimum (RFC 2308 section 5).
        """
        for ttl, minimum in ((60, 300), (300, 60)):
            soa = f"org. {ttl} SOA ns. root. 1 2 3 4 {minimum}"
            self.assertEqual(60, decode(MX, answer(MX, authority=soa).to_wire()).negative_ttl)
        self.assertIsNone(decode(MX, answer(MX).to_wire()).negative_ttl)

    def test_referral(self) -> None:
        """
        Servers instead of an answer are a referral; beside an answer, or with a SOA record, they are not.
        """
        servers = "org. 60 NS ns.org."
        self.assertTrue(decode(MX, answer(MX, authority=servers).to_wire()).is_referral)
        self.assertFalse(decode(MX, answer(MX, "example.org. 60 MX 1 a.", authority=servers).to_wire()).is_referral)
        message = answer(MX, authority=servers)
        message.authority.append(dns.rrset.from_text("org.", 60, "IN", "SOA", "ns. root. 1 2 3 4 5"))
        self.assertFalse(decode(MX, message.to_wire()).is_referral)

    def test_truncated(self) -> None:
        """
        Of a truncated answer nothing is read.
        """
        self.assertEqual(Reply(0, True, False), decode(MX, crafted(MX, (9, 9, 9), b"garbage", 0x8380)))

    def test_extended_code(self) -> None:
        """
        The code's upper half is in the OPT record (RFC 6891 section 6.1.3); an unknown code is told by its number.
        """
        message = answer(MX)
        message.use_edns(0)
        message.set_rcode(dns.rcode.BADVERS)
        reply = decode(MX, message.to_wire())
        self.assertEqual(("BADVERS", True), (reply.rcode_name, reply.needs_plain))
        message.set_rcode(dns.rcode.Rcode.make(3841))
        self.assertEqual("3841", decode(MX, message.to_wire()).rcode_name)

    def test_other_class(self) -> None:
        """
        Records of another class are others.
        """
        record = MX.wire[:-4] + struct.pack("!HHIH", 15, 3, 60, 3) + b"\0\1\0"
        reply = decode(MX, crafted(MX, (1, 1, 0), record + record))
        self.assertEqual(((), True, None), (reply.answers, reply.has_others, reply.negative_ttl))

    def test_longest_name(self) -> None:
        """
        A name of 255 octets is read, of however many labels and pointers; one more octet is too many.
        """
        for label in (b"\1a", b"\x3f" + b"a" * 63):
            whole = label * (253 // len(label))
            whole += bytes((254 - len(whole) - 1,)) + b"b" * (254 - len(whole) - 1) if len(whole) < 254 else b""
            question = Question(".", RecordKind.PTR)
            record = b"\0" + struct.pack("!HHIH", 12, 1, 60, len(whole) + 1) + whole + b"\0"
            (found,) = decode(question, crafted(question, (1, 0, 0), record)).answers
            self.assertEqual(253, len(str(found.value)))
            longer = b"\0" + struct.pack("!HHIH", 12, 1, 60, len(whole) + 3) + b"\1a" + whole + b"\0"
            with self.assertRaises(MalformedAnswer):
                decode(question, crafted(question, (1, 0, 0), longer))

    def test_malformed(self) -> None:
        """
        What cannot be read is refused: cut names and records, pointers that lead ahead or to themselves, labels of no known type,
        data of the wrong size, and more records than anybody needs.
        """
        record = struct.pack("!HHIH", 15, 1, 60, 3)
        for rest in (
            b"",
            b"\3ab",
            b"\xc0",
            b"\xc0\x1d",
            b"\xc0\xff" + record + b"\0\1\0",
            b"\xc0\x1d" + record + b"\0\1\0",
            b"\x40" + record + b"\0\1\0",
            b"\x80" + record + b"\0\1\0",
            b"\0" + record[:-1],
            b"\0" + record + b"\0\1",
            b"\0" + record + b"\0\1\x40",
            b"\0" + record + b"\0\1\1",
            b"\0" + struct.pack("!HHIH", 15, 1, 60, 4) + b"\0\1\0\0",
            b"\0" + struct.pack("!HHIH", 15, 1, 60, 2) + b"\0\1",
            b"\0" + struct.pack("!HHIH", 1, 1, 60, 9) + b"\0",
        ):
            with self.assertRaises(MalformedAnswer, msg=repr(rest)):
                decode(MX, crafted(MX, (1, 0, 0), rest))
        for rest in (b"\x40", b"\3a", b"\xc0", b"\0" + record):
            for counts in ((0, 1, 0), (0, 0, 1)):
                with self.assertRaises(MalformedAnswer, msg=repr(rest)):
                    decode(MX, crafted(MX, counts, rest))
        with self.assertRaises(MalformedAnswer):
            decode(MX, crafted(MX, (limits.DNS_RECORDS, 0, 1), b""))

    def test_wrong_data(self) -> None:
        """
        An address of the wrong size, and a text whose strings do not fill it, are refused.
        """
        for kind, data in (
            (RecordKind.A, b"\1\2\3"),
            (RecordKind.AAAA, b"\1\2\3"),
            (RecordKind.TXT, b"\5a"),
            (RecordKind.TLSA, b""),
        ):
            question = Question("example.org", kind)
            rest = b"\xc0\x0c" + struct.pack("!HHIH", kind.value, 1, 60, len(data)) + data
            with self.assertRaises(MalformedAnswer, msg=kind.name):
                decode(question, crafted(question, (1, 0, 0), rest))

    def test_pointers(self) -> None:
        """
        A name may lead over as many pointers as it could have labels, and no further: more would only cost time.
        """
        question = Question(".", RecordKind.PTR)
        start = 12 + len(question.wire) + 11
        for hops, is_read in ((limits.DNS_LABELS, True), (limits.DNS_LABELS + 1, False), (8000, False)):
            # A root name, and pointers each to the one before, in a record that nobody reads; then one that uses them all.
            chain = b"\0\0" + b"".join(struct.pack("!H", 0xC000 | start + at) for at in range(0, 2 * (hops - 1), 2))
            first = b"\0" + struct.pack("!HHIH", 99, 1, 60, len(chain)) + chain
            last = struct.pack("!HHIHH", 12, 1, 60, 2, 0xC000 | start + len(chain) - 2)
            packet = crafted(question, (2, 0, 0), first + b"\0" + last)
            if is_read:
                self.assertEqual(".", decode(question, packet).answers[0].value)
            else:
                with self.assertRaises(MalformedAnswer):
                    decode(question, packet)


class IsReplyTests(SynchronousTestCase):
    """
    Which packets answer a query.
    """

    def test_reply(self) -> None:
        """
        It has the id, the question, and the flag of an answer.
        """
        wire = answer(MX, "example.org. 60 MX 1 a.").to_wire()
        self.assertTrue(is_reply(MX, 7, wire))
        self.assertFalse(is_reply(MX, 8, wire))
        self.assertFalse(is_reply(Question("example.org", RecordKind.A), 7, wire))
        self.assertFalse(is_reply(Question("example.com", RecordKind.MX), 7, wire))
        self.assertFalse(is_reply(MX, 7, encode(MX, 7)))

    def test_errors_without_a_question(self) -> None:
        """
        A server that could not read the question tells that without it; it tells nothing else so.
        """
        self.assertTrue(is_reply(MX, 7, b"\0\7\x80\1" + b"\0" * 8))
        self.assertEqual("FORMERR", decode(MX, b"\0\7\x80\1" + b"\0" * 8).rcode_name)
        for flags in (b"\x80\0", b"\x80\3"):
            self.assertFalse(is_reply(MX, 7, b"\0\7" + flags + b"\0" * 8))
        self.assertFalse(is_reply(MX, 7, b"\0\7\x80\1\0\0\0\1" + b"\0" * 4))
