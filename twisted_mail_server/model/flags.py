"""
Message flags as bit masks (RFC 3501 section 2.3.2).

The five permanent system flags take the low bits; each mailbox gives its keywords the bits above, in the order
in which it first met them.  C{\\Recent} is a session's, not a message's, and has no bit.
"""

from __future__ import annotations

import re

from attrs import frozen

from . import limits
from .errors import OverLimit, SyntaxProblem

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = (1 << bit for bit in range(5))

#: Bit of each system flag, by its name in lower case.
SYSTEM_FLAGS = {
    "\\seen": SEEN,
    "\\answered": ANSWERED,
    "\\flagged": FLAGGED,
    "\\deleted": DELETED,
    "\\draft": DRAFT,
}
SYSTEM_NAMES = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
SYSTEM_BITS = len(SYSTEM_NAMES)

# flag-keyword = atom ; ATOM-CHAR = <any CHAR except atom-specials>  (RFC 3501 section 9)
_KEYWORD = re.compile(r"[^\x00-\x20(){%*\"\\\]\x7f-\U0010ffff]+")


def check_keyword(name: str) -> str:
    """
    A keyword is an atom of bounded length.

    @raise SyntaxProblem: it is not.
    """
    if len(name) > limits.KEYWORD or not _KEYWORD.fullmatch(name):
        raise SyntaxProblem("A keyword is an atom.")
    return name


@frozen
class Keywords:
    """
    The keywords one mailbox knows, in the order of their bits.
    """

    names: tuple[str, ...] = ()

    def mask(self, flags: frozenset[str] | tuple[str, ...] | list[str]) -> int:
        """
        The bits of those C{flags} that are known here; C{\\Recent} and unknown keywords have none.
        """
        bits = 0
        known = {name.lower(): position for position, name in enumerate(self.names)}
        for flag in flags:
            lowered = flag.lower()
            if lowered in SYSTEM_FLAGS:
                bits |= SYSTEM_FLAGS[lowered]
            elif lowered in known:
                bits |= 1 << (SYSTEM_BITS + known[lowered])
        return bits

    def learn(self, flags: frozenset[str] | tuple[str, ...] | list[str]) -> Keywords:
        """
        With those keywords among C{flags} that were not known, in sorted order.

        @raise OverLimit: there is no bit left.
        """
        known = {name.lower() for name in self.names}
        fresh: dict[str, str] = {}
        for flag in sorted(flags):
            if not flag.startswith("\\") and flag.lower() not in known:
                fresh.setdefault(flag.lower(), flag)
        if not fresh:
            return self
        if len(self.names) + len(fresh) > limits.KEYWORDS:
            raise OverLimit(f"A mailbox holds at most {limits.KEYWORDS} different keywords.")
        return Keywords((*self.names, *fresh.values()))

    @property
    def is_full(self) -> bool:
        """
        Whether no further keyword can be learnt.
        """
        return len(self.names) >= limits.KEYWORDS

    def flags(self, mask: int) -> tuple[str, ...]:
        """
        The names of the bits in C{mask}.
        """
        names = SYSTEM_NAMES + self.names
        return tuple(name for position, name in enumerate(names) if mask >> position & 1)
