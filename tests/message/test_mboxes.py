"""
L{twisted_mail_server.message.mboxes}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.mboxes import MboxMessage, MboxReader, MboxWriter, from_line, status_fields
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem

DATE = 1_600_000_000
FROM = b"From MAILER-DAEMON Sun Sep 13 12:26:40 2020\n"


def read(*pieces: bytes) -> list[tuple[MboxMessage, bytes]]:
    """
    The messages in a file.
    """
    reader = MboxReader()
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    found: list[tuple[MboxMessage, bytes]] = []
    for event in events:
        if isinstance(event, MboxMessage):
            found.append((event, b""))
        else:
            found[-1] = (found[-1][0], found[-1][1] + event)
    return found


def write(*messages: tuple[int, tuple[str, ...], bytes], size: int = 7) -> bytes:
    """
    A file of messages, written in pieces of C{size}.
    """
    out = b""
    for date, flags, content in messages:
        writer = MboxWriter()
        out += writer.begin(date, flags)
        out += b"".join(writer.write(content[start : start + size]) for start in range(0, len(content), size))
        out += writer.end()
    return out


class MboxReaderTests(SynchronousTestCase):
    """
    Files that others wrote.
    """

    def test_messages(self) -> None:
        """
        Messages part at From lines after an empty line; the empty line is no part of them, quoting is undone.
        """
        file = (
            b"From ann@example.org Sun Sep 13 12:26:40 2020\nA: b\n\nHello\n>From me\n>>From you\nFrom nobody\n\n"
            b"From x  Sun Sep 13 14:26:40 +0200 2020\nA: c\n\n\n\n"
            b"From x Sun Sep 13 12:26 UTC 2020\r\nA: d\r\n\r\nx\r\n\r\n"
        )
        self.assertEqual(
            [
                (MboxMessage(DATE), b"A: b\n\nHello\nFrom me\n>From you\nFrom nobody\n"),
                (MboxMessage(DATE), b"A: c\n\n\n"),
                (MboxMessage(DATE - 40), b"A: d\r\n\r\nx\r\n"),
            ],
            read(file),
        )

    def test_cuts(self) -> None:
        """
        However the file is cut, the same comes out.
        """
        file = FROM + b"Status: RO\nA: b\n\nHi\n>From me\n\n\n" + FROM + b"A: c\r\n\r\nx\r\n\r\n" + FROM + b"A: d\n\n"
        whole = read(file)
        self.assertEqual(3, len(whole))
        for cut in range(len(file) + 1):
            with self.subTest(cut=cut):
                self.assertEqual(whole, read(file[:cut], file[cut:]))
        self.assertEqual(whole, read(*(file[place : place + 1] for place in range(len(file)))))

    def test_short_bodies(self) -> None:
        """
        The empty line after a message of next to nothing is not its own.
        """
        for expected, body in (
            (b"", b""),
            (b"", b"\n"),
            (b"", b"\r\n"),
            (b"a", b"a"),
            (b"a\n", b"a\n\n"),
            (b"\n", b"\n\n"),
            (b"a\r\n", b"a\r\n\r\n"),
        ):
            with self.subTest(body=body):
                self.assertEqual([(MboxMessage(DATE), b"A: b\n\n" + expected)], read(FROM + b"A: b\n\n" + body))

    def test_flags(self) -> None:
        """
        Flags are read from the fields that mail programs keep, which are no part of the message.
        """
        header = b"A: b\nStatus: RO\nX-Status: AFTD\nX-Keywords: $Label1 (x Travel\n more\nx-uid: 7\nZ: y\n\nbody\n"
        flags = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "$Label1", "Travel")
        self.assertEqual([(MboxMessage(DATE, flags), b"A: b\nZ: y\n\nbody\n")], read(FROM + header))

    def test_record(self) -> None:
        """
        The record that a mail program keeps in front is told from mail.
        """
        (found,) = read(FROM + b"Subject: DON'T DELETE\nX-IMAP: 1 2\n\nx\n")
        self.assertTrue(found[0].is_record)

    def test_no_mbox(self) -> None:
        """
        A file that does not begin with a From line is refused; an empty one holds nothing.
        """
        self.assertEqual([], read(b""))
        for file in (b"Hello\n", b"From me\n", b"\n" + FROM[5:]):
            with self.subTest(file=file), self.assertRaises(SyntaxProblem):
                read(file)

    def test_strange_dates(self) -> None:
        """
        A date that there is not is none.
        """
        self.assertEqual([(MboxMessage(None), b"A: b\n\n")], read(b"From x Sun Feb 31 12:26:40 2020\nA: b\n\n"))

    def test_long(self) -> None:
        """
        A long line is not waited for, and a header without an end ends at its limit.
        """
        long = b"A: b\n\n" + b"x" * 200_000 + b"\n"
        self.assertEqual(
            [(MboxMessage(DATE), long)], read(FROM, *(long[n : n + 999] for n in range(0, len(long), 999)))
        )
        halves = (FROM + b"A: b\n\n", b"x" * 70_000, b"From y Sun Sep 13 12:26:40 2020\n")
        self.assertEqual([(MboxMessage(DATE), b"".join(halves)[len(FROM) :])], read(*halves))
        reader = MboxReader()
        reader.feed(FROM)
        events = [
            event for _ in range(limits.HEADER_SIZE // 1000 + 1) for event in reader.feed(b"A: " + b"b" * 996 + b"\n")
        ]
        self.assertEqual(MboxMessage(DATE), events[0])

    def test_header_alone(self) -> None:
        """
        A message may be a header that nothing ends.
        """
        self.assertEqual([(MboxMessage(DATE), b"A: b\n")], read(FROM + b"A: b\n"))


class MboxWriterTests(SynchronousTestCase):
    """
    Files of our own.
    """

    def test_lines(self) -> None:
        """
        The first line and the fields are as other programs write them.
        """
        self.assertEqual(FROM, from_line(DATE))
        self.assertEqual(b"Status: O\n", status_fields(()))
        self.assertEqual(
            b"Status: RO\nX-Status: AT\nX-Keywords: $a b\n",
            status_fields(("\\Seen", "\\Draft", "\\Answered", "$a", "b")),
        )

    def test_round_trip(self) -> None:
        """
        What is written is read back octet for octet, in whatever pieces it was written.
        """
        contents = (
            b"A: b\r\n\r\nHi\r\nFrom me\r\n>From you\r\n\r\n\r\n",
            b"A: b\n\n\n\nFrom\n",
            b"From x\r\n\r\nFrom y\r\n",
            b"A: b\r\n\r\n",
        )
        for size in (1, 2, 3, 5, 7, 1000):
            with self.subTest(size=size):
                messages = [(DATE + n, ("\\Seen",) * (n % 2), content) for n, content in enumerate(contents)]
                self.assertEqual(
                    [(MboxMessage(date, flags), content) for date, flags, content in messages],
                    read(write(*messages, size=size)),
                )

    def test_no_line_end(self) -> None:
        """
        A last line without an end gets one.
        """
        self.assertEqual([(MboxMessage(DATE), b"A: b\n\nx\n")], read(write((DATE, (), b"A: b\n\nx"))))

    def test_long_line(self) -> None:
        """
        What looks like a From line within a long line is not quoted.
        """
        content = b"A: b\n\n" + b"x" * 70_000 + b"From a" * 20_000 + b"\nFrom b\n"
        for size in (999, 1_000_000):
            with self.subTest(size=size):
                self.assertEqual([(MboxMessage(DATE), content)], read(write((DATE, (), content), size=size)))
