"""
FETCH and SEARCH, given what no client should send.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.fetching import NESTED, PLAIN, Wire, mailbox, numbered
from tests.support.imapvalues import read_value
from tests.support.messages import odd_messages
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.protocols.imap import fetching, searching
from twisted_mail_server.protocols.imap.cursor import Cursor

_FETCH_WORDS = [
    *(name.decode("ascii") for name in fetching.FETCH_ITEMS),
    *(
        "ALL",
        "FAST",
        "FULL",
        "(",
        ")",
        " ",
        "[",
        "]",
        "<",
        ">",
        ".",
        "1",
        "2.3",
        "0",
        "HEADER",
        "HEADER.FIELDS",
        "TEXT",
    ),
    *(".MIME", "HEADER.FIELDS.NOT", "(Subject X)", '"a b"', "<0.5>", "<9.4294967295>", "\\", "%", "*", "\xff"),
]
_SEARCH_WORDS = [
    *(name.decode("ascii") for name in searching.SEARCH_KEYS),
    *("NOT", "OR", "(", ")", " ", "CHARSET", "UTF-8", "1:*", "2", "1-Feb-1994", '"q"', "a", "7", "\\Seen", "\xff", "{"),
]


def _commands(words: list[str]) -> st.SearchStrategy[list[bytes]]:
    """
    Pieces of a command: text and literals by turns.
    """
    spaced = st.lists(st.sampled_from(words), max_size=8).map(" ".join)
    packed = st.lists(st.sampled_from(words), max_size=8).map("".join)
    text = st.one_of(spaced, packed).map(lambda each: each.encode("latin-1"))
    return st.lists(text, min_size=1, max_size=3).map(lambda pieces: pieces if len(pieces) % 2 else pieces[:1])


class FetchFuzzTests(SynchronousTestCase):
    """
    L{fetching}
    """

    def test_fetch(self) -> None:
        """
        It is refused, or answered with lines that can be read.
        """
        _, view = mailbox(PLAIN, NESTED, b"")

        @settings(derandomize=True, max_examples=400, deadline=None, database=None)
        @given(_commands(_FETCH_WORDS))
        def check(pieces: list[bytes]) -> None:
            cursor = Cursor(pieces)
            try:
                plan = fetching.read_items(cursor)
                cursor.end()
            except MailError:
                return
            wire = Wire()
            now(fetching.run(plan, view, numbered(view), wire.write))
            self._is_readable(wire.octets, 3)

        check()

    def test_messages(self) -> None:
        """
        Whatever a message looks like, header and text together are the message, and every literal has its size.
        """
        messages = [message for _, message in odd_messages(200, 1)]
        _, view = mailbox(*messages)
        items = b"(BODYSTRUCTURE BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[HEADER] BODY.PEEK[TEXT])"
        wire = Wire()
        now(fetching.run(fetching.read_items(Cursor([items])), view, numbered(view), wire.write))
        for value, message in zip(self._is_readable(wire.octets, len(messages)), messages, strict=True):
            header, text = value[7], value[9]
            assert isinstance(header, bytes) and isinstance(text, bytes)
            self.assertEqual(message, header + text)

    def _is_readable(self, octets: bytes, count: int) -> list[list[object]]:
        """
        Read a sequence of FETCH responses strictly; their lists of names and values.
        """
        found: list[list[object]] = []
        for number in range(1, count + 1):
            start = b"* %d FETCH " % number
            self.assertTrue(octets.startswith(start))
            end = _value_end(octets, len(start))
            self.assertEqual(b"\r\n", octets[end : end + 2])
            value = read_value(_names_quoted(octets[len(start) : end]))
            assert isinstance(value, list)
            found.append(list(value))
            octets = octets[end + 2 :]
        self.assertEqual(b"", octets)
        return found


_STEP = re.compile(rb"\{([0-9]+)\}\r\n|\"(?:[^\"\\]|\\.)*\"|[()]|\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\]|[^(){\"\[]+")
_NAME = re.compile(rb"\A[A-Z][A-Z0-9.]*(?:\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\])?(?:<[0-9]+>)?|\A\\[A-Za-z]+")


def _value_end(octets: bytes, place: int) -> int:
    """
    Where the parenthesised list that begins at C{place} ends.
    """
    depth = 0
    while True:
        step = _STEP.match(octets, place)
        assert step, octets[place : place + 40]
        place = step.end() + int(step[1] or 0)
        depth += {b"(": 1, b")": -1}.get(step[0], 0)
        if depth == 0:
            return place


def _names_quoted(octets: bytes) -> bytes:
    """
    The same list with each atom that is a name or a flag written as a string.
    """
    written: list[bytes] = []
    place = 0
    while place < len(octets):
        name = _NAME.match(octets[place : place + 500])
        if octets.startswith(b"NIL", place):
            written.append(b"NIL")
            place += 3
            continue
        if name:
            written.append(b'"x"')
            place += name.end()
            continue
        step = _STEP.match(octets, place)
        assert step
        size = 1 if step[1] is None and not step[0].startswith(b'"') else step.end() - place + int(step[1] or 0)
        written.append(octets[place : place + size])
        place += size
    return b"".join(written)


def _negated(pieces: list[bytes]) -> list[bytes]:
    """
    NOT of all of it.
    """
    negated = [b"NOT (" + pieces[0], *pieces[1:]]
    negated[-1] += b")"
    return negated


class SearchFuzzTests(SynchronousTestCase):
    """
    L{searching}
    """

    def test_search(self) -> None:
        """
        It is refused, or finds some of the messages; and NOT of it finds the others.
        """
        _, view = mailbox(PLAIN, NESTED, b"")

        @settings(derandomize=True, max_examples=600, deadline=None, database=None)
        @given(_commands(_SEARCH_WORDS))
        def check(pieces: list[bytes]) -> None:
            try:
                found = self._search(view, pieces)
            except MailError:
                return
            if not pieces[0].upper().startswith(b"CHARSET"):
                others = self._search(view, _negated(pieces))
                self.assertEqual([1, 2, 3], sorted(found + others))

        check()

    def test_messages(self) -> None:
        """
        Whatever a message looks like, it can be searched.
        """
        _, view = mailbox(*[message for _, message in odd_messages(200, 2)])
        for keys in (b"TEXT ember", b"NOT BODY ember", b"SENTON 2-Feb-2026", b"HEADER subject e", b"FROM juergen"):
            found = self._search(view, [keys])
            self.assertTrue(0 < len(found) < len(view.snapshot.uids), keys)

    def _search(self, view: IMailboxView, pieces: list[bytes]) -> list[int]:
        cursor = Cursor(pieces)
        plan = searching.read_keys(cursor)
        cursor.end()
        return now(searching.run(plan, view))
