"""
L{twisted_mail_server.dns.resolver}
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from itertools import count
from typing import Any, TypeVar

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.resolvers import ResolverContract
from tests.dns.network import Datagrams, MemoryNetwork, framed, silent
from tests.support.zones import ZoneServer
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.dns.resolver import Resolver
from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, RecordKind
from twisted_mail_server.model.errors import DnsFailure

T = TypeVar("T")


def numbers() -> Iterator[bytes]:
    """
    Query ids, one after the other.
    """
    return (number.to_bytes(2, "big") for number in count(1000))


def resolver_on(network: MemoryNetwork, *addresses: str, timeout: float = 10.0) -> Resolver:
    """
    One that asks those addresses.
    """
    ids = numbers()
    return Resolver(
        servers=[NameServer(address) for address in addresses or ("127.0.0.1",)],
        udp=network,
        tcp=network,
        clock=network,
        random=lambda size: next(ids),
        timeout=timeout,
    )


class NetworkContract(ResolverContract, SynchronousTestCase):
    """
    It does what every resolver does.
    """

    def make_resolver(self) -> Resolver:
        """
        Over the network in memory.
        """
        self.network = MemoryNetwork()
        self.zones = ZoneServer()
        self.network.serve_zones("127.0.0.1", self.zones)
        return resolver_on(self.network)

    def fail_name(self, name: str) -> None:
        """
        The server says SERVFAIL.
        """
        self.zones.failing.add(name)

    def ask(self, name: str, kind: RecordKind = RecordKind.A) -> DnsAnswer:
        """
        Without what an earlier question has left.
        """
        return self.result(resolver_on(self.network).query(name, kind))

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        It takes no time.
        """
        return self.network.result(coroutine)

    def tearDown(self) -> None:
        """
        Nothing is left open.
        """
        self.network.run()
        self.assertEqual(([], []), (self.network.ports, self.network.connections))
        self.assertEqual([], self.network.getDelayedCalls())


class FollowingNothing(NetworkContract):
    """
    The same, through a server that tells aliases one at a time.
    """

    def make_resolver(self) -> Resolver:
        """
        That server.
        """
        resolver = super().make_resolver()
        self.zones.follows = False
        return resolver

    def test_alias_to_nothing(self) -> None:
        """
        Without SOA records nothing says for how long.
        """
        answer = self.ask("empty.example.org", RecordKind.MX)
        self.assertEqual((DnsOutcome.NO_DATA, 0), (answer.outcome, answer.ttl))

    def test_no_such_name(self) -> None:
        """
        This server does not tell.
        """
        self.assertEqual(DnsOutcome.NO_DATA, self.ask("missing.example.org").outcome)

    test_no_addresses = test_no_such_name


class ResolverCase(SynchronousTestCase):
    """
    A network with servers of every kind.
    """

    def setUp(self) -> None:
        """
        Only what a test needs is there.
        """
        self.network = MemoryNetwork()
        self.zones = ZoneServer()
        self.queries: list[bytes] = []

    def serve(self, datagrams: Datagrams, address: str = "127.0.0.1") -> None:
        """
        A server whose queries are kept.
        """

        def kept(query: bytes) -> list[bytes]:
            self.queries.append(query)
            return datagrams(query)

        self.network.serve(address, kept, lambda query: framed(self.zones.answer(query, is_stream=True)))

    def ask(self, resolver: Resolver, name: str = "mail.example.org", seconds: float = 0.0) -> DnsAnswer:
        """
        One answer about A records.
        """
        return self.network.result(resolver.query(name, RecordKind.A), seconds)

    def reason(self, resolver: Resolver, name: str = "mail.example.org", seconds: float = 0.0) -> str:
        """
        Why there is no answer.
        """
        with self.assertRaises(DnsFailure) as caught:
            self.ask(resolver, name, seconds)
        self.assertEqual([], self.network.ports)
        self.assertEqual([], self.network.connections)
        public: str = caught.exception.public
        return public.partition(" A: ")[2].removesuffix(".")


class QueryTests(ResolverCase):
    """
    What is sent, and what is believed.
    """

    def test_query(self) -> None:
        """
        A query asks for recursion and for the AD flag, and tells the size of datagrams that may come (RFC 6840, 6891).
        """
        self.serve(lambda query: [self.zones.answer(query)])
        self.ask(resolver_on(self.network))
        query = dns.message.from_wire(self.queries[0])
        self.assertEqual(dns.flags.RD | dns.flags.AD, query.flags)
        self.assertEqual((0, 1232), (query.edns, query.payload))
        self.assertEqual(1000, query.id)

    def test_sockets_are_not_reused(self) -> None:
        """
        Each query has a socket and an id of its own.
        """
        self.serve(lambda query: [self.zones.answer(query)])
        resolver = resolver_on(self.network)
        self.ask(resolver)
        self.ask(resolver, "four.example.org")
        self.assertEqual(2, self.network.opened)
        self.assertNotEqual(self.queries[0][:2], self.queries[1][:2])

    def test_believes_loopback_only(self) -> None:
        """
        The AD flag counts only if it comes from this machine; over IPv6 as well.
        """
        for address, expected in (("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("192.0.2.53", False)):
            self.network.serve_zones(address, self.zones)
            answer = self.ask(resolver_on(self.network, address), "mail.secure.example")
            self.assertEqual(expected, answer.is_secure, address)

    def test_ignores_others(self) -> None:
        """
        What does not answer the query is passed over: another id, another question, a query, another opcode, a fragment.
        """

        def noise(query: bytes) -> list[bytes]:
            good = self.zones.answer(query)
            other = bytearray(good)
            other[13] ^= 1
            asked = bytearray(good)
            asked[12 + len(b"\4mail\7example\3org\0") + 1] = 28
            opcode = bytearray(good)
            opcode[2] |= dns.opcode.NOTIFY << 3
            return [
                b"",
                good[:11],
                b"\0\0" + good[2:],
                bytes(other),
                bytes(asked),
                bytes(opcode),
                query,
                good[:4] + b"\0\2" + good[6:],
                good[:4] + b"\0\0" + good[6:],
                good[:20],
                good,
                good,
            ]

        self.serve(noise)
        self.assertTrue(self.ask(resolver_on(self.network)).is_found)
        self.assertEqual(1, self.network.opened)

    def test_case_of_the_question(self) -> None:
        """
        A server may repeat the question in another case.
        """
        self.serve(lambda query: [self.zones.answer(query).replace(b"\7example", b"\7eXAMPLE", 1)])
        self.assertTrue(self.ask(resolver_on(self.network)).is_found)

    def test_only_noise(self) -> None:
        """
        If nothing else comes, it is as if nothing came.
        """
        self.network.serve("127.0.0.1", lambda query: [b"\0\0" + self.zones.answer(query)[2:]])
        self.assertEqual("127.0.0.1:53: no answer in time", self.reason(resolver_on(self.network), seconds=10))

    def test_answers_to_something_else(self) -> None:
        """
        Records that nobody asked for are no answer, neither yes nor no.
        """

        def other(query: bytes) -> list[bytes]:
            reply = dns.message.make_response(dns.message.from_wire(query))
            reply.answer.append(dns.rrset.from_text("other.example.", 300, "IN", "A", "192.0.2.66"))
            return [reply.to_wire()]

        self.serve(other)
        self.assertIn("an answer to something else", self.reason(resolver_on(self.network)))

    def test_referral(self) -> None:
        """
        A server that sends us to others is none that we can use; it does not mean "no data".
        """

        def refer(query: bytes) -> list[bytes]:
            reply = dns.message.make_response(dns.message.from_wire(query))
            reply.authority.append(dns.rrset.from_text("example.org.", 300, "IN", "NS", "ns.example.org."))
            return [reply.to_wire()]

        self.serve(refer)
        self.assertIn("a referral", self.reason(resolver_on(self.network)))

    def test_contradiction(self) -> None:
        """
        A name that does not exist has no records.
        """

        def both(query: bytes) -> list[bytes]:
            reply = dns.message.from_wire(self.zones.answer(query))
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return [reply.to_wire()]

        self.serve(both)
        self.assertIn("does not exist", self.reason(resolver_on(self.network)))

    def test_many_aliases(self) -> None:
        """
        Aliases are followed so far and no further, in one answer and over several.
        """
        lines = "\n".join(f"a{number}.example. CNAME a{number + 1}.example." for number in range(12))
        for follows in (True, False):
            zones = ZoneServer(lines + "\na12.example. A 192.0.2.1")
            zones.follows = follows
            self.network.serve_zones("127.0.0.1", zones)
            self.assertIn("too many aliases", self.reason(resolver_on(self.network), "a0.example"))
            self.assertTrue(self.ask(resolver_on(self.network), "a2.example").is_found)

    def test_alias_that_is_no_name(self) -> None:
        """
        An alias to a name that cannot be written is followed within an answer, and asked about nowhere.
        """
        self.network.serve_zones(
            "127.0.0.1", ZoneServer("a.example. CNAME x\\032y.example.\nx\\032y.example. A 192.0.2.1")
        )
        self.assertEqual("x\\032y.example", self.ask(resolver_on(self.network), "a.example").canonical_name)
        zones = ZoneServer("a.example. CNAME x\\032y.example.")
        zones.follows = False
        self.network.serve_zones("127.0.0.1", zones)
        self.assertIn("nobody can ask for", self.reason(resolver_on(self.network), "a.example"))

    def test_large(self) -> None:
        """
        What is too large for a datagram comes over TCP: 64 KiB of text, too.
        """
        text = " ".join(['"' + "x" * 255 + '"'] * 250)
        self.network.serve_zones("127.0.0.1", ZoneServer(f"big.example. TXT {text}"))
        resolver = resolver_on(self.network)
        answer = self.network.result(resolver.query("big.example", RecordKind.TXT))
        self.assertEqual((b"x" * 63750,), answer.texts)
        self.assertEqual(([], []), (self.network.ports, self.network.connections))
        # And is too large to be kept.
        self.network.serve_zones("127.0.0.1", ZoneServer("other.example. A 192.0.2.1"))
        answer = self.network.result(resolver.query("big.example", RecordKind.TXT))
        self.assertFalse(answer.is_found)

    def test_without_edns(self) -> None:
        """
        A server that cannot read EDNS is asked without (RFC 6891 section 7).
        """

        def old(query: bytes) -> list[bytes]:
            if dns.message.from_wire(query).edns >= 0:
                # As short as an error can be: no question.
                return [query[:2] + b"\x80\x01" + b"\0" * 8]
            return [self.zones.answer(query)]

        self.serve(old)
        self.assertTrue(self.ask(resolver_on(self.network)).is_found)
        self.assertEqual([0, -1], [dns.message.from_wire(query).edns for query in self.queries])

    def test_unknown_version(self) -> None:
        """
        BADVERS, of which a half stands in the OPT record, is such an answer too; and is final the second time.
        """

        def strange(query: bytes) -> list[bytes]:
            reply = dns.message.make_response(dns.message.from_wire(query))
            reply.use_edns(0)
            reply.set_rcode(dns.rcode.BADVERS)
            return [reply.to_wire()]

        self.serve(strange)
        self.assertEqual("127.0.0.1:53: BADVERS", self.reason(resolver_on(self.network)))
        self.assertEqual(2, len(self.queries))


class InTurnTests(ResolverCase):
    """
    Who is asked when.
    """

    def at(self, resolver: Resolver, name: str = "mail.example.org") -> tuple[float, DnsAnswer]:
        """
        When an answer came, and which.
        """
        start = self.network.seconds()
        answer = self.ask(resolver, name, 20)
        return self.network.seconds() - start, answer

    def test_rounds(self) -> None:
        """
        A silent server is asked again after two seconds, and four seconds later over TCP.
        """
        times: list[float] = []

        def note(query: bytes) -> list[bytes]:
            times.append(self.network.seconds())
            return []

        def stream(query: bytes) -> list[bytes]:
            times.append(self.network.seconds())
            return framed(self.zones.answer(query, is_stream=True))

        self.network.serve("127.0.0.1", note, stream)
        self.assertEqual(6.0, self.at(resolver_on(self.network))[0])
        self.assertEqual([0.0, 2.0, 6.0], times)

    def test_all_silent(self) -> None:
        """
        All is over when the time is up, however many servers there are.
        """
        for address in ("127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
            self.network.serve(address)
        for addresses in (["127.0.0.1"], ["127.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]):
            for timeout in (10.0, 5.0):
                start = self.network.seconds()
                resolver = resolver_on(self.network, *addresses, timeout=timeout)
                self.assertIn("no answer in time", self.reason(resolver, seconds=20))
                self.assertEqual(timeout, self.network.seconds() - start)

    def test_next_one(self) -> None:
        """
        When the first is silent the second is asked, and for a while it is the first to be asked.
        """
        self.serve(silent)
        self.network.serve_zones("192.0.2.1", self.zones)
        resolver = resolver_on(self.network, "127.0.0.1", "192.0.2.1")
        self.assertEqual(2.0, self.at(resolver)[0])
        self.assertEqual(0.0, self.at(resolver, "four.example.org")[0])
        self.assertEqual(1, len(self.queries))
        self.network.advance(limits.DNS_RESOLVER_REST)
        self.assertEqual(2.0, self.at(resolver, "example.org")[0])

    def test_rested(self) -> None:
        """
        One that answers again is in its place again.
        """
        self.network.serve("127.0.0.1")
        self.network.serve("192.0.2.1")
        resolver = resolver_on(self.network, "127.0.0.1", "192.0.2.1")
        self.reason(resolver, seconds=10)
        self.serve(lambda query: [self.zones.answer(query)])
        self.network.serve_zones("192.0.2.1", ZoneServer(""))
        self.assertTrue(self.at(resolver, "four.example.org")[1].is_found)

    def test_refused(self) -> None:
        """
        Where nobody listens costs no time; if nobody does anywhere, that is the reason.
        """
        self.network.serve_zones("192.0.2.1", self.zones)
        self.assertEqual(0.0, self.at(resolver_on(self.network, "127.0.0.1", "192.0.2.1"))[0])
        self.assertEqual(
            "127.0.0.1:53: not reachable (Connection was refused by other side)",
            self.reason(resolver_on(self.network, "127.0.0.1")),
        )

    def test_cannot_tell(self) -> None:
        """
        A server that cannot tell is not asked again, the next one is; and if none can tell, that takes no time.
        """
        self.zones.failing.add("mail.example.org")
        self.serve(lambda query: [self.zones.answer(query)])
        self.network.serve_zones("192.0.2.1", ZoneServer())
        self.assertTrue(self.ask(resolver_on(self.network, "127.0.0.1", "192.0.2.1")).is_found)
        self.assertEqual("127.0.0.1:53: SERVFAIL", self.reason(resolver_on(self.network)))
        self.assertEqual(2, len(self.queries))

    def test_malformed(self) -> None:
        """
        So is one whose answer cannot be read, or has too many records.
        """
        for spoilt in (
            lambda query: [self.zones.answer(query)[:-3]],
            lambda query: [self.zones.answer(query)[:6] + b"\xff\xff" + self.zones.answer(query)[8:]],
        ):
            self.network.serve("127.0.0.1", spoilt)
            self.network.serve_zones("192.0.2.1", self.zones)
            self.assertEqual(0.0, self.at(resolver_on(self.network, "127.0.0.1", "192.0.2.1"))[0])

    def test_refusal_leaves_no_trace(self) -> None:
        """
        A reply that leads astray before it is refused does not lead the next one astray.
        """

        def astray(query: bytes) -> list[bytes]:
            reply = dns.message.make_response(dns.message.from_wire(query))
            for owner, target in (("mail.example.org.", "x.example."), ("x.example.", "mail.example.org.")):
                reply.answer.append(dns.rrset.from_text(owner, 300, "IN", "CNAME", target))
            return [reply.to_wire()]

        self.network.serve("127.0.0.1", astray)
        self.network.serve_zones("192.0.2.1", self.zones)
        answer = self.ask(resolver_on(self.network, "127.0.0.1", "192.0.2.1"))
        self.assertEqual((True, "mail.example.org"), (answer.is_found, answer.canonical_name))

    def test_nobody(self) -> None:
        """
        Without a server there is no answer.
        """
        resolver = Resolver(
            servers=[], udp=self.network, tcp=self.network, clock=self.network, random=lambda size: b"\0" * size
        )
        self.assertEqual("no resolver is known", self.reason(resolver))

    def test_no_sockets(self) -> None:
        """
        A machine that gives no sockets, or has no way to the server, is a failure like others.
        """
        self.network.serve_zones("127.0.0.1", self.zones)
        self.network.broken = OSError(24, "Too many open files")
        self.assertIn("Too many open files", self.reason(resolver_on(self.network)))
        self.network.broken, self.network.unreachable = None, OSError(101, "Network is unreachable")
        self.network.serve("127.0.0.1", silent, silent)
        self.assertIn("no answer in time", self.reason(resolver_on(self.network), seconds=10))


class StreamTests(ResolverCase):
    """
    Over TCP, because the datagram said that it is not all.
    """

    def over_tcp(self, *pieces: bytes, timeout: float = 10.0) -> Resolver:
        """
        A resolver that gets C{pieces} after the query's answer was cut.
        """

        def cut(query: bytes) -> list[bytes]:
            reply = dns.message.make_response(dns.message.from_wire(query))
            reply.flags |= dns.flags.TC
            return [reply.to_wire()]

        self.network.serve("127.0.0.1", cut, lambda query: list(pieces))
        return resolver_on(self.network, timeout=timeout)

    def good(self, number: int = 1001) -> bytes:
        """
        The answer, as it goes over TCP.
        """
        query = dns.message.make_query("mail.example.org.", "A", id=number)
        return framed(self.zones.answer(query.to_wire(), is_stream=True))[0]

    def test_pieces(self) -> None:
        """
        It makes no difference where the network cuts the answer.
        """
        whole = self.good()
        for cut in range(1, len(whole)):
            self.assertTrue(self.ask(self.over_tcp(whole[:cut], whole[cut:])).is_found)
        self.assertTrue(self.ask(self.over_tcp(*(whole[place : place + 1] for place in range(len(whole))))).is_found)
        self.assertTrue(self.ask(self.over_tcp(whole + b"more", b"and more")).is_found)

    def test_wrong(self) -> None:
        """
        Another answer, none, half of one, one that is cut again, and one that cannot be read, are none.
        """
        query = dns.message.make_query("mail.example.org.", "A", id=1001)
        again = dns.message.make_response(query)
        again.flags |= dns.flags.TC
        for pieces, reason, seconds in (
            ([self.good(1)], "an answer to something else", 0),
            ([b"\0\0"], "an answer to something else", 0),
            ([b""], "connection lost", 0),
            ([self.good()[:9], b""], "connection lost", 0),
            ([self.good()[:9]], "no answer in time", 10),
            (framed(again.to_wire()), "an answer without an end", 0),
            (framed(self.good()[2:-3]), "a malformed answer", 0),
        ):
            self.assertIn(reason, self.reason(self.over_tcp(*pieces), seconds=seconds), pieces)

    def test_unreachable(self) -> None:
        """
        A server that does not speak TCP cannot give a large answer.
        """
        resolver = self.over_tcp()
        datagrams, _ = self.network.at(("127.0.0.1", 53)) or (silent, silent)

        def gone(query: bytes) -> list[bytes]:
            self.network._servers.clear()
            return datagrams(query)

        self.network.serve("127.0.0.1", gone)
        self.assertIn("not reachable", self.reason(resolver))


class KeepingTests(ResolverCase):
    """
    What is kept, and who shares.
    """

    def setUp(self) -> None:
        """
        A resolver, and a server that counts.
        """
        super().setUp()
        self.serve(lambda query: [self.zones.answer(query)])
        self.resolver = resolver_on(self.network)

    def test_kept(self) -> None:
        """
        An answer is kept as long as it may be, and says how long that still is; case makes no difference.
        """
        self.ask(self.resolver)
        self.network.advance(100)
        self.assertEqual(200, self.ask(self.resolver, "MAIL.example.org.").ttl)
        self.network.advance(199)
        self.ask(self.resolver)
        self.assertEqual(1, len(self.queries))
        self.network.advance(1)
        self.assertEqual(300, self.ask(self.resolver).ttl)
        self.assertEqual(2, len(self.queries))

    def test_not_kept_longer(self) -> None:
        """
        Nothing is kept longer than five minutes, a "no" not longer than its SOA record says, and never beyond a minute.
        """

        def ttl(query: bytes) -> list[bytes]:
            reply = dns.message.from_wire(self.zones.answer(query))
            for rrset in (*reply.answer, *reply.authority):
                rrset.ttl = 86400
            return [reply.to_wire()]

        self.serve(ttl)
        self.assertEqual(300, self.ask(self.resolver).ttl)
        self.assertEqual(40, self.ask(self.resolver, "missing.example.org").ttl)

    def test_odd_ttl(self) -> None:
        """
        A time with its topmost bit set is none (RFC 2181 section 8), and what has none is not kept.
        """
        self.serve(lambda query: [self.zones.answer(query).replace(b"\0\0\x01\x2c", b"\xff\0\x01\x2c")])
        self.assertEqual(0, self.ask(self.resolver).ttl)
        self.ask(self.resolver)
        self.assertEqual(2, len(self.queries))

    def test_failures(self) -> None:
        """
        That there was no answer is known for five seconds.
        """
        self.zones.failing.add("mail.example.org")
        first = self.reason(self.resolver)
        self.assertEqual(first, self.reason(self.resolver))
        self.assertEqual(1, len(self.queries))
        self.zones.failing.clear()
        self.network.advance(5)
        self.assertTrue(self.ask(self.resolver).is_found)

    def start(self, name: str = "mail.example.org") -> tuple[Deferred[DnsAnswer], list[Any]]:
        """
        A query that is under way, and what will come of it.
        """
        results: list[Any] = []
        query = Deferred.fromCoroutine(self.resolver.query(name, RecordKind.A))
        query.addBoth(results.append)
        return query, results

    def test_shared(self) -> None:
        """
        Equal questions at the same time are one query.
        """
        (_, first), (_, second), (_, other) = (
            self.start(),
            self.start("Mail.example.org."),
            self.start("four.example.org"),
        )
        self.network.run()
        self.assertEqual([True, True, True], [one.is_found for one in (*first, *second, *other)])
        self.assertEqual(2, len(self.queries))

    def test_one_leaves(self) -> None:
        """
        Who no longer waits does not spoil it for the others.
        """
        (query, first), (_, second) = self.start(), self.start()
        query.cancel()
        self.assertIsNotNone(first[0].check(CancelledError))
        self.network.run()
        self.assertTrue(second[0].is_found)

    def test_all_leave(self) -> None:
        """
        When nobody waits any more, the query ends and its socket is closed; a new question is a new query.
        """
        self.serve(silent)
        (query, _), (again, _) = self.start(), self.start()
        query.cancel()
        self.network.run()
        self.assertEqual(1, len(self.network.ports))
        again.cancel()
        _, third = self.start()
        self.network.run()
        self.assertEqual(1, len(self.network.ports))
        self.assertEqual([], third)
        self.network.advance(2)
        self.network.run()
        self.resolver.close()
        self.network.run()
        self.assertEqual(([], []), (self.network.ports, self.network.getDelayedCalls()))

    def test_leave_during_tcp(self) -> None:
        """
        A connection, made or being made, is given up with its query.
        """
        for seconds in (0.0, 0.1):
            self.network.serve(
                "127.0.0.1", lambda query: [query[:2] + b"\x82\0" + query[4:10] + b"\0\0" + query[12:-11]], silent
            )
            query, results = self.start()
            while not self.network.connections:
                self.network.advance(0)
            self.network.advance(seconds)
            query.cancel()
            self.network.run()
            self.assertIsInstance(results[0], Failure)
            self.assertEqual(([], []), (self.network.connections, self.network.getDelayedCalls()))

    def test_addresses_cancelled(self) -> None:
        """
        Who no longer wants addresses leaves both questions.
        """
        self.serve(silent)
        query = Deferred.fromCoroutine(self.resolver.addresses("mail.example.org"))
        self.assertEqual(2, len(self.network.ports))
        query.cancel()
        self.failureResultOf(query, CancelledError)
        self.network.run()
        self.assertEqual(([], []), (self.network.ports, self.network.getDelayedCalls()))

    def test_close(self) -> None:
        """
        Who waits when it is closed is told so at once, and so is who asks later; what is known is known.
        """
        self.ask(self.resolver, "four.example.org")
        self.serve(silent)
        _, results = self.start()
        self.resolver.close()
        self.assertEqual(
            "No answer from DNS about mail.example.org A: the server is stopping.", results[0].value.public
        )
        self.network.run()
        self.assertEqual(([], []), (self.network.ports, self.network.getDelayedCalls()))
        self.reason(self.resolver)
        self.assertTrue(self.ask(self.resolver, "four.example.org").is_found)

    def test_room(self) -> None:
        """
        So many queries are under way and no more; those that wait in vain fail in their time.
        """
        self.patch(limits, "DNS_IN_FLIGHT", 2)
        for server in (silent, lambda query: [self.zones.answer(query)]):
            self.resolver = resolver_on(self.network)
            self.network.serve("127.0.0.1", server)
            waiting = [self.start(name)[1] for name in ("mail.example.org", "four.example.org", "www.example.org")]
            self.assertEqual(2, len(self.network.ports))
            for _ in range(90):
                self.network.advance(0.125)
                self.network.run()
            self.assertEqual([1, 1, 1], list(map(len, waiting)))
            reached = [isinstance(one[0], DnsAnswer) for one in waiting]
            self.assertEqual([server is not silent] * 3, reached)
