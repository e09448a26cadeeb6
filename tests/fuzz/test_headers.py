"""
Whatever bytes a header is: fields are slices of it in order, choosing and
removing lose nothing and add nothing, adding in front changes nothing behind,
and no reader of a value raises.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.addresslists import GroupEnd, GroupStart, parse_address_list
from twisted_mail_server.message.dates import format_date, parse_date, parse_internal_date
from twisted_mail_server.message.headers import (
    add_fields,
    fields,
    header_end,
    pairs,
    remove_fields,
    select_fields,
    split,
)
from twisted_mail_server.message.lines import Stuffing, Unstuffing, canonical, find_bare, stuff, unstuff
from twisted_mail_server.message.parameters import parse_disposition, parse_languages, parse_token, parse_type
from twisted_mail_server.message.submission import examine, mend
from twisted_mail_server.message.trace import count_received, delivered_to, deliveries, return_path
from twisted_mail_server.message.transfer import decode_base64, decode_quoted_printable
from twisted_mail_server.message.words import decode_words

_piece = st.sampled_from(
    [b"A", b"Bcc", b"Date", b"From", b": ", b":", b" ", b"\t", b"\r\n", b"\r\n", b"\n", b"\r", b"x", b"\0", b"\xe4"]
)
_blocks = st.lists(_piece, max_size=30).map(b"".join) | st.binary(max_size=100)

_token = st.sampled_from(
    [
        b"a",
        b"b.c",
        b"@",
        b"<",
        b">",
        b",",
        b":",
        b";",
        b"(",
        b")",
        b'"',
        b"\\",
        b"[",
        b"]",
        b" ",
        b".",
        b"\r\n ",
        b"=?",
        b"\xe4",
    ]
)
_values = st.lists(_token, max_size=30).map(b"".join) | st.binary(max_size=100)

_dates = st.lists(
    st.sampled_from(
        [b"1", b"31", b"Jan", b"Feb", b"2026", b"00", b":", b" ", b"-", b"+0100", b"+9999", b"Mon, ", b"EST", b"("]
    ),
    max_size=14,
).map(b"".join)

fuzzed = settings(derandomize=True, max_examples=300, deadline=None, database=None)


class HeaderTests(SynchronousTestCase):
    @fuzzed
    @given(_blocks)
    def test_fields(self, data: bytes) -> None:
        """
        Fields are slices of the header in order, and both ways of reading
        agree on them.
        """
        end, place = header_end(data), 0
        self.assertEqual(data, b"".join(split(data)))
        found = list(fields(data))
        for field in found:
            self.assertTrue(place <= field.start < field.end <= end)
            self.assertTrue(data[field.start : field.end].startswith(field.name))
            place = field.end
        quick = [(name, value.removesuffix(b"\r")) for name, value in pairs(data, 0, end)]
        self.assertEqual([(field.name, field.value) for field in found], quick)

    @fuzzed
    @given(_blocks)
    def test_select(self, data: bytes) -> None:
        """
        What is chosen and what is not are together the block.
        """
        block, _ = split(data)
        names = [b"a", b"BCC"]
        chosen, others = select_fields(block, names), remove_fields(block, names)
        empty = select_fields(block, [])
        self.assertEqual(len(block), len(chosen) + len(others) - len(empty))
        self.assertEqual(block, select_fields(block, [], negate=True))
        self.assertEqual([], [field for field in fields(others) if field.name.lower() in (b"a", b"bcc")])
        self.assertEqual(len(list(fields(block))), len(list(fields(chosen))) + len(list(fields(others))))

    @fuzzed
    @given(_blocks)
    def test_add_and_mend(self, data: bytes) -> None:
        """
        What stands behind added fields is the same as before.
        """
        block, body = split(data)
        added = add_fields(data, b"X: y\r\n")
        self.assertTrue(added.endswith(data))
        self.assertEqual([(b"X", b" y", 6)], [(one.name, one.value, one.end) for one in fields(added)][:1])
        mended = mend(block, date=b"d", message_id=b"<m>")
        self.assertTrue(mended.endswith(remove_fields(block, [b"bcc", b"resent-bcc"])))
        self.assertTrue(examine(mended).is_complete)
        self.assertEqual(count_received(block), count_received(b"A: b\r\n" + block))
        deliveries(block)
        self.assertEqual(len(data) - len(block), len(body))

    @fuzzed
    @given(st.text(max_size=60))
    def test_trace(self, text: str) -> None:
        """
        A trace field is one field, whatever address it is to hold.
        """
        for written in (return_path(text), delivered_to(text)):
            self.assertEqual([len(written)], [field.end for field in fields(written)])
            self.assertEqual(-1, find_bare(written))


class ValueTests(SynchronousTestCase):
    @fuzzed
    @given(_values)
    def test_addresses(self, value: bytes) -> None:
        """
        Groups are closed in their order, and every group is.
        """
        depth = 0
        for entry in parse_address_list(value):
            depth += isinstance(entry, GroupStart) - isinstance(entry, GroupEnd)
            self.assertIn(depth, (0, 1))
        self.assertEqual(0, depth)

    @fuzzed
    @given(_values)
    def test_others(self, value: bytes) -> None:
        """
        Types, words and encodings are read without a complaint.
        """
        parse_type(b"a/b;" + value)
        parse_type(value)
        parse_disposition(value)
        parse_token(value)
        parse_languages(value)
        self.assertNotIn("\r", decode_words(b"=?utf-8?Q?" + value.replace(b"\r", b"") + b"?="))
        decode_base64(value)
        decode_quoted_printable(value)

    @fuzzed
    @given(_dates | st.binary(max_size=40))
    def test_dates(self, value: bytes) -> None:
        """
        A date that was read is read again from how we write it.
        """
        moment = parse_date(value)
        if moment is not None:
            self.assertEqual(moment, parse_date(format_date(moment)))
        parse_internal_date(value)

    @fuzzed
    @given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a"]), max_size=12), st.integers(0, 12))
    def test_lines(self, pieces: list[bytes], cut: int) -> None:
        """
        Stuffing is undone by its reverse, in one piece and in two.
        """
        data = b"".join(pieces)
        stuffed = stuff(data)
        self.assertEqual(data, unstuff(stuffed))
        stuffing, unstuffing = Stuffing(), Unstuffing()
        self.assertEqual(stuffed, stuffing.add(data[:cut]) + stuffing.add(data[cut:]))
        self.assertEqual(data, unstuffing.add(stuffed[:cut]) + unstuffing.add(stuffed[cut:]))
        self.assertEqual(-1, find_bare(canonical(data)))
