"""
Mail loops: a message that two servers, or two aliases, send each other for ever, growing or multiplying on the way.

RFC 5321 section 6.3 asks for a count of Received fields; qmail added Delivered-To because a count alone lets a loop double a message
a hundred times first.  Both are held here, an alias that leads in a circle is refused at RCPT, and reports never answer reports.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import THERE, AllServers
from tests.support.drive import now
from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Outcome, Result


class LoopTests(SynchronousTestCase):
    """
    Messages that come again.
    """

    def setUp(self) -> None:
        """
        Ana, and aliases that lead in circles.
        """
        self.servers = AllServers()
        self.house = self.servers.house
        self.ana = self.servers.add("ana@example.org")

    def replies(self, recipient: bytes, header: bytes, service: str = "smtp") -> list[bytes]:
        """
        What is said to RCPT, and to a message with that header.
        """
        transport = self.servers.connect(service, THERE)
        hello = b"LHLO" if service == "lmtp" else b"EHLO"
        transport.deliver(hello + b" me\r\nMAIL FROM:<bob@example.net>\r\n")
        transport.take()
        transport.deliver(b"RCPT TO:<%b>\r\n" % recipient)
        heard = [transport.take()]
        transport.deliver(b"DATA\r\n")
        transport.take()
        transport.deliver(header + b"\r\nx\r\n.\r\n")
        heard.append(transport.take())
        transport.lose()
        return heard

    def test_hops(self) -> None:
        """
        After a hundred hosts a message goes no further, and nobody is sent a report: who sent it is told at once.
        """
        for service in ("smtp", "lmtp"):
            hop = b"Received: from a by b;\r\n\tMon, 2 Nov 2026 00:00:00 +0000\r\n"
            for count, code in ((limits.RECEIVED_FIELDS, b"250"), (limits.RECEIVED_FIELDS + 1, b"554")):
                for spelling in (hop, hop.replace(b"Received:", b"RECEIVED :"), hop.replace(b"Received", b"rEcEiVeD")):
                    self.assertEqual(code, self.replies(b"ana@example.org", spelling * count, service)[1][:3])
        self.assertEqual(6, len(self.house.inbox(self.ana)))
        self.assertEqual([], self.house.relay.sent)

    def test_delivered_before(self) -> None:
        """
        What this mailbox has had comes in no second time, however its mark is written.
        """
        for mark in (b"Delivered-To: ana@example.org\r\n", b"delivered-TO :\r\n\tANA@Example.ORG\r\n"):
            self.assertEqual(b"554", self.replies(b"ana@example.org", b"A: b\r\n" + mark)[1][:3])
        self.assertEqual([], self.house.inbox(self.ana))

    def test_own_delivery(self) -> None:
        """
        A message that was delivered here carries the mark: sent here again as it is, it is refused.
        """
        self.replies(b"ana@example.org", b"Subject: x\r\n")
        (delivered,) = self.house.inbox(self.ana)
        header = delivered[: delivered.index(b"\r\n\r\n") + 2]
        self.assertEqual(b"554", self.replies(b"ana@example.org", header)[1][:3])

    def test_circles(self) -> None:
        """
        Aliases that lead to each other, or to themselves, stand for nobody.
        """
        self.house.alias("one@example.org", "two@example.org")
        self.house.alias("two@example.org", "three@example.org")
        self.house.alias("three@example.org", "one@example.org", "two@example.org")
        self.house.alias("self@example.org", "self@example.org")
        for name in (b"one", b"two", b"three", b"self"):
            rcpt, _ = self.replies(name + b"@example.org", b"A: b\r\n")
            self.assertEqual(b"5", rcpt[:1], rcpt)
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_circle_with_a_way_out(self) -> None:
        """
        Where a circle has a way out, who is there gets one copy.
        """
        self.house.alias("one@example.org", "two@example.org", "ana@example.org")
        self.house.alias("two@example.org", "one@example.org", "ana@example.org")
        self.assertEqual(b"250", self.replies(b"one@example.org", b"A: b\r\n")[1][:3])
        self.assertEqual(1, len(self.house.inbox(self.ana)))

    def test_fan(self) -> None:
        """
        Aliases of aliases do not multiply without a bound.
        """
        for level in range(9):
            targets = [f"a{level + 1}-{number}@example.org" for number in range(10)]
            for number in range(10):
                self.house.alias(f"a{level}-{number}@example.org", *targets)
        rcpt, _ = self.replies(b"a0-0@example.org", b"A: b\r\n")
        self.assertEqual(b"5", rcpt[:1])

    def test_reports(self) -> None:
        """
        A report that cannot be delivered is the end: two servers that refuse each other's mail exchange one message, not more.
        """
        self.house.relay.answer = lambda message, number: Result(
            number, Outcome.FAILED, "550 no", "5.1.1", "smtp; 550 no"
        )
        self.house.alias("list@example.org", "gone@example.net")
        transport = self.servers.connect("smtp", THERE)
        transport.deliver(
            b"EHLO me\r\nMAIL FROM:<bob@example.com>\r\nRCPT TO:<list@example.org>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n"
        )
        self.house.clock.advance(7 * 86_400)
        # The message to the list, and the report to Bob; nothing about the report.
        self.assertEqual(
            ["example.net", "example.com"], [domain for _, _, domain in self.house.relay.sent], transport.take()
        )
        self.assertEqual([], now(self.house.spool.waiting()))
