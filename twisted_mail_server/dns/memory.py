"""
A whole resolver in dictionaries: zones as text, with delays and failures on request.

A line is a record as in a zone file (RFC 1035 section 5.1), every name complete::

    example.org.         MX    10 mail.example.org.
    mail.example.org.    A     192.0.2.1
    www.example.org. 60  CNAME example.org.
    *.dyn.example.org.   TXT   "any name below"    ; wild cards work
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_mail_server.interfaces import IResolver
from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, DnsRecord, RecordKind
from twisted_mail_server.model.errors import DnsFailure, SyntaxProblem

from .answers import Chain
from .codec import Question, Record, Reply, value_of
from .hosts import addresses
from .names import canonical_name, to_text

#: Records as lines, or for each name what follows the name on a line.
Zones = str | Mapping[str, Sequence[str]]
_ALIAS = "CNAME"
_LINE = re.compile(r"(?P<owner>\S+)\s+(?:(?P<ttl>[0-9]{1,9})\s+)?(?:IN\s+)?(?P<kind>\S+)\s+(?P<data>.+)", re.IGNORECASE)


@frozen
class _Stored:
    #: L{None} for an alias.
    kind: RecordKind | None
    ttl: int
    value: DnsRecord


@implementer(IResolver)
@define(eq=False, init=False)
class MemoryResolver:
    """
    Knows what it is told, and that there is nothing else.
    """

    #: What was asked, in order.
    asked: list[tuple[str, RecordKind]]
    _clock: IReactorTime | None
    _records: dict[str, list[_Stored]] = field(factory=dict)
    _secure: set[str] = field(factory=set)
    _failing: dict[tuple[str, RecordKind | None], str] = field(factory=dict)
    _delays: dict[str, float] = field(factory=dict)

    def __init__(self, zones: Zones = "", *, secure: Iterable[str] = (), clock: IReactorTime | None = None) -> None:
        """
        Answers about names at and below those in C{secure} are secure.  C{clock} is for L{delays}.

        @raise SyntaxProblem: a line is none.
        """
        self.__attrs_init__([], clock)
        self.add(zones)
        for zone in secure:
            self._secure.add(_name(zone))

    def add(self, zones: Zones) -> None:
        """
        Learn more records.

        @raise SyntaxProblem: a line is none.
        """
        for line in _lines(zones):
            owner, stored = _parse(line)
            self._records.setdefault(owner, []).append(stored)

    def remove(self, name: str) -> None:
        """
        Forget the records of a name.
        """
        self._records.pop(_name(name), None)

    def fails(self, name: str, kind: RecordKind | None = None, reason: str = "SERVFAIL") -> None:
        """
        Give no answer about a name from now on, or about one kind of records.
        """
        self._failing[(_name(name), kind)] = reason

    def works(self, name: str) -> None:
        """
        Give answers about it again, and at once.
        """
        name = _name(name)
        self._delays.pop(name, None)
        for kind in (None, *RecordKind):
            self._failing.pop((name, kind), None)

    def delays(self, name: str, seconds: float) -> None:
        """
        Take so long for an answer about a name, by the clock that it was made with.
        """
        if self._clock is None:
            raise ValueError("A delay needs a clock.")
        self._delays[_name(name)] = seconds

    async def query(self, name: str, kind: RecordKind) -> DnsAnswer:
        """
        The records of one kind of a name; see L{IResolver.query}.

        @raise DnsFailure: it was told to fail.
        """
        canonical = canonical_name(name)
        if canonical is None:
            return DnsAnswer(name, name, (), False, 0, DnsOutcome.NO_SUCH_NAME)
        self.asked.append((canonical, kind))
        if self._clock is not None and canonical in self._delays:
            await deferLater(self._clock, self._delays[canonical])
        chain = Chain(Question(canonical, kind))
        answer = None
        try:
            while answer is None:
                answer = chain.follow(self._reply(chain.canonical_name, kind), is_trusted=True)
        except DnsFailure as problem:
            raise DnsFailure(f"No answer from DNS about {canonical} {kind.name}: {problem.public}.") from None
        return answer

    async def addresses(self, host: str) -> DnsAnswer:
        """
        The A and AAAA records of a host; see L{IResolver.addresses}.

        @raise DnsFailure: it was told to fail.
        """
        return await addresses(self, host)

    def _reply(self, name: str, kind: RecordKind) -> Reply:
        """
        One step: the records of a name, or its alias.

        @raise DnsFailure: it was told to fail.
        """
        reason = self._failing.get((name, kind)) or self._failing.get((name, None))
        if reason is not None:
            raise DnsFailure(reason)
        is_secure = any(parent in self._secure for parent in _parents(name))
        stored = self._records_of(name)
        if stored is None:
            return Reply(dns.rcode.NXDOMAIN, False, is_secure, negative_ttl=limits.DNS_KEPT_NEGATIVE)
        answers = tuple(Record(name, one.kind, one.ttl, one.value) for one in stored if one.kind in (kind, None))
        return Reply(
            dns.rcode.NOERROR, False, is_secure, answers, negative_ttl=None if answers else limits.DNS_KEPT_NEGATIVE
        )

    def _records_of(self, name: str) -> list[_Stored] | None:
        if name in self._records:
            return self._records[name]
        # A name with others below it is there, without records (RFC 8020 section 2).
        if self._has_below(name):
            return []
        # RFC 4592 section 3.3.1: the wild card below the closest name that is there.
        for parent in list(_parents(name))[1:]:
            if parent in self._records or self._has_below(parent):
                return self._records.get("*" if parent == "." else f"*.{parent}")
        return None

    def _has_below(self, name: str) -> bool:
        return any(known.endswith(f".{name}") for known in self._records)


def _parents(name: str) -> Iterator[str]:
    """
    A name and those above it.
    """
    while name != ".":
        yield name
        name = name.partition(".")[2] or "."
    yield "."


def _name(text: str) -> str:
    name = canonical_name(text)
    if name is None:
        raise SyntaxProblem(f"{text!r} is no domain name.")
    return name


def _lines(zones: Zones) -> Iterator[str]:
    if isinstance(zones, str):
        for line in zones.splitlines():
            if line.strip() and not line.lstrip().startswith(";"):
                yield line
    else:
        for owner, records in zones.items():
            for record in records:
                yield f"{owner} {record}"


def _parse(line: str) -> tuple[str, _Stored]:
    parts = _LINE.fullmatch(line.strip())
    if parts is None:
        raise SyntaxProblem(f"No record: {line.strip()}")
    ttl = int(parts["ttl"] or limits.DNS_KEPT_POSITIVE)
    return _name(parts["owner"]), _stored(parts["kind"].upper(), ttl, parts["data"], line)


def _stored(kind: str, ttl: int, data: str, line: str) -> _Stored:
    if kind != _ALIAS and kind not in RecordKind.__members__:
        raise SyntaxProblem(f"No record of a kind that is known: {line.strip()}")
    try:
        value: Any = dns.rdata.from_text(dns.rdataclass.IN, kind, data, origin=dns.name.root, relativize=False)
    except dns.exception.DNSException as problem:
        raise SyntaxProblem(f"{problem}: {line.strip()}") from None
    if kind == _ALIAS:
        return _Stored(None, ttl, to_text(value.target.labels[:-1]))
    return _Stored(RecordKind[kind], ttl, value_of(RecordKind[kind], value))
