"""
The store on disk, stopped after every operation (C{docs/explanation/storage-format.md}, "What a crash leaves").
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from attrs import frozen
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, inline_disk, recorded_disk, recorded_disk_for
from tests.support.drive import now
from tests.support.stores import ALICE, MESSAGE, append, arrival, deliver, queue_id, sqlite_store
from twisted_mail_server.disk.images import Replay, images
from twisted_mail_server.disk.machine import KINDS
from twisted_mail_server.disk.operations import Snapshot
from twisted_mail_server.model.errors import MailError, TemporaryFailure
from twisted_mail_server.model.queue import Arrival
from twisted_mail_server.storage.account import SqliteAccount
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.sqlite import SqliteStore

LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 2500
MEDIUM = b"Subject: medium\r\n\r\n" + b"fedcba9876543210" * 1000

#: Crash states looked at for each moment.
IMAGES = 8

#: What a client can know of an account: names with their UIDVALIDITY, UIDNEXT and MODSEQ, and each message.
Known = dict[str, tuple[object, ...]]


@frozen
class Moment:
    """
    A moment at which the power goes, and the number of the step under way, or after which it was.
    """

    snapshot: Snapshot
    step: int
    is_done: bool


def known(mail: SqliteAccount) -> Known:
    """
    Everything a client can find out.
    """
    found: Known = {}
    for status in now(mail.mailboxes()):
        view = now(mail.select(status.name, claim_recent=False))
        messages = []
        for row in now(view.fetch(list(view.snapshot.uids))):
            content = now(view.open_content(row.uid))
            digest = sha256(now(content.read())).hexdigest()
            content.close()
            flags = view.snapshot.keywords.flags(row.mask)
            messages.append((row.uid, flags, row.modseq, row.size, row.internal_date, digest))
        found[status.name] = (status.uidvalidity, status.uidnext, status.modseq, status.special_use, *messages)
        now(view.close())
    found["subscribed"] = tuple(now(mail.subscriptions()))
    return found


class StoreCrashTests(SynchronousTestCase):
    """
    A power cut after any operation keeps what was promised, whole and once.
    """

    def setUp(self) -> None:
        """
        A store on a recorded disk.
        """
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.disk = recorded_disk_for(self, clock=self.clock)
        self.disk.make_directory(f"{self.disk.root}/spool")
        self.moments: list[Moment] = []
        #: What is known before each step, and after the last.
        self.states: list[Known] = []
        #: What each step delivers.
        self.delivered: list[list[Arrival]] = []
        self.store = sqlite_store(self.disk, self.clock)
        self.mail = now(self.store.open(ALICE))

    def tearDown(self) -> None:
        """
        Let go.
        """
        now(self.store.close())

    def spooled(self, name: str, content: bytes) -> str:
        """
        A durable file of the spool.
        """
        path = f"{self.disk.root}/spool/{name}"
        self.disk.write_file(path, content)
        return path

    def begin(self) -> None:
        """
        From now on every operation is a moment.
        """
        self.states.append(known(self.mail))
        self.disk.on_operation(self.note)

    def note(self, snapshot: Snapshot) -> None:
        """
        The power may go here.
        """
        self.moments.append(Moment(snapshot, len(self.states) - 1, False))

    def step(self, work: Callable[[], object], delivered: list[Arrival] | None = None) -> None:
        """
        Something is promised; when it returns, the promise must hold.
        """
        self.delivered.append(delivered or [])
        work()
        step = len(self.states) - 1
        self.states.append(known(self.mail))
        self.moments.append(Moment(self.disk.cut(), step, True))

    def deliver(self, *arrivals: Arrival) -> None:
        """
        A delivery as a step.
        """
        self.step(lambda: deliver(self.mail, *arrivals), list(arrivals))

    def look(self, least: int) -> None:
        """
        Rebuild what each moment could have left, and examine it.
        """
        replay, chance, into, looked = Replay(self.disk.log), Random(5), folder_for(self), 0
        seen: set[bytes] = set()
        asked = (-1, False)
        for moment in self.moments:
            if asked != (moment.step, moment.is_done):
                # What was good enough before is looked at again when more is promised.
                asked, seen = (moment.step, moment.is_done), set()
            for image in images(moment.snapshot, chance, IMAGES, into, seen=seen, replay=replay):
                looked += 1
                problem = self.examine(image.path, moment)
                self.assertEqual("", problem, f"step {moment.step}, operation {moment.snapshot.length}: {image.kind}")
        self.assertGreater(looked, least)

    def examine(self, root: str, moment: Moment) -> str:
        """
        What is wrong with what a power cut left, if anything is.
        """
        disk = inline_disk(root, clock=self.clock)
        store = sqlite_store(disk, self.clock, seed=moment.snapshot.length + 1)
        try:
            return self._examine(store, moment)
        finally:
            now(store.close())

    def _examine(self, store: SqliteStore, moment: Moment) -> str:
        mail = now(store.open(ALICE))
        before, after = self.states[moment.step], self.states[moment.step + 1]
        found = known(mail)
        if found != after and (moment.is_done or found != before):
            return f"found {_difference(found, after)}"
        problems = now(mail.problems())
        # Whoever was not told delivers again, and it is there once.
        again = self.delivered[moment.step]
        if again:
            now(mail.deliver(again))
            if _messages(known(mail)) != _messages(after):
                return f"delivered again: {_difference(known(mail), after)}"
        settled = known(mail)
        now(mail.checkpoint())
        if known(mail) != settled:
            return f"after a checkpoint: {_difference(known(mail), settled)}"
        return "; ".join([*problems, *now(mail.problems()), *_left_over(mail)])

    def test_deliveries(self) -> None:
        """
        Deliveries, in the database and as files, to one mailbox and several, are there whole, and once when repeated.
        """
        large, small = self.spooled("large", LARGE), self.spooled("small", MESSAGE)
        self.begin()
        self.deliver(arrival(1, flags=("\\Flagged", "spam")))
        self.deliver(arrival(2), arrival(3, mailbox="Junk"), arrival(3, recipient=1))
        self.deliver(arrival(4, content=LARGE, path=large), arrival(5, content=MEDIUM))
        shared = arrival(6, path=small, is_shared=True)
        self.deliver(shared, arrival(7, content=LARGE, path=large, mailbox="Archive"))
        self.step(lambda: deliver(self.mail, settled=[queue_id(1), queue_id(2)]))
        self.deliver(arrival(8, mailbox="nowhere"))
        self.look(140)

    def test_appends(self) -> None:
        """
        APPEND of one and several, small and large, is whole or not at all.
        """
        self.begin()
        self.step(lambda: append(self.mail, "Drafts", MESSAGE, flags=("\\Draft", "own"), date=77))
        self.step(lambda: append(self.mail, "INBOX", LARGE, MESSAGE, MEDIUM, LARGE + b"second"))
        self.look(60)

    def test_changes(self) -> None:
        """
        STORE, COPY, MOVE, EXPUNGE and everything about mailboxes is done whole or not at all.
        """
        append(self.mail, "INBOX", *[b"message %d" % number for number in range(8)], LARGE)
        view = now(self.mail.select("INBOX", claim_recent=False))
        self.begin()
        self.step(lambda: now(view.change_flags([1, 3, 5, 9], "+", ["\\Deleted", "done"])))
        self.step(lambda: now(view.copy([2, 3, 9], "Archive")))
        self.step(lambda: now(view.move([4, 9], "Trash")))
        self.step(lambda: now(view.expunge()))
        self.step(lambda: now(self.mail.create_mailbox("a/b/c")))
        self.step(lambda: now(self.mail.rename_mailbox("a", "x/y")))
        self.step(lambda: now(self.mail.rename_mailbox("INBOX", "old")))
        self.step(lambda: now(self.mail.delete_mailbox("Archive")))
        self.step(lambda: now(self.mail.subscribe("nowhere")))
        self.step(lambda: now(self.mail.unsubscribe("Sent")))
        self.look(120)

    def test_checkpoints(self) -> None:
        """
        Moving contents into files, and removing garbage, loses nothing and leaves nothing.
        """
        append(self.mail, "INBOX", MESSAGE, MEDIUM, MEDIUM + b"two", LARGE)
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.copy([3], "Archive"))
        self.begin()
        self.step(lambda: now(self.mail.checkpoint(limit=1)))
        self.step(lambda: now(self.mail.checkpoint()))
        self.step(lambda: now(view.expunge([1, 3, 4], only_deleted=False)))
        now(view.close())
        self.clock.advance(10_000)
        self.step(lambda: now(self.mail.checkpoint()))
        self.deliver(arrival(1, content=MEDIUM))
        self.look(120)

    def test_by_chance(self) -> None:
        """
        Whatever is done in whatever order, cut at moments by chance.
        """
        large = self.spooled("large", LARGE)
        append(self.mail, "INBOX", MESSAGE, MEDIUM, LARGE)
        view = now(self.mail.select("INBOX", claim_recent=False))
        chance, mail = Random(11), self.mail
        self.begin()
        for number in range(40):
            now(view.advance())
            uids = chance.sample(list(view.snapshot.uids), min(3, len(view.snapshot.uids)))
            what = chance.randrange(7)
            if what == 0:
                self.deliver(arrival(number), arrival(number, recipient=1, content=LARGE, path=large))
            elif what == 1:
                self.step(partial(append, mail, "INBOX", MEDIUM, LARGE + b"%d" % number, flags=("own",)))
            elif what == 2:
                self.step(partial(_done, view.move, uids, "Trash"))
            elif what == 3:
                self.step(partial(_done, view.copy, uids, "INBOX"))
            elif what == 4:
                self.step(partial(_done, view.change_flags, uids, "+", ["\\Seen", "read"]))
            elif what == 5:
                self.step(partial(_done, view.expunge, uids[:1], only_deleted=False))
            else:
                self.clock.advance(2000)
                self.step(lambda: now(mail.checkpoint(limit=chance.choice((None, 2)))))
        self.moments = chance.sample(self.moments, 60)
        self.moments.sort(key=lambda moment: moment.snapshot.length)
        self.look(60)

    def test_every_fault(self) -> None:
        """
        Whichever operation fails, the failure is an expected one, what it promised nobody is tried again, and at the end all is there once.
        """
        for kind in sorted(KINDS - {"read"}):
            for error in (errno.EIO, errno.ENOSPC):
                skip = 0
                while self.failed_at(kind, error, skip):
                    skip += 1 + skip // 4
                self.assertGreater(skip, 0 if kind in self.used else -1, kind)

    #: Kinds of operations that the store's work needs.
    used = frozenset({"write", "sync", "rename", "link"})

    def failed_at(self, kind: str, error: int, skip: int) -> bool:
        """
        Do a day's work during which one operation fails; whether it came to that.
        """
        root = folder_for(self)
        disk = recorded_disk(root, clock=self.clock)
        disk.make_directory(f"{root}/spool")
        disk.write_file(f"{root}/spool/large", LARGE)
        store = sqlite_store(disk, self.clock)
        mail = now(store.open(ALICE))
        disk.fail_next(kind, "accounts/*", error, skip=skip)
        work: list[Callable[[], object]] = [
            lambda: deliver(mail, arrival(1)),
            lambda: deliver(mail, arrival(2, content=LARGE, path=f"{root}/spool/large"), arrival(3, content=MEDIUM)),
            lambda: append(mail, "Drafts", LARGE + b"mine"),
            lambda: _store_flags(mail),
            lambda: now(mail.checkpoint()),
            lambda: deliver(mail, arrival(4, content=LARGE, path=f"{root}/spool/large")),
        ]
        failures = 0
        for one in work:
            for _ in range(3):
                try:
                    one()
                    break
                except MailError:
                    failures += 1
            else:
                self.fail(f"{kind} {skip} does not pass")
        now(mail.checkpoint())
        found = known(mail)
        self.assertEqual(4, len(found["INBOX"][4:]), f"{kind} {skip}")
        # An APPEND that failed was not there; one that was answered is there once.
        self.assertEqual(1, len(found["Drafts"][4:]), f"{kind} {skip}")
        self.assertEqual([], now(mail.problems()), f"{kind} {skip}")
        now(mail.checkpoint())
        self.assertEqual([], _left_over(mail), f"{kind} {skip}")
        came = not disk.machine.faults
        now(store.close())
        disk.kill()
        disk.close()
        return came

    def test_first_account(self) -> None:
        """
        An account is made whole, wherever its making was stopped.
        """
        looked = 0
        self.states.append({})
        bob = ALICE.of(b"b" * 16)
        self.disk.on_operation(self.note)
        now(self.store.create(bob))
        replay, into = Replay(self.disk.log), folder_for(self)
        for moment in self.moments:
            for image in images(moment.snapshot, Random(1), IMAGES, into, seen=set(), replay=replay):
                looked += 1
                store = sqlite_store(inline_disk(image.path, clock=self.clock), self.clock, seed=3)
                mail = now(store.open(bob))
                self.assertEqual(6, len(now(mail.mailboxes())))
                self.assertEqual([], now(mail.problems()))
                now(store.close())
        self.assertGreater(looked, 20)

    def test_removed_account(self) -> None:
        """
        A removed account is there whole or not at all, and not at all once its removal was promised.
        """
        append(self.mail, "INBOX", LARGE, MESSAGE)
        before = known(self.mail)
        self.clock.advance(1000)
        self.moments.clear()
        self.states.append(before)
        self.disk.on_operation(self.note)
        now(self.store.remove(ALICE))
        self.moments.append(Moment(self.disk.cut(), 0, True))
        replay, into, looked = Replay(self.disk.log), folder_for(self), 0
        for moment in self.moments:
            for image in images(moment.snapshot, Random(1), IMAGES, into, seen=set(), replay=replay):
                looked += 1
                store = sqlite_store(inline_disk(image.path, clock=self.clock), self.clock, seed=3)
                is_there = ALICE in now(store.accounts())
                found = known(now(store.open(ALICE)))
                self.assertEqual(is_there, found == before, image.kind)
                self.assertFalse(moment.is_done and is_there)
                self.assertEqual([], [name for name in os.listdir(f"{image.path}/accounts") if "removed" in name])
                now(store.close())
        self.assertGreater(looked, 10)

    def test_the_test_can_fail(self) -> None:
        """
        Without the sync of a folder, a promised message's file is lost in some image.
        """
        large = self.spooled("large", LARGE)
        self.begin()
        self.patch(MessageFiles, "sync", lambda *_: None)
        self.deliver(arrival(1, content=LARGE, path=large))
        self.assertRaises((TemporaryFailure, self.failureException), self.look, 0)


def _done(function: Callable[..., Any], *args: Any, **more: Any) -> Any:
    return now(function(*args, **more))


def _store_flags(mail: SqliteAccount) -> None:
    view = now(mail.select("INBOX", claim_recent=True))
    now(view.change_flags([1, 2], "+", ["\\Seen", "new"]))
    now(view.close())


def _messages(found: Known) -> Known:
    """
    Without what a repeated delivery may change: MODSEQs.
    """
    return {name: tuple(value[4:] if name != "subscribed" else value) for name, value in found.items()}


def _difference(found: Known, wanted: Known) -> str:
    return "; ".join(
        f"{name}: {found.get(name)} instead of {wanted.get(name)}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    )


def _left_over(mail: SqliteAccount) -> list[str]:
    """
    Files without rows, after the first checkpoint.
    """
    rows = {content_id for (content_id,) in now(mail.query("SELECT content_id FROM content"))}
    orphans, others = mail.files.names_without(rows)
    return [f"left over: {name!r}" for name in [*orphans, *others]]
