"""
Replies into one definite answer: aliases followed, contradictions refused (RFC 1034 section 4.3.2, RFC 2308, RFC 6604).
"""

from __future__ import annotations

import dns.rcode
from attrs import define, field, frozen

from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, DnsRecord

from .codec import MalformedAnswer, Question, Record, Reply
from .names import canonical_name


@define(eq=False)
class Chain:
    """
    The way from the name that was asked for to the one that has the answer; as a rule one reply has all of it.
    """

    question: Question
    _names: list[str] = field(init=False)
    _ttl: int = field(init=False, default=limits.DNS_KEPT_POSITIVE)
    _is_secure: bool = field(init=False, default=True)

    @_names.default
    def _first(self) -> list[str]:
        return [self.question.name]

    @property
    def canonical_name(self) -> str:
        """
        Where the way has led so far.
        """
        return self._names[-1]

    def follow(self, reply: Reply, *, is_trusted: bool) -> DnsAnswer | None:
        """
        Take in a reply to a question about L{canonical_name}; C{is_trusted}: its AD flag can be believed.

        The answer; or L{None} if the reply ends at an alias, and L{canonical_name} has to be asked about.  A reply that is
        refused changes nothing.

        @raise MalformedAnswer: it contradicts itself, or leads in a circle.
        """
        if reply.is_referral:
            raise MalformedAnswer("a referral")
        way = _walk(self._names, reply.answers)
        is_alias = len(way.names) > len(self._names)
        if reply.rcode == dns.rcode.NXDOMAIN and way.records:
            raise MalformedAnswer("records of a name that does not exist")
        if not way.records and not is_alias and (reply.answers or reply.has_others):
            raise MalformedAnswer("an answer to something else")
        self._names = way.names
        self._ttl = min(self._ttl, way.ttl)
        self._is_secure = self._is_secure and is_trusted and reply.is_authentic
        if reply.rcode == dns.rcode.NXDOMAIN:
            # It is the last name that does not exist (RFC 6604 section 3).
            return self._negative(DnsOutcome.NO_SUCH_NAME, reply)
        if way.records:
            return self._answer(DnsOutcome.FOUND, way.records, self._ttl)
        if is_alias and reply.negative_ttl is None:
            if canonical_name(self.canonical_name) is None:
                raise MalformedAnswer("an alias to a name that nobody can ask for")
            return None
        return self._negative(DnsOutcome.NO_DATA, reply)

    def _negative(self, outcome: DnsOutcome, reply: Reply) -> DnsAnswer:
        # Without a SOA record it must not be kept (RFC 2308 section 5).
        return self._answer(outcome, (), min(self._ttl, reply.negative_ttl or 0, limits.DNS_KEPT_NEGATIVE))

    def _answer(self, outcome: DnsOutcome, records: tuple[DnsRecord, ...], ttl: int) -> DnsAnswer:
        return DnsAnswer(self.question.name, self.canonical_name, records, self._is_secure, ttl, outcome)


@frozen
class _Way:
    names: list[str]
    records: tuple[DnsRecord, ...]
    ttl: int


def _walk(names: list[str], answers: tuple[Record, ...]) -> _Way:
    """
    Follow the aliases of one reply from the last of C{names} on, to the records at their end.
    """
    names, ttl = list(names), limits.DNS_KEPT_POSITIVE
    aliases = {one.owner: one for one in answers if one.kind is None}
    while True:
        found = [one for one in answers if one.kind is not None and one.owner == names[-1]]
        if found:
            # A record that is there twice is there once (RFC 2181 section 5).
            return _Way(names, tuple(dict.fromkeys(one.value for one in found)), min(ttl, *(one.ttl for one in found)))
        alias = aliases.get(names[-1])
        if alias is None:
            return _Way(names, (), ttl)
        ttl = min(ttl, alias.ttl)
        if alias.value in names:
            raise MalformedAnswer("aliases in a circle")
        if len(names) > limits.DNS_ALIASES:
            raise MalformedAnswer("too many aliases")
        names.append(str(alias.value))
