"""
The contract of stores: accounts, mailboxes and their names.
"""

from __future__ import annotations

from typing import Any, cast

from zope.interface.verify import verifyObject

from tests.contracts.store_case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, MESSAGE, append
from twisted_mail_server.interfaces import (
    IAccountMail,
    IContent,
    IFileLock,
    IMailboxView,
    IMailStore,
    IStagedContent,
)
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import (
    CannotDo,
    InUse,
    MailboxExists,
    MailError,
    NoSuchMailbox,
    OverLimit,
)
from twisted_mail_server.model.mailboxes import SpecialUse

ODD_NAMES = (
    "..",
    ".",
    "a/../b",
    "\\",
    "a\\..\\b",
    "%s",
    "*",
    "%",
    "&",
    "Ö/ü",
    "日本語",
    "a b",
    " ",
    "it's",
    '"',
    "\U0001f600",
    "-x",
    "~",
)


class Interfaces(StoreCase):
    """
    What is provided.
    """

    def test_interfaces(self) -> None:
        """
        Everything handed out provides its interface.
        """
        self.fill(1)
        view = self.select()
        lock = now(self.mail.lock_maildrop())
        content = now(view.open_content(1))
        for interface, provider in (
            (IMailStore, self.store),
            (IAccountMail, self.mail),
            (IMailboxView, view),
            (IContent, content),
            (IStagedContent, self.mail.stage()),
            (IFileLock, lock),
        ):
            self.assertTrue(verifyObject(interface, provider))
        content.close()
        lock.release()


class Accounts(StoreCase):
    """
    Accounts come and go.
    """

    def test_first_mailboxes(self) -> None:
        """
        A new account has INBOX and the usual others, with what they are for, subscribed to and empty.
        """
        uses = {status.name: status.special_use for status in now(self.mail.mailboxes())}
        self.assertEqual(["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"], list(uses))
        self.assertEqual(SpecialUse.JUNK, uses["Junk"])
        self.assertIsNone(uses["INBOX"])
        self.assertEqual(list(uses), now(self.mail.subscriptions()))
        self.assertEqual([], self.uids())

    def test_create_twice(self) -> None:
        """
        Making an account that is there changes nothing.
        """
        self.fill(1)
        now(self.store.create(ALICE))
        self.assertEqual([1], self.uids())

    def test_accounts_are_apart(self) -> None:
        """
        What one account has, another does not; all are listed.
        """
        self.fill(1)
        now(self.store.create(BOB))
        self.assertEqual([ALICE, BOB], now(self.store.accounts()))
        other = now(now(self.store.open(BOB)).select("INBOX", claim_recent=True))
        self.assertEqual(0, len(other.snapshot.uids))

    def test_remove(self) -> None:
        """
        A removed account is gone with its mail; removing it again is fine; made anew it is empty.
        """
        self.fill(1)
        now(self.store.remove(ALICE))
        now(self.store.remove(ALICE))
        self.assertEqual([], now(self.store.accounts()))
        self.mail = now(self.store.open(ALICE))
        self.assertEqual([], self.uids())

    def test_all_is_kept(self) -> None:
        """
        Messages, flags, names, subscriptions and counters outlive the program.
        """
        self.fill(2, flags=("\\Seen", "work"))
        now(self.mail.create_mailbox("Lists/python"))
        now(self.mail.subscribe("Lists/python"))
        before = now(self.mail.mailboxes())
        self.restart()
        self.assertEqual(before, now(self.mail.mailboxes()))
        self.assertIn("Lists/python", now(self.mail.subscriptions()))
        view = self.select()
        self.assertEqual([1, 2], list(view.snapshot.uids))
        self.assertEqual(("\\Seen", "work"), view.snapshot.keywords.flags(view.snapshot.masks[0]))


class Mailboxes(StoreCase):
    """
    CREATE, DELETE, RENAME, SUBSCRIBE, STATUS (RFC 3501 section 6.3).
    """

    def test_create(self) -> None:
        """
        A new mailbox is empty, keeps what it is for, and its superiors are made too.
        """
        made = now(self.mail.create_mailbox("a/b/c", SpecialUse.ARCHIVE))
        self.assertEqual(
            ("a/b/c", 1, 0, SpecialUse.ARCHIVE), (made.name, made.uidnext, made.messages, made.special_use)
        )
        self.assertIsNone(now(self.mail.status("a/b")).special_use)
        self.assertEqual({"a", "a/b", "a/b/c"}, {name for name in self.names() if name.startswith("a")})

    def test_create_existing(self) -> None:
        """
        A name is given once; INBOX is INBOX in any letters.
        """
        now(self.mail.create_mailbox("a"))
        for name in ("a", "INBOX", "inbox"):
            failure_of(self.mail.create_mailbox(name), MailboxExists)

    def test_names_differ_by_case(self) -> None:
        """
        But for INBOX, small and capital letters make different names.
        """
        now(self.mail.create_mailbox("a"))
        now(self.mail.create_mailbox("A"))
        self.assertTrue({"a", "A"} <= set(self.names()))

    def test_impossible_names(self) -> None:
        """
        Empty levels and control characters are refused, and too long or deep names.
        """
        before = self.names()
        for name in ("", "/", "a//b", "/a", "a/", "a\0b", "a\r\nb", "\ud800"):
            failure_of(self.mail.create_mailbox(name), CannotDo)
        for name in ("x" * (limits.MAILBOX_NAME + 1), "/".join("x" * (limits.MAILBOX_DEPTH + 1))):
            failure_of(self.mail.create_mailbox(name), OverLimit)
        self.assertEqual(before, self.names())

    def test_odd_names(self) -> None:
        """
        Names are just names: no path, no pattern, no SQL; each holds its own messages.
        """
        for name in ODD_NAMES:
            now(self.mail.create_mailbox(name))
        for name in ODD_NAMES:
            append(self.mail, name, name.encode())
        self.restart()
        for name in ODD_NAMES:
            view = self.select(name)
            self.assertEqual(name.encode(), self.content(view, 1))
            now(view.close())
            now(self.mail.delete_mailbox(name))
        self.assertFalse(set(ODD_NAMES) & set(self.names()))

    def test_path_traversal(self) -> None:
        """
        A name that climbs folders reaches nobody else's mail.
        """
        now(self.store.create(BOB))
        for name in (f"../{BOB}/INBOX", f"../../accounts/{BOB}", "..", f"{BOB}"):
            failure_of(self.mail.status(name), NoSuchMailbox)
            failure_of(self.mail.select(name, claim_recent=True), NoSuchMailbox)
            failure_of(self.mail.delete_mailbox(name), NoSuchMailbox)
        now(self.mail.create_mailbox(f"../{BOB}"))
        append(self.mail, f"../{BOB}")
        self.assertEqual(0, now(now(self.store.open(BOB)).status("INBOX")).messages)
        self.assertEqual([ALICE, BOB], now(self.store.accounts()))

    def test_too_many(self) -> None:
        """
        An account has a bounded number of mailboxes; superiors count.
        """
        self.patch(limits, "MAILBOXES", 8)
        now(self.mail.create_mailbox("one"))
        failure_of(self.mail.create_mailbox("two/three"), OverLimit)
        now(self.mail.create_mailbox("two"))
        failure_of(self.mail.create_mailbox("three"), OverLimit)
        self.assertEqual(8, len(self.names()))

    def test_delete(self) -> None:
        """
        A removed mailbox is gone with its messages, and its name alone remains above what is below it.
        """
        now(self.mail.create_mailbox("a/b"))
        self.fill(3, "a")
        self.fill(1, "a/b")
        now(self.mail.delete_mailbox("a"))
        failure_of(self.mail.status("a"), NoSuchMailbox)
        self.assertNotIn("a", self.names())
        self.assertEqual(1, now(self.mail.status("a/b")).messages)

    def test_delete_refused(self) -> None:
        """
        INBOX stays, in any letters; what is not there cannot go.
        """
        for name in ("INBOX", "inbox"):
            failure_of(self.mail.delete_mailbox(name), CannotDo)
        failure_of(self.mail.delete_mailbox("nowhere"), NoSuchMailbox)

    def test_uidvalidity_is_never_reused(self) -> None:
        """
        A mailbox made anew has a greater UIDVALIDITY and another id (RFC 3501 section 2.3.1.1).
        """
        first = now(self.mail.create_mailbox("a"))
        now(self.mail.delete_mailbox("a"))
        self.restart()
        second = now(self.mail.create_mailbox("a"))
        self.assertGreater(second.uidvalidity, first.uidvalidity)
        self.assertGreater(second.mailbox_id, first.mailbox_id)
        self.assertGreater(second.modseq, first.modseq)

    def test_uidvalidity_outlives_the_account(self) -> None:
        """
        An account made anew gives greater UIDVALIDITYs than it gave before, once time has passed.
        """
        before = now(self.mail.status("INBOX")).uidvalidity
        now(self.store.remove(ALICE))
        self.clock.advance(100)
        self.mail = now(self.store.open(ALICE))
        self.assertGreater(now(self.mail.status("INBOX")).uidvalidity, before)

    def test_rename(self) -> None:
        """
        A renamed mailbox keeps its messages, UIDs, UIDVALIDITY and id, and takes those below it along.
        """
        now(self.mail.create_mailbox("a/b", SpecialUse.SENT))
        now(self.mail.create_mailbox("ab"))
        self.fill(2, "a/b")
        before = now(self.mail.status("a/b"))
        now(self.mail.rename_mailbox("a", "x/y"))
        after = now(self.mail.status("x/y/b"))
        self.assertEqual(
            (before.mailbox_id, before.uidvalidity, before.uidnext, 2, SpecialUse.SENT),
            (after.mailbox_id, after.uidvalidity, after.uidnext, after.messages, after.special_use),
        )
        self.assertEqual(["ab", "x", "x/y", "x/y/b"], [name for name in self.names() if name[0] in "ax"])

    def test_rename_refused(self) -> None:
        """
        Nothing is overwritten, nothing goes below itself, and what is not there has no name.
        """
        now(self.mail.create_mailbox("a/b"))
        now(self.mail.create_mailbox("c/b"))
        now(self.mail.delete_mailbox("c"))
        before = self.names()
        failure_of(self.mail.rename_mailbox("nowhere", "x"), NoSuchMailbox)
        failure_of(self.mail.rename_mailbox("a", "c"), MailboxExists)
        failure_of(self.mail.rename_mailbox("a/b", "INBOX"), MailboxExists)
        failure_of(self.mail.rename_mailbox("a", "a"), MailboxExists)
        failure_of(self.mail.rename_mailbox("a", "a/b/c"), CannotDo)
        failure_of(self.mail.rename_mailbox("a", "b//c"), CannotDo)
        failure_of(self.mail.rename_mailbox("a", "y" * (limits.MAILBOX_NAME - 1)), OverLimit)
        self.assertEqual(before, self.names())

    def test_rename_superior_name(self) -> None:
        """
        A name that is only the superior of others can be renamed with them.
        """
        now(self.mail.create_mailbox("a/b"))
        now(self.mail.delete_mailbox("a"))
        now(self.mail.rename_mailbox("a", "c"))
        self.assertIn("c/b", self.names())
        self.assertNotIn("c", self.names())

    def test_rename_inbox(self) -> None:
        """
        INBOX gives its messages to the new mailbox and stays, with those below it (RFC 3501 section 6.3.5).
        """
        now(self.mail.create_mailbox("INBOX/sub"))
        self.fill(2, flags=("\\Flagged", "work"))
        view = self.select()
        now(self.mail.rename_mailbox("inbox", "old/mail"))
        self.assertEqual((1, 2), now(view.advance()).vanished)
        self.assertEqual(2, now(self.mail.status("old/mail")).messages)
        self.assertIn("INBOX/sub", self.names())
        moved = self.select("old/mail").snapshot
        self.assertEqual(("\\Flagged", "work"), moved.keywords.flags(moved.masks[1]))

    def test_subscriptions(self) -> None:
        """
        Names are subscribed to, whether they exist or not, and stay so when the mailbox goes.
        """
        now(self.mail.create_mailbox("a"))
        for name in ("a", "nowhere", "a", "inbox/x"):
            now(self.mail.subscribe(name))
        now(self.mail.delete_mailbox("a"))
        self.assertTrue({"a", "nowhere", "INBOX/x"} <= set(now(self.mail.subscriptions())))
        now(self.mail.unsubscribe("nowhere"))
        now(self.mail.unsubscribe("nowhere"))
        names = now(self.mail.subscriptions())
        self.assertNotIn("nowhere", names)
        self.assertEqual(sorted(names), names)

    def test_status(self) -> None:
        """
        The counters follow what happens.
        """
        self.fill(2)
        self.fill(1, flags=("\\Seen", "\\Deleted"))
        status = now(self.mail.status("inbox"))
        self.assertEqual("INBOX", status.name)
        self.assertEqual((3, 2, 3, 1), (status.messages, status.unseen, status.recent, status.deleted))
        self.assertEqual((3 * len(MESSAGE), 4), (status.size, status.uidnext))
        view = self.select()
        now(view.change_flags([1, 3], "=", ["\\Deleted"]))
        status = now(self.mail.status("INBOX"))
        self.assertEqual((3, 3, 0, 2), (status.messages, status.unseen, status.recent, status.deleted))
        now(view.expunge())
        status = now(self.mail.status("INBOX"))
        self.assertEqual((1, 1, 0, 0), (status.messages, status.unseen, status.recent, status.deleted))
        self.assertEqual(len(MESSAGE), status.size)
        self.assertIn(status, now(self.mail.mailboxes()))

    def test_usage(self) -> None:
        """
        What all mailboxes hold together is counted; copies count, what is expunged does not.
        """
        self.assertEqual((0, 0), now(self.mail.usage()))
        self.fill(3)
        view = self.select()
        now(view.copy([1, 2], "Archive"))
        now(view.expunge([1], only_deleted=False))
        self.assertEqual((4 * len(MESSAGE), 4), now(self.mail.usage()))

    def test_status_missing(self) -> None:
        """
        What is not there has no status and cannot be selected.
        """
        failure_of(self.mail.status("nowhere"), NoSuchMailbox)
        failure_of(self.mail.select("nowhere", claim_recent=True), NoSuchMailbox)


class Maildrop(StoreCase):
    """
    POP3's lock (RFC 1939 section 3).
    """

    def test_lock(self) -> None:
        """
        One session has it at a time; releasing twice is harmless.
        """
        first = now(self.mail.lock_maildrop())
        failure_of(self.mail.lock_maildrop(), InUse)
        failure_of(now(self.store.open(ALICE)).lock_maildrop(), InUse)
        first.release()
        first.release()
        second = now(self.mail.lock_maildrop())
        first.release()
        failure_of(self.mail.lock_maildrop(), InUse)
        second.release()

    def test_maildrops_are_apart(self) -> None:
        """
        Another account's lock is another.
        """
        locks = [now(now(self.store.open(account)).lock_maildrop()) for account in (ALICE, BOB)]
        for lock in locks:
            lock.release()


class Failures(StoreCase):
    """
    Only expected failures leave a store.
    """

    def test_only_mail_errors(self) -> None:
        """
        Whatever name comes, the answer is a result or an expected failure.
        """
        for name in ("", "/", "\0", "a" * 5000, "\ud800", "' OR 1=1 --"):
            for attempt in (
                self.mail.status(name),
                self.mail.select(name, claim_recent=True),
                self.mail.delete_mailbox(name),
                self.mail.rename_mailbox(name, "x"),
                self.mail.rename_mailbox("Junk", name) if name != "' OR 1=1 --" else self.mail.status(name),
                self.mail.append(name, []),
            ):
                failure_of(cast(Any, attempt), MailError)
