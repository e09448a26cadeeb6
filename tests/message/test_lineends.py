"""
L{twisted_mail_server.message.lineends}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.lineends import LineEnds


class LineEndsTests(SynchronousTestCase):
    """
    Line ends of messages that lay in files.
    """

    def test_whole(self) -> None:
        """
        The first line end decides; CRLF content is not touched, not even its bare LFs.
        """
        for expected, content in (
            (b"", b""),
            (b"a", b"a"),
            (b"a\rb", b"a\rb"),
            (b"a\r\nb\r\n", b"a\nb\n"),
            (b"\r\n\r\n", b"\n\n"),
            (b"a\r\nb\r\nc\r\n", b"a\nb\r\nc\n"),
            (b"a\r\nb\nc", b"a\r\nb\nc"),
        ):
            with self.subTest(content=content):
                self.assertEqual(expected, LineEnds().feed(content))

    def test_cuts(self) -> None:
        """
        However it is cut, the same comes out.
        """
        for content in (b"a\nb\r\nc\n\n\rd\n", b"\nb\r\n\r\n", b"a\r\nb\nc\r\n", b"\r\na\n"):
            whole = LineEnds().feed(content)
            for first in range(len(content) + 1):
                for second in range(first, len(content) + 1):
                    with self.subTest(content=content, cuts=(first, second)):
                        ends = LineEnds()
                        cut = (content[:first], content[first:second], content[second:])
                        self.assertEqual(whole, b"".join(ends.feed(piece) for piece in cut))
