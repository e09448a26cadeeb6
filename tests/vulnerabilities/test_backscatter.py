"""
Backscatter: reports on mail that was never wanted, sent to those in whose name it was forged.

qmail's and many a gateway's habit of taking everything and bouncing it later made it a plague about 2004.  Here what is not wanted is
refused while its sender is there; a report is sent only of what was accepted, to its sender, once, from nobody, within a bound.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import THERE, AllServers
from tests.support.drive import now
from twisted_mail_server.message.reported import read_report
from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result


class BackscatterTests(SynchronousTestCase):
    """
    Who is told what.
    """

    def setUp(self) -> None:
        """
        Ana lives here; whatever goes elsewhere is refused there.
        """
        self.servers = AllServers()
        self.house = self.servers.house
        self.ana = self.servers.add("ana@example.org")
        self.house.relay.answer = self.refuse
        #: What has been sent from nobody, with its content.
        self.reports: list[tuple[QueuedMessage, bytes]] = []

    def refuse(self, message: QueuedMessage, number: int) -> Result:
        """
        Everything but reports.
        """
        if message.envelope.sender is None:
            self.reports.append((message, now(self.house.spool.read(message, 0, message.size))))
            return Result(number, Outcome.RELAYED, "250 fine", "2.0.0")
        return Result(number, Outcome.FAILED, "550 no " + "x" * 5000, "5.1.1", "smtp; 550 no " + "x" * 5000)

    def send(
        self, sender: bytes, *recipients: bytes, content: bytes = b"A: b\r\n\r\nx", data: bytes = b"DATA\r\n"
    ) -> bytes:
        """
        All that a stranger hears.
        """
        transport = self.servers.connect("smtp", THERE)
        transport.deliver(b"EHLO me\r\nMAIL FROM:<%b>\r\n" % sender)
        transport.deliver(b"".join(b"RCPT TO:<%b>\r\n" % one for one in recipients))
        transport.deliver(data)
        transport.deliver(content + b"\r\n.\r\n")
        heard = transport.take()
        transport.lose()
        return heard

    def test_refused_recipients(self) -> None:
        """
        Nobody is told of mail that was refused at RCPT, not even where other recipients were taken.
        """
        self.send(b"victim@example.com", b"nobody@example.org")
        self.send(b"victim@example.com", b"nobody@example.org", b"ana@example.org", b"x@elsewhere.test")
        self.house.clock.advance(7 * 86_400)
        self.assertEqual(1, len(self.house.inbox(self.ana)))
        self.assertEqual([], self.house.relay.sent)

    def test_refused_content(self) -> None:
        """
        Nor of content that was refused, for loops, lone line ends or anything else.
        """
        for content in (
            b"Delivered-To: ana@example.org\r\n\r\nx",
            b"A: b\r\n\r\nx\ny",
            b"Received: x\r\n" * 101 + b"\r\nx",
        ):
            self.assertIn(b"\r\n55", self.send(b"victim@example.com", b"ana@example.org", content=content))
        self.house.clock.advance(7 * 86_400)
        self.assertEqual(([], []), (self.house.relay.sent, now(self.house.spool.waiting())))

    def test_full_and_disabled(self) -> None:
        """
        A mailbox that takes nothing says so at RCPT.
        """
        now(self.house.directory.set_disabled(self.ana.id, True))
        self.assertIn(b"\r\n450 4.2.1", self.send(b"victim@example.com", b"ana@example.org"))
        self.house.clock.advance(7 * 86_400)
        self.assertEqual([], self.house.relay.sent)

    def test_accepted(self) -> None:
        """
        Of what was accepted and failed its sender is told, once, from nobody, marked as automatic.
        """
        self.house.alias("list@example.org", "gone@example.net", "away@example.net")
        self.assertIn(b"Queued", self.send(b"bob@example.com", b"list@example.org"))
        self.house.clock.advance(7 * 86_400)
        ((report, content),) = self.reports
        self.assertEqual(["bob@example.com"], [str(one.address) for one in report.envelope.recipients])
        self.assertIn(b"\r\nAuto-Submitted: auto-replied\r\n", content)
        self.assertIsNotNone(read_report(content))

    def test_null_sender(self) -> None:
        """
        Nobody is told of mail from nobody.
        """
        self.house.alias("list@example.org", "gone@example.net")
        self.house.relay.answer = lambda message, number: Result(number, Outcome.FAILED, "550 no", "5.1.1")
        self.assertIn(b"Queued", self.send(b"", b"list@example.org"))
        self.house.clock.advance(7 * 86_400)
        self.assertEqual(1, len(self.house.relay.sent))

    def test_not_wanted(self) -> None:
        """
        Nor who does not want to know (RFC 3461).
        """
        self.house.alias("list@example.org", "gone@example.net")
        transport = self.servers.connect("smtp", THERE)
        transport.deliver(b"EHLO me\r\nMAIL FROM:<bob@example.com>\r\nRCPT TO:<list@example.org> NOTIFY=NEVER\r\n")
        transport.deliver(b"DATA\r\nA: b\r\n\r\nx\r\n.\r\n")
        self.house.clock.advance(7 * 86_400)
        self.assertIn(b"Queued", transport.take())
        self.assertEqual([], self.reports)

    def test_no_amplifier(self) -> None:
        """
        One report speaks of a thousand recipients; large mail comes back as its header only, and a large header as a part of it.
        """
        targets = [f"gone{number}@example.net" for number in range(900)]
        self.house.alias("list@example.org", *targets)
        body = (b"x" * 76 + b"\r\n") * 30_000
        header = b"X-Long: y\r\n" * 10_000
        self.assertIn(b"Queued", self.send(b"bob@example.com", b"list@example.org", content=b"A: b\r\n\r\n" + body))
        self.assertIn(b"Queued", self.send(b"bob@example.com", b"list@example.org", content=header + b"\r\nx"))
        self.house.clock.advance(7 * 86_400)
        self.assertEqual(2, len(self.reports))
        for report, content in self.reports:
            self.assertNotIn(b"x" * 76 + b"\r\n" + b"x" * 76, content)
            self.assertLess(report.size, 1500 + 900 * 1500 + limits.REPORT_HEADER)

    def test_no_answers(self) -> None:
        """
        Success is told only to who asked, and nothing else of ours answers a message.
        """
        self.send(
            b"bob@example.com", b"ana@example.org", content=b"Disposition-Notification-To: bob@example.com\r\n\r\nx"
        )
        self.send(b"bob@example.com", b"ana@example.org", content=b"Return-Receipt-To: bob@example.com\r\n\r\nx")
        self.house.clock.advance(7 * 86_400)
        self.assertEqual([], self.house.relay.sent)
