"""
Queries into octets, and octets into what they say (RFC 1035 section 4, RFC 6891).

What is read of an answer is what somebody uses: the records of its answer section that were asked for and the aliases to
them, the SOA record that says how long a "no" lasts, and the OPT record.  All else is stepped over.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire
from attrs import field, frozen

from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsRecord, MxRecord, RecordKind, TlsaRecord
from twisted_mail_server.model.errors import DnsFailure

from .names import to_text, to_wire

_HEADER = struct.Struct("!HHHHHH")
_TYPE_CLASS = struct.Struct("!HH")
_RECORD = "!HHIH"

_QR, _OPCODE, _TC, _RD, _AD, _RCODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x0020, 0x000F
_IN: Final = dns.rdataclass.IN
_NS, _CNAME, _SOA, _OPT, _TLSA = 2, 5, 6, 41, RecordKind.TLSA.value

# A root name, OPT, our payload size, no extended code, version 0, no flags, no options (RFC 6891 section 6.1.2).
_EDNS = b"\0" + struct.pack("!HHIH", _OPT, limits.DNS_PAYLOAD, 0, 0)

#: Codes that a server without EDNS may answer with (RFC 6891 section 7), and BADVERS.
_NO_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})

# The classes of what will be read are loaded now, not on the reactor at the first answer.
for _kind in (*(kind.value for kind in RecordKind), _CNAME, _SOA):
    dns.rdata.get_rdata_class(_IN, dns.rdatatype.RdataType.make(_kind))  # type: ignore[no-untyped-call]


class MalformedAnswer(DnsFailure):
    """
    What arrived is no answer that can be read, or contradicts itself.
    """


@frozen
class Question:
    """
    What is asked: a name in canonical form, and a kind.
    """

    name: str
    kind: RecordKind
    #: The question section (RFC 1035 section 4.1.2).
    wire: bytes = field(init=False, eq=False, repr=False)

    @wire.default
    def _wire(self) -> bytes:
        return to_wire(self.name) + _TYPE_CLASS.pack(self.kind.value, _IN)


@frozen
class Record:
    """
    One record of an answer section; of an alias C{value} is the name.
    """

    owner: str
    #: L{None} for an alias (CNAME).
    kind: RecordKind | None
    ttl: int
    value: DnsRecord


@frozen
class Reply:
    """
    What one answer says.
    """

    rcode: int
    #: The rest needs TCP (RFC 7766 section 5); nothing else was read then.
    is_truncated: bool
    #: The AD flag, whoever set it (RFC 6840 section 5.8).
    is_authentic: bool
    #: What was asked for, and the aliases to it.
    answers: tuple[Record, ...] = ()
    #: Records of other kinds were in the answer section, or records for nobody.
    has_others: bool = False
    #: Seconds for which a "no" may be kept (RFC 2308 section 5); L{None}: not at all.
    negative_ttl: int | None = None
    #: There is no answer but a pointer to other servers: who says so is no resolver.
    is_referral: bool = False
    #: The size of the answer.
    octets: int = 0

    @property
    def rcode_name(self) -> str:
        """
        The mnemonic (RFC 6895 section 2.3).
        """
        return dns.rcode.to_text(dns.rcode.Rcode.make(self.rcode))

    @property
    def needs_plain(self) -> bool:
        """
        Whether it may be EDNS that the server does not know.
        """
        return self.rcode in _NO_EDNS


def encode(question: Question, number: int, *, edns: bool = True) -> bytes:
    """
    A query with the id C{number}, for recursion, asking to be told whether the answer is authentic (RFC 6840 section 5.7).
    """
    return _HEADER.pack(number, _RD | _AD, 1, 0, 0, int(edns)) + question.wire + (_EDNS if edns else b"")


def is_reply(question: Question, number: int, packet: bytes) -> bool:
    """
    Whether C{packet} is an answer to this very query: its id, its direction, its opcode, its question (RFC 5452 section 9.1).
    """
    if len(packet) < _HEADER.size:
        return False
    found, flags, questions, answers, _, _ = _HEADER.unpack_from(packet)
    if found != number or not flags & _QR or flags & _OPCODE:
        return False
    if questions == 0:
        # A server that could not read the question cannot repeat it; all it may tell is that.
        return not answers and flags & _RCODE not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    asked = packet[_HEADER.size : _HEADER.size + len(question.wire)]
    return questions == 1 and asked[-4:] == question.wire[-4:] and asked[:-4].lower() == question.wire[:-4].lower()


def decode(question: Question, packet: bytes) -> Reply:
    """
    Read a packet that L{is_reply}.

    @raise MalformedAnswer: it cannot be read.
    """
    _, flags, questions, *counts = _HEADER.unpack_from(packet)
    if flags & _TC:
        return Reply(flags & _RCODE, True, False)
    if sum(counts) > limits.DNS_RECORDS:
        raise MalformedAnswer("more records than anybody needs")
    reader = _Reader(packet, _HEADER.size + (len(question.wire) if questions else 0))
    try:
        return _read(question, reader, flags, counts)
    except (dns.exception.DNSException, ValueError, struct.error) as problem:
        raise MalformedAnswer("a malformed answer") from problem


def _read(question: Question, reader: _Reader, flags: int, counts: list[int]) -> Reply:
    answers, has_others = _answers(reader, question, counts[0])
    negative_ttl, has_servers = _authorities(reader, counts[1])
    rcode = (flags & _RCODE) | _extended(reader, counts[2]) << 4
    return Reply(
        rcode=rcode,
        is_truncated=False,
        is_authentic=bool(flags & _AD),
        answers=tuple(answers),
        has_others=has_others,
        negative_ttl=negative_ttl,
        is_referral=has_servers and not answers and negative_ttl is None and rcode == dns.rcode.NOERROR,
        octets=len(reader.wire),
    )


def _answers(reader: _Reader, question: Question, count: int) -> tuple[list[Record], bool]:
    answers: list[Record] = []
    for _ in range(count):
        owner = reader.get_text()
        kind, group, ttl, length = reader.get_struct(_RECORD)
        if group == _IN and kind == question.kind.value:
            value = _tlsa(reader.get_bytes(length)) if kind == _TLSA else _value(kind, reader.get_data(kind, length))
            answers.append(Record(owner, question.kind, _seconds(ttl), value))
        elif group == _IN and kind == _CNAME:
            answers.append(
                Record(owner, None, _seconds(ttl), to_text(reader.get_data(kind, length).target.labels[:-1]))
            )
        else:
            reader.get_bytes(length)
    return answers, len(answers) < count


def _authorities(reader: _Reader, count: int) -> tuple[int | None, bool]:
    negative_ttl, has_servers = None, False
    for _ in range(count):
        reader.skip_name()
        kind, group, ttl, length = reader.get_struct(_RECORD)
        if group == _IN and kind == _SOA and negative_ttl is None:
            negative_ttl = min(_seconds(ttl), _seconds(reader.get_data(kind, length).minimum))
        else:
            has_servers = has_servers or kind == _NS
            reader.get_bytes(length)
    return negative_ttl, has_servers


def _extended(reader: _Reader, count: int) -> int:
    """
    The upper bits of the response code (RFC 6891 section 6.1.3).
    """
    upper = 0
    for _ in range(count):
        reader.skip_name()
        kind, _, ttl, length = reader.get_struct(_RECORD)
        if kind == _OPT:
            upper = ttl >> 24
        reader.get_bytes(length)
    return upper


def _seconds(ttl: int) -> int:
    """
    RFC 2181 section 8: the topmost bit means zero.
    """
    return 0 if ttl & 0x80000000 else ttl


def _value(kind: int, data: Any) -> DnsRecord:
    match kind:
        case RecordKind.MX.value:
            return MxRecord(data.preference, to_text(data.exchange.labels[:-1]))
        case RecordKind.TXT.value:
            return b"".join(data.strings)
        case RecordKind.PTR.value:
            return to_text(data.target.labels[:-1])
        case RecordKind.TLSA.value:
            return TlsaRecord(data.usage, data.selector, data.mtype, data.cert)
        case _:
            return str(data.address)


def _tlsa(data: bytes) -> TlsaRecord:
    """
    dnspython would refuse one whose digest has the wrong length; to us it is one that matches nothing (RFC 7672 section 3.1), and no
    reason to give up the others.
    """
    if len(data) < 3:
        raise dns.exception.FormError
    return TlsaRecord(data[0], data[1], data[2], data[3:])


def value_of(kind: RecordKind, data: dns.rdata.Rdata) -> DnsRecord:
    """
    Our value for dnspython's.
    """
    return _value(kind.value, data)


class _Reader(dns.wire.Parser):
    """
    dnspython's reader, with names that cost little, whatever compression makes of them.
    """

    def get_name(self, origin: dns.name.Name | None = None, decompress: bool = False) -> dns.name.Name:
        """
        A name inside a record.  All that we read may be compressed (RFC 3597 section 4), so it is asked about nothing.
        """
        return dns.name.Name([*self._labels(), b""])

    def get_text(self) -> str:
        """
        A name, as its text.
        """
        return to_text(self._labels())

    def get_data(self, kind: int, length: int) -> Any:
        """
        The data of one record.
        """
        with self.restrict_to(length):
            return dns.rdata.from_wire_parser(_IN, dns.rdatatype.RdataType.make(kind), self)

    def skip_name(self) -> None:
        """
        Step over a name without following where it points.
        """
        while size := self.get_uint8():
            if size >= 192:
                self.get_uint8()
                return
            if size >= 64:
                raise dns.name.BadLabelType
            self.get_bytes(size)

    def _labels(self) -> list[bytes]:
        """
        RFC 1035 section 4.1.4.  A pointer points to an earlier place than where the name, or what the last pointer led to, begins:
        so there is no loop.  And there are no more pointers than a name can have labels: so the way is short.
        """
        wire, place, end = self.wire, self.current, self.end
        labels: list[bytes] = []
        start, total, hops, behind = place, 0, 0, -1
        while True:
            if place >= end:
                raise dns.exception.FormError
            size = wire[place]
            if size == 0:
                break
            if size < 64:
                following = place + 1 + size
                labels.append(wire[place + 1 : following])
                total += size + 1
                place = following
            elif size >= 192 and place + 1 < end:
                target = (size & 0x3F) << 8 | wire[place + 1]
                if target >= start:
                    raise dns.name.BadPointer
                if behind < 0:
                    behind = place + 2
                # What is pointed to lies before this name, and ends there.
                end, place, start = start, target, target
                hops += 1
            else:
                raise dns.name.BadLabelType
            if total >= limits.DOMAIN or hops > limits.DNS_LABELS or place > end:
                raise dns.exception.FormError
        self.current = behind if behind >= 0 else place + 1
        self.furthest = max(self.furthest, self.current)
        return labels
