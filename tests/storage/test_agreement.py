"""
The store on disk does what the store in memory does, whatever is asked of both.

The one in memory is simple enough to be read; so it is the model.  On disk each step is done by one of two processes, whose
databases are closed, cleaned up and opened again at any time.
"""

from __future__ import annotations

from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, inline_disk
from tests.support.drive import now
from tests.support.stores import ALICE, MESSAGE, arrival, memory_store, sqlite_store, staged
from twisted_mail_server.interfaces import IAccountMail, IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Changes, CopyResult, FlagResult
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.storage.account import SqliteAccount
from twisted_mail_server.storage.sqlite import SqliteStore

FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "a", "b", "c")
NAMES = ("INBOX", "x", "x/y", "x/y/z", "Archive", "w")
CONTENTS = (MESSAGE, b"", b"large" * 10_000, b"medium" * 2000)


def plain(result: Any) -> Any:
    """
    A result without MODSEQs, which need not be the same.
    """
    if isinstance(result, Changes):
        reflagged = [(message.uid, message.mask) for message in result.reflagged]
        return result.vanished, result.arrived, reflagged, result.is_deleted
    if isinstance(result, FlagResult):
        return [(message.uid, message.mask) for message in result.now], result.modified
    if isinstance(result, CopyResult):
        return result.uidvalidity, result.uids, result.copies
    return result


@define
class Side:
    """
    One store's account and its sessions.
    """

    mail: IAccountMail
    views: list[IMailboxView] = field(factory=list)


@define
class Agreement:
    """
    One run.
    """

    test: SynchronousTestCase
    seed: int
    chance: Random = field(init=False)
    clock: Clock = field(init=False, factory=Clock)
    stores: list[SqliteStore] = field(init=False, factory=list)
    model: Side = field(init=False)
    disk: Side = field(init=False)
    root: str = field(init=False)
    number: int = 0

    def __attrs_post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.clock.advance(1_700_000_000)
        self.root = folder_for(self.test)
        self.stores = [self.process(number) for number in range(2)]
        self.model = Side(now(memory_store(self.clock).open(ALICE)))
        self.disk = Side(self.account())

    def process(self, number: int) -> SqliteStore:
        """
        A store of its own on the one folder.
        """
        return sqlite_store(inline_disk(self.root, clock=self.clock, seed=number), self.clock, seed=number + 77)

    def account(self) -> SqliteAccount:
        """
        The account in one of the processes.
        """
        return now(self.chance.choice(self.stores).open(ALICE))

    def both(self, what: str, *args: Any, view: int | None = None, **more: Any) -> None:
        """
        Ask both, and compare.
        """
        self.disk.mail = self.account()
        results = []
        for side in (self.model, self.disk):
            subject = side.mail if view is None else side.views[view]
            try:
                results.append(plain(now(getattr(subject, what)(*args, **more))))
            except MailError as problem:
                results.append(type(problem))
        wanted, found = results
        self.test.assertEqual(wanted, found, f"{what} {args} {more}, seed {self.seed}")

    def run(self, steps: int) -> None:
        """
        So many things, each by chance.
        """
        things = [
            self.append,
            self.deliver,
            self.store,
            self.store,
            self.copy,
            self.expunge,
            self.advance,
            self.advance,
        ] + [self.select, self.select, self.leave, self.name, self.status, self.fetch, self.housekeeping]
        for _ in range(steps):
            self.chance.choice(things)()
        for number in range(len(self.disk.views)):
            self.both("advance", view=number)
            self.look(number)
        self.status()
        self.test.assertEqual([], now(self.account().problems()), f"seed {self.seed}")
        for view in self.disk.views:
            now(view.close())
        for store in self.stores:
            now(store.close())

    def look(self, number: int) -> None:
        """
        Compare what a session sees.
        """
        one, two = (side.views[number] for side in (self.model, self.disk))
        for column in ("uids", "masks", "keywords", "uidnext"):
            wanted, found = (getattr(view.snapshot, column) for view in (one, two))
            self.test.assertEqual(wanted, found, f"{column}, seed {self.seed}")

    def uids(self, number: int) -> list[int]:
        """
        Some UIDs of a view, and one that is not there.
        """
        there = list(self.model.views[number].snapshot.uids)
        return sorted({*self.chance.sample(there, self.chance.randint(0, len(there))), 9999})

    def flags(self) -> list[str]:
        """
        Some flags.
        """
        return self.chance.sample(FLAGS, self.chance.randint(0, 3))

    def view(self) -> int | None:
        """
        A session, if there is one.
        """
        return self.chance.randrange(len(self.disk.views)) if self.disk.views else None

    def append(self) -> None:
        """
        APPEND of one or several.
        """
        self.disk.mail = self.account()
        name = self.chance.choice(NAMES)
        messages = [(self.chance.choice(CONTENTS), self.flags(), 7) for _ in range(self.chance.randint(1, 3))]
        results = []
        for mail in (self.model.mail, self.disk.mail):
            ready = [(staged(mail, content), flags, date) for content, flags, date in messages]
            try:
                results.append(now(mail.append(name, ready)))
            except MailError as problem:
                results.append(type(problem))  # type: ignore[arg-type]
        self.test.assertEqual(*results)

    def deliver(self) -> None:
        """
        Deliveries, some of them repeated.
        """
        batch = []
        for _ in range(self.chance.randint(1, 4)):
            self.number += 1
            number = self.chance.choice((self.number, self.chance.randint(1, self.number)))
            content = CONTENTS[number % 4]
            batch.append(arrival(number, mailbox=NAMES[number % 6], content=content, flags=tuple(FLAGS[number % 6 :])))
        self.both("deliver", batch)

    def store(self) -> None:
        """
        STORE.
        """
        if (view := self.view()) is not None:
            self.both("change_flags", self.uids(view), self.chance.choice("+-="), self.flags(), view=view)

    def copy(self) -> None:
        """
        COPY or MOVE.
        """
        if (view := self.view()) is not None:
            what = self.chance.choice(("copy", "move"))
            self.both(what, self.uids(view)[:10], self.chance.choice(NAMES), view=view)

    def expunge(self) -> None:
        """
        EXPUNGE in its three ways.
        """
        if (view := self.view()) is not None:
            uids = self.chance.choice((None, self.uids(view)))
            only_deleted = uids is None or self.chance.random() < 0.7
            self.both("expunge", uids, only_deleted=only_deleted, view=view)

    def advance(self) -> None:
        """
        A session moves on.
        """
        if (view := self.view()) is not None:
            self.both("advance", keep_vanished=self.chance.random() < 0.4, view=view)
            if not self.model.views[view].snapshot.uids or self.chance.random() < 0.5:
                self.look(view)

    def select(self) -> None:
        """
        One more session.
        """
        name, mail = self.chance.choice(NAMES), self.account()
        try:
            view = now(self.model.mail.select(name, claim_recent=False))
        except MailError as problem:
            self.test.assertRaises(type(problem), now, mail.select(name, claim_recent=False))
            return
        self.model.views.append(view)
        self.disk.views.append(now(mail.select(name, claim_recent=False)))
        self.look(-1)

    def leave(self) -> None:
        """
        One session less.
        """
        if (view := self.view()) is not None:
            for side in (self.model, self.disk):
                now(side.views.pop(view).close())

    def name(self) -> None:
        """
        CREATE, DELETE or RENAME.
        """
        one, two = self.chance.choices(NAMES, k=2)
        what = self.chance.randrange(4)
        if what == 0:
            self.both("delete_mailbox", one)
        elif what == 1:
            self.both("rename_mailbox", one, two)
        else:
            self.create(one)

    def create(self, name: str) -> None:
        """
        CREATE.
        """
        found = []
        for mail in (self.model.mail, self.account()):
            try:
                found.append(now(mail.create_mailbox(name)).name)
            except MailError as problem:
                found.append(type(problem).__name__)
        self.test.assertEqual(*found)

    def status(self) -> None:
        """
        All mailboxes from outside.
        """
        columns = ("name", "uidvalidity", "uidnext", "messages", "unseen", "recent", "deleted", "size")
        wanted, found = (
            [[getattr(one, column) for column in columns] for one in now(mail.mailboxes())]
            for mail in (self.model.mail, self.account())
        )
        self.test.assertEqual(wanted, found, f"seed {self.seed}")

    def fetch(self) -> None:
        """
        Rows and contents, of ghosts too.
        """
        if (view := self.view()) is None:
            return
        uids = self.uids(view)
        found = []
        wants_shape = self.chance.random() < 0.5
        for side in (self.model, self.disk):
            shapes = now(side.views[view].rendered(uids)) if wants_shape else {}
            headers = now(side.views[view].headers(uids)) if wants_shape else {}
            ahead = list(now(side.views[view].read_ahead(uids)))
            rows = now(side.views[view].fetch(uids))
            contents = []
            for row in rows[:5]:
                content = now(side.views[view].open_content(row.uid))
                contents.append(now(content.read()))
                content.close()
            found.append(([(row.uid, row.size, row.internal_date) for row in rows], contents, shapes, headers, ahead))
        self.test.assertEqual(found[0], found[1], f"seed {self.seed}")

    def housekeeping(self) -> None:
        """
        What nobody should notice.
        """
        what = self.chance.randrange(4)
        mail = self.account()
        if what == 0:
            now(mail.checkpoint(limit=self.chance.choice((None, 1, 3))))
        elif what == 1:
            now(mail.database.close())
        elif what == 2:
            self.clock.advance(limits.NEWS_CHECK)
        else:
            now(self.account().checkpoint())


class AgreementTests(SynchronousTestCase):
    """
    Both stores agree.
    """

    def test_agreement(self) -> None:
        """
        A thousand things by chance have the same results in both.
        """
        self.patch(limits, "PACKED_FROM", 8)
        self.patch(limits, "CHANGES_KEPT", 20)
        for seed in range(12):
            Agreement(self, seed).run(150)
