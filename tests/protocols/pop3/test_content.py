"""
L{twisted_mail_server.protocols.pop3.content}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages, odd_messages
from twisted_mail_server.message.lines import canonical, ending, stuff
from twisted_mail_server.protocols.pop3.content import Outgoing


def send(message: bytes, lines: int | None = None, piece: int = 1 << 30) -> bytes:
    """
    All that is sent for a message that comes in pieces.
    """
    outgoing = Outgoing(lines)
    sent = [outgoing.add(message[start : start + piece]) for start in range(0, len(message), piece)]
    return b"".join(sent) + outgoing.end()


def top(message: bytes, lines: int) -> bytes:
    """
    Header, empty line and some lines of a message with CRLF, line by line.
    """
    whole = message.split(b"\r\n")
    blank = whole.index(b"") if b"" in whole[:-1] else len(whole)
    return b"\r\n".join(whole[: blank + 1 + lines]) + (b"\r\n" if len(whole) > blank + 1 + lines else b"")


class OutgoingTests(SynchronousTestCase):
    """
    L{Outgoing}
    """

    def test_stuffing(self) -> None:
        """
        A dot at the beginning of a line is doubled, and a dot alone ends it all (RFC 1939 section 3).
        """
        for message, sent in {
            b"": b".\r\n",
            b"a\r\n": b"a\r\n.\r\n",
            b".\r\n": b"..\r\n.\r\n",
            b"..\r\n": b"...\r\n.\r\n",
            b"a\r\n.b\r\n\r\n.\r\n": b"a\r\n..b\r\n\r\n..\r\n.\r\n",
            b"a.b\r\n": b"a.b\r\n.\r\n",
        }.items():
            self.assertEqual(sent, send(message), message)

    def test_line_ends(self) -> None:
        """
        The last line gets an end, and bare CR and LF become CRLF, so that no client sees an end where there is none.
        """
        for message, sent in {
            b"a": b"a\r\n.\r\n",
            b"a\r": b"a\r\n.\r\n",
            b"a\n": b"a\r\n.\r\n",
            b"a\n.\nb": b"a\r\n..\r\nb\r\n.\r\n",
            b"a\r.\rb": b"a\r\n..\r\nb\r\n.\r\n",
            b"a\r\r\n.": b"a\r\n\r\n..\r\n.\r\n",
        }.items():
            for piece in range(1, len(message) + 1):
                self.assertEqual(sent, send(message, piece=piece), (message, piece))

    def test_pieces(self) -> None:
        """
        However a message is cut, what is sent is the same: nothing but CRLF ends a line in it, and every octet else is there.
        """
        for name, message in [*awkward_messages(60, 4), *odd_messages(60, 5)]:
            clean = canonical(message)
            sent = stuff(clean) + ending(clean)
            for piece in (1 << 30, 1, 2, 3, 7, 64):
                self.assertEqual(sent, send(message, piece=piece), (name, piece))

    def test_top(self) -> None:
        """
        Header, empty line, and as many lines as were asked for or are there (RFC 1939 section 7).
        """
        message = b"A: 1\r\nB: 2\r\n\r\none\r\n.two\r\n\r\nthree"
        header = b"A: 1\r\nB: 2\r\n\r\n"
        for lines, body in ((0, b""), (1, b"one\r\n"), (2, b"one\r\n..two\r\n"), (3, b"one\r\n..two\r\n\r\n")):
            for piece in range(1, len(message) + 1):
                self.assertEqual(header + body + b".\r\n", send(message, lines, piece), (lines, piece))
        for lines in (4, 100, 10**9):
            self.assertEqual(header + b"one\r\n..two\r\n\r\nthree\r\n.\r\n", send(message, lines))

    def test_odd_tops(self) -> None:
        """
        A message may begin with the empty line, have none, or have nothing at all.
        """
        for message, lines, sent in (
            (b"\r\nbody\r\nmore\r\n", 1, b"\r\nbody\r\n.\r\n"),
            (b"\r\nbody\r\n", 0, b"\r\n.\r\n"),
            (b"A: 1\r\n", 5, b"A: 1\r\n.\r\n"),
            (b"A: 1", 0, b"A: 1\r\n.\r\n"),
            (b"", 3, b".\r\n"),
            (b"A: 1\n\none\ntwo\n", 1, b"A: 1\r\n\r\none\r\n.\r\n"),
        ):
            for piece in range(1, len(message) + 2):
                self.assertEqual(sent, send(message, lines, piece), (message, piece))

    def test_tops_in_pieces(self) -> None:
        """
        However a message is cut, TOP takes the same lines, as a slow reader counts them.
        """
        for name, message in awkward_messages(60, 6):
            for lines in (0, 1, 3):
                whole = top(message, lines)
                for piece in (1 << 30, 1, 5, 33):
                    self.assertEqual(stuff(whole) + ending(whole), send(message, lines, piece), (name, lines, piece))

    def test_complete(self) -> None:
        """
        It says when nothing of what follows is wanted, and takes nothing of it.
        """
        outgoing = Outgoing(1)
        outgoing.add(b"A: 1\r\n\r\n")
        self.assertFalse(outgoing.is_complete)
        self.assertEqual(b"one\r\n", outgoing.add(b"one\r\ntwo\r\n"))
        self.assertTrue(outgoing.is_complete)
        self.assertEqual(b"", outgoing.add(b"three\r\n"))
        self.assertEqual(b".\r\n", outgoing.end())


class AsciiTests(SynchronousTestCase):
    """
    For those who do not understand UTF-8.
    """

    def test_header(self) -> None:
        """
        The header is in ASCII and the body as it is, however the message is cut, for TOP too.
        """
        message = "Subject: \u00e4\r\nX: y\r\n\r\n\u00e4\r\n.\r\n".encode()
        whole = "Subject: =?utf-8?b?w6Q=?=\r\nX: y\r\n\r\n\u00e4\r\n..\r\n.\r\n".encode()
        for lines, expected in ((None, whole), (0, b"Subject: =?utf-8?b?w6Q=?=\r\nX: y\r\n\r\n.\r\n")):
            for piece in range(1, len(message) + 1):
                outgoing = Outgoing(lines, is_ascii=True)
                pieces = [message[start : start + piece] for start in range(0, len(message), piece)]
                self.assertEqual(expected, b"".join([*map(outgoing.add, pieces), outgoing.end()]), piece)

    def test_no_body(self) -> None:
        """
        A message that is all header is sent at its end.
        """
        for message in ("Subject: \u00e4\r\n", "Subject: \u00e4"):
            outgoing = Outgoing(is_ascii=True)
            self.assertEqual(b"", outgoing.add(message.encode()))
            self.assertEqual(b"Subject: =?utf-8?b?w6Q=?=\r\n.\r\n", outgoing.end())

    def test_beyond_measure(self) -> None:
        """
        What does not become a header in a megabyte is sent as it is.
        """
        message = "X: \u00e4\r\n".encode() * 150_000
        outgoing = Outgoing(is_ascii=True)
        self.assertEqual(message + b".\r\n", outgoing.add(message) + outgoing.end())
