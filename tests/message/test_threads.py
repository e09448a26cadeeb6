"""
L{twisted_mail_server.message.threads}
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.threads import Letter, Node, References, base_subject, by_subject, message_ids
from twisted_mail_server.model.limits import THREAD_DEPTH, THREAD_REFERENCES


class BaseSubjectTests(SynchronousTestCase):
    def test_artifacts(self) -> None:
        """
        RFC 5256 section 2.1: what replies, lists and forwarding have added goes, and says what it was.
        """
        for subject, expected in {
            "hello": ("hello", False),
            "  hello \t  world ": ("hello world", False),
            "Re: hello": ("hello", True),
            "RE : hello": ("hello", True),
            "re[4]: hello": ("hello", True),
            "Fw: Fwd: hello": ("hello", True),
            "fwx: hello": ("fwx: hello", False),
            "hello (fwd)": ("hello", True),
            "hello (FWD)  (fwd)": ("hello", True),
            "[list] hello": ("hello", False),
            "[list] Re: [list] hello": ("hello", True),
            "[a] [b] Re [c] : [d] hello (fwd)": ("hello", True),
            "[fwd: hello]": ("hello", True),
            "[Fwd: Re: [list] hello (fwd) ] (fwd)": ("hello", True),
            "[a][b]": ("[b]", False),
            "[a][b] (fwd)": ("[b]", True),
            "[fwd: ]": ("", True),
            "[unclosed hello": ("[unclosed hello", False),
            "[[x]] hello": ("[[x]] hello", False),
            "Re:": ("", True),
            "(fwd)": ("", True),
            "": ("", False),
            "AW: hello": ("AW: hello", False),
            "regarding: hello": ("regarding: hello", False),
        }.items():
            self.assertEqual(expected, base_subject(subject), subject)

    def test_fixed_point(self) -> None:
        """
        A base subject is its own base subject.
        """
        for subject in ("[a] [b] Re: x (fwd)", "[fwd: [fwd: y]]", "re: re: [z]"):
            base, _ = base_subject(subject)
            self.assertEqual((base, False), base_subject(base))


class MessageIdTests(SynchronousTestCase):
    def test_quoting(self) -> None:
        """
        Quoting makes no difference: the example of RFC 5256 section 3.
        """
        value = b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>\r\n <01KF8JCEOCBS0045PS@xxx.yyy.com> <"a\\"\\b c"@d>'
        self.assertEqual([b"01KF8JCEOCBS0045PS@xxx.yyy.com"] * 2 + [b'a"b c@d'], message_ids(value))

    def test_others(self) -> None:
        """
        What is none is passed over.
        """
        value = b"Your message of Monday <ann@example.org> <nobody> <> <a b@c> < x@y > <@z> <a@[192.0.2.1]> <cut@"
        self.assertEqual([b"ann@example.org", b"x@y", b"a@[192.0.2.1]"], message_ids(value))

    def test_many(self) -> None:
        """
        Of very many the last ones count.
        """
        value = b" ".join(b"<%d@x>" % number for number in range(THREAD_REFERENCES + 5))
        found = message_ids(value)
        self.assertEqual((THREAD_REFERENCES, b"5@x"), (len(found), found[0]))


def shape(nodes: Sequence[Node]) -> list[object]:
    """
    Threads as nested lists: the number of a message, then what is below it; C{None} for a dummy.
    """
    return [
        [None if node.number < 0 else node.number, *shape(list(node.children))] if node.children else node.number
        for node in nodes
    ]


def thread(*letters: Letter) -> list[object]:
    """
    REFERENCES, of those messages.
    """
    threading = References()
    for letter in letters:
        threading.add(letter)
    for _ in threading.steps():
        pass
    return shape(threading.threads)


def letter(date: float, name: str = "", *references: str, subject: str = "", is_reply: bool = False) -> Letter:
    """
    A message; its subject is its own, if none is given.
    """
    identifier = name.encode() if name else None
    return Letter(date, subject, is_reply, identifier, [reference.encode() for reference in references])


class BySubjectTests(SynchronousTestCase):
    def test_threads(self) -> None:
        """
        One thread for each subject, in the order of their first messages; the first is the parent of all others.
        """
        letters = [
            letter(30, subject="B"),
            letter(20, subject="A"),
            letter(10, subject="B"),
            letter(40, subject="B"),
            letter(5, subject="C"),
            letter(5, subject="D"),
        ]
        self.assertEqual([4, 5, [2, 0, 3], 1], shape(by_subject(letters)))

    def test_nothing(self) -> None:
        """
        No messages, no threads.
        """
        self.assertEqual([], by_subject([]))


class ReferencesTests(SynchronousTestCase):
    def test_chain(self) -> None:
        """
        Answers stand below what they answer, in whatever order they came.
        """
        one, two, three = letter(1, "a"), letter(2, "b", "a"), letter(3, "c", "a", "b")
        self.assertEqual([[0, [1, 2]]], thread(one, two, three))
        self.assertEqual([[2, [1, 0]]], thread(three, two, one))

    def test_siblings_by_date(self) -> None:
        """
        Siblings are in the order of their dates, then in that of the mailbox.
        """
        self.assertEqual(
            [[1, 4, 2, 3], 0],
            thread(letter(50), letter(1, "a"), letter(9, "b", "a"), letter(9, "c", "a"), letter(2, "d", "a")),
        )

    def test_missing_parent(self) -> None:
        """
        Siblings of a message that is not there stay together; an only child takes its place; one that is missing in between
        is passed over.
        """
        self.assertEqual([[None, 1, 0]], thread(letter(2, "b", "a"), letter(1, "c", "a")))
        self.assertEqual([0], thread(letter(2, "b", "a")))
        self.assertEqual([[0, 1, 2]], thread(letter(1, "a"), letter(2, "c", "a", "b"), letter(3, "d", "a", "b")))
        self.assertEqual([0], thread(letter(1, "d", "a", "b", "c")))

    def test_no_identifier(self) -> None:
        """
        A message without an ID, or with that of another, is itself.
        """
        self.assertEqual([[0, 3], 1, 2], thread(letter(1, "a"), letter(2), letter(3, "a"), letter(4, "b", "a")))

    def test_truncated(self) -> None:
        """
        What a message says of itself counts more than what others say of it.
        """
        below = letter(9, "c", "x", "b")
        self.assertEqual([[1, [2, 0]], 3], thread(below, letter(1, "a"), letter(2, "b", "a"), letter(3, "x")))
        self.assertEqual([[0, [1, 2]]], thread(letter(1, "a"), letter(2, "b", "a"), letter(3, "c", "x", "b")))
        # Without references it has no parent, whatever others say.
        self.assertEqual([2, [1, 0]], thread(below, letter(2, "b"), letter(1, "x")))

    def test_loops(self) -> None:
        """
        References that lead in circles make no circle.
        """
        self.assertEqual([0], thread(letter(1, "a", "a")))
        self.assertEqual([[1, 0]], thread(letter(1, "a", "b"), letter(2, "b", "a")))
        self.assertEqual([[1, [0, 2]]], thread(letter(1, "a", "c", "b"), letter(2, "b", "a"), letter(3, "c", "b", "a")))

    def test_far_above(self) -> None:
        """
        A line of ancestors that is too long to be looked at counts as a circle.
        """
        letters = [letter(0, "top", "child")]
        letters += [letter(number, f"m{number}", f"m{number - 1}") for number in range(1, THREAD_DEPTH + 10)]
        letters.append(letter(0, "child", f"m{THREAD_DEPTH + 9 - 1}"))
        threading = References()
        for each in letters:
            threading.add(each)
        list(threading.steps())
        self.assertEqual(2, len(threading.threads))
        near = References()
        for each in (*letters[:-1], letter(0, "child", "m9")):
            near.add(each)
        list(near.steps())
        self.assertEqual(1, len(near.threads))

    def test_deep(self) -> None:
        """
        Depth costs no recursion.
        """
        count = 5000
        threading = References()
        for number in range(count):
            threading.add(letter(number, f"m{number}", f"m{number - 1}"))
        list(threading.steps())
        (node,), depth = threading.threads, 1
        while node.children:
            (node,) = node.children
            depth += 1
        self.assertEqual(count, depth)


class SameSubjectTests(SynchronousTestCase):
    """
    Step 5: threads with one subject.
    """

    def test_reply(self) -> None:
        """
        A reply goes below the message that is none, in whatever order they are.
        """
        first, reply = letter(1, subject="X"), letter(2, subject="X", is_reply=True)
        early = letter(0, subject="X", is_reply=True)
        self.assertEqual([[0, 1]], thread(first, reply))
        self.assertEqual([[1, 0]], thread(early, first))

    def test_equals(self) -> None:
        """
        Messages of one kind become siblings.
        """
        plain = [letter(number, subject="X") for number in range(3)]
        self.assertEqual([[None, 0, 1, 2]], thread(*plain))
        replies = [letter(number, subject="X", is_reply=True) for number in range(2)]
        self.assertEqual([[None, 0, 1]], thread(*replies))

    def test_dummies(self) -> None:
        """
        Those without a first message are joined, and others join them.
        """
        self.assertEqual(
            [[None, 0, 1, 2, 3]],
            thread(
                letter(1, "b", "a", subject="X"),
                letter(2, "c", "a", subject="X"),
                letter(3, "e", "d", subject="X"),
                letter(4, "f", "d", subject="X"),
            ),
        )
        self.assertEqual(
            [[None, 2, 0, 1]],
            thread(letter(1, "b", "a", subject="X"), letter(2, "c", "a", subject="X"), letter(0, "z", subject="X")),
        )

    def test_better(self) -> None:
        """
        Among many of one subject, one without a first message comes before one that is no reply, and that before a reply.
        """
        replies = [letter(number, subject="X", is_reply=True) for number in range(3)]
        plain = letter(9, subject="X")
        halves = letter(20, "b", "a", subject="X"), letter(21, "c", "a", subject="X")
        self.assertEqual([[3, 0, 1, 2]], thread(*replies, plain))
        self.assertEqual([[None, 0, 1, 2, 3, 4, 5]], thread(*replies, plain, *halves))
        self.assertEqual([[None, 2, 3, 0, 1]], thread(*halves, *replies[:2]))

    def test_no_subject(self) -> None:
        """
        Without a subject nothing is joined.
        """
        self.assertEqual([0, 1], thread(letter(1), letter(2)))
