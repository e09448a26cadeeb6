"""
L{twisted_mail_server.protocols.imap.searching}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.fetching import BadView, mailbox, search, view_of
from tests.support.stores import append
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.protocols.imap import searching
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.search_texts import Contents
from twisted_mail_server.protocols.imap.search_vocabulary import All, Any, Cost, Known, Not
from twisted_mail_server.protocols.imap.searching import BadCharset, Reading, RowTest

DAY = 86_400
_T = TypeVar("_T")
#: 1 February 1994, noon.
FEBRUARY = 760_104_000

HELLO = (
    b"From: Smith <smith@example.org>\r\nTo: jones@example.org\r\nCc: Brown <b@example.org>\r\nBcc: c@example.org\r\n"
    b"Date: Tue, 1 Feb 1994 23:30:00 -0800\r\nSubject: Hello\r\n\tworld\r\nX-Empty:\r\n\r\nGood morning.\r\n"
)
GREETING = (
    b"From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nw4Rwc2VsIHVuZCBCaXJuZW4=\r\n"
    b"--x\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p>Pf=\r\nlaum=E9</p>\r\n"
    b"--x\r\nContent-Type: application/pdf\r\n\r\nsecret pdf text\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?inn=C3=A9r?=\r\n\r\ninner words\r\n"
    b"--x\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--x--\r\n"
)
RAW = "Subject: Füße nackt\r\nDate: nonsense\r\n\r\nund Füße\r\n".encode()


def make() -> IMailboxView:
    """
    Five messages: see the tests for what they are.
    """
    mail, _ = mailbox()
    append(mail, "INBOX", HELLO, flags=("\\Seen", "\\Answered"), date=FEBRUARY)
    append(mail, "INBOX", GREETING, flags=("\\Flagged", "Work"), date=FEBRUARY + DAY)
    append(mail, "INBOX", RAW, flags=("\\Deleted", "\\Draft"), date=FEBRUARY + 2 * DAY)
    append(mail, "INBOX", HELLO, date=FEBRUARY + 3 * DAY)
    append(mail, "INBOX", b"", date=FEBRUARY + 3 * DAY)
    view = view_of(mail)
    now(view.change_flags([4], "+", ["\\Deleted"]))
    now(view.expunge([4]))
    append(mail, "INBOX", HELLO.replace(b"Hello", b"Goodbye"), date=FEBRUARY + 4 * DAY)
    return view_of(mail)


#: Which of the five a key finds; UIDs are 1, 2, 3, 5, 6.
KEYS: dict[bytes, list[int]] = {
    b"ALL": [1, 2, 3, 4, 5],
    b"SEEN": [1],
    b"UNSEEN": [2, 3, 4, 5],
    b"ANSWERED": [1],
    b"UNANSWERED": [2, 3, 4, 5],
    b"FLAGGED": [2],
    b"UNFLAGGED": [1, 3, 4, 5],
    b"DELETED": [3],
    b"UNDELETED": [1, 2, 4, 5],
    b"DRAFT": [3],
    b"UNDRAFT": [1, 2, 4, 5],
    b"KEYWORD work": [2],
    b"UNKEYWORD WORK": [1, 3, 4, 5],
    b"KEYWORD unheard-of": [],
    b"UNKEYWORD unheard-of": [1, 2, 3, 4, 5],
    b"2:4 UNKEYWORD unheard-of": [2, 3, 4],
    b"2:4 KEYWORD unheard-of": [],
    b"2:4 SEEN": [],
    b"1:2 SEEN": [1],
    b"1:2 UNSEEN": [2],
    b"RECENT": [4, 5],
    b"OLD": [1, 2, 3],
    b"NEW": [4, 5],
    b"NEW 5": [5],
    b"2": [2],
    b"*": [5],
    b"2:3,5": [2, 3, 5],
    b"4:*": [4, 5],
    b"UID 3:5": [3, 4],
    b"UID 4": [],
    b"UID 9:*": [5],
    b"LARGER 0": [1, 2, 3, 5],
    b"SMALLER 1": [4],
    b"LARGER %d" % len(HELLO): [2, 5],
    b"SMALLER %d" % len(HELLO): [3, 4],
    b"BEFORE 2-Feb-1994": [1],
    b"ON 02-feb-1994": [2],
    b'ON "2-FEB-1994"': [2],
    b"SINCE 3-Feb-1994": [3, 4, 5],
    # The date of the field as it stands, whatever its zone makes of it.
    b"SENTON 1-Feb-1994": [1, 5],
    b"SENTBEFORE 1-Feb-1994": [],
    b"SENTBEFORE 2-Feb-1994": [1, 5],
    b"SENTSINCE 1-Feb-1994": [1, 5],
    b"SENTSINCE 2-Feb-1994": [],
    b"FROM smith": [1, 5],
    b"FROM SMITH@EXAMPLE": [1, 5],
    b"FROM hello": [],
    b"TO jones": [1, 5],
    b"CC brown": [1, 5],
    b"BCC c@": [1, 5],
    b"SUBJECT hello": [1],
    # A fold is white space.
    b'SUBJECT "hello\tworld"': [1],
    b'TEXT "hello\tworld"': [1],
    b'SUBJECT ""': [1, 2, 3, 5],
    b'HEADER x-empty ""': [1, 5],
    b'HEADER X-Nothing ""': [],
    b"HEADER x-empty q": [],
    b"HEADER Subject goodbye": [5],
    b"BODY morning": [1, 5],
    b"BODY hello": [],
    b"BODY pflaum": [2],
    b'BODY "und birnen"': [2],
    b'BODY "pdf text"': [],
    b'BODY "inner words"': [2],
    b"BODY 5.1.1": [2],
    b'BODY ""': [1, 2, 3, 4, 5],
    b"TEXT hello": [1],
    b"TEXT smith": [1, 5],
    b"TEXT morning": [1, 5],
    b"TEXT nowhere": [],
    b"NOT SEEN": [2, 3, 4, 5],
    b"NOT NOT SEEN": [1],
    b"NOT (SEEN)": [2, 3, 4, 5],
    b"NOT BODY morning": [2, 3, 4],
    b"OR SEEN FLAGGED": [1, 2],
    b"OR FLAGGED BODY morning": [1, 2, 5],
    b"OR ALL BODY morning": [1, 2, 3, 4, 5],
    b"OR OR SEEN FLAGGED DELETED": [1, 2, 3],
    b"OR SEEN OR FLAGGED DELETED": [1, 2, 3],
    b"OR (SEEN FLAGGED) (FROM smith UNSEEN)": [5],
    b"NOT OR SEEN FROM smith": [2, 3, 4],
    b"NOT (SEEN FLAGGED DELETED)": [1, 2, 3, 4, 5],
    b"OR LARGER 1 SMALLER 1": [1, 2, 3, 4, 5],
    b"TEXT hello TEXT smith": [1],
    b"(SEEN)": [1],
    b"(SEEN FLAGGED)": [],
    b"((SEEN) (ALL))": [1],
    b"FLAGGED SINCE 1-Feb-1994 NOT FROM Smith": [2],
    b"FROM smith SUBJECT hello BODY morning": [1],
    b"BODY morning BODY evening": [],
    b"UNSEEN LARGER 10 FROM smith": [5],
    b"CHARSET US-ASCII FROM smith": [1, 5],
    b"CHARSET utf-8 ALL": [1, 2, 3, 4, 5],
    b'CHARSET "UTF-8" ALL': [1, 2, 3, 4, 5],
    b"CHARSET ISO-8859-1 SEEN": [1],
}

#: Strings in a charset, as literals.
ENCODED: list[tuple[bytes, str, str, list[int]]] = [
    (b"FROM ", "utf-8", "JÜRGEN", [2]),
    (b"SUBJECT ", "iso-8859-1", "grüsse", [2]),
    (b"SUBJECT ", "utf-8", "füsse", [3]),
    (b"BODY ", "utf-8", "äpsel", [2]),
    (b"BODY ", "windows-1252", "Pflaumé", [2]),
    (b"BODY ", "utf-8", "innér", [2]),
    (b"TEXT ", "utf-8", "grüße", [2]),
    (b"TEXT ", "utf-8", "füße", [3]),
    (b"TEXT ", "koi8-r", "яблоко", []),
]


class CountingView(BadView):
    """
    How many contents are read at a time.
    """

    def __init__(self, view: IMailboxView) -> None:
        super().__init__(view)
        self.counts: list[int] = []

    async def examine(self, uids: Sequence[int], look: Callable[[int, bytes], _T]) -> Mapping[int, _T]:
        """
        Count, too.
        """
        self.counts.append(len(uids))
        return await super().examine(uids, look)


class HeldView(BadView):
    """
    Contents never come.
    """

    look: Callable[[int, bytes], object]

    async def examine(self, uids: Sequence[int], look: Callable[[int, bytes], _T]) -> Mapping[int, _T]:
        """
        Wait.
        """
        self.look = look
        await Deferred()
        return {}


class KeyTests(SynchronousTestCase):
    """
    Each key of RFC 3501 section 6.4.4.
    """

    def test_keys(self) -> None:
        """
        Each finds what it should, in whatever case it is written.
        """
        view = make()
        recent = frozenset([5, 6])
        for text, expected in KEYS.items():
            self.assertEqual(expected, search(view, text, recent=recent), text)
        self.assertEqual([1], search(view, b"seen"))
        self.assertEqual(set(searching.SEARCH_KEYS), {text.split()[0] for text in KEYS} & set(searching.SEARCH_KEYS))

    def test_charsets(self) -> None:
        """
        Strings are compared as text: encoded words, transfer encodings and charsets undone, without regard to case.
        """
        view = make()
        for key, charset, text, expected in ENCODED:
            octets = text.encode(charset)
            found = search(view, b"CHARSET %b %b" % (charset.encode("ascii"), key), octets, b"")
            self.assertEqual(expected, found, text)
        self.assertEqual([2], search(view, b"FROM ", "jürgen".encode(), b""))

    def test_nothing_recent(self) -> None:
        """
        Without anything recent, nothing is, and everything is old.
        """
        view = make()
        self.assertEqual([], search(view, b"NEW"))
        self.assertEqual([1, 2, 3, 4, 5], search(view, b"OLD"))

    def test_empty_mailbox(self) -> None:
        """
        In an empty mailbox nothing is found, whatever numbers are named.
        """
        _, view = mailbox()
        for keys in (b"ALL", b"1:*", b"*", b"UID 1:*", b"NOT 5", b"TEXT a", b"LARGER 1"):
            self.assertEqual([], search(view, keys))

    def test_beyond_the_last(self) -> None:
        """
        A sequence number that no message has is an error (RFC 3501 section 9, C{seq-number}); a UID is not.
        """
        view = make()
        with self.assertRaises(SyntaxProblem):
            search(view, b"6")
        with self.assertRaises(SyntaxProblem):
            search(view, b"OR SEEN 3:9")


class ReadingTests(SynchronousTestCase):
    """
    L{searching.read_keys}
    """

    def test_malformed(self) -> None:
        """
        What the grammar does not allow is refused.
        """
        for text in (
            b"",
            b" ALL",
            b"ALL ",
            b"ALL  SEEN",
            b"NONSENSE",
            b"()",
            b"(ALL",
            b"( ALL)",
            b"(ALL )",
            b"NOT",
            b"NOT ",
            b"OR SEEN",
            b"OR SEEN ",
            b"(OR SEEN)",
            b"(NOT)",
            b"FROM",
            b"FROM (a)",
            b"HEADER Subject",
            b"KEYWORD",
            b"KEYWORD \\Seen",
            b"LARGER x",
            b"LARGER 4294967296",
            b"UID x",
            b"0",
            b"1:",
            b"ON 1-Foo-1994",
            b"ON 31-Feb-1994",
            b"ON 1-Feb-94",
            b"ON 1-Feb-0000",
            b'ON "1-Feb-1994',
            b'ON 1-Feb-1994"',
            b"ON 001-Feb-1994",
            b"CHARSET UTF-8",
            b"CHARSET UTF-8 ",
            b"CHARSET  ALL",
        ):
            with self.assertRaises(SyntaxProblem, msg=repr(text)):
                search(make(), text)
        with self.assertRaises(SyntaxProblem):
            search(make(), b"CHARSET UTF-8 FROM ", b"\xff", b"")
        with self.assertRaises(SyntaxProblem):
            search(make(), b"CHARSET US-ASCII FROM ", b"\xc3\xa4", b"")

    def test_trailing(self) -> None:
        """
        What follows without a space is left for the command to refuse.
        """
        with self.assertRaises(SyntaxProblem):
            search(make(), b"ALL)")

    def test_unknown_charset(self) -> None:
        """
        The answer is NO with BADCHARSET and the charsets there are (RFC 3501 section 6.4.4).
        """
        with self.assertRaises(BadCharset) as caught:
            search(make(), b"CHARSET x-klingon FROM a")
        self.assertIn("BADCHARSET (US-ASCII UTF-8 ", caught.exception.imap_code)
        with self.assertRaises(BadCharset):
            search(make(), b"CHARSET ", b"\xff", b" ALL")

    def test_every_charset_is_a_codec(self) -> None:
        """
        Each charset we claim to know reads ASCII.
        """
        view = make()
        for charset in searching.CHARSETS:
            self.assertEqual([1, 5], search(view, b"CHARSET %b FROM smith" % charset.encode("ascii")), charset)

    def test_flat(self) -> None:
        """
        Chains of OR do not nest, on whichever side they grow, nor do lists in lists; the cheap keys come first.
        """
        count = limits.SEARCH_KEYS // 2 - 1
        for text in (b"OR SEEN " * count + b"FLAGGED", b"OR " * count + b"SEEN" + b" FLAGGED" * count):
            (found,) = searching.read_keys(Cursor([text])).criteria
            assert isinstance(found, Any)
            self.assertEqual((1, count + 1), (found.depth, len(found.children)))
        plan = searching.read_keys(Cursor([b"(BODY a (LARGER 1)) ((FROM b) SEEN)"]))
        self.assertEqual(
            [Cost.ARRAYS, Cost.ROWS, Cost.HEADERS, Cost.CONTENTS], [criterion.cost for criterion in plan.criteria]
        )
        (found,) = searching.read_keys(Cursor([b"NOT (SEEN LARGER 1)"])).criteria
        assert isinstance(found, Not) and isinstance(found.child, All)
        self.assertEqual((2, Cost.ROWS), (found.depth, found.cost))

    def test_bounds(self) -> None:
        """
        Neither many keys nor deep nesting cost more than the limits say.
        """
        view = make()
        self.assertEqual([1], search(view, b" ".join([b"SEEN"] * limits.SEARCH_KEYS)))
        for text in (
            b" ".join([b"SEEN"] * (limits.SEARCH_KEYS + 1)),
            b"(" * limits.SEARCH_KEYS + b"SEEN",
            b"NOT " * (limits.SEARCH_KEYS + 1) + b"SEEN",
            b"OR SEEN NOT " * (limits.SEARCH_NESTING) + b"SEEN",
            b"OR SEEN (ALL " * limits.SEARCH_NESTING + b"SEEN" + b")" * limits.SEARCH_NESTING,
        ):
            with self.assertRaises(TooLong):
                search(view, text)
        self.assertEqual([1], search(view, b"NOT NOT " * (limits.SEARCH_NESTING * 2) + b"SEEN"))
        self.assertEqual([1], search(view, b"OR SEEN NOT " * (limits.SEARCH_NESTING // 2) + b"ALL"))

    def test_further_keys(self) -> None:
        """
        A table with one line more knows one key more.
        """

        def read_older(reading: Reading) -> RowTest:
            limit = reading.number()
            return RowTest(lambda row: row.internal_date < limit)

        cursor = Cursor([b"OLDER %d" % (FEBRUARY + 1)])
        plan = searching.read_keys(cursor, {**searching.SEARCH_KEYS, b"OLDER": read_older})
        self.assertEqual([1], now(searching.run(plan, make())))


class RunningTests(SynchronousTestCase):
    """
    L{searching.run}
    """

    def test_depth(self) -> None:
        """
        Nothing is fetched or opened that a cheaper key has ruled out.
        """
        view = BadView(make())
        bad = cast(IMailboxView, view)
        self.assertEqual([], search(bad, b"TEXT morning SEEN FLAGGED"))
        self.assertEqual(([], []), (view.fetched, view.opened))
        self.assertEqual([5], search(bad, b"BODY morning FROM smith UNSEEN"))
        self.assertEqual(([4], [6]), (view.fetched, view.opened))
        view.opened.clear()
        self.assertEqual([1, 5], search(bad, b"BODY morning OR BODY good BODY evening SUBJECT o"))
        self.assertEqual([1, 6], view.opened)

    def test_groups(self) -> None:
        """
        Rows are got in groups, headers in smaller ones.
        """
        count = limits.FETCH_BATCH_ROWS + 1
        _, inner = mailbox(*[HELLO] * count)
        view = BadView(inner)
        everything = list(range(1, count + 1))
        self.assertEqual(everything, search(cast(IMailboxView, view), b"LARGER 1"))
        self.assertEqual([limits.FETCH_BATCH_ROWS, 1], view.fetched)
        view.fetched.clear()
        self.assertEqual(everything, search(cast(IMailboxView, view), b"FROM smith LARGER 1 SENTON 1-Feb-1994"))
        self.assertEqual({limits.FETCH_BATCH_HEADERS, 1}, set(view.fetched))

    def test_gone(self) -> None:
        """
        A message that is gone meanwhile is not found, not even by NOT.
        """
        view = cast(IMailboxView, BadView(make(), rowless=frozenset([1]), gone=frozenset([1, 6])))
        self.assertEqual([2, 3, 4, 5], search(view, b"NOT LARGER 9999"))
        self.assertEqual([2, 3, 4, 5], search(view, b"NOT FROM nobody"))
        self.assertEqual([2, 3, 4], search(view, b"NOT BODY nothing"))
        self.assertEqual([2, 3, 4], search(view, b"NOT TEXT nothing"))

    def test_large(self) -> None:
        """
        Large text is looked at in pieces, and what lies across two of them is found.
        """
        piece = limits.CONTENT_PIECE
        line = b"0123456789abcde\n"
        for head, text in (
            (b"", line * (piece // 16 + 10)),
            (b"", b"x" * (piece - 3) + b"ab\ncd" + b"y" * piece + b"\n" + b"z" * piece),
            (b"Content-Transfer-Encoding: quoted-printable\r\n", (b"=41" * 25 + b"=\r\n" + b"b\r\n") * (piece // 60)),
            (b"Content-Type: text/plain; charset=utf-16\r\n", ("Ċ" * piece * 2).encode("utf-16")),
        ):
            _, view = mailbox(head + b"\r\n" + text, b"\r\nother")
            for needle, expected in (
                ("0123456789abcde\n0123", head == b"" and text.startswith(b"0")),
                ("ab\ncdy", b"ab\ncd" in text),
                ("aaab\r\n", b"quoted" in head),
                ("ċċċ", b"utf-16" in head),
                ("q", False),
            ):
                found = search(view, b"BODY ", needle.encode(), b"")
                self.assertEqual([1] if expected else [], found, (head, needle))

    def test_kept_text(self) -> None:
        """
        Two keys that look at one message's text open it once; text that is too much to keep is decoded again.
        """
        for text in (b"small", b"large" + b"x\n" * limits.MIB):
            _, inner = mailbox(b"\r\n" + text)
            view = BadView(inner)
            self.assertEqual(
                [1], search(cast(IMailboxView, view), b"BODY %b BODY %b NOT BODY q" % (text[:3], text[1:4]))
            )
            self.assertEqual([1], view.opened)

    def test_pause(self) -> None:
        """
        A long search lets others have their turn, and waits for it.
        """
        _, view = mailbox(*[b"\r\n" + b"abc\n" * 40_000] * 101)
        pauses: list[Deferred[None]] = []

        def pause() -> Deferred[None]:
            pauses.append(Deferred())
            return pauses[-1]

        plan = searching.read_keys(Cursor([b"BODY nothing"]))
        results: list[list[int]] = []
        Deferred.fromCoroutine(searching.run(plan, view, pause=pause)).addCallback(results.append)
        self.assertEqual(([], 1), (results, len(pauses)))
        for waiting in pauses:
            waiting.callback(None)
        self.assertEqual([[]], results)
        self.assertGreater(len(pauses), 1)

    def test_depth_of_contents(self) -> None:
        """
        Contents are read once for all keys, and only where the others do not decide.
        """
        view = BadView(make())
        bad = cast(IMailboxView, view)
        for keys, expected, opened in (
            (b"OR SEEN BODY morning", [1, 5], [2, 3, 5, 6]),
            (b"OR BODY morning NOT SEEN", [1, 2, 3, 4, 5], [1]),
            (b"NOT (SEEN BODY evening)", [1, 2, 3, 4, 5], [1]),
            (b"NOT (FROM smith BODY morning TEXT hello)", [2, 3, 4, 5], [1, 6]),
            (b"OR (BODY morning BODY good) (TEXT hello NOT BODY q)", [1, 5], [1, 2, 3, 5, 6]),
            (b"OR (BODY morning BODY evening) (BODY birnen OR BODY q LARGER 1)", [2], [1, 2, 3, 5, 6]),
            (b'OR BODY "" BODY morning', [1, 2, 3, 4, 5], []),
            (b'BODY "" NOT TEXT ""', [], []),
            (b"OR BODY morning BODY birnen OR SEEN FLAGGED", [1, 2], [1, 2]),
        ):
            view.opened.clear()
            self.assertEqual((expected, opened), (search(bad, keys), view.opened), keys)

    def test_judge(self) -> None:
        """
        A key that needs no contents decides without them.
        """
        known = Known(make(), frozenset())
        (flag,) = searching.read_keys(Cursor([b"SEEN"])).criteria
        judge = now(flag.judge([0, 1], known))
        self.assertEqual([True, False], [judge(0, None), judge(1, Contents(b""))])

    def test_counts(self) -> None:
        """
        So many contents are read at a time as are a megabyte together.
        """
        for size, expected in (
            (10, [50, 100, 200, 150]),
            (3000, [50, 100, 200, 150]),
            (50_000, [50, 25, 12, 12, 12, 12]),
        ):
            view = CountingView(mailbox(*[b"\r\n" + b"x" * size] * sum(expected))[1])
            search(cast(IMailboxView, view), b"BODY nothing")
            self.assertEqual(expected, view.counts)

    def test_over(self) -> None:
        """
        When nobody waits for it any more, what is still to be looked at elsewhere is passed over.
        """
        view = HeldView(mailbox(HELLO, HELLO)[1])
        plan = searching.read_keys(Cursor([b"BODY morning"]))
        running = Deferred.fromCoroutine(searching.run(plan, cast(IMailboxView, view)))
        self.assertIs(True, view.look(1, HELLO))
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertIsNone(view.look(2, HELLO))
