"""
QUOTA: how much mail there is, and how much there may be (RFC 9208).

All of an account's mailboxes have one quota root, whose name is empty; an account without a quota has none.  Whoever exceeds a
quota is told so by the store, with the response code OVERQUOTA.
"""

from __future__ import annotations

from ....model import limits
from ....model.changes import MailboxStatus
from ....model.errors import NoSuchMailbox, Refused, SyntaxProblem
from ....model.flags import DELETED
from ..vocabulary import ENTERED, Command, Cursor, Extension, Outcome, Session

_ROOT = b'""'


class NoQuotaRoot(NoSuchMailbox):
    """
    There is no such quota root.
    """


class NotYours(Refused):
    """
    Quotas are set by who runs the server (RFC 5530 NOPERM).
    """

    imap_code = "NOPERM"


async def _tell_quota(session: Session, quota: int) -> None:
    """
    The QUOTA response (section 4.2.1); STORAGE counts in units of 1024 octets (section 5.1), begun ones too.
    """
    octets, _ = await session.account.usage()
    session.put(b"* QUOTA %b (STORAGE %d %d)\r\n" % (_ROOT, -(-octets // limits.KIB), quota // limits.KIB))


def read_root(cursor: Cursor, session: Session) -> bytes:
    """
    C{getquota = "GETQUOTA" SP quota-root-name}
    """
    cursor.space()
    return cursor.astring()


async def get_quota(session: Session, root: bytes) -> Outcome:
    """
    Section 4.1.1.

    @raise NoQuotaRoot: there is no such root.
    """
    quota = await session.account.quota()
    if root or quota is None:
        raise NoQuotaRoot("There is no such quota root.")
    await _tell_quota(session, quota)
    return Outcome("That is how much it is.")


def read_mailbox(cursor: Cursor, session: Session) -> str:
    """
    C{getquotaroot = "GETQUOTAROOT" SP mailbox}
    """
    cursor.space()
    return cursor.mailbox()


async def get_quota_root(session: Session, mailbox: str) -> Outcome:
    """
    Section 4.1.2; the mailbox need not exist.
    """
    quota = await session.account.quota()
    roots = b"" if quota is None else b" " + _ROOT
    session.put(b"* QUOTAROOT %b%b\r\n" % (session.mailbox_name(mailbox), roots))
    if quota is not None:
        await _tell_quota(session, quota)
    return Outcome("That is how much it is.")


def read_limits(cursor: Cursor, session: Session) -> None:
    """
    C{setquota = "SETQUOTA" SP quota-root-name SP setquota-list}
    """
    # setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")" ; setquota-resource = resource-name SP resource-limit
    read_root(cursor, session)
    cursor.space()

    def read_one() -> None:
        cursor.atom()
        cursor.space()
        if not cursor.atom().isdigit():
            raise SyntaxProblem("A limit is a number.")

    cursor.list_of(read_one)


async def set_quota(session: Session, _: None) -> Outcome:
    """
    Section 4.1.3: it is not for those who have quotas; and so there is no QUOTASET among the capabilities.

    @raise NotYours: always.
    """
    raise NotYours("Quotas are set by whoever runs this server.")


async def deleted_storage(session: Session, status: MailboxStatus) -> bytes:
    """
    DELETED-STORAGE: octets of what is marked as deleted (section 4.1.4).
    """
    if not status.deleted:
        return b"0"
    view = await session.account.select(status.name, claim_recent=False)
    try:
        marked = [uid for uid, mask in zip(view.snapshot.uids, view.snapshot.masks, strict=True) if mask & DELETED]
        octets = 0
        for start in range(0, len(marked), limits.FETCH_BATCH_ROWS):
            octets += sum(row.size for row in await view.fetch(marked[start : start + limits.FETCH_BATCH_ROWS]))
            await session.breathe()
    finally:
        await view.close()
    return b"%d" % octets


EXTENSION = Extension(
    rfc="RFC 9208",
    capabilities=(b"QUOTA", b"QUOTA=RES-STORAGE"),
    commands=(
        Command(b"GETQUOTA", ENTERED, read_root, get_quota),
        Command(b"GETQUOTAROOT", ENTERED, read_mailbox, get_quota_root),
        Command(b"SETQUOTA", ENTERED, read_limits, set_quota),
    ),
    status_items={
        b"DELETED": lambda _, status: b"%d" % status.deleted,
        b"DELETED-STORAGE": deleted_storage,
    },
)
