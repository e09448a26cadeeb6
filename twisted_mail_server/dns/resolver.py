"""
L{IResolver} on the network.

A question that was answered lately is answered from memory; one that is under way is not asked twice.  Else the resolvers
are asked in turn: over UDP, over UDP once more and with more patience, over TCP; an answer that does not fit into a datagram
is fetched over TCP at once.  What a resolver says decides, "no" too; that it cannot tell (SERVFAIL, REFUSED, an answer that
cannot be read), or is silent, leads to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import dns.rcode
from attrs import define, field
from twisted.internet.defer import CancelledError, DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTCP, IReactorTime, IReactorUDP
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IResolver
from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, RecordKind
from twisted_mail_server.model.errors import DnsFailure

from .answers import Chain
from .cache import Cache, Key, NoAnswer
from .codec import Question, Reply, decode, encode, is_reply
from .hosts import addresses
from .merging import Merging
from .names import canonical_name
from .resolv import NameServer
from .transport import NoReply, Transport

#: The rounds: whether it is over TCP, and which part of the whole time one resolver has: of ten seconds two, four and four.
_ROUNDS = ((False, 0.2), (False, 0.4), (True, 0.4))
_DEFINITE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


@implementer(IResolver)
@define(eq=False, kw_only=True)
class Resolver:
    """
    Asks the resolvers of a list.
    """

    #: In the order of preference.
    servers: Sequence[NameServer]
    udp: IReactorUDP
    tcp: IReactorTCP
    clock: IReactorTime
    #: Unpredictable octets, as many as are asked for.
    random: Callable[[int], bytes]
    #: Seconds for one answer, whatever has to be tried for it.
    timeout: float = limits.DNS_TIMEOUT
    _log: Logger = field(init=False, factory=Logger)
    _transport: Transport = field(init=False)
    _cache: Cache = field(init=False)
    _under_way: Merging[Key, DnsAnswer | NoAnswer] = field(init=False, factory=Merging)
    _room: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(limits.DNS_IN_FLIGHT))
    #: Until when those that were silent come last.
    _resting: dict[NameServer, float] = field(init=False, factory=dict)
    _is_closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._transport = Transport(self.udp, self.tcp, self.clock)
        self._cache = Cache(self.clock)

    async def query(self, name: str, kind: RecordKind) -> DnsAnswer:
        """
        The records of one kind of a name; see L{IResolver.query}.

        @raise DnsFailure: there is no answer.
        """
        canonical = canonical_name(name)
        if canonical is None:
            return DnsAnswer(name, name, (), False, 0, DnsOutcome.NO_SUCH_NAME)
        key = (canonical, kind)
        found = self._cache.find(key)
        if found is None:
            if self._is_closed:
                raise DnsFailure("The server is stopping.")
            found = await self._under_way.join(key, lambda: self._look_up(key))
        if isinstance(found, NoAnswer):
            raise DnsFailure(f"No answer from DNS about {canonical} {kind.name}: {found.reason}.")
        return found

    async def addresses(self, host: str) -> DnsAnswer:
        """
        The A and AAAA records of a host; see L{IResolver.addresses}.

        @raise DnsFailure: there is no answer.
        """
        return await addresses(self, host)

    def close(self) -> None:
        """
        Ask nothing any more.  Who still waits is told so, at once.
        """
        self._is_closed = True
        self._under_way.cancel()

    async def _look_up(self, key: Key) -> DnsAnswer | NoAnswer:
        search = _Search(Question(*key), self.clock.seconds() + self.timeout)
        try:
            answer = await self._search_with_room(search)
        except CancelledError:
            return NoAnswer("the server is stopping")
        except DnsFailure as problem:
            self._log.info(
                "no answer about {name} {kind}: {reason}", name=key[0], kind=key[1].name, reason=problem.public
            )
            failure = NoAnswer(problem.public)
            self._cache.keep(key, failure)
            return failure
        if search.octets <= limits.DNS_KEPT_ANSWER:
            self._cache.keep(key, answer)
        return answer

    async def _search_with_room(self, search: _Search) -> DnsAnswer:
        try:
            await self._room.acquire().addTimeout(max(0.0, search.deadline - self.clock.seconds()), self.clock)
        except DeferredTimeout:
            raise NoReply("too many queries at once") from None
        try:
            return await self._search(search)
        finally:
            self._room.release()

    async def _search(self, search: _Search) -> DnsAnswer:
        """
        Follow the name to its end; as a rule that takes one exchange.
        """
        while True:
            answer = await self._ask_in_turn(search)
            if answer is not None:
                return answer
            search.move_on()

    async def _ask_in_turn(self, search: _Search) -> DnsAnswer | None:
        """
        Ask one resolver after the other until one gives an answer, or an alias to follow.

        @raise DnsFailure: none does.
        """
        reason = "no resolver is known"
        silent = dict.fromkeys(self._in_order())
        for is_stream, part in _ROUNDS:
            for server in list(silent):
                wait = min(part * self.timeout, search.deadline - self.clock.seconds())
                if wait <= 0:
                    raise NoReply(reason)
                try:
                    return await self._ask(search, server, is_stream, wait)
                except NoReply as problem:
                    self._resting[server] = self.clock.seconds() + limits.DNS_RESOLVER_REST
                    reason = f"{server}: {problem.public}"
                except DnsFailure as problem:
                    # It has spoken, and will not say anything else for being asked again.
                    del silent[server]
                    reason = f"{server}: {problem.public}"
        raise DnsFailure(reason)

    def _in_order(self) -> Iterator[NameServer]:
        now = self.clock.seconds()
        resting = {server for server, until in self._resting.items() if until > now}
        yield from (server for server in self.servers if server not in resting)
        yield from (server for server in self.servers if server in resting)

    async def _ask(self, search: _Search, server: NameServer, is_stream: bool, wait: float) -> DnsAnswer | None:
        """
        Ask one resolver once; without EDNS if it cannot read that, over TCP if the answer is too large.
        """
        until = self.clock.seconds() + wait
        reply = await self._exchange(search.question, server, is_stream, wait, edns=True)
        edns = not reply.needs_plain
        if not edns:
            reply = await self._exchange(search.question, server, is_stream, until - self.clock.seconds(), edns=False)
        if reply.is_truncated and not is_stream:
            # The resolver is there, so it gets the time of its round over TCP now.
            left = min(_ROUNDS[-1][1] * self.timeout, search.deadline - self.clock.seconds())
            reply = await self._exchange(search.question, server, True, left, edns=edns)
        self._resting.pop(server, None)
        if reply.is_truncated:
            raise DnsFailure("an answer without an end")
        if reply.rcode not in _DEFINITE:
            raise DnsFailure(reply.rcode_name)
        search.octets += reply.octets
        return search.chain.follow(reply, is_trusted=server.is_trusted)

    async def _exchange(
        self, question: Question, server: NameServer, is_stream: bool, wait: float, *, edns: bool
    ) -> Reply:
        number = int.from_bytes(self.random(2), "big")
        carry = self._transport.stream if is_stream else self._transport.datagram
        query = encode(question, number, edns=edns)
        packet = await carry(server, query, lambda packet: is_reply(question, number, packet), max(wait, 0.0))
        return decode(question, packet)


@define(eq=False)
class _Search:
    """
    One search for an answer.
    """

    #: What is asked now.
    question: Question
    #: When it has to be over.
    deadline: float
    chain: Chain = field(init=False)
    #: What was received for it.
    octets: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.chain = Chain(self.question)

    def move_on(self) -> None:
        """
        Ask about the alias next.
        """
        self.question = Question(self.chain.canonical_name, self.question.kind)
