"""
L{twisted_mail_server.message.headers}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages, corpus_messages, odd_messages
from twisted_mail_server.message.headers import (
    Field,
    add_fields,
    collapse,
    every,
    fields,
    first,
    gap_before,
    header_end,
    message_id_of,
    pairs,
    remove_fields,
    select_fields,
    split,
    unfold,
)
from twisted_mail_server.model.limits import HEADER_FIELDS, HEADER_SIZE

BLOCK = (
    b"Received: one\r\n\tfolded: more\r\n"
    b"not a field\r\n and its continuation\r\n"
    b"SUBJECT : Hello\r\n"
    b"received:two\r\n"
    b"\r\n"
)


class HeaderEndTests(SynchronousTestCase):
    def test_empty_line(self) -> None:
        """
        The body begins behind the first empty line, whatever its line ends.
        """
        for header in (b"A: b\r\n\r\n", b"A: b\n\n", b"A: b\n\r\n", b"A: b\r\n\n", b"\r\n", b"\n"):
            self.assertEqual(len(header), header_end(header + b"body\r\n\r\nmore"))

    def test_no_empty_line(self) -> None:
        """
        A message without an empty line is all header.
        """
        for message in (b"", b"A: b", b"A: b\r\n", b"\r", b"A: b\r\n \r\n"):
            self.assertEqual(len(message), header_end(message))

    def test_bounds(self) -> None:
        """
        Nothing outside the bounds given is looked at.
        """
        data = b"\r\nA: b\r\nC: d\r\n\r\n"
        self.assertEqual(len(data), header_end(data, 2))
        self.assertEqual(10, header_end(data, 2, 10))

    def test_split(self) -> None:
        """
        Header block and body together are the message.
        """
        self.assertEqual((b"A: b\r\n\r\n", b"body"), split(b"A: b\r\n\r\nbody"))


class FieldTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """
        Fields come in order, with their folds and their places.
        """
        self.assertEqual(
            [
                Field(b"Received", b" one\r\n\tfolded: more", 0, 30),
                Field(b"SUBJECT", b" Hello", 66, 83),
                Field(b"received", b"two", 83, 97),
            ],
            list(fields(BLOCK)),
        )

    def test_text(self) -> None:
        """
        A field's text is unfolded and stripped.
        """
        self.assertEqual([b"one\tfolded: more", b"Hello", b"two"], [field.text for field in fields(BLOCK)])

    def test_by_name(self) -> None:
        """
        Names are compared in any case of letters.
        """
        self.assertEqual([0, 83], [field.start for field in every(BLOCK, b"RECEIVED")])
        found = first(BLOCK, b"Subject")
        self.assertEqual(b"Hello", found.text if found else None)
        self.assertIsNone(first(BLOCK, b"To"))

    def test_no_fields(self) -> None:
        """
        Lines that are no fields give none: continuations of nothing, names
        that are empty or hold spaces, the line that begins an mbox message.
        """
        for block in (
            b" a: b\r\n",
            b": b\r\n",
            b"a b: c\r\n",
            b"From a@b Mon Feb 2 10:00:00\r\n",
            b"\r\n",
            b"",
            b"a\r\n b: c\r\n",
        ):
            self.assertEqual([], list(fields(block)))

    def test_last_line_unended(self) -> None:
        """
        A field at the very end needs no line end.
        """
        self.assertEqual([Field(b"A", b"", 0, 2)], list(fields(b"A:")))

    def test_places(self) -> None:
        """
        What stands at a field's place is the field.
        """
        for name, message in [*awkward_messages(50, 1), *odd_messages(100, 2)]:
            last = 0
            for field in fields(message):
                raw = message[field.start : field.end]
                self.assertGreaterEqual(field.start, last, name)
                self.assertTrue(raw.startswith(field.name), name)
                self.assertIn(field.value, raw, name)
                last = field.end
            self.assertLessEqual(last, header_end(message), name)

    def test_pairs_agree(self) -> None:
        """
        The quick pass finds the same fields as the careful one.
        """
        for name, message in [*corpus_messages().items(), *awkward_messages(50, 3)]:
            end = header_end(message)
            quick = [(key, value.removesuffix(b"\r")) for key, value in pairs(message, 0, end)]
            self.assertEqual([(field.name, field.value) for field in fields(message)], quick, name)

    def test_pairs_bounded(self) -> None:
        """
        A quick pass ends after so many fields, or so many octets.
        """
        self.assertEqual(HEADER_FIELDS, len(pairs(b"a:\n" * 3 * HEADER_FIELDS, 0, 9 * HEADER_FIELDS)))
        large = b"a:" + b"b" * HEADER_SIZE + b"\r\nc: d\r\n"
        self.assertEqual([b"a"], [name for name, _ in pairs(large, 0, len(large))])


class TextTests(SynchronousTestCase):
    def test_unfold(self) -> None:
        """
        Unfolding takes out line ends and nothing else inside.
        """
        self.assertEqual(b"a \tb  c", unfold(b" a\r\n \tb  c\r\n"))
        self.assertEqual(b"a", unfold(b"\ta "))

    def test_collapse(self) -> None:
        """
        Collapsing leaves one space between words.
        """
        self.assertEqual(b"a b c", collapse(b" a\r\n \tb  c\r\n"))


class SelectTests(SynchronousTestCase):
    def test_select(self) -> None:
        """
        The fields named come in their order, with the empty line.
        """
        self.assertEqual(
            b"Received: one\r\n\tfolded: more\r\nreceived:two\r\n\r\n", select_fields(BLOCK, [b"RECEIVED", b"X"])
        )

    def test_select_others(self) -> None:
        """
        Negated, all the other lines come, those that are no fields as well.
        """
        self.assertEqual(
            b"not a field\r\n and its continuation\r\nSUBJECT : Hello\r\n\r\n",
            select_fields(BLOCK, [b"received"], negate=True),
        )

    def test_nothing_named(self) -> None:
        """
        No names choose nothing, and negated everything.
        """
        self.assertEqual(b"\r\n", select_fields(BLOCK, []))
        self.assertEqual(BLOCK, select_fields(BLOCK, [], negate=True))

    def test_no_empty_line(self) -> None:
        """
        Where there is no empty line none is added (RFC 3501 section 6.4.5).
        """
        self.assertEqual(b"a: b\r\n", select_fields(b"a: b\r\nc: d\r\n", [b"a"]))
        self.assertEqual(b"", select_fields(b"", [b"a"]))

    def test_bare_line_ends(self) -> None:
        """
        Bare LF ends lines as well, and stays what it is.
        """
        self.assertEqual(b"a: b\n\n", select_fields(b"a: b\nc: d\n\n", [b"A"]))
        self.assertEqual(b"\n", select_fields(b"\n", [b"A"]))
        self.assertEqual(b"c: d\n\r\n", remove_fields(b"a: b\nc: d\n\r\n", [b"A"]))

    def test_partition(self) -> None:
        """
        What is chosen and what is not are together the block, byte for byte.
        """
        names = [b"subject", b"from", b"to", b"x-long"]
        for name, message in [*awkward_messages(75, 5), *odd_messages(75, 6)]:
            block, _ = split(message)
            empty = len(select_fields(block, []))
            chosen, others = select_fields(block, names), select_fields(block, names, negate=True)
            self.assertEqual(len(block), len(chosen) + len(others) - empty, name)
            self.assertEqual(block, select_fields(block, [], negate=True), name)

    def test_add(self) -> None:
        """
        Fields are added in front; the message stays.
        """
        self.assertEqual(b"A: b\r\nC: d\r\n" + BLOCK, add_fields(BLOCK, b"A: b\r\n", b"C: d\r\n"))
        self.assertEqual(b" Hello\r\n", add_fields(b" Hello\r\n"))

    def test_gap(self) -> None:
        """
        What begins with no field is kept apart from the fields in front of
        it, above all what would go on with the last of them.
        """
        for beginning in (b" Hello", b"\tA: b", b"Hello, world.", b"a b: c", b": a", b"\xe4: b", b"\r"):
            self.assertEqual(b"\r\n", gap_before(beginning), beginning)
            self.assertEqual(b"X: y\r\n\r\n" + beginning, add_fields(beginning, b"X: y\r\n"))
        for beginning in (b"", b"\r\nHello", b"\nHello", b"A: b", b"A : b", b"From a@b\r\nA: b", b">From a@b\r\nA: b"):
            self.assertEqual(b"", gap_before(beginning), beginning)

    def test_message_id(self) -> None:
        """
        The Message-ID is found wherever it stands, folded or not, without its brackets; what is none is none.
        """
        for block, expected in (
            (b"Subject: x\r\nMESSAGE-id: <a.1@b>\r\n\r\n", "a.1@b"),
            (b"Message-ID:\r\n <a.1@b>\r\n\r\n", "a.1@b"),
            (b"Message-ID: a b\r\nMessage-ID: <c@d>\r\n", "a b"),
            (b"Message-ID: <\xc3\xa9@b>\r\n", "\u00e9@b"),
            (b"Message-ID: <\xff@b>\r\n", "\ufffd@b"),
            (b"Message-ID: " + b"x" * 2000 + b"\r\n", "x" * 998),
            (b"Subject: x\r\n Message-ID: <a@b>\r\n\r\n", ""),
            (b"Resent-Message-ID: <a@b>\r\n\r\n", ""),
            (b"", ""),
        ):
            self.assertEqual(expected, message_id_of(block), block)
