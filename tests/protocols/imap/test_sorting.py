"""
L{twisted_mail_server.protocols.imap.sorting}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.fetching import BadView, mailbox
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.message.threads import Node
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.protocols.imap import sorting
from twisted_mail_server.protocols.imap.cursor import Cursor


def criteria(text: bytes) -> list[sorting.Criterion]:
    """
    Criteria as a client writes them.
    """
    cursor = Cursor([text])
    found = sorting.read_criteria(cursor)
    cursor.end()
    return found


def message(*fields: str) -> bytes:
    """
    A message with those fields.
    """
    return "\r\n".join([*fields, "", "Body.", ""]).encode()


class ReadTests(SynchronousTestCase):
    """
    L{sorting.read_criteria}
    """

    def test_criteria(self) -> None:
        """
        They are read in whatever case, and each can be turned round.
        """
        keys = sorting.SORT_KEYS
        self.assertEqual(
            [sorting.Criterion(keys[b"SUBJECT"]), sorting.Criterion(keys[b"DATE"], is_reverse=True)],
            criteria(b"(subject Reverse DATE)"),
        )

    def test_malformed(self) -> None:
        """
        Other words are refused, and REVERSE of nothing, and too many.
        """
        for text in (b"()", b"(BCC)", b"(REVERSE)", b"(REVERSE REVERSE DATE)", b"DATE", b"(DATE", b"(DATE  SIZE)", b""):
            self.assertRaises(SyntaxProblem, criteria, text)
        self.assertRaises(TooLong, criteria, b"(" + b" ".join([b"DATE"] * (limits.SORT_CRITERIA + 1)) + b")")


class SortTests(SynchronousTestCase):
    """
    L{sorting.sort}
    """

    def sorted(self, text: bytes, *messages: bytes) -> list[int]:
        """
        All messages, in that order.
        """
        _, view = mailbox(*messages)
        return now(sorting.sort(criteria(text), view, range(1, len(messages) + 1)))

    def test_subject(self) -> None:
        """
        By base subject, without regard to case and to encoding; nothing comes first, and equals stay in their order.
        """
        messages = [
            message("Subject: zebra"),
            message("Subject: Re: [list] Apple"),
            message("X-Subject: none"),
            message("Subject: =?utf-8?Q?=C3=84pfel?="),
            message("Subject: APPLE (fwd)"),
            message("Subject: b", "Subject: second is not looked at"),
        ]
        self.assertEqual([3, 2, 5, 4, 6, 1], self.sorted(b"(SUBJECT)", *messages))
        self.assertEqual([1, 6, 4, 2, 5, 3], self.sorted(b"(REVERSE SUBJECT)", *messages))

    def test_addresses(self) -> None:
        """
        By the mailbox of the first address, without its domain; a group counts with its name.
        """
        messages = [
            message("From: Zoe <bob@a.example>, anna@b.example", "To: c@x", "Cc: q@x"),
            message("From: Anna <ZOE@a.example>", "To: b@x", "Cc: p@x"),
            message("From: ", "To: A list: c@x;", "Cc: none"),
        ]
        self.assertEqual([3, 1, 2], self.sorted(b"(FROM)", *messages))
        self.assertEqual([3, 2, 1], self.sorted(b"(TO)", *messages))
        self.assertEqual([1, 2, 3], self.sorted(b"(REVERSE CC TO)", *messages))

    def test_display(self) -> None:
        """
        By what people are shown: the name, else the address, else what there is of it (RFC 5957 section 3).
        """
        messages = [
            message("From: =?utf-8?Q?M=C3=BCller?= <a@x.example>", "To: team: z@x;"),
            message("From: b@x.example", "To: n@x.example"),
            message("From: b@a.example", "To: m"),
            message("X-From: nobody"),
            message("From: Anton <z@x.example>", "To: ;"),
        ]
        self.assertEqual([4, 5, 3, 2, 1], self.sorted(b"(DISPLAYFROM)", *messages))
        self.assertEqual([4, 5, 3, 2, 1], self.sorted(b"(DISPLAYTO)", *messages))

    def test_date(self) -> None:
        """
        By the moment that Date names, in its zone; without one that can be read, by INTERNALDATE, which is very old here.
        """
        messages = [
            message("Date: Sun, 31 Dec 2000 16:01:33 -0800"),
            message("Date: Mon, 1 Jan 2001 00:01:32 +0000"),
            message("Date: never"),
            message("Date: Mon, 1 Jan 2001 01:01:31 +0100"),
            message("Date: Thu, 1 Jan 2099 00:00:00 +0000"),
        ]
        self.assertEqual([3, 4, 2, 1, 5], self.sorted(b"(DATE)", *messages))

    def test_row(self) -> None:
        """
        Size and arrival need no header; what is equal stays in its order.
        """
        messages = [message("X: " + "x" * size) for size in (30, 10, 20, 10)]
        self.assertEqual([2, 4, 3, 1], self.sorted(b"(SIZE)", *messages))
        self.assertEqual([1, 3, 2, 4], self.sorted(b"(REVERSE SIZE)", *messages))
        self.assertEqual([1, 2, 3, 4], self.sorted(b"(REVERSE ARRIVAL ARRIVAL)", *messages))

    def test_several(self) -> None:
        """
        The first criterion decides, then the second.
        """
        messages = [
            message(f"Subject: {text}", "X: " + "x" * size) for text, size in (("b", 1), ("a", 1), ("b", 9), ("a", 9))
        ]
        self.assertEqual([4, 2, 3, 1], self.sorted(b"(SUBJECT REVERSE SIZE)", *messages))
        self.assertEqual([3, 4, 1, 2], self.sorted(b"(REVERSE SIZE REVERSE SUBJECT REVERSE SIZE)", *messages))

    def test_gone(self) -> None:
        """
        A message of which nothing is left is left out.
        """
        _, view = mailbox(*[message(f"Subject: {text}") for text in "cba"])
        bad = cast(IMailboxView, BadView(view, rowless=frozenset({2})))
        self.assertEqual([3, 1], now(sorting.sort(criteria(b"(SUBJECT)"), bad, [1, 2, 3])))

    def test_pauses(self) -> None:
        """
        Others have their turn between batches, and between the sorts of a very large mailbox.
        """
        pauses: list[int] = []

        async def pause() -> None:
            pauses.append(1)

        _, view = mailbox(*[message("Subject: x")] * (limits.FETCH_BATCH_HEADERS + 1))
        numbers = range(1, limits.FETCH_BATCH_HEADERS + 2)
        now(sorting.sort(criteria(b"(SUBJECT DATE)"), view, numbers, pause))
        self.assertEqual(2, len(pauses))
        self.patch(sorting, "_REST", 10)
        now(sorting.sort(criteria(b"(SUBJECT DATE)"), view, numbers, pause))
        self.assertEqual(2 + 4, len(pauses))

    def test_huge_headers(self) -> None:
        """
        Others have their turn within a batch, too, if its headers are huge.
        """
        pauses: list[int] = []

        async def pause() -> None:
            pauses.append(1)

        _, view = mailbox(*[message("X: " + "x" * 300_000)] * 5)
        now(sorting.sort(criteria(b"(SUBJECT)"), view, range(1, 6), pause))
        self.assertEqual(3, len(pauses))
        now(sorting.sort(criteria(b"(SUBJECT)"), view, range(1, 6)))
        self.assertEqual(3, len(pauses))

    def test_hostile_field(self) -> None:
        """
        Of a field that is very long the beginning counts.
        """
        messages = [message("Subject: " + "a" * 5000 + ending) for ending in "ba"]
        self.assertEqual([1, 2], self.sorted(b"(SUBJECT)", *messages))


class ThreadTests(SynchronousTestCase):
    """
    L{sorting.thread}
    """

    def threads(self, algorithm: bytes, *messages: bytes) -> bytes:
        """
        All messages, threaded and written.
        """
        _, view = mailbox(*messages)
        nodes, names = now(sorting.thread(algorithm, view, range(1, len(messages) + 1)))
        return sorting.write_threads(nodes, names)

    def test_references(self) -> None:
        """
        References count, else the first message that In-Reply-To names.
        """
        self.assertEqual(
            b"(1 2 (3)(4))(5)",
            self.threads(
                b"REFERENCES",
                message("Message-ID: <a@x>", "Subject: one"),
                message("Message-ID: <b@x>", "Subject: Re: two", "References: <a@x>", "In-Reply-To: <q@x>"),
                message("Message-ID: <c@x>", "Subject: Re: three", "References: none", "In-Reply-To: <b@x> <a@x>"),
                message("Message-ID: <d@x>", "Subject: Re: four", "References:\r\n <a@x>\r\n <b@x>"),
                message("Subject: five"),
            ),
        )

    def test_subjects(self) -> None:
        """
        One subject, one thread.
        """
        messages = [
            message(f"Subject: {text}", "Message-ID: <a@x>") for text in ("one", "Re: two", "[x] one", "two", "ONE")
        ]
        self.assertEqual(b"(1 (3)(5))(2 4)", self.threads(b"ORDEREDSUBJECT", *messages))

    def test_gone(self) -> None:
        """
        A message of which nothing is left is left out.
        """
        _, view = mailbox(*[message("Subject: x")] * 3)
        bad = cast(IMailboxView, BadView(view, rowless=frozenset({2})))
        nodes, names = now(sorting.thread(b"REFERENCES", bad, [1, 2, 3]))
        self.assertEqual(b"((1)(3))", sorting.write_threads(nodes, names))

    def test_pauses(self) -> None:
        """
        Others have their turn while references are followed.
        """
        pauses: list[int] = []

        async def pause() -> None:
            pauses.append(1)

        references = " ".join(f"<{number}@x>" for number in range(100))
        messages = [message(f"Message-ID: <m{number}@x>", f"References: {references}") for number in range(60)]
        _, view = mailbox(*messages)
        now(sorting.thread(b"REFERENCES", view, range(1, 61), pause))
        self.assertGreater(len(pauses), 3)
        self.assertEqual(60, len(now(sorting.thread(b"REFERENCES", view, range(1, 61)))[1]))


class WriteTests(SynchronousTestCase):
    """
    L{sorting.write_threads}
    """

    def node(self, number: int, *children: Node) -> Node:
        """
        A node with what is below it.
        """
        node = Node(number)
        node.children = dict.fromkeys(children)
        return node

    def written(self, *threads: Node) -> bytes:
        """
        With the numbers as names.
        """
        return sorting.write_threads(threads, range(100))

    def test_examples(self) -> None:
        """
        The examples of RFC 5256 section 4.
        """
        node = self.node
        deep = node(3, node(6, node(4, node(23)), node(44, node(7, node(96)))))
        self.assertEqual(b"(2)(3 6 (4 23)(44 7 96))", self.written(node(2), deep))
        self.assertEqual(b"((3)(5))", self.written(node(-1, node(3), node(5))))
        self.assertEqual(b"", self.written())

    def test_deep(self) -> None:
        """
        A thread may be deeper than Python's stack, in both ways.
        """
        top: Sequence[Node] = [self.node(1)]
        for _ in range(5000):
            top = [self.node(1, self.node(2), self.node(3, *top))]
        written = self.written(*top)
        self.assertEqual(written.count(b"("), written.count(b")"))
