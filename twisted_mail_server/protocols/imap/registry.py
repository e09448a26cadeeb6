"""
Everything this server speaks of IMAP, on one page.
"""

from __future__ import annotations

from .commands import anytime, appending, entering, listing, mailboxes, messages, searching
from .extensions import (
    children,
    ident,
    idle,
    literals,
    move,
    namespace,
    saslir,
    specialuse,
    uidplus,
    unselect,
)
from .status import STATUS_ITEMS
from .vocabulary import Registry

IMAP = Registry(
    basic=(  # RFC 3501
        *anytime.COMMANDS,
        *entering.COMMANDS,
        *mailboxes.COMMANDS,
        *listing.COMMANDS,
        *appending.COMMANDS,
        *messages.COMMANDS,
        *searching.COMMANDS,
    ),
    extensions=(  # in the order CAPABILITY lists them
        literals.EXTENSION,  # RFC 7888
        saslir.EXTENSION,  # RFC 4959
        ident.EXTENSION,  # RFC 2971
        idle.EXTENSION,  # RFC 2177
        namespace.EXTENSION,  # RFC 2342
        children.EXTENSION,  # RFC 3348
        unselect.EXTENSION,  # RFC 3691
        uidplus.EXTENSION,  # RFC 4315
        specialuse.EXTENSION,  # RFC 6154
        move.EXTENSION,  # RFC 6851
    ),
    basic_status_items=STATUS_ITEMS,
)
