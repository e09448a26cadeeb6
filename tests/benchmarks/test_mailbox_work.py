"""
L{benchmarks.mailbox_work}.
"""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.clients import Answer, Imap
from benchmarks.mailbox_work import COPIED, FEW, IN_FEW, LARGE, READ, SEEN, WORKS, fill, make_few
from benchmarks.messages import NEEDLES, is_multipart, message

OK = b"zq1x OK\r\n"


def whole_answers() -> dict[str, list[bytes]]:
    """
    What a server says to each work that it really does, by the work's name.
    """
    all_numbers = range(1, LARGE + 1)
    envelopes = b"".join(b'* %d FETCH (ENVELOPE (NIL "<%d.bench@example.net>"))\r\n' % (n, n - 1) for n in all_numbers)
    structures = b"".join(
        b"* %d FETCH (BODYSTRUCTURE (%b))\r\n"
        % (n, b'("ATTACHMENT" NIL) "MIXED"' if is_multipart(n - 1) else b'"TEXT"')
        for n in all_numbers
    )
    flags = b"".join(b"* %d FETCH (FLAGS ())\r\n" % n for n in all_numbers)
    bodies = b"".join(b"* %d FETCH (BODY[] {%d}\r\n%b)\r\n" % (n + 1, len(message(n)), message(n)) for n in READ)
    rare = b"* SEARCH" + b" 7" * (LARGE // 100) + b"\r\n"
    return {
        "select": [b"* %d EXISTS\r\n" % LARGE],
        "envelope-first": [envelopes],
        "envelope": [envelopes],
        "bodystructure": [structures],
        "flags": [flags],
        "body": [bodies],
        "store": [flags, flags],
        "search-flag": [b"* SEARCH" + b" 7" * (LARGE - SEEN) + b"\r\n"],
        "search-header": [rare] * 3,
        "search-text": [rare],
        "copy": [b""],
        "move": [b""],
        "append": [b"* 1 EXISTS\r\nzq1x OK [APPENDUID 1 2] done\r\n"] * 2,
        "status": [b"* STATUS few1 (MESSAGES %d UNSEEN 0)\r\n" % IN_FEW] * FEW,
    }


class Told:
    """
    A client that counts as many messages in a mailbox as it was told, and remembers what it said.
    """

    def __init__(self, count: int = COPIED, answers: dict[bytes, bytes] | None = None) -> None:
        self.count = count
        self.answers = answers or {}
        self.said: list[bytes] = []

    def messages(self, mailbox: str) -> int:
        """
        As it was told.
        """
        return self.count

    def command(self, text: bytes) -> Answer:
        """
        As it was told, or nothing.
        """
        self.said.append(text)
        return Answer([self.answers.get(text, b"") + OK])

    def append(self, mailbox: str, messages: list[bytes]) -> Answer:
        """
        Remembers how many.
        """
        self.said.append(b"APPEND %b %d" % (mailbox.encode(), len(messages)))
        return Answer([OK])


class ChecksTests(SynchronousTestCase):
    """
    A figure never comes from work that was not done.
    """

    def test_whole(self) -> None:
        """
        Whole answers are work that was done.
        """
        answers = whole_answers()
        self.assertEqual([work.name for work in WORKS], list(answers))
        for work in WORKS:
            work.check(cast(Imap, Told()), "box", [Answer([one + OK]) for one in answers[work.name]])

    def test_missing(self) -> None:
        """
        With one of its lines less, the last answer is not whole; nor is it with one message less.
        """
        answers = whole_answers()
        for work in WORKS:
            pieces = [Answer([one + OK]) for one in answers[work.name][:-1]]
            shortened = answers[work.name][-1].rpartition(b" ")[0].rpartition(b"* ")[0]
            if work.name.startswith("search"):
                shortened = answers[work.name][-1].replace(b" 7", b"", 1)
            client = cast(Imap, Told(COPIED - 1))
            self.assertRaises(RuntimeError, work.check, client, "box", [*pieces, Answer([shortened + OK])])

    def test_another_content(self) -> None:
        """
        A message that is not the one that was put there is noticed, and so is an envelope out of its place.
        """
        bodies = whole_answers()["body"][0].replace(b"quick brown fox", b"quick green fox", 1)
        envelopes = whole_answers()["envelope"][0].replace(b"<5.bench", b"<6.bench", 1)
        for name, text in (("body", bodies), ("envelope", envelopes)):
            work = next(one for one in WORKS if one.name == name)
            self.assertRaises(RuntimeError, work.check, cast(Imap, Told()), "box", [Answer([text + OK])])


class TurnsTests(SynchronousTestCase):
    """
    What is said.
    """

    def test_select(self) -> None:
        """
        What comes before a turn is said before each.
        """
        client = Told(answers={b"SELECT box": b"* %d EXISTS\r\n" % LARGE})
        self.assertGreater(WORKS[0].measure(cast(Imap, client), "box"), 0)
        self.assertEqual([b"UNSELECT", b"SELECT box"] * WORKS[0].times, client.said)

    def test_move(self) -> None:
        """
        What comes first is said once, with the mailbox's name in it.
        """
        client = Told()
        next(one for one in WORKS if one.name == "move").measure(cast(Imap, client), "box")
        self.assertEqual([b"CREATE boxmoved", b"SELECT boxcopied", b"MOVE 1:1000 boxmoved"], client.said)

    def test_fill(self) -> None:
        """
        All messages are put there, a hundred at a time; the small mailboxes are many.
        """
        client = Told()
        list(fill(cast(Imap, client), "box"))
        self.assertEqual([b"APPEND box 100"] * (LARGE // 100), client.said)
        make_few(cast(Imap, client))
        self.assertEqual([b"CREATE few99", b"APPEND few99 5"], client.said[-2:])

    def test_words(self) -> None:
        """
        Each rare word is in one message of a hundred, and in another for each.
        """
        places = [[n for n in range(200) if word.encode() in message(n)] for word in NEEDLES]
        self.assertEqual([[0, 100], [1, 101], [2, 102]], places)
