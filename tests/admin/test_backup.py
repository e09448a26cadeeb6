"""
L{twisted_mail_server.admin.backup}, and C{mailctl backup} and C{mailctl restore}.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.admin.test_cli import CliTestCase
from tests.support.disks import folder_for, inline_disk, seeded
from tests.support.drive import failure_of, now
from tests.support.envelopes import MESSAGE, spooled
from tests.support.stores import ALICE, BOB, append, sqlite_store
from twisted_mail_server.admin.backup import FINISHED, Copied, Copy
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused
from twisted_mail_server.spool.directory import Spool
from twisted_mail_server.storage.sqlite import SqliteStore

LARGE = b"A: b\r\n\r\n" + b"x\r\n" * limits.INLINE_CONTENT


class CopyTests(SynchronousTestCase):
    """
    Copies of a data directory that is in use.
    """

    def setUp(self) -> None:
        """
        Two accounts, one of them with mail, a message in the queue, a key; all open.
        """
        self.folder = Path(folder_for(self))
        self.clock = Clock()
        self.clock.advance(1_600_000_000)
        self.disk = inline_disk(str(self.folder / "data"), clock=self.clock)
        self.store = self.open_store("data")
        self.mail = now(self.store.open(ALICE))
        append(self.mail, "INBOX", b"A: b\r\n\r\n", LARGE, flags=("\\Seen",))
        now(self.store.create(BOB))
        self.spool = self.open_spool("data")
        self.queued = now(spooled(self.spool, MESSAGE + LARGE))
        self.disk.make_directory("tls")
        self.disk.write_file("tls/key.pem", b"key")
        self.disk.make_directory("run")
        self.disk.write_file("run/1.sock", b"")
        self.database = now(self.disk.open_database("directory.sqlite", []))
        self.addCleanup(lambda: now(self.database.close()))

    def open_store(self, name: str) -> SqliteStore:
        """
        The store of a data directory.
        """
        store = sqlite_store(inline_disk(str(self.folder / name), clock=self.clock, seed=len(name)), self.clock)
        self.addCleanup(lambda: now(store.close()))
        return store

    def open_spool(self, name: str) -> Spool:
        """
        The spool of a data directory.
        """
        disk = inline_disk(str(self.folder / name), clock=self.clock)
        spool = Spool(disk, f"{disk.root}/spool", seeded(3), 0, self.clock)
        now(spool.open())
        self.addCleanup(lambda: now(spool.close()))
        return spool

    def copy(self, source: str, target: str) -> Copy:
        """
        From one data directory to another.
        """
        steps: list[tuple[int, int]] = []
        self.steps = steps
        paths = (str(self.folder / source), str(self.folder / target))
        return Copy(self.disk, *paths, self.clock.seconds, lambda done, total: steps.append((done, total)))

    def back_up(self) -> Copied:
        """
        To C{backup}.
        """
        return now(self.copy("data", "backup").back_up())

    def contents(self, store: SqliteStore) -> list[bytes]:
        """
        What is in Alice's INBOX.
        """
        view = now(now(store.open(ALICE)).select("INBOX", claim_recent=False))
        return [now(now(view.open_content(uid)).read()) for uid in view.snapshot.uids]

    def test_round_trip(self) -> None:
        """
        A copy of what is in use, and a data directory of that copy, hold the same mail, queue and keys, and are whole.
        """
        self.assertEqual(Copied(databases=4, files=3), self.back_up())
        self.assertEqual([(1, 2), (2, 2)], self.steps)
        append(self.mail, "INBOX", b"A: later\r\n\r\n")
        self.assertEqual(Copied(databases=4, files=3), now(self.copy("backup", "new").restore()))
        self.assertEqual(["accounts", "directory.sqlite", "spool", "tls"], sorted(os.listdir(self.folder / "new")))
        store = self.open_store("new")
        self.assertEqual([b"A: b\r\n\r\n", LARGE], self.contents(store))
        for account in (ALICE, BOB):
            self.assertEqual([], now(now(store.open(account)).problems()))
        spool = self.open_spool("new")
        (waiting,) = now(spool.waiting())
        self.assertEqual(self.queued.id, waiting.id)
        self.assertEqual(MESSAGE + LARGE, now(spool.read(waiting)))
        self.assertEqual(b"key", (self.folder / "new" / "tls" / "key.pem").read_bytes())

    def test_again(self) -> None:
        """
        A second copy brings what is new, mends what is half there, and forgets what is no more.
        """
        self.back_up()
        (half,) = (self.folder / "backup" / "accounts" / str(ALICE)).rglob("*.eml")
        half.unlink()
        half.write_bytes(b"x")
        (half.parent / "none.eml").write_bytes(b"x")
        append(self.mail, "INBOX", LARGE + b"y")
        now(self.store.remove(BOB))
        stale = self.folder / "backup" / "accounts" / str(ALICE) / "account.sqlite-wal"
        stale.write_bytes(b"stale")
        self.assertEqual(Copied(databases=3, files=3, known=1, removed=1), self.back_up())
        self.assertFalse(stale.exists())
        self.assertEqual([str(ALICE)], os.listdir(self.folder / "backup" / "accounts"))
        now(self.copy("backup", "new").restore())
        self.assertEqual([b"A: b\r\n\r\n", LARGE, LARGE + b"y"], self.contents(self.open_store("new")))

    def test_account_being_removed(self) -> None:
        """
        An account that somebody has locked to remove it is left out.
        """
        folder = self.folder / "data" / "accounts" / ("c" * 32)
        folder.mkdir()
        lock = self.disk.lock(str(folder / "open.lock"))
        assert lock is not None
        self.addCleanup(lock.release)
        self.back_up()
        self.assertEqual([str(ALICE), str(BOB)], sorted(os.listdir(self.folder / "backup" / "accounts")))

    def test_not_finished(self) -> None:
        """
        A copy that was stopped on the way says so: it is not restored until it is done again.
        """
        self.back_up()
        (self.folder / "backup" / FINISHED).unlink()
        problem = failure_of(self.copy("backup", "new").restore(), Refused)
        self.assertIn("not finished", str(problem))

    def test_nothing_is_removed_meanwhile(self) -> None:
        """
        While an account is copied no checkpoint may remove what the copy names.
        """
        locks: list[object] = []
        real = self.disk.copy_database

        async def looking(path: str, new: str) -> None:
            if path.endswith("account.sqlite"):
                locks.append(self.disk.lock(f"{os.path.dirname(path)}/checkpoint.lock"))
            await real(path, new)

        self.patch(self.disk, "copy_database", looking)
        self.back_up()
        self.assertEqual([None, None], locks)
        free = self.disk.lock(f"accounts/{ALICE}/checkpoint.lock")
        assert free is not None
        free.release()

    def test_refused(self) -> None:
        """
        A copy is not made in its own source, nor over something else.
        """
        self.assertIn("within", str(failure_of(self.copy("data", "data/backup").back_up(), Refused)))
        self.assertIn("within", str(failure_of(self.copy("data", ".").back_up(), Refused)))
        (self.folder / "other").mkdir()
        (self.folder / "other" / "file").write_bytes(b"mine")
        self.assertIn("no backup", str(failure_of(self.copy("data", "other").back_up(), Refused)))
        self.back_up()
        self.assertIn("not empty", str(failure_of(self.copy("backup", "other").restore(), Refused)))


class BackupCommandTests(CliTestCase):
    """
    What is typed, and what is printed.
    """

    def setUp(self) -> None:
        """
        A data directory with nothing but the folder of its accounts.
        """
        super().setUp()
        self.folder = Path(folder_for(self))
        self.at("data")
        (self.folder / "data" / "accounts").mkdir(parents=True)
        (self.folder / "data" / "first-account.txt").write_bytes(b"x")

    def at(self, name: str) -> None:
        """
        Work on that data directory.
        """
        self.operations = evolve(self.operations, disk=inline_disk(str(self.folder / name)))

    def test_commands(self) -> None:
        """
        A copy is made, looked at and restored; looking and restoring work on the copy, not on what the settings name.
        """
        copy, new = str(self.folder / "copy"), str(self.folder / "new")
        said = self.mailctl("backup", copy).stdout
        self.assertEqual("Copied 0 databases and 1 files; 0 files were there already, 0 were removed.\n", said)
        self.at("copy")
        self.assertTrue(self.as_json("restore", copy, "--verify")["ok"])
        self.assertEqual(1, self.as_json("restore", copy, "--to", new)["files"])
        self.assertEqual([None, copy, copy], self.data_dirs)
        self.assertEqual(["accounts", "first-account.txt", "spool"], sorted(os.listdir(new)))
        (self.folder / "copy" / FINISHED).unlink()
        self.assertIn("not finished", self.mailctl("restore", copy, "--verify", status=1).stdout)

    def test_misused(self) -> None:
        """
        It is either looked at or restored, and there must be something.
        """
        self.assertIn("either", self.complaint("restore", str(self.folder), status=2))
        self.assertIn("either", self.complaint("restore", str(self.folder), "--verify", "--to", "x", status=2))
        self.assertIn("no folder", self.complaint("restore", str(self.folder / "none"), "--verify", status=2))
