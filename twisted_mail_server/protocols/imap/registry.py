"""
Everything this server speaks of IMAP, on one page.
"""

from __future__ import annotations

from .commands import anytime, appending, entering, listing, mailboxes, messages, searching
from .extensions import (
    appendlimit,
    binary,
    children,
    condstore,
    enable,
    esearch,
    ident,
    idle,
    listextended,
    liststatus,
    literals,
    move,
    multiappend,
    namespace,
    qresync,
    quota,
    rev2,
    saslir,
    searchres,
    sort,
    specialuse,
    statussize,
    thread,
    uidplus,
    unselect,
    utf8,
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
        rev2.EXTENSION,  # RFC 9051
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
        enable.EXTENSION,  # RFC 5161
        esearch.EXTENSION,  # RFC 4731
        searchres.EXTENSION,  # RFC 5182
        condstore.EXTENSION,  # RFC 7162 section 3.1
        qresync.EXTENSION,  # RFC 7162 section 3.2
        utf8.EXTENSION,  # RFC 6855
        multiappend.EXTENSION,  # RFC 3502
        binary.EXTENSION,  # RFC 3516
        listextended.EXTENSION,  # RFC 5258
        liststatus.EXTENSION,  # RFC 5819
        statussize.EXTENSION,  # RFC 8438
        sort.EXTENSION,  # RFC 5256, 5957
        thread.EXTENSION,  # RFC 5256
        quota.EXTENSION,  # RFC 9208
        appendlimit.EXTENSION,  # RFC 7889
    ),
    basic_status_items=STATUS_ITEMS,
)
