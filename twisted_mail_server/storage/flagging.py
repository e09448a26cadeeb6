"""
What STORE, COPY and delivery do to flag masks.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from twisted_mail_server.model.errors import OverLimit
from twisted_mail_server.model.flags import DELETED, SEEN, SYSTEM_BITS, Keywords

#: The bits of the system flags, which mean the same in every mailbox.
_SYSTEM = (1 << SYSTEM_BITS) - 1


@frozen
class Operation:
    """
    One STORE: C{mask & kept | added}.
    """

    kept: int
    added: int

    @classmethod
    def of(cls, sign: str, mask: int) -> Operation:
        """
        From the sign of RFC 3501 section 6.4.6: C{+}, C{-} or C{=}.
        """
        if sign == "+":
            return cls(-1, mask)
        if sign == "-":
            return cls(~mask, 0)
        return cls(0, mask)

    def __call__(self, mask: int) -> int:
        """
        The flags afterwards.
        """
        return mask & self.kept | self.added

    def all_of(self, masks: Iterable[int]) -> list[int]:
        """
        The flags of many afterwards.
        """
        kept, added = self.kept, self.added
        return [mask & kept | added for mask in masks]


@frozen
class Tally:
    """
    What a mailbox's counters count, of some messages.
    """

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    size: int = 0

    @classmethod
    def of(cls, messages: Iterable[tuple[int, int]]) -> Tally:
        """
        Of messages as (mask, size).
        """
        rows = list(messages)
        return cls(
            len(rows),
            sum(not mask & SEEN for mask, _ in rows),
            sum(mask & DELETED != 0 for mask, _ in rows),
            sum(size for _, size in rows),
        )


def count_of(masks: Iterable[int], bit: int) -> int:
    """
    How many have that one bit.
    """
    return sum([mask & bit for mask in masks]) // bit


def learn_what_fits(keywords: Keywords, flags: Iterable[str]) -> Keywords:
    """
    As L{Keywords.learn}, but what there is no bit for is left out: a message is worth more than its label.
    """
    for flag in sorted(set(flags)):
        try:
            keywords = keywords.learn((flag,))
        except OverLimit:
            break
    return keywords


class Translation:
    """
    Masks of one mailbox as masks of another, whose keywords grow as needed and possible.
    """

    def __init__(self, source: Keywords, target: Keywords, masks: Sequence[int]) -> None:
        used = 0
        for mask in masks:
            used |= mask
        self.keywords = target
        self._bits: list[tuple[int, int]] = []
        self._is_same = not used & ~_SYSTEM
        if not self._is_same:
            named = source.flags(used & ~_SYSTEM)
            self.keywords = learn_what_fits(target, named)
            self._bits = [(source.mask((name,)), self.keywords.mask((name,))) for name in named]
            self._is_same = all(old == new for old, new in self._bits)

    def __call__(self, mask: int) -> int:
        """
        The mask in the other mailbox.
        """
        if self._is_same:
            return mask
        found = mask & _SYSTEM
        for old, new in self._bits:
            if mask & old:
                found |= new
        return found
