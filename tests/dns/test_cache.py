"""
L{twisted_mail_server.dns.cache}
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.dns.cache import Cache, NoAnswer
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, RecordKind

ANSWER = DnsAnswer("a", "a", ("192.0.2.1",), False, 100, DnsOutcome.FOUND)


class CacheTests(SynchronousTestCase):
    """
    What is kept.
    """

    def setUp(self) -> None:
        """
        Room for three.
        """
        self.clock = Clock()
        self.cache = Cache(self.clock, 3)

    def test_time(self) -> None:
        """
        An answer is there until its time is up, and is then gone from memory when it is looked for.
        """
        self.cache.keep(("a", RecordKind.A), ANSWER)
        self.clock.advance(99.5)
        self.assertEqual(evolve(ANSWER, ttl=0), self.cache.find(("a", RecordKind.A)))
        self.clock.advance(0.5)
        self.assertEqual(1, len(self.cache))
        self.assertIsNone(self.cache.find(("a", RecordKind.A)))
        self.assertEqual(0, len(self.cache))

    def test_kinds(self) -> None:
        """
        Another kind of records is another matter.
        """
        self.cache.keep(("a", RecordKind.A), ANSWER)
        self.assertIsNone(self.cache.find(("a", RecordKind.AAAA)))

    def test_failure(self) -> None:
        """
        That there was no answer is forgotten soon.
        """
        self.cache.keep(("a", RecordKind.A), NoAnswer("x"))
        self.clock.advance(4.5)
        self.assertEqual(NoAnswer("x"), self.cache.find(("a", RecordKind.A)))
        self.clock.advance(0.5)
        self.assertIsNone(self.cache.find(("a", RecordKind.A)))

    def test_replaced(self) -> None:
        """
        What is newer replaces what was known, even if it may not be kept.
        """
        self.cache.keep(("a", RecordKind.A), ANSWER)
        self.cache.keep(("a", RecordKind.A), evolve(ANSWER, ttl=0))
        self.assertIsNone(self.cache.find(("a", RecordKind.A)))

    def test_least_used(self) -> None:
        """
        When there is no room the one goes that was not asked for the longest.
        """
        for name in ("a", "b", "c"):
            self.cache.keep((name, RecordKind.A), ANSWER)
        self.cache.find(("a", RecordKind.A))
        self.cache.keep(("d", RecordKind.A), ANSWER)
        self.assertEqual(3, len(self.cache))
        known = [name for name in "abcd" if self.cache.find((name, RecordKind.A)) is not None]
        self.assertEqual(["a", "c", "d"], known)
