"""
What a mailbox holds and what happened in it, as a session sees it.
"""

from __future__ import annotations

from array import array
from enum import Enum
from typing import NamedTuple

from attrs import field, frozen

from .accounts import AccountId
from .flags import Keywords
from .mailboxes import SpecialUse


@frozen(eq=False)
class MailboxSnapshot:
    """
    A mailbox at one moment.  The arrays are shared between sessions: nobody changes them.
    """

    #: Ascending UIDs; the position, counted from 1, is the sequence number.
    uids: array[int]
    #: The flags of each, as bits (L{twisted_mail_server.model.flags}).
    masks: array[int]
    #: When each was last changed (RFC 7162).
    modseqs: array[int]
    #: What the bits above the system flags mean.
    keywords: Keywords
    uidnext: int
    #: The highest MODSEQ of the mailbox, expunged messages included.
    modseq: int


class Reflagged(NamedTuple):
    """
    A message whose flags have changed.  A tuple, for that is made in bulk, and compared, at a third of the cost: one STORE brings
    forth one for each message, and the news another.
    """

    uid: int
    mask: int
    modseq: int


@frozen
class Changes:
    """
    What happened between two snapshots of one mailbox.
    """

    vanished: tuple[int, ...] = ()
    arrived: tuple[int, ...] = ()
    #: Neither vanished nor arrived.
    reflagged: tuple[Reflagged, ...] = ()
    #: The mailbox itself was removed: the session must leave it.
    is_deleted: bool = False


@frozen
class MailboxStatus:
    """
    A mailbox from outside: what LIST and STATUS tell (RFC 3501 section 6.3.10).
    """

    mailbox_id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    messages: int
    unseen: int
    recent: int
    deleted: int
    size: int
    special_use: SpecialUse | None = None


@frozen
class FlagResult:
    """
    What STORE did.
    """

    #: Each message meant that exists, with its flags afterwards.
    now: tuple[Reflagged, ...]
    #: Those that C{unchanged_since} kept from changing (RFC 7162 section 3.1.3).
    modified: tuple[int, ...] = ()


@frozen
class CopyResult:
    """
    What COPY or MOVE did (RFC 4315 section 3); C{uids} and C{copies} run in parallel.
    """

    uidvalidity: int
    uids: tuple[int, ...]
    copies: tuple[int, ...]


@frozen
class AppendResult:
    """
    What APPEND did (RFC 4315 section 3).
    """

    uidvalidity: int
    uids: tuple[int, ...]


@frozen
class Rendered:
    """
    What IMAP says of a message's shape, in the octets that go out (RFC 3501 section 7.4.2).
    """

    envelope: bytes
    #: C{BODY}, without extension data.
    body: bytes
    bodystructure: bytes


@frozen
class MessageRow:
    """
    What is known of a message without opening it.
    """

    uid: int
    mask: int
    modseq: int
    #: RFC822.SIZE: per-recipient prefix and content together.
    size: int
    #: INTERNALDATE, seconds since 1970.
    internal_date: int
    #: Identifies the content among all copies of it in the account, for ever.
    content_id: bytes = field(repr=False)
    #: The header block with its empty line; present when asked for.
    header: bytes | None = field(default=None, repr=False)


class MailboxChange(Enum):
    """
    What can happen in a mailbox.
    """

    ARRIVED = "arrived"
    VANISHED = "vanished"
    REFLAGGED = "reflagged"


@frozen
class MailboxEvent:
    """
    What happened in one mailbox, in one transaction or several.
    """

    account: AccountId
    mailbox_id: int
    #: Its name at that moment; empty if it is gone.
    mailbox: str
    changes: frozenset[MailboxChange]
    #: Messages that arrived or were reflagged have this MODSEQ or a higher one.
    modseq: int
