"""
Base subjects, and which message answers which (RFC 5256 sections 2.1 and 3).

Nothing here knows of mailboxes: a message is a L{Letter}, and is known by the order in which it comes.  Work is bounded by what
is read of each message, and long work is done in steps, so that others have their turn in between.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby

from attrs import frozen

from ..model.limits import THREAD_DEPTH, THREAD_REFERENCES

# --- Base subjects (section 2.1) --------------------------------------------------------------------------------------

_WHITE = re.compile(r"[ \t\r\n]+")
# subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
# subj-blob = "[" *BLOBCHAR "]" *WSP ; BLOBCHAR = any but "[" and "]"
# subj-leader = (*subj-blob subj-refwd) / WSP
_BLOB = r"\[[^\[\]]*+\] *+"
_LEADER = re.compile(rf"(?:{_BLOB})*+(?:re|fwd?+) *+(?:{_BLOB})?+:|(?P<white> ++)", re.IGNORECASE)
_BLOBS = re.compile(rf"(?:{_BLOB})++")
# subj-trailer = "(fwd)" / WSP
_TRAILER, _FORWARDED = "(fwd)", "[fwd:"


def base_subject(subject: str) -> tuple[str, bool]:
    """
    The base subject, and whether anything that was taken off says that the message is a reply or was forwarded.

    @param subject: encoded words are decoded already (step 1).
    """
    text = _WHITE.sub(" ", subject)
    start, end, is_reply = 0, len(text), False
    while True:
        end, was_forwarded = _without_trailers(text, start, end)
        start, was_reply = _without_leaders(text, start, end)
        is_reply = is_reply or was_forwarded or was_reply
        # Step 6.
        if text[start : start + len(_FORWARDED)].lower() != _FORWARDED or not text.endswith("]", start, end):
            return text[start:end], is_reply
        start, end, is_reply = start + len(_FORWARDED), end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """
    Step 2.
    """
    was_forwarded = False
    while start < end:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(start, end - len(_TRAILER)) : end].lower() == _TRAILER:
            end -= len(_TRAILER)
            was_forwarded = True
        else:
            break
    return end, was_forwarded


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """
    Steps 3 to 5.  Where no leader begins at the first of several blobs, none begins at the others: they go together.
    """
    was_reply = False
    while True:
        leader = _LEADER.match(text, start, end)
        if leader is not None:
            was_reply = was_reply or leader["white"] is None
            start = leader.end()
            continue
        blobs = _BLOBS.match(text, start, end)
        if blobs is None:
            return start, was_reply
        if blobs.end() == end:
            # What would leave nothing stays: the last of them is the subject.
            return text.rindex("[", start, end), was_reply
        start = blobs.end()


# --- Message IDs ------------------------------------------------------------------------------------------------------

# msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS] ; id-left = dot-atom-text / no-fold-quote / obs-id-left
_MESSAGE_ID = re.compile(rb"<\s*+(?:\"((?:[^\"\\]++|\\.)*+)\"|([^\s<>@\"]++))@([^\s<>]++)\s*+>", re.DOTALL)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def message_ids(value: bytes) -> list[bytes]:
    """
    The message IDs in a field's value, each in the one form that does not depend on its quoting; no more than
    L{THREAD_REFERENCES}, the last ones, for these are nearest.
    """
    found = _MESSAGE_ID.findall(value)[-THREAD_REFERENCES:]
    return [b"%b@%b" % (_PAIR.sub(rb"\1", quoted) if quoted else plain, right) for quoted, plain, right in found]


# --- Threads (section 3) ----------------------------------------------------------------------------------------------


@frozen
class Letter:
    """
    What threading wants to know of a message.

    @ivar date: seconds since 1970 (section 2.2).
    @ivar subject: the base subject, as it is compared.
    @ivar identifier: its message ID, if it has a valid one.
    @ivar references: message IDs of those before it, the oldest first.
    """

    date: float
    subject: str
    is_reply: bool = False
    identifier: bytes | None = None
    references: Sequence[bytes] = ()


class Node:
    """
    One message in its thread.

    @ivar number: counted from 0, in the order in which the messages came; -1 for one that is only referred to.
    """

    __slots__ = ("children", "number", "parent")

    def __init__(self, number: int = -1) -> None:
        self.number = number
        self.parent: Node | None = None
        #: A set that keeps its order.
        self.children: dict[Node, None] = {}


def by_subject(letters: Sequence[Letter]) -> list[Node]:
    """
    ORDEREDSUBJECT: the first message of each thread, the others of it its children.
    """

    def place(number: int) -> tuple[str, float, int]:
        return letters[number].subject, letters[number].date, number

    threads: list[Node] = []
    for _, group in groupby(sorted(range(len(letters)), key=place), lambda number: letters[number].subject):
        first, *others = map(Node, group)
        first.children = dict.fromkeys(others)
        threads.append(first)
    threads.sort(key=lambda node: (letters[node.number].date, node.number))
    return threads


class References:
    """
    REFERENCES: C{add} every message, then run through C{steps}; then C{threads} is there.

    @ivar work: how much was done so far; some microseconds each.
    """

    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._nodes: list[Node] = []
        self._known: dict[bytes, Node] = {}
        self.work = 0
        self.threads: list[Node] = []

    def add(self, letter: Letter) -> None:
        """
        Step 1: link the next message to those it refers to.
        """
        number = len(self._letters)
        self._letters.append(letter)
        node = None if letter.identifier is None else self._node(letter.identifier)
        if node is None or node.number >= 0:
            node = self._new()
        node.number = number
        before: Node | None = None
        for reference in letter.references:
            referred = self._node(reference)
            if before is not None and referred.parent is None:
                self._link(before, referred)
            before = referred
        self.work += 1 + len(letter.references)
        if node.parent is not None:
            # Whoever linked it knew less of it than it does itself.
            del node.parent.children[node]
            node.parent = None
        if before is not None:
            self._link(before, node)

    def _node(self, identifier: bytes) -> Node:
        node = self._known.get(identifier)
        if node is None:
            node = self._known[identifier] = self._new()
        return node

    def _new(self) -> Node:
        node = Node()
        self._nodes.append(node)
        return node

    def _link(self, parent: Node, child: Node) -> None:
        """
        Unless that makes a loop.  A line of ancestors longer than L{THREAD_DEPTH} counts as one; only a child that has children
        itself can close a loop.
        """
        if child is parent:
            return
        if child.children:
            above = parent.parent
            for _ in range(THREAD_DEPTH):
                if above is None or above is child:
                    break
                above = above.parent
                self.work += 1
            if above is not None:
                return
        child.parent = parent
        parent.children[child] = None

    def steps(self) -> Iterator[None]:
        """
        Steps 2 to 6; C{work} tells when it is time to let others run.
        """
        roots = [node for node in self._nodes if node.parent is None]
        kept: list[Node] = []
        for root in roots:
            yield from self._prune(root)
            if root.number < 0 and len(root.children) == 1:
                kept.extend(root.children)
            elif root.number >= 0 or root.children:
                kept.append(root)
        yield from self._sort(kept, only_dummies=True)
        kept = yield from self._gather(kept)
        yield from self._sort(kept, only_dummies=False)
        self.threads = kept

    def _prune(self, root: Node) -> Iterator[None]:
        """
        Step 3: below the root of a thread no dummy stays.
        """
        for node in reversed(list(_below(root))):
            self.work += 1 + len(node.children)
            if any(child.number < 0 for child in node.children):
                children: dict[Node, None] = {}
                for child in node.children:
                    children.update(child.children if child.number < 0 else {child: None})
                node.children = children
            yield

    def _first(self, node: Node) -> int:
        """
        The message that a thread is known by: of a dummy, its first child.
        """
        return node.number if node.number >= 0 else next(iter(node.children)).number

    def _place(self, node: Node) -> tuple[float, int]:
        number = self._first(node)
        return self._letters[number].date, number

    def _sort(self, roots: list[Node], *, only_dummies: bool) -> Iterator[None]:
        """
        Steps 4 and 6: siblings by date.  A dummy stands nowhere but at the top, so it needs its children sorted first.
        """
        for root in roots:
            for node in (root,) if only_dummies else _below(root):
                if len(node.children) > 1 and (not only_dummies or node.number < 0):
                    node.children = dict.fromkeys(sorted(node.children, key=self._place))
                self.work += 1 + len(node.children)
                yield
        roots.sort(key=self._place)

    def _gather(self, roots: list[Node]) -> Generator[None, None, list[Node]]:
        """
        Step 5: threads of one subject become one.
        """
        table: dict[str, Node] = {}
        for node in roots:
            subject = self._letters[self._first(node)].subject
            other = table.get(subject)
            if subject and (other is None or self._is_better(node, other)):
                table[subject] = node
            self.work += 1
            yield
        top = dict.fromkeys(roots)
        for node in roots:
            subject = self._letters[self._first(node)].subject
            other = table.get(subject)
            self.work += 1
            yield
            if other is None or other is node:
                continue
            del top[node]
            if other.number < 0 and node.number < 0:
                other.children.update(node.children)
                self.work += len(node.children)
            elif other.number < 0 or (self._is_reply(node) and not self._is_reply(other)):
                other.children[node] = None
            else:
                del top[other]
                both = table[subject] = Node()
                both.children = {other: None, node: None}
                top[both] = None
        return list(top)

    def _is_better(self, node: Node, other: Node) -> bool:
        """
        Whether it should stand for its subject, rather than C{other}.
        """
        return other.number >= 0 and (node.number < 0 or (self._is_reply(other) and not self._is_reply(node)))

    def _is_reply(self, node: Node) -> bool:
        return self._letters[node.number].is_reply


def _below(root: Node) -> Iterator[Node]:
    """
    It, and all under it, parents before children.
    """
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children)
