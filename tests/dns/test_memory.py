"""
L{twisted_mail_server.dns.memory}
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.resolvers import ResolverContract
from tests.support.drive import failure_of, now
from tests.support.zones import SECURE, ZONES
from twisted_mail_server.dns.memory import MemoryResolver
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, RecordKind
from twisted_mail_server.model.errors import DnsFailure, SyntaxProblem

T = TypeVar("T")


class MemoryContract(ResolverContract, SynchronousTestCase):
    """
    It does what every resolver does.
    """

    def make_resolver(self) -> MemoryResolver:
        """
        With the zones.
        """
        self.memory = MemoryResolver(ZONES, secure=SECURE)
        return self.memory

    def fail_name(self, name: str) -> None:
        """
        On request.
        """
        self.memory.fails(name)

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        It never waits.
        """
        return now(coroutine)


class MemoryTests(SynchronousTestCase):
    """
    What it does on request.
    """

    def ask(self, resolver: MemoryResolver, name: str, kind: RecordKind = RecordKind.A) -> DnsAnswer:
        """
        One answer.
        """
        return now(resolver.query(name, kind))

    def test_zones(self) -> None:
        """
        Zones are text, with times, classes and comments, or a mapping.
        """
        text = """
        ; a comment
        a.example.  60 IN A 192.0.2.1   ; another
        a.example.\tIN\tA\t192.0.2.2
        A.EXAMPLE   in a  192.0.2.3
        """
        answer = self.ask(MemoryResolver(text), "a.example")
        self.assertEqual(("192.0.2.1", "192.0.2.2", "192.0.2.3"), answer.addresses)
        self.assertEqual(60, answer.ttl)
        mapping = MemoryResolver({"a.example": ["A 192.0.2.1", 'TXT "x"'], "b.example.": ["A 192.0.2.2"]})
        self.assertEqual(("192.0.2.1",), self.ask(mapping, "a.example").addresses)
        self.assertEqual((b"x",), self.ask(mapping, "a.example", RecordKind.TXT).texts)
        self.assertEqual(("192.0.2.2",), self.ask(mapping, "b.example").addresses)

    def test_wrong_lines(self) -> None:
        """
        A line that is no record is refused, and shown.
        """
        for line in (
            "a.example.",
            "a.example. A",
            "a.example. A 1.2.3",
            "a.example. SRV 1 1 1 x.",
            "a..b A 192.0.2.1",
            "a 5",
        ):
            with self.assertRaises(SyntaxProblem, msg=line):
                MemoryResolver(line)

    def test_add_and_remove(self) -> None:
        """
        Records come and go.
        """
        resolver = MemoryResolver()
        self.assertEqual(DnsOutcome.NO_SUCH_NAME, self.ask(resolver, "a.example").outcome)
        resolver.add("a.example. A 192.0.2.1")
        self.assertTrue(self.ask(resolver, "a.example").is_found)
        resolver.remove("a.example")
        self.assertEqual(DnsOutcome.NO_SUCH_NAME, self.ask(resolver, "a.example").outcome)
        self.assertEqual([("a.example", RecordKind.A)] * 3, resolver.asked)

    def test_wild_cards(self) -> None:
        """
        A wild card stands for names that are not there, below the closest one that is (RFC 4592).
        """
        resolver = MemoryResolver(
            "*.example. A 192.0.2.1\nthere.example. TXT x\nbelow.empty.example. TXT x\n*. MX 0 .\nexample. TXT x"
        )
        self.assertTrue(self.ask(resolver, "any.example").is_found)
        self.assertTrue(self.ask(resolver, "any.thing.example").is_found)
        self.assertEqual(DnsOutcome.NO_DATA, self.ask(resolver, "there.example").outcome)
        self.assertEqual(DnsOutcome.NO_DATA, self.ask(resolver, "empty.example").outcome)
        self.assertEqual(DnsOutcome.NO_SUCH_NAME, self.ask(resolver, "any.there.example").outcome)
        self.assertEqual(DnsOutcome.NO_SUCH_NAME, self.ask(resolver, "test").outcome)

    def test_failures(self) -> None:
        """
        A failure can be for one kind only, and is over on request.
        """
        resolver = MemoryResolver("a.example. A 192.0.2.1")
        resolver.fails("a.example", RecordKind.A, "timed out")
        problem = failure_of(resolver.query("a.example", RecordKind.A), DnsFailure)
        self.assertEqual("No answer from DNS about a.example A: timed out.", str(problem))
        self.assertEqual(DnsOutcome.NO_DATA, self.ask(resolver, "a.example", RecordKind.MX).outcome)
        resolver.fails("a.example")
        failure_of(resolver.query("a.example", RecordKind.MX), DnsFailure)
        resolver.works("a.example")
        self.assertTrue(self.ask(resolver, "a.example").is_found)
        with self.assertRaises(SyntaxProblem):
            resolver.fails("a..b")

    def test_half_an_answer(self) -> None:
        """
        Addresses of one kind are an answer when the other kind fails; that there are none is none.
        """
        resolver = MemoryResolver("a.example. A 192.0.2.1\nb.example. TXT x", secure=["a.example"])
        for name in ("a.example", "b.example"):
            resolver.fails(name, RecordKind.AAAA)
        answer = now(resolver.addresses("a.example"))
        self.assertEqual((("192.0.2.1",), True), (answer.addresses, answer.is_secure))
        failure_of(resolver.addresses("b.example"), DnsFailure)

    def test_delays(self) -> None:
        """
        An answer takes as long as it was told to, by the clock.
        """
        clock = Clock()
        resolver = MemoryResolver("a.example. A 192.0.2.1", clock=clock)
        resolver.delays("a.example", 5)
        results: list[DnsAnswer] = []
        Deferred.fromCoroutine(resolver.query("a.example", RecordKind.A)).addCallback(results.append)
        clock.advance(4.5)
        self.assertEqual([], results)
        clock.advance(0.5)
        self.assertEqual(1, len(results))
        resolver.works("a.example")
        self.assertTrue(self.ask(resolver, "a.example").is_found)

    def test_delay_without_clock(self) -> None:
        """
        Without a clock there is no delay.
        """
        with self.assertRaises(ValueError):
            MemoryResolver().delays("a.example", 1)

    def test_broken_resolver(self) -> None:
        """
        What is no failure of DNS, in half of a question for addresses, is not taken for one.
        """

        class Broken(MemoryResolver):
            async def query(self, name: str, kind: RecordKind) -> DnsAnswer:
                raise KeyError(name)

        failure_of(Broken().addresses("a.example"), KeyError)
