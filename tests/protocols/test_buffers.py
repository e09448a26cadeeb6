"""
L{twisted_mail_server.protocols.buffers}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import TooLong
from twisted_mail_server.protocols.buffers import LineBuffer


def lines_of(pieces: list[bytes], limit: int) -> list[bytes | None]:
    """
    The lines that come of the pieces; C{None} stands for one that was too long.
    """
    buffer = LineBuffer()
    found: list[bytes | None] = []
    for piece in pieces:
        buffer.receive(piece)
        while True:
            try:
                line = buffer.line(limit)
            except TooLong:
                found.append(None)
                continue
            if line is None:
                break
            found.append(line)
    return found


class LineBufferTests(SynchronousTestCase):
    """
    Lines, and octets between them.
    """

    def test_cuts(self) -> None:
        """
        Wherever two cuts are, the same lines come out; only CRLF ends one, and one too long is told of once, at its end.
        """
        data = b"one\r\n\r\ntoo long a line\r\n\rtwo\nb\r\r\n12345678\r\nthree\r\n"
        expected = [b"one", b"", None, b"\rtwo\nb\r", b"12345678", b"three"]
        for first in range(len(data) + 1):
            for second in range(first, len(data) + 1):
                self.assertEqual(expected, lines_of([data[:first], data[first:second], data[second:]], 8))

    def test_bounded(self) -> None:
        """
        An endless line takes no room.
        """
        buffer = LineBuffer()
        for _ in range(100):
            buffer.receive(b"x" * 1000 + b"\r")
            self.assertIsNone(buffer.line(100))
            self.assertLessEqual(len(buffer), 101)
        buffer.receive(b"\n")
        self.assertRaises(TooLong, buffer.line, 100)
        self.assertEqual(0, len(buffer))
        for size, kept in ((101, 101), (102, 0)):
            buffer = LineBuffer()
            buffer.receive(b"x" * size)
            self.assertIsNone(buffer.line(100))
            self.assertEqual(kept, len(buffer))

    def test_octets(self) -> None:
        """
        Octets are taken by number, or all, or thrown away; what is left is counted.
        """
        buffer = LineBuffer()
        buffer.receive(b"line\r\nabc")
        buffer.receive(b"defgh")
        self.assertEqual(b"line", buffer.line(10))
        self.assertEqual((b"ab", b"abc", 5), (buffer.peek(2), buffer.take(3), len(buffer)))
        buffer.receive(b"i")
        self.assertEqual((b"defghi", 0, b""), (buffer.take_all(), len(buffer), buffer.take_all()))
        buffer.receive(b"jk")
        buffer.discard()
        self.assertEqual((b"", 0), (buffer.take(5), len(buffer)))
