"""
ESEARCH: the result options MIN, MAX, COUNT and ALL of SEARCH (RFC 4731).
"""

from __future__ import annotations

from ....model.numbers import format_set
from ..vocabulary import Extension, Found, SearchReturn, Session, nothing


def smallest(session: Session, found: Found) -> bytes:
    """
    C{"MIN" SP nz-number}; nothing where nothing is found (section 3.1).
    """
    return b"MIN %d" % found.numbers[0] if found.numbers else b""


def largest(session: Session, found: Found) -> bytes:
    """
    C{"MAX" SP nz-number}
    """
    return b"MAX %d" % found.numbers[-1] if found.numbers else b""


def count(session: Session, found: Found) -> bytes:
    """
    C{"COUNT" SP number}
    """
    return b"COUNT %d" % len(found.numbers)


def everything(session: Session, found: Found) -> bytes:
    """
    C{"ALL" SP sequence-set}
    """
    return b"ALL %b" % format_set(found.numbers) if found.numbers else b""


EXTENSION = Extension(
    rfc="RFC 4731",
    capabilities=(b"ESEARCH",),
    search_returns={
        b"MIN": SearchReturn(nothing, smallest),
        b"MAX": SearchReturn(nothing, largest),
        b"COUNT": SearchReturn(nothing, count),
        b"ALL": SearchReturn(nothing, everything),
    },
)
