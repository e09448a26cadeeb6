"""
A destination is down for two days, in virtual time: intake, spool, dispatcher, relay manager and reports together.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, SUBMITTED
from tests.support.mailhouse import SCHEDULE, MadeUpRelay, MailHouse, memory_clock
from tests.support.relay import MemoryConnector, Outside, over
from twisted_mail_server.delivery.intake import RelayTerms
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, RecipientOptions
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp.client_events import Cause

HOUR, DAY = 3600, 86_400

#: Seconds that pass at once: less than any wait.
STEP = 30

PLACE = "192.0.2.1"

_REPORTED = re.compile(rb"^Action: ([a-z]+)\r\nStatus: ([0-9.]+)\r\n", re.MULTILINE)


class TwoDaysTests(SynchronousTestCase):
    """
    Ann writes to eve, whose server is at L{PLACE}, when it is there.
    """

    def setUp(self) -> None:
        """
        Ann lives here; eve's domain has a name for its server, and no server.
        """
        self.outside = Outside(clock=memory_clock())
        self.clock = self.outside.clock
        self.connector: MemoryConnector = self.outside.connector
        self.outside.resolver.add(f"example.net. MX 10 mx.example.net.\nmx.example.net. A {PLACE}")
        self.relay = self.outside.relay()
        self.house = MailHouse(
            clock=self.clock, spool=self.outside.spool, relay=cast(MadeUpRelay, self.relay), relay_terms=RelayTerms()
        )
        self.ann = self.house.add("ann@example.org")

    def submit(self, *recipients: str, content: bytes = MESSAGE) -> None:
        """
        Ann sends a message.
        """
        incoming = now(self.house.intake.begin(SUBMITTED, Address.parse("ann@example.org"), MailOptions(), None))
        for one in recipients or ("eve@example.net",):
            now(incoming.recipient(Address.parse(one), RecipientOptions()))
        now(incoming.begin_content())
        incoming.write(content)
        now(incoming.finish())

    def pass_time(self, seconds: int) -> list[int]:
        """
        Time goes by; the seconds after which somebody knocked at eve's server.
        """
        began, knocks = self.clock.seconds(), []
        for _ in range(seconds // STEP):
            before = len(self.connector.tried)
            self.clock.advance(STEP)
            if len(self.connector.tried) > before:
                knocks.append(int(self.clock.seconds() - began))
        return knocks

    def restart(self) -> None:
        """
        The server stops, and another process takes over from the spool.
        """
        now(self.relay.stop())
        now(self.house.delivery.stop())
        self.relay = self.outside.relay()
        self.house.relay = cast(MadeUpRelay, self.relay)
        self.house.delivery = self.house.make_delivery()
        now(self.house.delivery.start())

    def reports(self) -> list[str]:
        """
        What ann was told, in order: the action and the status.
        """
        told = [_REPORTED.findall(one) for one in self.house.inbox(self.ann)]
        return [f"{action.decode()} {status.decode()}" for found in told for action, status in found]

    def waiting(self) -> int:
        """
        Messages that somebody still waits for.
        """
        return len(now(self.outside.spool.waiting()))

    def test_it_comes_back(self) -> None:
        """
        A message waits for two days, its sender is told once that it does, and it arrives once, whole.
        """
        self.submit()
        self.assertEqual(1, len(self.connector.tried))
        knocks = self.pass_time(2 * DAY)
        first, second, last = SCHEDULE.waits
        self.assertEqual([first, first + second, first + second + last], knocks[:3])
        self.assertEqual({last}, {after - before for before, after in pairwise(knocks[2:])})
        self.assertEqual(["delayed 4.4.1"], self.reports())
        self.assertEqual(1, self.waiting())
        host = self.connector.host(PLACE)
        self.pass_time(HOUR)
        ((sender, recipients, content),) = host.messages
        self.assertEqual(("ann@example.org", ["eve@example.net"]), (sender, recipients))
        self.assertTrue(content.endswith(MESSAGE))
        self.assertEqual(0, self.waiting())
        self.pass_time(5 * DAY)
        self.assertEqual((1, ["delayed 4.4.1"]), (len(host.messages), self.reports()))

    def test_many_messages(self) -> None:
        """
        Fifty messages knock no more often than one, keep no other mail waiting, and all arrive, each once.
        """
        for number in range(50):
            self.submit(f"{number}@example.net")
        self.assertEqual(1, len(self.connector.tried))
        other = self.outside.domain("example.com", "192.0.2.2")
        knocks = self.pass_time(DAY)
        self.assertEqual(1 + len(knocks), len(self.connector.tried))
        self.submit("cid@example.com")
        self.assertEqual(1, len(other.messages))
        self.pass_time(DAY)
        self.assertEqual(50, self.waiting())
        host = self.connector.host(PLACE)
        self.pass_time(HOUR)
        arrived = sorted(int(names[0].partition("@")[0]) for _, names, _ in host.messages)
        self.assertEqual((list(range(50)), 0), (arrived, self.waiting()))

    def test_our_server_restarts(self) -> None:
        """
        Our own server stops and starts every few hours meanwhile: nothing is lost, doubled, or told twice.
        """
        self.submit()
        for _ in range(10):
            self.pass_time(5 * HOUR)
            self.restart()
        host = self.connector.host(PLACE)
        self.restart()
        self.pass_time(HOUR)
        self.restart()
        self.pass_time(DAY)
        self.assertEqual((1, ["delayed 4.4.1"]), (len(host.messages), self.reports()))

    def test_every_kind_of_trouble(self) -> None:
        """
        Names that nobody can look up, a silent host, 421, greylisting, a lost connection: what is for now is survived.
        """
        self.submit()
        self.outside.resolver.fails("example.net")
        self.pass_time(DAY // 2)
        self.assertEqual([], self.connector.tried[1:])
        self.outside.resolver.works("example.net")
        host = self.connector.host(PLACE, failure=over(Cause.CONNECT, "It is silent.", "4.4.1"), connect_delay=10)
        self.pass_time(DAY // 2)
        host.failure = over(Cause.GREETING, "It said 421 Not now.", "4.3.2", Reply(421, "Not now"))
        self.pass_time(DAY // 2)
        host.failure, host.replies["eve@example.net"] = None, Reply(450, "Come again", "4.2.1")
        self.pass_time(DAY // 4)
        self.assertEqual(1, self.waiting())
        del host.replies["eve@example.net"]
        # The host that refused everybody has written down the tries all the same.
        host.messages.clear()
        host.losses = 3
        self.pass_time(DAY // 4)
        self.assertEqual((0, 1, 0), (host.losses, len(host.messages), self.waiting()))
        self.assertEqual(1, len(self.reports()))

    def test_it_does_not_come_back(self) -> None:
        """
        After five days the message is given up, and comes back to its sender with the last word that was had.
        """
        self.submit()
        self.pass_time(5 * DAY + HOUR)
        self.assertEqual(["delayed 4.4.1", "failed 4.4.1"], self.reports())
        self.assertIn(b"How are you?", self.house.inbox(self.ann)[-1])
        self.assertEqual(0, self.waiting())
        tried = len(self.connector.tried)
        self.pass_time(DAY)
        self.assertEqual(tried, len(self.connector.tried))
