"""
Guessing names and passwords by POP3, and keeping it busy without having any.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.pop3 import Peer, Post
from twisted_mail_server.model import limits


class GuessingTests(SynchronousTestCase):
    """
    Who has no account.
    """

    def test_enumeration(self) -> None:
        """
        An account that is there and one that is not are answered alike.
        """
        answers = set()
        for name in (b"mrose", b"nobody"):
            transport = Post().connect()
            transport.deliver(b"USER " + name + b"\r\nPASS wrong\r\n")
            answers.add(transport.take())
        self.assertEqual(1, len(answers))

    def test_guesses(self) -> None:
        """
        A connection is good for a few guesses.
        """
        transport = Post().connect()
        transport.take()
        transport.deliver(b"USER mrose\r\nPASS wrong\r\n" * 100)
        self.assertEqual(limits.LOGINS_PER_SESSION, transport.take().count(b"-ERR [AUTH]"))
        self.assertTrue(transport.disconnecting)

    def test_endless_line(self) -> None:
        """
        A line without an end costs no memory, and before a login little time.
        """
        peer = Peer()
        for _ in range(limits.UNAUTHENTICATED_BYTES // 1000 + 1):
            peer.talk(b"x" * 1000)
            self.assertLessEqual(peer.engine.unread, limits.POP3_COMMAND_LINE + 1000)
        self.assertTrue(peer.engine.is_closed)

    def test_flood(self) -> None:
        """
        So do commands without an end.
        """
        peer = Peer()
        peer.talk(*[b"CAPA\r\n" * 100] * (limits.UNAUTHENTICATED_BYTES // 600 + 1))
        self.assertTrue(peer.engine.is_closed)
