"""
What searches remember of header fields: their values, decoded and case folded, all messages of a mailbox in one string.

A message never changes, so what is known of it stays true; what was expunged is looked at in vain until its mailbox is read anew.
Searching a mailbox by a field for the first time reads all headers, and the next time one string.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from attrs import define, field, frozen

from ...message.headers import unfold
from ...model import limits
from .search_texts import Header, Needle

#: Behind each value: no octet of UTF-8.
_END = b"\xff"
#: field-name = 1*ftext ; RFC 5322 section 3.6.8
_NAME = re.compile(rb"[!-9;-~]+")
#: A mailbox is read anew when so many times as many messages are remembered as it has, and some.
_STALE, _FEW = 2, 1000
#: Octets that go for a field of which nothing is known.
_OVERHEAD = 2 * limits.KIB
#: Headers so large may have more fields than are looked at.
_SMALL = 4 * limits.HEADER_FIELDS


class FieldTexts:
    """
    The values of one header field in the messages of one mailbox.

    @ivar covered: messages below that UID are in it, but for those of which nothing was left.
    @ivar is_too_much: nothing is in it, for it would be more than can be remembered.
    """

    def __init__(self, name: bytes, *, is_too_much: bool = False) -> None:
        """
        @param name: in small letters.
        """
        self.is_too_much = is_too_much
        self._name = name
        self._pattern = _pattern(name)
        self._uids = array("I")
        #: Where the values of each message begin, and where those of the last one end.
        self._starts = array("I", [0])
        self._text = bytearray()
        self.covered = 0

    def __len__(self) -> int:
        """
        Messages.
        """
        return len(self._uids)

    @property
    def size(self) -> int:
        """
        Octets that it takes.
        """
        return _OVERHEAD + len(self._text) + 2 * self._uids.itemsize * len(self._uids)

    def add(self, headers: Iterable[tuple[int, bytes]], covered: int) -> None:
        """
        Read messages: UID, ascending, and header block.  Those that another search has read meanwhile are passed over.

        @param covered: then all messages below that UID are covered.
        """
        values: list[bytes] = []
        end = len(self._text)
        for uid, block in headers:
            if uid >= self.covered:
                value = self._values(block)
                end += len(value)
                values.append(value)
                self._uids.append(uid)
                self._starts.append(end)
        self._text += b"".join(values)
        self.covered = max(self.covered, covered)

    def find(self, needle: Needle, first: int, count: int) -> list[int]:
        """
        The UIDs of those messages, among C{count} from the place C{first} on, that have it in one of the values.
        """
        uids, starts, text = self._uids, self._starts, self._text
        last = min(first + count, len(uids))
        wanted = needle.text.encode("utf-8", "surrogatepass")
        if not wanted:
            return [uids[place] for place in range(first, last) if starts[place] < starts[place + 1]]
        found: list[int] = []
        stop = starts[last]
        at = text.find(wanted, starts[first], stop)
        while at >= 0:
            place = bisect_right(starts, at, first, last)
            found.append(uids[place - 1])
            at = text.find(wanted, starts[place], stop)
        return found

    def _values(self, block: bytes) -> bytes:
        """
        The values in one header.
        """
        if self._pattern is None:
            return b""
        if len(block) <= _SMALL:
            # A line end in front, so that every field is behind one: that is found faster than the beginnings of lines.
            values = self._pattern.findall(b"\n" + block.lower())
            if not values:
                return b""
            joined = b"".join(values)
            if joined.isascii() and b"=?" not in joined:
                return b"".join([unfold(value) + _END for value in values])
        exact = Header(block).values(self._name)
        return b"".join([value.encode("utf-8", "surrogatepass") + _END for value in exact])


def _pattern(name: bytes) -> re.Pattern[bytes] | None:
    """
    All fields of that name, as L{twisted_mail_server.message.headers.pairs} sees them, in small letters; C{None} if none can have
    it.
    """
    if not _NAME.fullmatch(name):
        return None
    return re.compile(rb"\n%b[ \t]*+:([^\n]*(?:\n[ \t][^\n]*)*)" % re.escape(name))


@define(eq=False)
class SearchMemory:
    """
    What all searches of a process remember: what was not asked for the longest time makes room.

    @ivar most: octets that it may take; a quarter of that for one field of one mailbox.
    """

    most: int = limits.SEARCH_MEMORY
    size: int = field(init=False, default=0)
    _kept: OrderedDict[tuple[Hashable, bytes], tuple[FieldTexts, int]] = field(init=False, factory=OrderedDict)

    def of(self, mailbox: Hashable) -> MailboxMemory:
        """
        That of one mailbox.

        @param mailbox: identifies it, for ever.
        """
        return MailboxMemory(self, mailbox)

    def recall(self, mailbox: Hashable, name: bytes, messages: int) -> FieldTexts:
        """
        What is known of a field; nothing at first.

        @param messages: how many the mailbox has.
        """
        texts, _ = self._kept.get((mailbox, name), (None, 0))
        return FieldTexts(name) if texts is None or len(texts) > messages * _STALE + _FEW else texts

    @property
    def room(self) -> int:
        """
        Octets that one field of one mailbox may take.
        """
        return self.most // 4

    def keep(self, mailbox: Hashable, name: bytes, texts: FieldTexts) -> None:
        """
        Remember what is known now; or that it is too much.
        """
        key = (mailbox, name)
        self._forget(key)
        if texts.size > self.room:
            texts = FieldTexts(name, is_too_much=True)
        self._kept[key] = (texts, texts.size)
        self.size += texts.size
        while self.size > self.most:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: tuple[Hashable, bytes]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self.size -= size


@frozen
class MailboxMemory:
    """
    What is remembered of one mailbox.
    """

    _memory: SearchMemory
    _mailbox: Hashable

    def recall(self, name: bytes, messages: int) -> FieldTexts:
        """
        What is known of a field; nothing at first.

        @param name: in small letters.
        @param messages: how many the mailbox has.
        """
        return self._memory.recall(self._mailbox, name, messages)

    @property
    def room(self) -> int:
        """
        Octets that one field may take.
        """
        return self._memory.room

    def keep(self, name: bytes, texts: FieldTexts) -> None:
        """
        Remember what is known now; or that it is too much.
        """
        self._memory.keep(self._mailbox, name, texts)


def positions_of(uids: array[int], found: Iterable[int]) -> list[int]:
    """
    Where those C{found} stand among C{uids}, if they do; both ascend.
    """
    places = ((bisect_left(uids, uid), uid) for uid in found)
    return [place for place, uid in places if place < len(uids) and uids[place] == uid]
