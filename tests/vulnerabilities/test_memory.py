"""
Leaks: what each bad dialogue leaves behind, until enough of them have been had.

A server lives for months; a few hundred octets kept for each connection that ends in an unusual way are a slow denial of service, which
nearly every long-lived server had once.  Ten thousand dialogues, none of which ends well, leave memory as it was, and nothing in any
table.
"""

from __future__ import annotations

import base64
import gc
import tracemalloc
from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import HERE, SERVICES, AllServers, WatchedTransport, login

DIALOGUES = 10_000
#: Sessions that are looked on before anything is measured: what is made once is there then.
WARM = 1_500
#: Octets, and objects, that may be there more than before: caches of patterns and the like, not a hundredth for each dialogue.
GROWTH, OBJECTS = 200_000, 500

PLAIN = base64.b64encode(b"\0ana@example.org\0wrong")
OPENINGS: dict[str, tuple[bytes, ...]] = {
    "smtp": (
        b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nSubject: half",
        b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<ana@example.org>\r\nBDAT 1000\r\nhalf a chunk",
        b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nbare\nline\r\n.\r\nDATA\r\n",
        b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nMAIL FROM:<",
        b"STARTTLS\r\nEHLO me\r\n",
        b"EHLO me\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00garbage",
        b"NOOP\r\n" * 120,
        b"x" * 5000,
        b"BDAT 99999999999999999999 LAST\r\n" + b"y" * 3000,
    ),
    "submission": (
        b"EHLO me\r\nAUTH PLAIN " + PLAIN + b"\r\n",
        b"EHLO me\r\nAUTH PLAIN\r\n" + b"!" * 13_000 + b"\r\n",
        b"EHLO me\r\nAUTH LOGIN\r\nYW5h\r\n",
        b"EHLO me\r\nAUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n",
        b"EHLO me\r\nAUTH SCRAM-SHA-1 " + base64.b64encode(b"n,,n=ana,r=x") + b"\r\nYz1iaXdzLHI9eA==\r\n",
        b"EHLO me\r\nAUTH PLAIN "
        + base64.b64encode(b"\0ana@example.org\0secret")
        + b"\r\nMAIL FROM:<ana@example.org>\r\n",
        b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nBDAT 500\r\n",
    ),
    "lmtp": (
        b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nRCPT TO:<x@example.org>\r\nDATA\r\nhalf",
        b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nBDAT 5\r\nab\n\n\nBDAT 7 LAST\r\n",
        b"EHLO me\r\n" * 25,
    ),
    "imap": (
        login("imap") + b"b APPEND INBOX {1000}\r\nhalf a message",
        login("imap") + b"b APPEND INBOX {60+}\r\n" + b"z" * 60 + b" {99999999999999}\r\n",
        login("imap") + b"b SELECT INBOX\r\nc IDLE\r\n",
        login("imap") + b"b SELECT INBOX\r\nc SEARCH SUBJECT {50}\r\nnever",
        login("imap") + b"b FETCH 1:* (\r\nc UID FETCH " + b"1:*," * 500 + b"\r\n",
        b"a LOGIN {5}\r\nana",
        b"a LOGIN ana@example.org wrong\r\n" * 5,
        b"a AUTHENTICATE PLAIN " + PLAIN + b"\r\nb AUTHENTICATE SCRAM-SHA-256\r\n*\r\n",
        b"a STARTTLS\r\nb LOGIN x y\r\n",
        b"{999999+}\r\n" + b"w" * 3000,
        b"\r\n" * 30,
    ),
    "pop3": (
        login("pop3") + b"STAT\r\nDELE 1\r\n",
        b"USER ana@example.org\r\nPASS wrong\r\n" * 4,
        b"AUTH PLAIN\r\n" + PLAIN + b"\r\nAUTH LOGIN\r\n",
        b"STLS\r\n\x16\x03garbage",
        b"CAPA\r\n" * 50,
        b"TOP 1 0\r\n" * 25,
        b"u" * 3000,
    ),
}


class BadDialogues:
    """
    One after the other, from a seed.
    """

    def __init__(self, servers: AllServers) -> None:
        self.servers = servers
        self.chance = Random(11)
        self.open: list[WatchedTransport] = []
        #: How many were ended by the server, and how many not.
        self.endings: Counter[bool] = Counter()

    def begin(self) -> None:
        """
        A connection that says something bad, and ends badly, at once or later.
        """
        chance, servers = self.chance, self.servers
        service = chance.choice(SERVICES)
        peer = HERE if chance.random() < 0.5 else f"198.51.{chance.randrange(4)}.{chance.randrange(250)}"
        transport = servers.connect(service, peer)
        said = chance.choice(OPENINGS[service])
        match chance.randrange(5):
            case 0:
                said = chance.randbytes(chance.randrange(1, 400))
            case 1:
                said = said[: chance.randrange(len(said))]
            case 2:
                at = chance.randrange(len(said))
                said = said[:at] + chance.randbytes(3) + said[at:] + b"\r\n"
        for at in range(0, len(said), 700):
            transport.deliver(said[at : at + 700])
        self.open.append(transport)
        if len(self.open) > 20:
            self.end(self.open.pop(chance.randrange(len(self.open))))
        if not chance.randrange(10):
            servers.clock.advance(7)

    def end(self, transport: WatchedTransport) -> None:
        """
        The client is gone, or was ended before.
        """
        session = transport.protocol
        self.endings[transport.is_ended] += 1
        if self.chance.randrange(3) == 0 and not transport.is_ended and hasattr(session, "readConnectionLost"):
            session.readConnectionLost()
        transport.lose()

    def finish(self) -> None:
        """
        All end, and time goes by.
        """
        while self.open:
            self.end(self.open.pop())
        # More than anything is remembered for: failures of logins, idle databases, time-outs.
        self.servers.clock.advance(3600)
        gc.collect()


class MemoryTests(SynchronousTestCase):
    """
    Before, and after.
    """

    def test_flat(self) -> None:
        """
        Ten thousand bad dialogues leave neither octets nor objects, sessions, timers, transactions or logins.
        """
        servers = AllServers()
        servers.add("ana@example.org")
        dialogues = BadDialogues(servers)
        for _ in range(WARM):
            dialogues.begin()
        dialogues.finish()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        octets, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        for _ in range(DIALOGUES):
            dialogues.begin()
        dialogues.finish()
        # Trial keeps every warning; our makeshift certificates bring one each time.
        self.flushWarnings()
        grown, more = tracemalloc.get_traced_memory()[0] - octets, len(gc.get_objects()) - objects
        for service in SERVICES:
            factory = servers.factory(service)
            self.assertEqual(
                (set(), {}, 0), (factory.sessions, factory.census.by_address, factory.census.admitted), service
            )
        self.assertLess(more, OBJECTS)
        self.assertLess(grown, GROWTH)
        self.assertEqual([], servers.clock.getDelayedCalls())
        self.assertEqual({True, False}, set(dialogues.endings))
