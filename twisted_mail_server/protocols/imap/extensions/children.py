"""
CHILDREN: whether there is anything below a mailbox (RFC 3348).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..vocabulary import Extension, Listed


def attributes(listed: Listed) -> Iterable[bytes]:
    """
    One of the two attributes of section 3, always: both are free to tell.
    """
    return (b"\\HasChildren",) if listed.has_children else (b"\\HasNoChildren",)


EXTENSION = Extension(
    rfc="RFC 3348",
    capabilities=(b"CHILDREN",),
    attributes=attributes,
)
