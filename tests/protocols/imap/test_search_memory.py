"""
L{twisted_mail_server.protocols.imap.search_memory}, and searches that use it
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.imap.test_searching import ENCODED, HELLO, KEYS, make
from tests.support.drive import now
from tests.support.fetching import BadView, mailbox, search
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.protocols.imap import searching
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.search_memory import FieldTexts, SearchMemory, positions_of
from twisted_mail_server.protocols.imap.search_texts import Needle


def found(texts: FieldTexts, text: str) -> list[int]:
    """
    The messages that have it.
    """
    return texts.find(Needle.of(text), 0, len(texts))


class FieldTextsTests(SynchronousTestCase):
    """
    L{FieldTexts}
    """

    def test_values(self) -> None:
        """
        Each value is looked at by itself, unfolded, decoded and case folded; and no other field.
        """
        texts = FieldTexts(b"subject")
        texts.add(
            [
                (3, b"Subject: One\r\nX: y\r\nSUBJECT:two\r\n\r\n"),
                (4, b"X-Subject: One\r\nX: a\r\n subject: one\r\n"),
                (7, b"subject \t: Th\r\n\tree\r\n"),
                (8, b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= one\nSubject:"),
                (9, "Subject: Füße\r\n".encode()),
                (10, b"subject:\r\n"),
                (11, b""),
            ],
            20,
        )
        self.assertEqual((7, 20), (len(texts), texts.covered))
        for text, expected in (
            ("one", [3, 8]),
            ("TWO", [3]),
            ("onetwo", []),
            ("th\tree", [7]),
            ("grüsse", [8]),
            ("füsse", [9]),
            ("f\xc3", []),
            ("y", []),
            ("", [3, 7, 8, 9, 10]),
        ):
            self.assertEqual(expected, found(texts, text), text)

    def test_pieces(self) -> None:
        """
        It is looked through piece by piece; every message has its place.
        """
        texts = FieldTexts(b"a")
        texts.add([(uid, b"A: x%d\r\n" % uid if uid % 3 else b"") for uid in range(1, 11)], 11)
        for size in range(1, 12):
            pieces = [texts.find(Needle.of("x"), first, size) for first in range(0, len(texts), size)]
            self.assertEqual([1, 2, 4, 5, 7, 8, 10], [uid for piece in pieces for uid in piece])
            pieces = [texts.find(Needle.of(""), first, size) for first in range(0, len(texts), size)]
            self.assertEqual([1, 2, 4, 5, 7, 8, 10], [uid for piece in pieces for uid in piece])

    def test_more(self) -> None:
        """
        What comes later is added; what is covered already is passed over.
        """
        texts = FieldTexts(b"a")
        texts.add([(1, b"A: x\r\n"), (2, b"A: x\r\n")], 3)
        texts.add([(2, b"A: x\r\n"), (5, b"A: x\r\n")], 6)
        texts.add([(1, b"A: x\r\n")], 2)
        self.assertEqual(([1, 2, 5], 6), (found(texts, "x"), texts.covered))

    def test_large(self) -> None:
        """
        Of a header that is very large no more is looked at than of others.
        """
        texts = FieldTexts(b"a")
        many = b"B: x\r\n" * (limits.HEADER_FIELDS - 1)
        texts.add([(1, many + b"A: x\r\n"), (2, many + b"B: x\r\nA: x\r\n")], 3)
        self.assertEqual([1], found(texts, "x"))

    def test_no_names(self) -> None:
        """
        What can be no field's name names none, and nothing in it means more than it says.
        """
        for name in (b"", b"a:", b"a b", b"\xe4", b"."):
            texts = FieldTexts(name)
            texts.add([(1, b"a: b\r\na b: c\r\n: d\r\n\xe4: e\r\n")], 2)
            self.assertEqual([], found(texts, ""), name)


class SearchMemoryTests(SynchronousTestCase):
    """
    L{SearchMemory}
    """

    def fill(self, mailbox: str, name: bytes, octets: int) -> None:
        """
        Remember so much.
        """
        memory = self.memory.of(mailbox)
        texts = memory.recall(name, 10)
        texts.add([(texts.covered + 1, b"%b: %b\r\n" % (name, b"x" * octets))], texts.covered + 2)
        memory.keep(name, texts)

    def known(self, mailbox: str, name: bytes) -> bool:
        """
        Whether it is remembered.
        """
        return len(self.memory.of(mailbox).recall(name, 10)) > 0

    def test_room(self) -> None:
        """
        Who was not asked for the longest time makes room; nobody takes more than a quarter.
        """
        self.memory = SearchMemory(40 * limits.KIB)
        for name in (b"a", b"b", b"c", b"d", b"e"):
            self.fill("one", name, 5000)
        self.fill("one", b"a", 10)
        self.fill("two", b"a", 5000)
        self.assertEqual(
            [True, False, True, True, True, True],
            [
                self.known(mailbox, name)
                for mailbox, name in (
                    ("one", b"a"),
                    ("one", b"b"),
                    ("one", b"c"),
                    ("one", b"d"),
                    ("one", b"e"),
                    ("two", b"a"),
                )
            ],
        )
        self.assertLessEqual(self.memory.size, self.memory.most)
        self.fill("one", b"a", 6000)
        self.assertFalse(self.known("one", b"a"))
        self.assertTrue(self.memory.of("one").recall(b"a", 10).is_too_much)
        self.fill("three", b"q", 50_000)
        self.assertEqual([False, True], [self.known("three", b"q"), self.known("two", b"a")])

    def test_nothing_is_something(self) -> None:
        """
        Fields that no message has take room, too.
        """
        self.memory = SearchMemory(40 * limits.KIB)
        for number in range(100):
            self.fill("one", b"x-%d" % number, 0)
        self.assertLessEqual(self.memory.size, self.memory.most)
        self.assertEqual([False, True], [self.known("one", b"x-0"), self.known("one", b"x-99")])

    def test_stale(self) -> None:
        """
        A mailbox of which most is gone is read anew.
        """
        memory = SearchMemory().of("one")
        texts = memory.recall(b"a", 1)
        texts.add([(uid, b"") for uid in range(1, 1101)], 1101)
        memory.keep(b"a", texts)
        self.assertIs(texts, memory.recall(b"a", 50))
        self.assertEqual(0, len(memory.recall(b"a", 49)))

    def test_positions(self) -> None:
        """
        UIDs that are not there have no place.
        """
        self.assertEqual([0, 2], positions_of(array("I", [3, 5, 9]), [1, 3, 4, 9, 10]))


class SlowView(BadView):
    """
    Headers come when they are let go.
    """

    def __init__(self, view: IMailboxView) -> None:
        super().__init__(view)
        self.waiting: list[Deferred[None]] = []

    async def headers(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """
        Wait, too.
        """
        self.waiting.append(Deferred())
        await self.waiting[-1]
        return await super().headers(uids)


class RememberingTests(SynchronousTestCase):
    """
    Searches that remember header fields.
    """

    def setUp(self) -> None:
        """
        The five messages, and nothing remembered.
        """
        self.inner = make()
        self.view = BadView(self.inner)
        self.memory = SearchMemory()

    def search(self, keys: bytes, *pieces: bytes) -> list[int]:
        """
        A search that remembers.
        """
        return search(
            cast(IMailboxView, self.view), keys, *pieces, memory=self.memory.of("INBOX"), recent=frozenset([5, 6])
        )

    def test_alike(self) -> None:
        """
        What is found is what is found without.
        """
        for _ in range(2):
            for text, expected in KEYS.items():
                self.assertEqual(expected, self.search(text), text)
            for key, charset, string, expected in ENCODED:
                found = self.search(b"CHARSET %b %b" % (charset.encode("ascii"), key), string.encode(charset), b"")
                self.assertEqual(expected, found, string)

    def test_read_once(self) -> None:
        """
        Headers are read for a field once, for several fields together, and later only what came since.
        """
        self.assertEqual([1, 5], self.search(b"OR FROM smith SUBJECT nothing"))
        self.assertEqual([1], self.search(b"FROM smith SUBJECT hello"))
        self.assertEqual([2, 3], self.search(b'NOT FROM smith SUBJECT ""'))
        self.assertEqual([5], self.view.fetched)
        now(self.inner.copy([1], "INBOX"))
        now(self.inner.advance())
        self.assertEqual([1, 5, 6], self.search(b"FROM smith"))
        self.assertEqual([1, 6], self.search(b"SUBJECT hello"))
        self.assertEqual([5, 1, 1], self.view.fetched)

    def test_with_others(self) -> None:
        """
        Keys that need more look only at what the remembered fields leave.
        """
        self.search(b"FROM smith")
        self.view.fetched.clear()
        self.assertEqual([5], self.search(b"BODY morning FROM smith LARGER 1 UNSEEN SENTON 1-Feb-1994"))
        self.assertEqual([1, 1], self.view.fetched)
        self.assertEqual([6], self.view.opened)
        self.assertEqual([1, 4, 5], self.search(b"OR FROM smith SMALLER 1"))
        self.assertEqual([1, 1, 5], self.view.fetched)

    def test_few(self) -> None:
        """
        For few of the messages the others are not read.
        """
        self.assertEqual([1], self.search(b"UID 1 FROM smith"))
        self.assertEqual([], self.search(b"UID 3 FROM smith"))
        self.assertEqual([1, 1], self.view.fetched)
        self.assertEqual([1], self.search(b"1:2 FROM smith"))
        self.assertEqual([1], self.search(b"1 FROM smith"))
        self.assertEqual([1, 1, 5], self.view.fetched)

    def test_no_room(self) -> None:
        """
        What is too much to be remembered is not read for that again, but each time for the search.
        """
        self.memory.most = 4 * FieldTexts(b"from").size + 100
        for _ in range(2):
            self.assertEqual([1, 5], self.search(b"FROM smith"))
        self.assertEqual([5, 5, 5], self.view.fetched)
        self.assertEqual([1, 5], self.search(b'FROM smith HEADER x-empty ""'))

    def test_no_room_on_the_way(self) -> None:
        """
        Reading ends as soon as it is too much.
        """
        count = 2 * limits.FETCH_BATCH_HEADERS
        view = BadView(mailbox(*[b"Subject: " + b"x" * 500 + b"\r\n\r\n"] * count)[1])
        memory = SearchMemory(4 * 10_000)
        for _ in range(2):
            found = search(cast(IMailboxView, view), b"SUBJECT xx", memory=memory.of("INBOX"))
            self.assertEqual(list(range(1, count + 1)), found)
        self.assertEqual([100] * 5, view.fetched)

    def test_expunged(self) -> None:
        """
        What is expunged is not found any more.
        """
        self.assertEqual([1, 5], self.search(b"FROM smith"))
        now(self.inner.expunge([1], only_deleted=False))
        self.assertEqual([1, 5], self.search(b"FROM smith"))
        now(self.inner.advance())
        self.assertEqual([4], self.search(b"FROM smith"))
        self.assertEqual([1, 2, 3], self.search(b"NOT FROM smith"))

    def test_gone(self) -> None:
        """
        What is gone while headers are read is not found, not even by NOT.
        """
        self.view.rowless = frozenset([1])
        self.assertEqual([2, 3, 4, 5], self.search(b"NOT FROM nobody"))
        self.assertEqual([5], self.search(b"FROM smith"))

    def test_two_at_once(self) -> None:
        """
        Two searches read the same new headers at the same time.
        """
        self.search(b"FROM smith")
        now(self.inner.copy([1, 2], "INBOX"))
        now(self.inner.advance())
        view = SlowView(self.inner)
        results: list[list[int]] = []
        for _ in range(2):
            plan = searching.read_keys(Cursor([b"FROM smith"]))
            running = searching.run(plan, cast(IMailboxView, view), memory=self.memory.of("INBOX"))
            Deferred.fromCoroutine(running).addCallback(results.append)
        for waiting in view.waiting:
            waiting.callback(None)
        self.assertEqual([[1, 5, 6], [1, 5, 6]], results)
        self.assertEqual([2, 2], view.fetched)
        self.assertEqual([1, 5, 6], self.search(b"FROM smith"))

    def test_many(self) -> None:
        """
        Many messages are read in groups that grow, and looked through with pauses.
        """
        count = 2 * limits.FETCH_BATCH_ROWS
        view = BadView(mailbox(*[HELLO] * count)[1])
        pauses: list[int] = []

        async def pause() -> None:
            pauses.append(1)

        memory = self.memory.of("many")
        for _ in range(3):
            found = search(cast(IMailboxView, view), b"FROM smith NOT TO nobody", memory=memory, pause=pause)
            self.assertEqual(list(range(1, count + 1)), found)
        self.assertEqual([100, 200, 400, 300], view.fetched)
        self.assertTrue(pauses)
