"""
Slow readers: a client that asks for much and reads nothing, so that what it asked for piles up in the server.

The "slow read" of 2012 hit every web server that queued its answers without a bound; so did HTTP/2's floods of 2019
(CVE-2019-9511 and its kin).  Here a session waits once a bound of octets is queued, reads no more commands meanwhile,
and is ended if nothing is taken for some minutes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import AllServers, login
from tests.support.drive import now
from tests.support.mailhouse import as_store
from tests.support.stores import append
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import Ending

LARGE = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 10_000
#: What may be queued: the bound and a few pieces of a message more, whatever is asked for.
BOUND = 3 * (limits.PENDING_OUTPUT + limits.CONTENT_PIECE)


class SlowReaderTests(SynchronousTestCase):
    """
    A transport that takes nothing.
    """

    def setUp(self) -> None:
        """
        Ana has eight megabytes of mail.
        """
        self.servers = AllServers()
        account = self.servers.add("ana@example.org")
        append(now(as_store(self.servers.house.store).open(account.id)), "INBOX", *[LARGE] * 10)

    def floods(self, service: str, before: bytes, flood: bytes, rounds: int) -> None:
        """
        A client says C{before}, stops reading, and says C{flood} again and again: what is queued is bounded, what it sends is read
        no more, and it is ended; then nothing of it is left.
        """
        transport = self.servers.connect_full(service)
        session = transport.protocol
        transport.deliver(before)
        transport.read()
        for _ in range(rounds):
            if transport.producerState == "paused":
                break
            transport.deliver(flood)
        self.assertLessEqual(transport.held, BOUND)
        self.assertLessEqual(session.unread(), limits.PIPELINE + len(flood))
        if not transport.is_ended:
            self.assertEqual("paused", transport.producerState, "It is still read.")
            for _ in range(limits.SEND_TIMEOUT + 2):
                self.servers.clock.advance(1)
            self.assertTrue(transport.is_aborted)
            self.assertEqual(Ending.TIMED_OUT, session.ending)
        transport.lose()
        self.assertEqual(set(), self.servers.factory(service).sessions)

    def test_imap_fetch(self) -> None:
        """
        IMAP: whole messages, many times.
        """
        self.floods("imap", login("imap") + b"b SELECT INBOX\r\n", b"c FETCH 1:* BODY.PEEK[]\r\n" * 100, 100)

    def test_imap_small_answers(self) -> None:
        """
        IMAP: small answers to many small commands.
        """
        self.floods("imap", login("imap") + b"b SELECT INBOX\r\n", b'c LIST "" "*"\r\n' * 1000, 200)

    def test_pop3_retr(self) -> None:
        """
        POP3: the same.
        """
        self.floods("pop3", login("pop3"), b"RETR 1\r\n" * 500, 100)

    def test_pop3_lists(self) -> None:
        """
        POP3: lists, and nothing else.
        """
        self.floods("pop3", login("pop3"), b"UIDL\r\nLIST\r\n" * 500, 300)

    def test_smtp(self) -> None:
        """
        SMTP: a great many replies, each of which brings mail forward enough to be no flood of idle commands.
        """
        rcpt = b"RCPT TO:<ana@example.org>\r\n" * 900
        self.floods("smtp", b"EHLO me\r\n", b"MAIL FROM:<>\r\n" + rcpt + b"DATA\r\nx\r\n.\r\n", 100)

    def test_trickle(self) -> None:
        """
        A client that takes a little now and then is served, and what is queued stays within the bound.
        """
        transport = self.servers.connect_full("imap")
        transport.deliver(login("imap") + b"b SELECT INBOX\r\n")
        transport.read()
        transport.deliver(b"c FETCH 1:* BODY.PEEK[]\r\n")
        heard = 0
        while transport.held:
            self.assertLessEqual(transport.held, BOUND)
            self.servers.clock.advance(limits.SEND_TIMEOUT - 1)
            heard += transport.read()
        self.assertGreater(heard, 10 * len(LARGE))
        self.assertFalse(transport.is_ended)
        transport.lose()
