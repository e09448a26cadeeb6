"""
Mailboxes and subscriptions: CREATE, DELETE, RENAME, STATUS (RFC 3501 section 6.3) as transactions and queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model.changes import MailboxStatus
from twisted_mail_server.model.mailboxes import INBOX, DefaultMailbox, SpecialUse, canonical
from twisted_mail_server.storage import tables
from twisted_mail_server.storage.editing import Copy, Moved, remove
from twisted_mail_server.storage.names import plan_create, plan_delete, plan_rename

#: What STATUS tells.  Only what no session has claimed needs counting, and not while nobody ever came.
STATUS = """
    SELECT id, name, uidvalidity, uidnext, modseq, messages, unseen,
        CASE WHEN recent_from = 1 THEN messages WHEN recent_from = uidnext THEN 0 ELSE
            (SELECT count(*) FROM message WHERE mailbox = mailbox.id AND uid >= recent_from) END,
        deleted, size, special_use
    FROM mailbox
"""


def status_of(row: Sequence[Any]) -> MailboxStatus:
    """
    From a row of L{STATUS}.
    """
    *_, special_use = row
    status = MailboxStatus(*row)
    return status if special_use is None else evolve(status, special_use=SpecialUse(special_use))


@frozen
class Begin:
    """
    The first mailboxes of a new account; nothing if it has some.
    """

    defaults: Sequence[DefaultMailbox]
    seconds: int

    def __call__(self, transaction: ITransaction) -> None:
        """
        INBOX is always among them (RFC 3501 section 5.1).
        """
        if transaction.execute("SELECT 1 FROM account"):
            return
        transaction.execute("INSERT INTO account VALUES (1, 0, 0, 0)")
        made: set[str] = set()
        for default in (DefaultMailbox(INBOX), *self.defaults):
            name = canonical(default.name)
            if name not in made:
                for wanted in plan_create(name, made):
                    _create(transaction, wanted, default.special_use if wanted == name else None, self.seconds)
                    made.add(wanted)
            if default.subscribed:
                transaction.execute("INSERT OR IGNORE INTO subscription VALUES (?)", (name,))


@frozen
class Create:
    """
    CREATE (RFC 3501 section 6.3.3).
    """

    name: str
    special_use: SpecialUse | None
    seconds: int

    def __call__(self, transaction: ITransaction) -> MailboxStatus:
        """
        @raise MailboxExists: there is one of that name.
        @raise OverLimit: there are too many.
        """
        wanted = plan_create(self.name, _names(transaction))
        for name in wanted:
            _create(transaction, name, self.special_use if name == wanted[-1] else None, self.seconds)
        return status_of(transaction.execute(f"{STATUS} WHERE name = ?", (wanted[-1],))[0])


@frozen
class Delete:
    """
    DELETE (RFC 3501 section 6.3.4).
    """

    name: str
    at: int

    def __call__(self, transaction: ITransaction) -> Moved:
        """
        @raise NoSuchMailbox: there is none of that name.
        @raise CannotDo: it is INBOX.
        """
        name = plan_delete(self.name, _names(transaction))
        mailbox = tables.mailbox_named(transaction, name)
        uids = transaction.execute("SELECT uid FROM message WHERE mailbox = ? ORDER BY uid", (mailbox.id,))
        remove(transaction, mailbox.id, [uid for (uid,) in uids], self.at)
        transaction.execute("DELETE FROM change WHERE mailbox = ?", (mailbox.id,))
        transaction.execute("DELETE FROM packed WHERE mailbox = ?", (mailbox.id,))
        transaction.execute("DELETE FROM mailbox WHERE id = ?", (mailbox.id,))
        return {mailbox.id: tables.next_modseq(transaction)}


@frozen
class Rename:
    """
    RENAME (RFC 3501 section 6.3.5).
    """

    old: str
    new: str
    at: int

    def __call__(self, transaction: ITransaction) -> Moved:
        """
        @raise NoSuchMailbox: no C{old}.
        @raise MailboxExists: C{new}, or one that a mailbox below would become, is there.
        """
        plan = plan_rename(self.old, self.new, _names(transaction))
        for name in plan.created:
            _create(transaction, name, None, self.at)
        if plan.emptied_into is not None:
            _create(transaction, plan.emptied_into, None, self.at)
            inbox = tables.mailbox_named(transaction, INBOX)
            uids = transaction.execute("SELECT uid FROM message WHERE mailbox = ? ORDER BY uid", (inbox.id,))
            _, moved = Copy(inbox.id, [uid for (uid,) in uids], plan.emptied_into, True, self.at)(transaction)
            return moved
        # A name may become free only with a later row: first all move out of the way, to names that nobody can have.
        ids = {name: tables.mailbox_named(transaction, name).id for name, _ in plan.renamed}
        transaction.execute_many("UPDATE mailbox SET name = ? WHERE id = ?", [(f"//{i}", i) for i in ids.values()])
        transaction.execute_many(
            "UPDATE mailbox SET name = ? WHERE id = ?", [(after, ids[before]) for before, after in plan.renamed]
        )
        return {}


def change_subscription(name: str, is_subscribed: bool) -> Callable[[ITransaction], None]:
    """
    SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7).
    """
    sql = (
        "INSERT OR IGNORE INTO subscription VALUES (?)" if is_subscribed else "DELETE FROM subscription WHERE name = ?"
    )

    def change(transaction: ITransaction) -> None:
        transaction.execute(sql, (name,))

    return change


def _names(transaction: ITransaction) -> set[str]:
    return {name for (name,) in transaction.execute("SELECT name FROM mailbox")}


def _create(transaction: ITransaction, name: str, special_use: SpecialUse | None, seconds: int) -> None:
    ((uidvalidity, modseq),) = transaction.execute(
        "UPDATE account SET uidvalidity = max(uidvalidity + 1, ?), modseq = modseq + 1 RETURNING uidvalidity, modseq",
        (seconds,),
    )
    transaction.execute(
        "INSERT INTO mailbox (name, uidvalidity, modseq, special_use) VALUES (?, ?, ?, ?)",
        (name, uidvalidity, modseq, None if special_use is None else special_use.value),
    )
