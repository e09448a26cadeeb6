"""
Order and likeness of strings: the collation C{i;unicode-casemap} (RFC 5051).
"""

from __future__ import annotations

import unicodedata


def casemap(text: str) -> str:
    """
    What stands for C{text} in a comparison: two strings are equal if their forms are, and sort as their forms do.

    RFC 5051 section 2: each character in its titlecase, then decomposed.  Section 2.1 compares the octets of UTF-8, whose
    order is that of the characters.
    """
    if text.isascii():
        return text.upper()
    return unicodedata.normalize("NFKD", "".join(map(_title, text)))


def _title(character: str) -> str:
    """
    The simple titlecase mapping, which is one character.
    """
    title = character.title()
    return title if len(title) == 1 else character
