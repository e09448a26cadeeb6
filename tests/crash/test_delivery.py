"""
From intake to mailbox on one recorded disk, stopped at every step: what was promised is delivered once.
"""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, inline_disk, recorded_disk_for, seeded
from tests.support.drive import now
from tests.support.envelopes import ORIGIN
from tests.support.mailhouse import MailHouse, WatchedStore, memory_clock
from twisted_mail_server.directory.sqlite import SqliteDirectory
from twisted_mail_server.disk.images import Replay, images
from twisted_mail_server.disk.operations import Snapshot
from twisted_mail_server.interfaces import IDisk
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, RecipientOptions
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.spool.directory import Spool
from twisted_mail_server.storage.sqlite import SqliteStore

SMALL = b"Subject: small %d\r\n\r\nHello.\r\n"
LARGE = b"Subject: large %d\r\n\r\n" + b"0123456789abcdef\r\n" * 3000

#: Crash states looked at for each moment.
IMAGES = 4


def house_on(disk: IDisk, clock: Clock, seed: int) -> MailHouse:
    """
    Everything between intake and mailbox, kept on C{disk}.
    """
    spool = Spool(disk, f"{disk.root}/spool", seeded(seed), 0, clock)
    now(spool.open())
    directory = now(SqliteDirectory.open(disk, f"{disk.root}/directory.sqlite", clock, seeded(seed + 1)))
    store = SqliteStore(disk, clock, None, seeded(seed + 2), f"{disk.root}/accounts", min_free_bytes=0, reserve=0)
    return MailHouse(clock=clock, directory=directory, spool=spool, store=WatchedStore(store))


def close(house: MailHouse) -> None:
    """
    Let go of the disk.
    """
    now(house.delivery.stop())
    now(house.spool.close())
    now(house.store.close())
    now(house.directory.close())


class DeliveryCrashTests(SynchronousTestCase):
    """
    A power cut after any operation between MAIL and the mailbox.
    """

    def setUp(self) -> None:
        """
        Two people on a recorded disk, and the promises that stood at each of its operations.
        """
        self.disk = recorded_disk_for(self)
        self.clock = memory_clock()
        self.house = house_on(self.disk, self.clock, 10)
        self.ann, self.eve = self.house.add("ann@example.org"), self.house.add("eve@example.org")
        for account in (self.ann, self.eve):
            now(self.house.store.create(account.id))
        #: Subjects answered 250, and for whom.
        self.promised: dict[bytes, tuple[Account, ...]] = {}
        self.moments: list[tuple[Snapshot, dict[bytes, tuple[Account, ...]]]] = []
        #: The message on its way in.
        self.sending: tuple[bytes, tuple[Account, ...]] = (b"", ())
        self.house.spool.hand_over(self.receive)
        self.disk.on_operation(self.note)

    def receive(self, message: QueuedMessage) -> None:
        """
        The spool has promised: from here on the message must not be lost, whatever becomes of its delivery.
        """
        subject, people = self.sending
        self.promised[subject] = people
        self.note(self.disk.cut())
        self.house.delivery.receive(message)

    def note(self, snapshot: Snapshot) -> None:
        """
        What stands at this moment.
        """
        self.moments.append((snapshot, dict(self.promised)))

    def send(self, content: bytes, *people: Account) -> None:
        """
        Take a message in.
        """
        incoming = now(self.house.intake.begin(ORIGIN, Address.parse("bob@example.net"), MailOptions(), None))
        for one in people:
            now(incoming.recipient(one.address, RecipientOptions()))
        now(incoming.begin_content())
        incoming.write(content)
        self.sending = (content.partition(b"\r\n")[0], people)
        now(incoming.finish())
        self.note(self.disk.cut())

    def test_every_operation(self) -> None:
        """
        Small and large messages to one and to both, a checkpoint between them: each is in its mailboxes once after a restart.
        """
        self.send(SMALL % 1, self.ann)
        self.send(LARGE.replace(b"%d", b"2"), self.ann, self.eve)
        self.send(SMALL % 3, self.ann, self.eve)
        now(now(self.house.store._store.open(self.ann.id)).checkpoint())
        self.send(SMALL % 4, self.eve)
        self.assertGreater(len(self.moments), 100)
        replay, into, chance, looked = Replay(self.disk.log), folder_for(self), Random(4), 0
        seen: set[bytes] = set()
        asked: object = None
        for snapshot, promised in self.moments:
            if asked != promised:
                asked, seen = promised, set()
            for image in images(snapshot, chance, IMAGES, into, seen=seen, replay=replay):
                looked += 1
                problem = self.examine(image.path, promised)
                self.assertEqual("", problem, f"at operation {snapshot.length}: {image.kind}")
        self.assertGreater(looked, 100)

    def examine(self, root: str, promised: dict[bytes, tuple[Account, ...]]) -> str:
        """
        Start on what a power cut left; what is wrong, if anything is.
        """
        house = house_on(inline_disk(root), self.clock, 50)
        try:
            if now(house.spool.waiting()):
                return "something is left in the spool"
            for account in (self.ann, self.eve):
                subjects = [_subject(content) for content in house.inbox(account)]
                if len(subjects) != len(set(subjects)):
                    return f"doubled: {subjects}"
                lost = [
                    subject for subject, people in promised.items() if account in people and subject not in subjects
                ]
                if lost:
                    return f"lost: {lost} of {subjects}"
            return ""
        finally:
            close(house)

    def test_bounces(self) -> None:
        """
        A recipient that fails and the report of it become durable together: after any cut the message waits, or the report is there.
        """
        self.house.relay.answer = lambda message, number: Result(number, Outcome.FAILED, "550 No", "5.1.1")
        incoming = now(self.house.intake.begin(ORIGIN, self.ann.address, MailOptions(), None))
        self.house.alias("away@example.org", "gone@example.net")
        now(incoming.recipient(Address.parse("away@example.org"), RecipientOptions()))
        now(incoming.begin_content())
        incoming.write(SMALL % 1)
        self.house.spool.hand_over(self.house.delivery.receive)
        self.moments.clear()
        now(incoming.finish())
        self.note(self.disk.cut())
        replay, into, chance = Replay(self.disk.log), folder_for(self), Random(4)
        kinds = set()
        for snapshot, _ in self.moments:
            for image in images(snapshot, chance, IMAGES, into, replay=replay):
                house = house_on(inline_disk(image.path), self.clock, 50)
                tries, reports = len(house.relay.sent), len(house.inbox(self.ann))
                kinds.add((tries, reports))
                close(house)
        # Not promised; promised and relayed now; failed with its report delivered now or before.
        self.assertEqual({(0, 0), (1, 0), (0, 1)}, kinds)


def _subject(content: bytes) -> bytes:
    return content[content.index(b"Subject: ") :].partition(b"\r\n")[0]
