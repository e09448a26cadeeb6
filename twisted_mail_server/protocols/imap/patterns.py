"""
Which mailbox names a pattern means (RFC 3501 section 6.3.8), in time linear in the name.
"""

from __future__ import annotations

import re

from ...model.mailboxes import INBOX, SEPARATOR, canonical

_WILDCARDS = re.compile(r"[*%]{2,}")


class Pattern:
    """
    A name with wildcards: C{*} stands for anything, C{%} for anything within one level.
    """

    __slots__ = ("_matcher", "_means_inbox", "has_levels")

    def __init__(self, text: str) -> None:
        text = canonical(text)
        #: Whether it may stop in the middle of a hierarchy.
        self.has_levels = "%" in text
        self._matcher = _Matcher(text)
        self._means_inbox = _Matcher(text.upper()).matches(INBOX)

    def matches(self, name: str) -> bool:
        """
        Whether C{name} is meant; INBOX is, in whatever case it is asked for.
        """
        return self._means_inbox if name == INBOX else self._matcher.matches(name)


class _Matcher:
    """
    All ways to match are followed at once, one bit for each place in the pattern; so no pattern makes a match slow.
    """

    __slots__ = ("_any", "_end", "_places", "_plain", "_wildcards")

    def __init__(self, text: str) -> None:
        self._plain = None if "*" in text or "%" in text else text
        # Side by side, one "*" says all; then no two places need be passed without taking a character.
        text = _WILDCARDS.sub(lambda found: "*" if "*" in found[0] else "%", text)
        self._places: dict[str, int] = {}
        self._any = self._wildcards = 0
        for place, character in enumerate(text):
            if character in "*%":
                self._wildcards |= 1 << place
                self._any |= (character == "*") << place
            else:
                self._places[character] = self._places.get(character, 0) | 1 << place
        self._end = 1 << len(text)

    def matches(self, name: str) -> bool:
        if self._plain is not None:
            return name == self._plain
        if self._end == 2 and self._any:
            return True
        wildcards = self._wildcards
        places = 1 | (1 & wildcards) << 1
        for character in name:
            stays = self._any if character == SEPARATOR else wildcards
            places = (places & self._places.get(character, 0)) << 1 | places & stays
            places |= (places & wildcards) << 1
            if not places:
                return False
        return bool(places & self._end)
