"""
Guessing passwords: fast, in many sessions, by every protocol in turn.

Credential stuffing is what mail servers see all day.  Here failures are counted by address and by account for all protocols
together, after a few the next guess is not even looked at (no hash is computed), and a session ends after three.
"""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import LOGINS, THERE, AllServers, login
from tests.support.transports import TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import TlsUse

NAME = b"ana@example.org"
SUCCESS = {"submission": b"235 ", "imap": b"a OK ", "pop3": b"+OK Maildrop"}


class GuessingTests(SynchronousTestCase):
    """
    Ana's password, guessed at.
    """

    def setUp(self) -> None:
        """
        All servers, with TLS from the first octet: guesses come from far away.
        """
        self.servers = AllServers(TlsUse.IMPLICIT)
        self.servers.add("ana@example.org")

    def guess(self, service: str, *passwords: bytes, peer: str = THERE, name: bytes = NAME) -> bytes:
        """
        What a session of its own hears.
        """
        transport = self.servers.connect(service, peer)
        client = TlsClient(transport)
        client.talk()
        heard = client.talk(b"".join(login(service, name, one) for one in passwords))
        transport.lose()
        return heard

    def is_in(self, service: str, password: bytes = b"secret", peer: str = THERE, name: bytes = NAME) -> bool:
        """
        Whether that password is taken.
        """
        return SUCCESS[service] in self.guess(service, password, peer=peer, name=name)

    def test_session(self) -> None:
        """
        A session is good for a few guesses; then it ends, and the right password behind them is not looked at.
        """
        for service in LOGINS:
            servers = self.servers = AllServers(TlsUse.IMPLICIT)
            servers.add("ana@example.org")
            transport = servers.connect(service, THERE)
            client = TlsClient(transport)
            client.talk()
            before = servers.pool.trips
            heard = client.talk(login(service, NAME, b"wrong") * 10 + login(service))
            self.assertEqual(limits.LOGINS_PER_SESSION, servers.pool.trips - before)
            self.assertNotIn(SUCCESS[service], heard)
            self.assertTrue(transport.is_ended)
            transport.lose()

    def test_account(self) -> None:
        """
        After some failures, by whatever protocols and from wherever, guesses at an account wait; none of them costs a hash.
        """
        for number in range(limits.FAILURES_PER_ACCOUNT):
            self.guess(LOGINS[number % 3], b"wrong", peer=f"198.51.100.{number}")
        before = self.servers.pool.trips
        for service in LOGINS:
            self.assertFalse(self.is_in(service, peer="203.0.113.9"))
        self.assertEqual(before, self.servers.pool.trips)
        self.servers.clock.advance(limits.FAILURE_WAIT_LONGEST)
        self.assertTrue(self.is_in("imap", peer="203.0.113.9"))

    def test_owner(self) -> None:
        """
        That keeps nobody out who logged in from there before: an attack is no way to lock somebody out.
        """
        self.assertTrue(self.is_in("imap", peer="203.0.113.1"))
        for number in range(50):
            self.guess("pop3", b"wrong", peer=f"198.51.100.{number}")
        self.assertFalse(self.is_in("submission", peer="203.0.113.2"))
        self.assertTrue(self.is_in("submission", peer="203.0.113.1"))

    def test_address(self) -> None:
        """
        One address that tries one password on many names is slowed down, too; in IPv6 the whole network counts as one.
        """
        for peers in (["192.0.2.77"] * 50, [f"2001:db8::{number:x}" for number in range(1, 51)]):
            before = self.servers.pool.trips
            for number, peer in enumerate(peers):
                self.guess(LOGINS[number % 3], b"Summer2026", peer=peer, name=b"user%d@example.org" % number)
            self.assertEqual(limits.FAILURES_PER_ADDRESS, self.servers.pool.trips - before)
            self.assertFalse(self.is_in("imap", peer=peers[-1]))
        self.assertTrue(self.is_in("imap", peer="203.0.113.3"))

    def test_rate(self) -> None:
        """
        In hours of guessing as fast as may be, an address gets through no more than a guess a minute, or so.
        """
        before = self.servers.pool.trips
        for _ in range(3 * 3600 // 30):
            self.guess("imap", b"wrong")
            self.servers.clock.advance(30)
        self.assertLess(self.servers.pool.trips - before, 3 * 60 + limits.FAILURES_PER_ADDRESS + 10)

    def test_scram(self) -> None:
        """
        SCRAM's guesses count as others do, and who must wait gets no salt.
        """
        wrong = base64.b64encode(b"n,,n=ana@example.org,r=abcdefgh")
        for _ in range(limits.FAILURES_PER_ACCOUNT):
            self.guess("imap", b"wrong")
        transport = self.servers.connect("submission", "203.0.113.9")
        client = TlsClient(transport)
        client.talk(b"EHLO me\r\n")
        heard = client.talk(b"AUTH SCRAM-SHA-256 " + wrong + b"\r\n")
        self.assertEqual(b"4", heard[:1])
        transport.lose()
