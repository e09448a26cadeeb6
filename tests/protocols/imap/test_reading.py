"""
Lines and literals out of chunks (RFC 3501 section 2.2.1, RFC 7888).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.protocols.imap.reading import Ended, Incoming


class IncomingTests(SynchronousTestCase):
    """
    The reader, with a network that brings its chunks whenever it is waited for.
    """

    def reader(self, *chunks: bytes) -> Incoming:
        """
        A reader to which C{chunks} will come.
        """
        waiting = list(chunks)
        self.asked = 0

        async def wait() -> None:
            incoming.receive(waiting.pop(0))

        def ask() -> None:
            self.asked += 1

        incoming = Incoming(wait, ask)
        return incoming

    def test_line(self) -> None:
        """
        A line is whole, wherever it is cut.
        """
        data = b"one\r\ntwo\r\n"
        for cut in range(len(data)):
            incoming = self.reader(data[:cut], data[cut:])
            self.assertEqual(b"one", now(incoming.line(3)))
            self.assertEqual(b"two", now(incoming.line(3)))
            self.assertEqual(0, incoming.size)

    def test_bare_line_end(self) -> None:
        """
        A line that ends in LF alone is refused, and gone; a CR alone ends nothing.
        """
        incoming = self.reader(b"one\ntwo\r\nth\rree\r\n")
        self.assertRaises(SyntaxProblem, now, incoming.line(10))
        self.assertEqual(b"two", now(incoming.line(10)))
        self.assertEqual(b"th\rree", now(incoming.line(10)))

    def test_long_line(self) -> None:
        """
        A line that is too long is refused and gone, whether it comes at once or little by little.
        """
        data = b"a" * 100 + b"\r\nnext\r\n"
        for size in (1, 7, 50, 200):
            incoming = self.reader(*(data[start : start + size] for start in range(0, len(data), size)))
            self.assertRaises(TooLong, now, incoming.line(20))
            self.assertEqual(b"next", now(incoming.line(20)))

    def test_longest_line(self) -> None:
        """
        The limit counts what is before the line's end.
        """
        self.assertEqual(b"a" * 20, now(self.reader(b"a" * 20 + b"\r\n").line(20)))
        self.assertRaises(TooLong, now, self.reader(b"a" * 21 + b"\r\n").line(20))

    def test_endless_line(self) -> None:
        """
        A line that never ends is not kept, and in the end not taken either.
        """
        incoming = self.reader(*[b"a" * 1000] * 1000)
        self.assertRaises(Ended, now, incoming.line(20))
        self.assertTrue(incoming.size <= 2000)

    def test_has_line(self) -> None:
        """
        A line is there, or too much for one.
        """
        incoming = self.reader()
        self.assertFalse(incoming.has_line(5))
        incoming.receive(b"abc\r")
        self.assertFalse(incoming.has_line(5))
        incoming.receive(b"\n")
        self.assertTrue(incoming.has_line(5))
        incoming.discard()
        incoming.receive(b"abcdefg")
        self.assertTrue(incoming.has_line(5))

    def test_announcement(self) -> None:
        """
        What announces a literal is taken off the line, and told.
        """
        incoming = self.reader(b"a {3}\r\nb {3+}\r\nc 3}\r\nd {3} \r\ne {3-}\r\n")
        self.assertEqual(b"a ", now(incoming.text(20)))
        assert incoming.literal is not None
        self.assertEqual((3, True), (incoming.literal.size, incoming.literal.is_synchronising))
        self.assertEqual(b"b ", now(incoming.text(20)))
        assert incoming.literal is not None
        self.assertEqual((3, False), (incoming.literal.size, incoming.literal.is_synchronising))
        for line in (b"c 3}", b"d {3} ", b"e {3-}"):
            self.assertEqual(line, now(incoming.text(20)))
            self.assertIsNone(incoming.literal)

    def test_octets(self) -> None:
        """
        A literal is whole, wherever it is cut; one that is waited for is asked for once.
        """
        data = b"a {5}\r\n\r\n{1}\r\nb\r\n"
        for cut in range(len(data)):
            incoming = self.reader(data[:cut], data[cut:], b"x")
            self.assertEqual(b"a ", now(incoming.text(20)))
            self.assertEqual(b"\r\n{1}", now(incoming.octets()))
            self.assertEqual(1, self.asked)
            self.assertEqual(b"", now(incoming.text(20)))
            self.assertEqual(b"b", now(incoming.text(20)))
            self.assertEqual(0, self.asked - 1)

    def test_empty_literal(self) -> None:
        """
        A literal of nothing is nothing.
        """
        incoming = self.reader(b"a {0+}\r\n\r\n")
        now(incoming.text(20))
        self.assertEqual(b"", now(incoming.octets()))
        self.assertEqual(0, self.asked)


class AbandonTests(IncomingTests):
    """
    What is thrown away of a command that failed.
    """

    def rest(self, incoming: Incoming) -> bytes:
        """
        The line that comes next.
        """
        return now(incoming.text(100))

    def test_nothing_announced(self) -> None:
        """
        Nothing is pending, nothing is thrown away.
        """
        incoming = self.reader(b"next\r\n")
        now(incoming.abandon())
        self.assertEqual(b"next", self.rest(incoming))

    def test_not_asked_for(self) -> None:
        """
        Of a literal that the client waits to be asked for, nothing will come.
        """
        incoming = self.reader(b"a {5}\r\nnext\r\n")
        self.rest(incoming)
        now(incoming.abandon())
        self.assertIsNone(incoming.literal)
        self.assertEqual(b"next", self.rest(incoming))
        self.assertEqual(0, self.asked)

    def test_coming_anyway(self) -> None:
        """
        A literal that comes unasked is thrown away, with the line behind it and its literals.
        """
        data = b"a {5+}\r\n12345 b {2+}\r\n12 c\nnext\r\n"
        for cut in range(8, len(data)):
            incoming = self.reader(data[:cut], data[cut:])
            self.rest(incoming)
            now(incoming.abandon())
            self.assertEqual(b"next", self.rest(incoming))

    def test_then_one_that_is_asked_for(self) -> None:
        """
        If then one is announced that the client waits to be asked for, that is the end of the command.
        """
        incoming = self.reader(b"a {5+}\r\n12345 b {2}\r\nnext\r\n")
        self.rest(incoming)
        now(incoming.abandon())
        self.assertEqual(b"next", self.rest(incoming))

    def test_half_taken(self) -> None:
        """
        The rest of a literal that was asked for is thrown away.
        """
        incoming = self.reader(b"a {9}\r\n1234", b"56789\r\nnext\r\n")
        self.rest(incoming)
        self.assertEqual(b"1234", now(incoming.piece()))
        now(incoming.abandon())
        self.assertEqual(b"next", self.rest(incoming))

    def test_long_line_with_literal(self) -> None:
        """
        A line that is too long may announce a literal all the same.
        """
        data = b"a" * 30 + b" {5+}\r\n12345 b\r\nnext\r\n"
        for size in (1, 3, 32, 34, 36, 100):
            incoming = self.reader(*(data[start : start + size] for start in range(0, len(data), size)))
            self.assertRaises(TooLong, now, incoming.text(20))
            now(incoming.abandon())
            self.assertEqual(b"next", self.rest(incoming))

    def test_long_line_behind(self) -> None:
        """
        A line behind an abandoned literal may be too long, too.
        """
        tail = b"b" * (limits.IMAP_COMMAND_LINE + 10)
        incoming = self.reader(b"a {5+}\r\n12345", tail, b" {3+}\r\n123\r\nnext\r\n")
        incoming.may_skip = limits.IMAP_SKIPPED
        self.rest(incoming)
        now(incoming.abandon())
        self.assertEqual(b"next", self.rest(incoming))

    def test_too_much(self) -> None:
        """
        There is an end to throwing away.
        """
        incoming = self.reader(b"a {65537+}\r\n")
        self.rest(incoming)
        self.assertRaises(Ended, now, incoming.abandon())
        spend: Callable[[], Coroutine[Any, Any, None]] = incoming.abandon
        incoming = self.reader(b"a {65536+}\r\n", b"x" * 65536, b"\r\nb {1+}\r\n")
        spend = incoming.abandon
        self.rest(incoming)
        now(spend())
        self.rest(incoming)
        self.assertRaises(Ended, now, incoming.abandon())
