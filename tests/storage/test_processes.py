"""
Several processes with one account open.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from tests.storage.case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, arrival, deliver
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import (
    InUse,
    NoSuchAccount,
)


class ProcessesTests(StoreCase):
    """
    Several processes have one account open.
    """

    def test_changes_reach_the_others(self) -> None:
        """
        What one process does, the sessions of another hear of and see.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        other = now(self.process().open(ALICE))
        deliver(other, arrival(1))
        self.assertEqual([1], heard)
        self.assertEqual((1,), now(view.advance()).arrived)
        theirs = now(other.select("INBOX", claim_recent=True))
        now(theirs.change_flags([1], "+", ["\\Seen", "new"]))
        (reflagged,) = now(view.advance()).reflagged
        self.assertEqual(("\\Seen", "new"), view.snapshot.keywords.flags(reflagged.mask))
        now(theirs.expunge([1], only_deleted=False))
        self.assertEqual([1], [row.uid for row in now(view.fetch([1]))])
        self.assertEqual((1,), now(view.advance()).vanished)
        now(other.rename_mailbox("INBOX", "old"))
        now(other.create_mailbox("gone"))
        gone = now(self.mail.select("gone", claim_recent=True))
        now(other.delete_mailbox("gone"))
        self.assertTrue(now(gone.advance()).is_deleted)

    def test_both_change_flags(self) -> None:
        """
        Whoever changes flags sees what the others have changed before, though no news of it came, and sees all of it right.
        """
        self.wire.hears = False
        deliver(self.mail, *map(arrival, range(1, 9)))
        ours = now(self.mail.select("INBOX", claim_recent=True))
        theirs = now(now(self.process().open(ALICE)).select("INBOX", claim_recent=True))
        everything = list(ours.snapshot.uids)
        now(ours.change_flags([1, 2, 3, 5], "+", ["\\Seen"]))
        now(theirs.change_flags([2, 3, 4], "+", ["\\Flagged", "theirs"]))
        now(theirs.expunge([8], only_deleted=False))
        now(ours.change_flags(everything, "+", ["\\Draft", "ours"]))
        now(ours.change_flags([3, 6], "-", ["\\Draft"]))
        now(theirs.change_flags(everything, "-", ["\\Seen"]))
        for view in (ours, theirs):
            now(view.advance())
        fresh = now(now(self.process().open(ALICE)).select("INBOX", claim_recent=True)).snapshot
        for view in (ours, theirs):
            snapshot = view.snapshot
            self.assertEqual(
                (fresh.uids, fresh.masks, fresh.modseqs), (snapshot.uids, snapshot.masks, snapshot.modseqs)
            )
            self.assertEqual((fresh.keywords, fresh.modseq), (snapshot.keywords, snapshot.modseq))
        flags = [set(fresh.keywords.flags(mask)) for mask in fresh.masks]
        self.assertEqual({"\\Flagged", "\\Draft", "theirs", "ours"}, flags[1])
        self.assertEqual({"\\Flagged", "theirs", "ours"}, flags[2])
        self.assertEqual({"ours"}, flags[5])

    def test_lost_news(self) -> None:
        """
        When news are lost, a look every half minute finds what happened, while somebody waits.
        """
        self.wire.hears = False
        view = now(self.mail.select("INBOX", claim_recent=True))
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        deliver(now(self.process().open(ALICE)), arrival(1))
        self.assertEqual([], heard)
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([1], heard)
        now(view.advance())
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([1], heard)
        view.listen(None)
        deliver(now(self.process().open(ALICE)), arrival(2))
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([1], heard)

    def test_strange_news(self) -> None:
        """
        News that nobody of ours wrote are passed over.
        """
        sender = self.wire.end()
        for text in ("", "x", f"{ALICE} x 1", f"{ALICE} 1 x", f"{BOB} 1 1", f"{ALICE} 77 1", "../x gone 0"):
            sender.publish("mail", text)
        self.assertEqual(6, len(now(self.mail.mailboxes())))

    def test_maildrop(self) -> None:
        """
        POP3's lock excludes the sessions of other processes.
        """
        lock = now(self.mail.lock_maildrop())
        other = now(self.process().open(ALICE))
        failure_of(other.lock_maildrop(), InUse)
        lock.release()
        now(other.lock_maildrop()).release()

    def test_one_checkpoint_at_a_time(self) -> None:
        """
        While one process moves contents into files, another does nothing.
        """
        deliver(self.mail, arrival(1))
        other = now(self.process().open(ALICE))
        self.patch(other, "is_swept", True)
        lock = self.mail.disk.lock(f"{self.root}/accounts/{ALICE}/checkpoint.lock")
        assert lock is not None
        self.assertEqual(0, now(other.checkpoint()))
        lock.release()
        self.assertEqual(1, now(other.checkpoint()))
        self.assertEqual(0, now(self.mail.checkpoint()))

    def test_remove(self) -> None:
        """
        An account is removed under the processes that have it open: they are told, and let go of it.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(self.process().remove(ALICE))
        self.assertTrue(now(view.advance()).is_deleted)
        self.assertEqual([], now(self.store.accounts()))
        failure_of(self.mail.mailboxes(), NoSuchAccount)
        failure_of(self.mail.lock_maildrop(), NoSuchAccount)
        now(view.close())
        self.assertEqual(["reserve", "staging"], sorted(os.listdir(f"{self.root}/accounts")))

    def test_remove_unheard(self) -> None:
        """
        A process that does not hear keeps the account, and whoever wants to remove it is told so.
        """
        self.wire.hears = False
        view = now(self.mail.select("INBOX", claim_recent=True))
        removed = Deferred.fromCoroutine(self.process().remove(ALICE))
        self.clock.pump([1.0] * 31)
        self.failureResultOf(removed, InUse)
        deliver(self.mail, arrival(1))
        self.assertEqual((1,), now(view.advance()).arrived)

    def test_removed_behind_its_back(self) -> None:
        """
        A session whose account went while its database was closed is told; the account does not come back by itself.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(self.mail.database.close())
        self.wire.hears = False
        now(self.process().remove(ALICE))
        self.assertTrue(now(view.advance()).is_deleted)
        self.assertEqual([], now(self.store.accounts()))
        self.assertEqual([], list(self.store.begin_checkpoints()))

    def test_staging_folders(self) -> None:
        """
        Each process stages in its own folder, and empties one that a dead process left.
        """
        left = f"{self.root}/accounts/staging/2"
        os.mkdir(left, 0o700)
        for name in ("one", "two"):
            self.mail.disk.write_file(f"{left}/{name}", b"left behind")
        for _ in range(2):
            now(self.process().create(ALICE))
        self.assertEqual([], os.listdir(left))
        self.assertEqual(["0", "0.lock", "1", "1.lock", "2", "2.lock"], sorted(os.listdir(os.path.dirname(left))))
