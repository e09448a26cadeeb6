"""
CONDSTORE: what has changed since, and change only what has not (RFC 7162 section 3.1).

A session that has used any of this, or said so by ENABLE or SELECT, is told the MODSEQ in every FETCH response that comes
unasked; C{session} does that, and tells HIGHESTMODSEQ where the client would have it wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from ....model.changes import MailboxStatus
from ....model.errors import SyntaxProblem
from ..commands.messages import Fetching, Storing
from ..fetching import MODSEQ
from ..search_vocabulary import Criterion, Known
from ..searching import Reading
from ..vocabulary import Cursor, Extension, Modifier, Session, nothing

ENABLED = frozenset({b"CONDSTORE"})
_ENTRY_TYPES = (b"PRIV", b"SHARED", b"ALL")


def read_modseq(cursor: Cursor, session: Session) -> int:
    """
    C{SP mod-sequence-valzer}
    """
    cursor.space()
    return cursor.number64()


async def select_with_modseq(session: Session, arguments: object, _: None) -> None:
    """
    C{SELECT ... (CONDSTORE)} (section 3.1.8).
    """
    session.enable(ENABLED, is_selecting=True)


async def only_changed(session: Session, fetching: Fetching, modseq: int) -> None:
    """
    C{CHANGEDSINCE} (section 3.1.4.1).
    """
    modseqs = session.mailbox.view.snapshot.modseqs
    fetching.numbered = [pair for pair in fetching.numbered if modseqs[pair[0] - 1] > modseq]
    fetching.plan = fetching.plan.with_item(MODSEQ)


async def only_unchanged(session: Session, storing: Storing, modseq: int) -> None:
    """
    C{UNCHANGEDSINCE} (section 3.1.3).
    """
    session.enable(ENABLED)
    storing.unchanged_since = modseq


@define
class _Since(Criterion):
    modseq: int

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        modseqs = known.snapshot.modseqs
        await known.breathe(len(positions))
        return [position for position in positions if modseqs[position] >= self.modseq]


def read_key(reading: Reading) -> Criterion:
    """
    The key C{MODSEQ} (section 3.1.5).  There is one MODSEQ for all of a message's flags, so entries are passed over.

    @raise SyntaxProblem: it is malformed.
    """
    # search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
    # entry-name = DQUOTE "/flags/" attr-flag DQUOTE ; entry-type-req = "priv" / "shared" / "all"
    cursor = reading.cursor
    cursor.space()
    if cursor.peek(b'"'):
        entry = cursor.string()
        cursor.space()
        if not entry.lower().startswith(b"/flags/") or cursor.atom().upper() not in _ENTRY_TYPES:
            raise SyntaxProblem("There is no such metadata item.")
        cursor.space()
    reading.enables.update(ENABLED)
    return _Since(cursor.number64())


def highest_modseq(session: Session, status: MailboxStatus) -> bytes:
    """
    The STATUS item C{HIGHESTMODSEQ} (section 3.1.7).
    """
    session.enable(ENABLED)
    return b"%d" % status.modseq


EXTENSION = Extension(
    rfc="RFC 7162",
    capabilities=(b"CONDSTORE",),
    enables={b"CONDSTORE": ENABLED},
    fetch_items={b"MODSEQ": lambda _: MODSEQ},
    search_keys={b"MODSEQ": read_key},
    status_items={b"HIGHESTMODSEQ": highest_modseq},
    select_parameters={b"CONDSTORE": Modifier(nothing, select_with_modseq)},
    fetch_modifiers={b"CHANGEDSINCE": Modifier(read_modseq, only_changed)},
    store_modifiers={b"UNCHANGEDSINCE": Modifier(read_modseq, only_unchanged)},
)
