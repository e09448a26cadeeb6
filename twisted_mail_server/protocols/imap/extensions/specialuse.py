"""
SPECIAL-USE and CREATE-SPECIAL-USE: what a mailbox is for (RFC 6154).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ....model.errors import Refused
from ....model.mailboxes import SpecialUse
from ..cursor import ATOM_CHAR
from ..list_vocabulary import ReturnOption, SelectionOption
from ..vocabulary import Cursor, Extension, Listed

# use-attr = "\All" / "\Archive" / "\Drafts" / "\Flagged" / "\Junk" / "\Sent" / "\Trash" / use-attr-ext
# use-attr-ext = "\" atom
_USE = re.compile(rb"\\" + ATOM_CHAR + rb"+")
_USES = {use.value.lower(): use for use in SpecialUse}


class UseRefused(Refused):
    """
    A mailbox cannot be made for that use (RFC 6154 section 3).
    """

    imap_code = "USEATTR"


def attributes(listed: Listed) -> Iterable[bytes]:
    """
    LIST tells the use without being asked (section 2): so clients need no setting.
    """
    return () if listed.special_use is None else (listed.special_use.value.encode("ascii"),)


def read_use(cursor: Cursor) -> SpecialUse | None:
    """
    The value of C{USE}: a list of uses (section 6).

    @raise UseRefused: there is no such use here, or there are several: a mailbox has one.
    """
    uses = cursor.list_of(lambda: cursor.take(_USE)[0].decode("ascii").lower())
    if not uses:
        return None
    if len(uses) > 1 or uses[0] not in _USES:
        raise UseRefused("A mailbox here is for one use: archive, drafts, junk, sent or trash.")
    return _USES[uses[0]]


EXTENSION = Extension(
    rfc="RFC 6154",
    capabilities=(b"SPECIAL-USE", b"CREATE-SPECIAL-USE"),
    attributes=attributes,
    create_parameters={b"USE": ("special_use", read_use)},
    # Both of section 2: the server that has LIST-EXTENDED has them too.
    list_selections={
        b"SPECIAL-USE": SelectionOption(selects=lambda listed: listed.special_use is not None, implies=b"SPECIAL-USE")
    },
    list_returns={b"SPECIAL-USE": ReturnOption()},
)
