"""
L{twisted_mail_server.protocols.imap.sections}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages, corpus_messages, odd_messages
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.protocols.imap.sections import Section, Text, extract, span

#: The shape of the example in RFC 3501 section 6.4.5.
EXAMPLE = b"\r\n".join(
    [
        b"Subject: root",
        b"Content-Type: multipart/mixed; boundary=a",
        b"",
        b"--a",
        b"Content-Type: text/plain",
        b"",
        b"part 1",
        b"--a",
        b"Content-Type: application/octet-stream",
        b"",
        b"part 2",
        b"--a",
        b"Content-Type: message/rfc822",
        b"",
        b"Subject: three",
        b"X: y",
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"--b",
        b"",
        b"part 3.1",
        b"--b",
        b"Content-Type: application/octet-stream",
        b"",
        b"part 3.2",
        b"--b--",
        b"--a",
        b"Content-Type: multipart/mixed; boundary=c",
        b"",
        b"--c",
        b"Content-Type: image/gif",
        b"",
        b"part 4.1",
        b"--c",
        b"Content-Type: message/rfc822",
        b"Content-ID: <4.2>",
        b"",
        b"Subject: four two",
        b"Content-Type: multipart/mixed; boundary=d",
        b"",
        b"--d",
        b"",
        b"part 4.2.1",
        b"--d",
        b"Content-Type: multipart/alternative; boundary=e",
        b"",
        b"--e",
        b"",
        b"part 4.2.2.1",
        b"--e",
        b"Content-Type: text/richtext",
        b"",
        b"part 4.2.2.2",
        b"--e--",
        b"--d--",
        b"--c--",
        b"--a--",
        b"",
    ]
)


class ExampleTests(SynchronousTestCase):
    def gives(self, expected: bytes | None, part: tuple[int, ...], text: Text = "", *fields: bytes) -> None:
        """
        That section is those octets, with the tree known and without.
        """
        section = Section(part, text, fields)
        self.assertEqual(expected, extract(EXAMPLE, parse(EXAMPLE), section), section)
        self.assertEqual(expected, extract(EXAMPLE, None, section), section)

    def test_parts(self) -> None:
        """
        Every part of the example has its number.
        """
        for part in (
            (1,),
            (2,),
            (3, 1),
            (3, 2),
            (4, 1),
            (4, 2, 1),
            (4, 2, 2, 1),
            (4, 2, 2, 2),
        ):
            self.gives(b"part " + b".".join(b"%d" % number for number in part), part)

    def test_whole(self) -> None:
        """
        Without a part number, the message is meant.
        """
        header, text = EXAMPLE.split(b"\r\n\r\n", 1)
        self.gives(EXAMPLE, ())
        self.gives(header + b"\r\n\r\n", (), "HEADER")
        self.gives(text, (), "TEXT")
        self.gives(b"Subject: root\r\n\r\n", (), "HEADER.FIELDS", b"SUBJECT", b"To")
        self.gives(header[15:] + b"\r\n\r\n", (), "HEADER.FIELDS.NOT", b"SUBJECT")

    def test_message_part(self) -> None:
        """
        HEADER and TEXT of a message/rfc822 part are those of the message in
        it; without either, the message is whole.
        """
        inner = EXAMPLE[
            EXAMPLE.index(b"Subject: three") : EXAMPLE.index(b"\r\n--a\r\nContent-Type: multipart/mixed; boundary=c")
        ]
        header, text = inner.split(b"\r\n\r\n", 1)
        self.gives(inner, (3,))
        self.gives(header + b"\r\n\r\n", (3,), "HEADER")
        self.gives(text, (3,), "TEXT")
        self.gives(b"X: y\r\n\r\n", (3,), "HEADER.FIELDS", b"x")
        self.gives(header[:16] + header[22:] + b"\r\n\r\n", (3,), "HEADER.FIELDS.NOT", b"x")
        self.gives(b"Subject: four two\r\n\r\n", (4, 2), "HEADER.FIELDS", b"subject")

    def test_mime(self) -> None:
        """
        MIME is the part's own header.
        """
        self.gives(b"Content-Type: text/plain\r\n\r\n", (1,), "MIME")
        self.gives(b"Content-Type: message/rfc822\r\nContent-ID: <4.2>\r\n\r\n", (4, 2), "MIME")
        self.gives(b"\r\n", (4, 2, 2, 1), "MIME")

    def test_multipart_part(self) -> None:
        """
        A multipart's body holds its delimiters.
        """
        self.gives(
            b"--e\r\n\r\npart 4.2.2.1\r\n--e\r\nContent-Type: text/richtext\r\n\r\npart 4.2.2.2\r\n--e--", (4, 2, 2)
        )

    def test_nothing(self) -> None:
        """
        There is nothing at numbers that lead nowhere, nor is there a HEADER
        of what is no message, nor MIME of the whole.
        """
        for part in ((5,), (0,), (1, 1), (3, 3), (4, 1, 1), (4, 2, 2, 3), (4, 2, 1, 1)):
            self.gives(None, part)
            self.gives(None, part, "MIME")
        texts: list[Text] = ["HEADER", "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT"]
        for text in texts:
            self.gives(None, (1,), text, b"Subject")
            self.gives(None, (4,), text, b"Subject")
            self.gives(None, (9,), text, b"Subject")
        self.gives(None, (), "MIME")
        self.assertIsNone(span(parse(EXAMPLE), Section((), "MIME")))

    def test_span(self) -> None:
        """
        Where a section stands can be asked without its octets; of fields it
        is the whole header.
        """
        root = parse(EXAMPLE)
        header = EXAMPLE.index(b"\r\n\r\n") + 4
        self.assertEqual((0, len(EXAMPLE)), span(root, Section()))
        self.assertEqual((header, len(EXAMPLE)), span(root, Section((), "TEXT")))
        self.assertEqual((0, header), span(root, Section((), "HEADER.FIELDS", (b"Subject",))))
        start = EXAMPLE.index(b"part 1")
        self.assertEqual((start, start + 6), span(root, Section((1,))))


class NumberTests(SynchronousTestCase):
    def test_no_multipart(self) -> None:
        """
        A message that is no multipart has a part 1, which is its body.
        """
        message = b"Subject: a\r\n\r\nbody\r\n"
        self.assertEqual(b"body\r\n", extract(message, None, Section((1,))))
        self.assertEqual(b"Subject: a\r\n\r\n", extract(message, None, Section((1,), "MIME")))
        self.assertIsNone(extract(message, None, Section((2,))))
        self.assertIsNone(extract(message, None, Section((1, 1))))
        self.assertIsNone(extract(message, None, Section((1,), "TEXT")))

    def test_message_at_the_root(self) -> None:
        """
        A message that is itself message/rfc822 has it as part 1, and that
        one's body as part 1.1.
        """
        message = b"Content-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nbody\r\n"
        for section, expected in {
            Section((1,)): b"Subject: a\r\n\r\nbody\r\n",
            Section((1,), "HEADER"): b"Subject: a\r\n\r\n",
            Section((1,), "TEXT"): b"body\r\n",
            Section((1, 1)): b"body\r\n",
            Section((1, 1), "MIME"): b"Subject: a\r\n\r\n",
            Section((), "TEXT"): b"Subject: a\r\n\r\nbody\r\n",
            Section((1, 2)): None,
        }.items():
            self.assertEqual(expected, extract(message, None, section), section)

    def test_empty_multipart(self) -> None:
        """
        The one part that a multipart without parts is said to have is empty.
        """
        message = b"Content-Type: multipart/mixed; boundary=a\r\n\r\nnothing\r\n"
        self.assertEqual(b"", extract(message, None, Section((1,))))
        self.assertEqual(b"", extract(message, None, Section((1,), "MIME")))
        self.assertIsNone(extract(message, None, Section((2,))))


class ConsistencyTests(SynchronousTestCase):
    def numbered(self, root: Part, before: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Part]]:
        """
        All parts of a message with their numbers.
        """
        found: list[tuple[tuple[int, ...], Part]] = []
        for number, part in enumerate(root.children or [root], 1):
            found.append(((*before, number), part))
            if part.kind == "multipart":
                found += self.numbered(part, (*before, number))
            elif part.message is not None:
                found += self.numbered(part.message, (*before, number))
        return found

    def test_whole(self) -> None:
        """
        HEADER and TEXT together are the message, and the message of every
        message/rfc822 part; each part's MIME and body are its slice.
        """
        for name, data in [*corpus_messages().items(), *awkward_messages(100, 31), *odd_messages(100, 32)]:
            root = parse(data)
            self.assertEqual(data, _of(data, root, (), "HEADER") + _of(data, root, (), "TEXT"), name)
            for numbers, part in self.numbered(root):
                body = _of(data, root, numbers, "")
                self.assertEqual(data[part.start : part.end], _of(data, root, numbers, "MIME") + body, name)
                header = extract(data, root, Section(numbers, "HEADER"))
                self.assertEqual(part.message is None, header is None, name)
                if header is not None:
                    self.assertEqual(body, header + _of(data, root, numbers, "TEXT"), name)
                    self.assertEqual(header, extract(data, root, Section(numbers, "HEADER.FIELDS.NOT", ())), name)


def _of(data: bytes, root: Part, numbers: tuple[int, ...], text: Text) -> bytes:
    """
    A section that is there.
    """
    found = extract(data, root, Section(numbers, text))
    assert found is not None
    return found
