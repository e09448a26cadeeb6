"""
SEARCHRES: SEARCH saves what it finds, and C{$} stands for that (RFC 5182).

C{Selected.saved} holds it, as UIDs, so that an EXPUNGE changes nothing; it goes with the selected mailbox.
"""

from __future__ import annotations

from ..vocabulary import Extension, Found, SearchReturn, Session, nothing


def save(session: Session, found: Found) -> bytes:
    """
    Keep what was found; only the messages named, if MIN or MAX are asked for without ALL and COUNT (section 2.4).
    """
    uids = found.uids
    named = [place for name, place in ((b"MIN", 0), (b"MAX", -1)) if name in found.returns]
    if uids and named and b"ALL" not in found.returns and b"COUNT" not in found.returns:
        uids = sorted({uids[place] for place in named})
    session.mailbox.saved = tuple(uids)
    return b""


def forget(session: Session) -> None:
    """
    A search that was refused has found nothing (section 2.1).
    """
    session.mailbox.saved = ()


EXTENSION = Extension(
    rfc="RFC 5182",
    capabilities=(b"SEARCHRES",),
    search_returns={b"SAVE": SearchReturn(nothing, save, refused=forget, is_told=False)},
)
