"""
SORT, THREAD, LIST with options, APPEND of many and BINARY, given what no client should send, and messages nobody should write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.fetching import mailbox
from tests.support.imap import ImapTestCase
from tests.support.messages import odd_messages
from twisted_mail_server.message.threads import Letter, Node, References, base_subject, by_subject, message_ids
from twisted_mail_server.message.transfer import decode, decoder
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.protocols.imap import sorting
from twisted_mail_server.protocols.imap.cursor import Cursor

_NAMES = [name.encode() for name in "abcdef"]
_WORDS = ["re", "Fwd", ":", "[", "]", "(fwd)", "[fwd:", " ", "x", "[a]", "\t", "RE:", "\u00e4"]


def _letters() -> st.SearchStrategy[list[Letter]]:
    return st.lists(
        st.builds(
            Letter,
            date=st.integers(0, 5),
            subject=st.sampled_from(["", "X", "Y"]),
            is_reply=st.booleans(),
            identifier=st.sampled_from([None, *_NAMES]),
            references=st.lists(st.sampled_from(_NAMES), max_size=4),
        ),
        max_size=10,
    )


def _numbers(threads: Sequence[Node], *, is_top: bool = True) -> list[int]:
    """
    All messages of some threads; dummies stand at the top only, and never with fewer than two children.
    """
    found: list[int] = []
    for node in threads:
        if node.number < 0:
            assert is_top and len(node.children) > 1
        else:
            found.append(node.number)
        found += _numbers(list(node.children), is_top=False)
    return found


class ThreadFuzzTests(SynchronousTestCase):
    """
    Whatever messages say of each other.
    """

    def test_threads(self) -> None:
        """
        Each message is in one place, and siblings are in the order of their dates.
        """

        @settings(derandomize=True, max_examples=400, deadline=None, database=None)
        @given(_letters())
        def check(letters: list[Letter]) -> None:
            threading = References()
            for letter in letters:
                threading.add(letter)
            list(threading.steps())
            everything = list(range(len(letters)))
            self.assertEqual(everything, sorted(_numbers(threading.threads)))
            self.assertEqual(everything, sorted(_numbers(by_subject(letters))))
            for node in threading.threads:
                dates = [letters[child.number].date for child in node.children]
                self.assertEqual(sorted(dates), dates)
            written = sorting.write_threads(threading.threads, everything)
            self.assertEqual(everything, sorted(map(int, re.findall(rb"[0-9]+", written))))
            self.assertEqual(written.count(b"("), written.count(b")"))

        check()

    def test_subjects(self) -> None:
        """
        A base subject has no white space around it, and is the same whatever is in front of it once more.
        """

        @settings(derandomize=True, max_examples=400, deadline=None, database=None)
        @given(st.lists(st.sampled_from(_WORDS), max_size=12).map("".join))
        def check(subject: str) -> None:
            base, _ = base_subject(subject)
            self.assertEqual(base.strip(), base)
            self.assertEqual((base, True), base_subject(f"Re: {subject}"))
            self.assertEqual((base, True), base_subject(f"{subject} (fwd)"))

        check()

    def test_identifiers(self) -> None:
        """
        Whatever a field holds, an ID that follows it is found, and none is empty.
        """

        @settings(derandomize=True, max_examples=300, deadline=None, database=None)
        @given(st.lists(st.sampled_from(["<", ">", "@", '"', "\\", " ", "a", "\r\n "]), max_size=20).map("".join))
        def check(text: str) -> None:
            found = message_ids(text.encode() + b'"> <last@x>')
            self.assertEqual(b"last@x", found[-1])
            self.assertTrue(all(b"@" in each and len(each) > 1 for each in found))

        check()


class MessageFuzzTests(SynchronousTestCase):
    """
    Whatever messages look like.
    """

    def test_messages(self) -> None:
        """
        They can be sorted by everything, and threaded.
        """
        messages = [message for _, message in odd_messages(200, 3)]
        _, view = mailbox(*messages)
        numbers = list(range(1, len(messages) + 1))
        for name, key in sorting.SORT_KEYS.items():
            for is_reverse in (False, True):
                found = now(sorting.sort([sorting.Criterion(key, is_reverse)], view, numbers))
                self.assertEqual(numbers, sorted(found), name)
        for algorithm in sorting.ALGORITHMS:
            threads, names = now(sorting.thread(algorithm, view, numbers))
            self.assertEqual(numbers, names)
            self.assertEqual(numbers, [number + 1 for number in sorted(_numbers(threads))])

    def test_decoders(self) -> None:
        """
        However encoded content is cut, it comes out as if it were whole.
        """
        pieces = st.lists(
            st.text("=AB3f \t\r\n+/\xff", max_size=8).map(lambda text: text.encode("latin-1")), max_size=8
        )

        @settings(derandomize=True, max_examples=500, deadline=None, database=None)
        @given(pieces, st.sampled_from([b"base64", b"quoted-printable"]))
        def check(pieces: list[bytes], encoding: bytes) -> None:
            undoing = decoder(encoding)
            assert undoing is not None
            self.assertEqual(decode(b"".join(pieces), encoding), b"".join([*map(undoing.add, pieces), undoing.end()]))

        check()


class CriteriaFuzzTests(SynchronousTestCase):
    """
    L{sorting.read_criteria}
    """

    def test_criteria(self) -> None:
        """
        They are refused, or are as many as the words that name some.
        """
        words = [*(name.decode() for name in sorting.SORT_KEYS), "REVERSE", "(", ")", " ", "x", "\xff"]

        @settings(derandomize=True, max_examples=300, deadline=None, database=None)
        @given(st.lists(st.sampled_from(words), max_size=6).map(" ".join))
        def check(text: str) -> None:
            octets = f"({text})".encode("latin-1")
            cursor = Cursor([octets])
            try:
                criteria = sorting.read_criteria(cursor)
                cursor.end()
            except MailError:
                return
            self.assertEqual(len(octets.split()) - octets.count(b"REVERSE"), len(criteria))

        check()


class CommandFuzzTests(ImapTestCase):
    """
    Whole commands.
    """

    def test_commands(self) -> None:
        """
        Each has one tagged answer, none of them because of a bug, and the session goes on.
        """
        self.add(b"Subject: one\n\nBody.\n", b"Subject: Re: one\n\nBody.\n")
        line = self.line()
        line.receive(b"x SELECT INBOX\r\n")
        line.take()
        starts = [
            "SORT (",
            "UID SORT (DATE) ",
            "THREAD ",
            'LIST (SUBSCRIBED) "" ',
            "LIST ",
            "FETCH 1 (",
            "GETQUOTA ",
            "SETQUOTA ",
        ]
        words = [
            *(
                "SUBJECT",
                "REVERSE",
                "DATE)",
                "UTF-8",
                "ALL",
                "REFERENCES",
                "ORDEREDSUBJECT",
                "(",
                ")",
                '""',
                "*",
                "%",
                "RETURN",
            ),
            *("(STATUS (SIZE DELETED-STORAGE))", "RECURSIVEMATCH)", "(CHILDREN)", "INBOX", "1", '"', "\\", "STORAGE 1"),
            *("BINARY[1]", "BINARY.SIZE[", "BINARY.PEEK[]<0.3>", "]", "<0.1>"),
        ]

        @settings(derandomize=True, max_examples=400, deadline=None, database=None)
        @given(st.sampled_from(starts), st.lists(st.sampled_from(words), max_size=6).map(" ".join))
        def check(start: str, rest: str) -> None:
            line.receive(f"t {start}{rest}\r\n".encode())
            answer = line.take()
            self.assertRegex(answer.rpartition(b"\r\nt ")[2].removeprefix(b"t "), rb"\A(OK|NO|BAD) .*\r\n\Z")
            line.receive(b"n NOOP\r\n")
            self.assertIn(b"n OK", line.take())

        check()
        self.assertEqual([], line.failures)

    def test_appends(self) -> None:
        """
        Either all messages of an APPEND are there afterwards, or none, and the next command is read.
        """
        piece = st.sampled_from(
            [
                b" {4+}\r\na: 1",
                b" () {4+}\r\nabcd",
                b" ~{4+}\r\na: \0",
                b" {0+}\r\n",
                b" UTF8 (~{2+}\r\nab)",
                b" x",
                b" {2+}\r\n\0\0",
            ]
        )

        @settings(derandomize=True, max_examples=200, deadline=None, database=None)
        @given(st.lists(piece, min_size=1, max_size=4), st.integers(0, 60))
        def check(pieces: list[bytes], cut: int) -> None:
            line = self.connect()
            line.receive(b"x LOGIN fred secret\r\n")
            line.take()
            before = now(self.mail.status("INBOX")).messages
            said = b"a APPEND INBOX" + b"".join(pieces) + b"\r\nn NOOP\r\n"
            line.receive(said[:cut])
            line.receive(said[cut:])
            answer = line.take()
            self.assertIn(b"n OK", answer)
            added = len(pieces) if b"a OK" in answer else 0
            self.assertEqual(before + added, now(self.mail.status("INBOX")).messages)
            self.assertEqual([], line.failures)

        check()
