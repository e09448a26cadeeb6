"""
Rows of C{account.sqlite}, and the small steps that every transaction is made of.

docs/explanation/storage-format.md says what each column means.  Everything here runs inside a transaction, but for the
constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from attrs import frozen

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model.errors import NoSuchMailbox, NoSuchTarget
from twisted_mail_server.model.flags import Keywords
from twisted_mail_server.model.mailboxes import INBOX, canonical
from twisted_mail_server.model.numbers import pack
from twisted_mail_server.storage.flagging import Tally


class Home(IntEnum):
    """
    Where a content's bytes are safe.
    """

    INLINE = 0
    FILE = 1


class Kind(IntEnum):
    """
    What a row of the change log tells of.
    """

    ARRIVED = 1
    REFLAGGED = 2
    VANISHED = 3


@frozen
class MailboxRow:
    """
    What a transaction needs to know of a mailbox.
    """

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    keywords: Keywords
    modseq: int


_MAILBOX = "SELECT id, name, uidvalidity, uidnext, keywords, modseq FROM mailbox"

#: The columns of C{message} and C{expunged} in their order, but for the mailbox and the UID.
MESSAGE_COLUMNS = "mask, modseq, internal_date, size, content, content_id"


def key(name: str) -> str | None:
    """
    The name as the database has it; C{None} when no mailbox can have it.
    """
    return None if any("\ud800" <= letter <= "\udfff" for letter in name) else canonical(name)


def parse_keywords(text: str) -> Keywords:
    """
    From the column C{keywords}.
    """
    return Keywords(tuple(text.split()))


def mailbox_named(transaction: ITransaction, name: str) -> MailboxRow:
    """
    @raise NoSuchMailbox: there is none of that name.
    """
    found = _mailbox(transaction, f"{_MAILBOX} WHERE name = ?", (key(name),))
    if found is None:
        raise NoSuchMailbox("There is no mailbox of that name.")
    return found


def target_named(transaction: ITransaction, name: str) -> MailboxRow:
    """
    @raise NoSuchTarget: there is none of that name.
    """
    found = _mailbox(transaction, f"{_MAILBOX} WHERE name = ?", (key(name),))
    if found is None:
        raise NoSuchTarget("There is no mailbox of that name; create it first.")
    return found


def mailbox_or_inbox(transaction: ITransaction, name: str) -> MailboxRow:
    """
    The mailbox of that name, or INBOX, which is always there.
    """
    found = _mailbox(transaction, f"{_MAILBOX} WHERE name = ?", (key(name),))
    return found or mailbox_named(transaction, INBOX)


def mailbox_numbered(transaction: ITransaction, mailbox_id: int) -> MailboxRow | None:
    """
    The mailbox of that id; C{None} when it was removed.
    """
    return _mailbox(transaction, f"{_MAILBOX} WHERE id = ?", (mailbox_id,))


def _mailbox(transaction: ITransaction, sql: str, args: Sequence[Any]) -> MailboxRow | None:
    for row in transaction.execute(sql, args):
        number, name, uidvalidity, uidnext, keywords, modseq = row
        return MailboxRow(number, name, uidvalidity, uidnext, parse_keywords(keywords), modseq)
    return None


def next_modseq(transaction: ITransaction) -> int:
    """
    A MODSEQ higher than any before in this account (RFC 7162 section 3.1).
    """
    ((modseq,),) = transaction.execute("UPDATE account SET modseq = modseq + 1 RETURNING modseq")
    return int(modseq)


def record(transaction: ITransaction, mailbox: int, modseq: int, kind: Kind, uids: Sequence[int]) -> None:
    """
    Write into the change log; C{uids} ascend.
    """
    transaction.execute("INSERT INTO change VALUES (?, ?, ?, ?)", (mailbox, modseq, int(kind), pack(uids)))


def arrived(
    transaction: ITransaction,
    mailbox: MailboxRow,
    modseq: int,
    keywords: Keywords,
    uids: Sequence[int],
    tally: Tally,
) -> None:
    """
    Count and log messages that were added under C{uids}, the highest of which is the last.
    """
    transaction.execute(
        "UPDATE mailbox SET uidnext = ?, modseq = ?, messages = messages + ?, unseen = unseen + ?,"
        " deleted = deleted + ?, size = size + ?, keywords = ? WHERE id = ?",
        (
            uids[-1] + 1,
            modseq,
            tally.messages,
            tally.unseen,
            tally.deleted,
            tally.size,
            " ".join(keywords.names),
            mailbox.id,
        ),
    )
    record(transaction, mailbox.id, modseq, Kind.ARRIVED, uids)


def vanished(transaction: ITransaction, mailbox: int, modseq: int, uids: Sequence[int], tally: Tally) -> None:
    """
    Count and log messages that were removed.
    """
    transaction.execute(
        "UPDATE mailbox SET modseq = ?, messages = messages - ?, unseen = unseen - ?, deleted = deleted - ?,"
        " size = size - ? WHERE id = ?",
        (modseq, tally.messages, tally.unseen, tally.deleted, tally.size, mailbox),
    )
    record(transaction, mailbox, modseq, Kind.VANISHED, uids)
