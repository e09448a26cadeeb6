"""
Literal bombs: IMAP's C{{4294967296}} and its like, where a number that a client writes becomes memory that a server sets aside.

Exchange (CVE-2007-0221) and many smaller IMAP servers had it, mostly before login.  Here nothing is set aside for what is only
announced; literals have bounds of their own before and after login, and what is refused but sent all the same is counted, too.
"""

from __future__ import annotations

import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import AllServers, WatchedTransport, login
from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits

SIZES = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 10**500)


class LiteralTests(SynchronousTestCase):
    """
    A whole session, before login and after it.
    """

    def setUp(self) -> None:
        """
        Ana lives here.
        """
        self.servers = AllServers()
        self.servers.add("ana@example.org")

    def connect(self, *said: bytes) -> WatchedTransport:
        """
        A connection, past its greeting and C{said}.
        """
        transport = self.servers.connect("imap")
        for one in said:
            transport.deliver(one)
        transport.take()
        return transport

    def test_before_login(self) -> None:
        """
        Before login a literal has a few kilobytes; a larger one is refused before its first octet.
        """
        for size in (limits.IMAP_LITERAL_UNAUTHENTICATED + 1, limits.MIB, *SIZES):
            for command in (b"a LOGIN {%d}\r\n", b"a APPEND INBOX {%d}\r\n", b"a {%d}\r\n", b"{%d}\r\n"):
                transport = self.connect()
                transport.deliver(command % size)
                heard = transport.take()
                self.assertNotIn(b"+ ", heard)
                self.assertTrue(b" BAD " in heard or b"* BYE" in heard, heard)
                transport.lose()

    def test_unasked_before_login(self) -> None:
        """
        What comes all the same is thrown away, up to the octets that nobody may send without a login; then the session is over.
        """
        for size in (limits.MIB, 2**40, 10**30):
            transport = self.connect()
            transport.deliver(b"a LOGIN {%d+}\r\n" % size)
            for _ in range(limits.UNAUTHENTICATED_BYTES // 1000 + 2):
                if transport.is_ended:
                    break
                transport.deliver(b"x" * 1000)
                self.assertLess(transport.protocol.unread(), 70_000)
            self.assertTrue(transport.is_ended)
            transport.lose()

    def test_no_memory(self) -> None:
        """
        Announcing gigabytes, a thousand times, takes none.
        """
        transports = [self.connect(login("imap"), b"b APPEND INBOX {%d}\r\n" % limits.MESSAGE_SIZE) for _ in range(20)]
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        transports += [
            self.connect(login("imap"), b"b APPEND INBOX {%d}\r\n" % limits.MESSAGE_SIZE) for _ in range(100)
        ]
        grown = tracemalloc.get_traced_memory()[0] - before
        self.assertLess(grown, 100 * 64 * limits.KIB)
        for transport in transports:
            transport.lose()

    def test_too_large_messages(self) -> None:
        """
        A message that is larger than messages may be is refused before it comes, whatever the digits are.
        """
        for size in (limits.MESSAGE_SIZE + 1, *SIZES):
            transport = self.connect(login("imap"))
            transport.deliver(b"b APPEND INBOX {%d}\r\nc NOOP\r\n" % size)
            heard = transport.take()
            self.assertNotIn(b"+ ", heard)
            self.assertTrue(heard.startswith((b"b NO ", b"b BAD ", b"* BYE")), heard)
            transport.lose()

    def test_odd_numbers(self) -> None:
        """
        A size that is no number is no literal.
        """
        for size in (b"-1", b"+5", b" 5", b"5 ", b"0x10", b"5++", b"", b"1e9", b"\xd9\xa3", b"5+-", b"1_000"):
            transport = self.connect(login("imap"))
            transport.deliver(b"b NOOP {" + size + b"}\r\nc NOOP\r\n")
            heard = transport.take()
            self.assertIn(b"b BAD", heard, size)
            self.assertIn(b"\r\nc OK", heard, size)
            transport.lose()


class ManyLiteralTests(ImapTestCase):
    """
    Many small ones.
    """

    def test_many(self) -> None:
        """
        A great many empty literals are a long line, and refused as one; the session goes on.
        """
        for flag in (b"", b"+"):
            line = self.connect()
            line.receive(b"x LOGIN fred secret\r\nx SELECT INBOX\r\n")
            line.take()
            line.receive(b"a SEARCH OR SUBJECT {0%b}\r\n" % flag)
            for _ in range(limits.IMAP_COMMAND_LINE // 8 + 2):
                line.receive(b" SUBJECT {0%b}\r\n" % flag)
                if b"a BAD" in line.sent:
                    break
            # What is sent unasked comes to its end before it is answered.
            line.receive(b"\r\n")
            self.assertIn(b"a BAD", line.take())
            line.receive(b"b NOOP\r\n")
            self.assertIn(b"b OK", line.take())

    def test_together(self) -> None:
        """
        Their octets are counted together.
        """
        line = self.line()
        line.receive(b"x SELECT INBOX\r\n")
        line.take()
        half = limits.IMAP_LITERALS // 2 + 1
        line.receive(b"a SEARCH OR SUBJECT {%d+}\r\n" % half + b"x" * half + b" SUBJECT {%d}\r\n" % half)
        self.assertIn(b"a BAD [LIMIT]", line.take())

    def test_thrown_away(self) -> None:
        """
        Of unasked literals that are refused, a session may waste so much and no more.
        """
        line = self.line()
        size = 16 * limits.MIB
        for number in range(limits.IMAP_SKIPPED // size + 1):
            line.receive(b"a%d SEARCH SUBJECT {%d+}\r\n" % (number, size))
            if line.conversation.is_over:
                break
            for _ in range(16):
                line.receive(bytes(limits.MIB))
            line.receive(b"\r\n")
            self.assertLess(line.conversation.session.incoming.size, limits.MIB)
        self.assertTrue(line.conversation.is_over)
        self.assertTrue(line.conversation.is_expelled)
