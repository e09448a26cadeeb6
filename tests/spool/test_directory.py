"""
L{twisted_mail_server.spool.directory} and L{twisted_mail_server.spool.journal}
"""

from __future__ import annotations

import os
from collections.abc import Callable

import apsw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.contracts.spools import SpoolContract
from tests.support.disks import folder_for, inline_disk, seeded
from tests.support.drive import failure_of, now
from tests.support.envelopes import MESSAGE, spooled
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.schema import bring_down, load_steps
from twisted_mail_server.interfaces import INews
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DiskFull, NoSuchMessage, TemporaryFailure
from twisted_mail_server.model.queue import Fate, QueueChange, QueuedMessage, QueueId, RecipientState, Settlement
from twisted_mail_server.spool.directory import Spool

LARGE = b"0123456789abcdef" * 4096


@implementer(INews)
class News:
    """
    News between processes in one test.
    """

    def __init__(self) -> None:
        self._told: list[tuple[str, Callable[[str], None]]] = []

    def other(self) -> News:
        """
        The other process's end: what it publishes is heard here.
        """
        far = News()
        far.publish = self.tell  # type: ignore[method-assign]
        return far

    def tell(self, topic: str, text: str) -> None:
        """
        News from another process.
        """
        for name, told in self._told:
            if name == topic:
                told(text)

    def publish(self, topic: str, text: str) -> None:
        """
        Nobody else is there.
        """

    def subscribe(self, topic: str, told: Callable[[str], None]) -> None:
        """
        Hear of it.
        """
        self._told.append((topic, told))


class SpoolDirectoryTests(SpoolContract, SynchronousTestCase):
    """
    The spool that is kept on disk.
    """

    def make_spool(self, news: INews | None = None) -> Spool:
        """
        In a folder of its own, with as many processes as are asked for.
        """
        if not hasattr(self, "root"):
            self.root = folder_for(self)
            self.seed = 0
        self.seed += 1
        disk = inline_disk(self.root, seed=self.seed)
        spool = Spool(disk, f"{self.root}/spool", seeded(self.seed), 0, Clock(), news)
        now(spool.open())
        self.addCleanup(lambda: now(spool.close()))
        return spool

    def files(self, slot: str = "0", folder: str = "content") -> list[str]:
        """
        The names in one of a slot's folders.
        """
        return sorted(os.listdir(f"{self.root}/spool/{slot}/{folder}"))

    def restart(self) -> None:
        """
        Close the spool and open it anew, as the next process does.
        """
        now(self.spool.close())
        self.spool = self.make_spool()
        self.handed.clear()
        self.spool.hand_over(self.handed.append)

    def test_restart(self) -> None:
        """
        What was promised is handed over by the next process, content and envelope as they were.
        """
        small, large = (now(spooled(self.spool, content)) for content in (MESSAGE, LARGE))
        self.restart()
        self.assertEqual(2, now(self.spool.recover()))
        self.assertEqual([small.id, large.id], [one.id for one in self.handed])
        self.assertEqual([small.envelope, large.envelope], [one.envelope for one in self.handed])
        self.assertEqual([MESSAGE, LARGE], [now(self.spool.read(one)) for one in self.handed])

    def test_large_content_is_a_file(self) -> None:
        """
        Content too large for the journal is one file, from its commit until it is settled.
        """
        message = now(spooled(self.spool, LARGE))
        self.assertEqual([f"{message.id}.eml"], self.files())
        self.assertEqual([], self.files(folder="staging"))
        assert message.path is not None
        with open(message.path, "rb") as file:
            self.assertEqual(LARGE, file.read())
        self.settled(message, 0, Fate.DELIVERED)
        self.assertEqual([], self.files())

    def test_shared_content_is_a_file(self) -> None:
        """
        Content for many recipients becomes a file sooner.
        """
        names = [f"user{number}@example.org" for number in range(20)]
        self.assertIsNotNone(now(spooled(self.spool, LARGE[:20000], *names)).path)
        self.assertIsNone(now(spooled(self.spool, LARGE[:20000])).path)

    def test_waits_in_a_file(self) -> None:
        """
        Content that is still wanted after its first try leaves the journal for a file.
        """
        message = now(spooled(self.spool, MESSAGE, "ann@example.org", "eve@example.org"))
        self.settled(message, 0, Fate.DELIVERED)
        self.assertEqual([], self.files())
        self.settled(message, 1, Fate.PENDING, "No room.")
        self.assertEqual([f"{message.id}.eml"], self.files())
        self.restart()
        now(self.spool.recover())
        self.assertEqual(MESSAGE, now(self.spool.read(self.handed[0])))
        self.settled(message, 1, Fate.DELIVERED)
        self.assertEqual([], self.files())

    def test_leftovers_are_removed(self) -> None:
        """
        Files that were never promised, or whose message is settled, go when the slot is next taken; promised ones stay.
        """
        kept = now(spooled(self.spool, LARGE))
        for folder, name in (("staging", "half"), ("content", "0" * 32 + ".eml")):
            with open(f"{self.root}/spool/0/{folder}/{name}", "wb") as file:
                file.write(b"x")
        self.restart()
        self.assertEqual([f"{kept.id}.eml"], self.files())
        self.assertEqual([], self.files(folder="staging"))

    def test_two_processes(self) -> None:
        """
        Two processes have a journal each, see each other's queue, and keep their hands off each other's messages.
        """
        other = self.make_spool()
        message = now(spooled(self.spool, MESSAGE))
        self.assertEqual([message.id], [one.id for one in now(other.waiting())])
        self.assertIsNotNone(now(other.find(message.id)))
        self.assertEqual(0, now(other.adopt()))
        self.assertEqual(["0", "1"], sorted(os.listdir(f"{self.root}/spool")))

    def test_ours_are_found_at_once(self) -> None:
        """
        A message of our own is found without opening a journal anew, for that is asked at every try to send it.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.patch(RealDisk, "open_database", None)
        found = now(self.spool.find(message.id))
        assert found is not None
        self.assertEqual(message.id, found.id)

    def test_adopted(self) -> None:
        """
        A process that dies leaves its promises to those who live; they settle them in its journal and let it go.
        """
        other = self.make_spool()
        mail: list[QueuedMessage] = []
        other.hand_over(mail.append)
        small, large = now(spooled(self.spool, MESSAGE)), now(spooled(self.spool, LARGE))
        now(self.spool.close())
        self.assertEqual(2, now(other.adopt()))
        self.assertEqual([small.id, large.id], [one.id for one in mail])
        self.assertEqual([MESSAGE, LARGE], [now(other.read(one)) for one in mail])
        self.assertEqual(0, now(other.adopt()))
        self.spool = other
        self.settled(small, 0, Fate.DELIVERED)
        self.settled(large, 0, Fate.DELIVERED)
        again = self.make_spool()
        self.assertEqual([], now(again.waiting()))
        self.assertEqual([], self.files())
        self.assertEqual(["0", "1"], sorted(os.listdir(f"{self.root}/spool")))

    def test_held_is_not_adopted(self) -> None:
        """
        A slot in which everything is held is left to who starts next.
        """
        other = self.make_spool()
        message = now(spooled(self.spool, MESSAGE))
        self.settled(message, 0, Fate.HELD, "Nobody.")
        now(self.spool.close())
        self.assertEqual(0, now(other.adopt()))
        self.assertEqual([message.id], [one.id for one in now(other.waiting())])

    def test_change_from_outside(self) -> None:
        """
        Another process changes a message; its owner hears of it, and gives up the content of what was removed.
        """
        news = News()
        self.spool = self.make_spool(news)
        self.assertEqual(["0", "1"], sorted(os.listdir(f"{self.root}/spool")))
        other = Spool(inline_disk(self.root, seed=99), f"{self.root}/spool", seeded(99), 0, Clock(), news.other())
        heard: list[tuple[QueueId, Fate]] = []
        self.spool.listen(lambda message: heard.append((message.id, message.states[0].fate)))
        message = now(spooled(self.spool, LARGE))
        self.assertEqual(Fate.HELD, now(other.change(message.id, QueueChange.HOLD)).states[0].fate)
        self.assertEqual(Fate.REMOVED, now(other.change(message.id, QueueChange.REMOVE)).states[0].fate)
        self.assertEqual([(message.id, Fate.HELD), (message.id, Fate.REMOVED)], heard)
        self.assertEqual([], self.files("1"))
        news.tell("queue", "nonsense")
        news.tell("queue", "0" * 32)
        failure_of(other.change(message.id, QueueChange.HOLD), NoSuchMessage)

    def test_change_without_a_server(self) -> None:
        """
        With no process that owns it, a change waits in the journal for the next one.
        """
        message = now(spooled(self.spool, MESSAGE))
        now(self.spool.close())
        other = Spool(inline_disk(self.root, seed=99), f"{self.root}/spool", seeded(99), 0, Clock())
        now(other.change(message.id, QueueChange.HOLD))
        self.restart()
        self.assertEqual(0, now(self.spool.recover()))
        self.assertEqual([Fate.HELD], [one.states[0].fate for one in now(self.spool.waiting())])

    def test_adopted_is_changed(self) -> None:
        """
        A message of an adopted journal is changed there, and the slot is let go when nothing is left in it.
        """
        other = self.make_spool()
        message = now(spooled(self.spool, MESSAGE))
        now(self.spool.close())
        self.assertEqual(1, now(other.adopt()))
        now(other.change(message.id, QueueChange.REMOVE))
        now(other.settle([]))
        again = self.make_spool()
        self.assertEqual([], now(again.waiting()))

    def test_no_room(self) -> None:
        """
        Below the reserve, nothing is taken in.
        """
        full = Spool(inline_disk(self.root), f"{self.root}/spool", seeded(9), 1 << 62, Clock())
        self.assertRaises(DiskFull, full.check_room)

    def test_content_is_missing(self) -> None:
        """
        Content that has vanished from the disk is trouble, not an empty message.
        """
        message = now(spooled(self.spool, LARGE))
        assert message.path is not None
        os.remove(message.path)
        failure_of(self.spool.read(message), TemporaryFailure)

    def test_closed_twice(self) -> None:
        """
        Closing twice is harmless.
        """
        now(self.spool.close())
        now(self.spool.close())


class LedgerTests(SynchronousTestCase):
    """
    The ledger of journals that are damaged, old, or several.
    """

    def setUp(self) -> None:
        """
        A message delivered to one of two, and a large one that waits.
        """
        self.root = folder_for(self)
        self.disk = inline_disk(self.root)
        self.spool = self.open(1)
        self.message = now(spooled(self.spool, MESSAGE, "ann@example.org", "eve@example.org"))
        self.large = now(spooled(self.spool, LARGE))
        now(self.spool.settle([Settlement(self.message.id, 0, RecipientState(Fate.DELIVERED, "INBOX", 1, 2000))]))

    def open(self, seed: int) -> Spool:
        """
        A process's spool.
        """
        spool = Spool(self.disk, f"{self.root}/spool", seeded(seed), 0, Clock())
        now(spool.open())
        self.addCleanup(lambda: now(spool.close()))
        return spool

    def damage(self, sql: str) -> None:
        """
        Do to the journal what no code of ours does.
        """

        async def work() -> None:
            database = await self.disk.open_database(
                f"{self.root}/spool/0/journal.sqlite", load_steps("twisted_mail_server.spool")
            )
            await database.transact(lambda transaction: transaction.execute(sql))
            await database.close()

        now(work())

    def verified(self) -> tuple[int, str]:
        """
        What is unaccounted for, and the problems.
        """
        ledger = now(self.spool.ledger(is_thorough=True))
        return ledger.unaccounted, " ".join(ledger.problems)

    def test_all_processes(self) -> None:
        """
        Every slot's ledger counts, whoever has it.
        """
        other = self.open(2)
        now(spooled(other, MESSAGE))
        self.assertEqual((0, ""), self.verified())
        self.assertEqual(4, now(self.spool.ledger()).promised)
        self.assertEqual(now(self.spool.ledger()), now(other.ledger()))
        self.assertEqual(3, len(now(other.stories("bob@", 10))))

    def test_lost_recipient(self) -> None:
        """
        A recipient that goes before its fate is missed.
        """
        self.damage("DELETE FROM recipient WHERE number = 1")
        self.assertEqual((1, ""), self.verified())
        self.assertEqual(1, now(self.spool.ledger()).unaccounted)

    def test_settled_too_early(self) -> None:
        """
        A message that counts as settled while somebody waits for it is missed: nobody would try again.
        """
        self.damage("UPDATE message SET settled = 1 WHERE id = 1")
        unaccounted, problems = self.verified()
        self.assertEqual(1, unaccounted)
        self.assertIn("1 recipients are pending in messages that count as settled", problems)

    def test_books_changed(self) -> None:
        """
        Books that do not agree with the recipients are told of.
        """
        self.damage("UPDATE ledger SET carried = 5 WHERE entry = 'relayed'")
        unaccounted, problems = self.verified()
        self.assertEqual(0, unaccounted)
        self.assertEqual(
            "The ledger has 0 recipients relayed; the journal has 0, and 5 that history has forgotten.", problems
        )

    def test_lost_content(self) -> None:
        """
        What waits needs its content, in the journal or in a file.
        """
        self.damage("DELETE FROM content")
        os.remove(f"{self.root}/spool/0/content/{self.large.id}.eml")
        unaccounted, problems = self.verified()
        self.assertEqual(0, unaccounted)
        for message in (self.message, self.large):
            self.assertIn(f"The content of message {message.id}, which is not delivered yet, is gone.", problems)

    def test_events_are_bounded(self) -> None:
        """
        Of what is tried for ever the latest tries are remembered.
        """
        self.patch(limits, "QUEUE_EVENTS", 3)
        for attempt in range(5):
            state = RecipientState(Fate.PENDING, f"No room {attempt}.", attempt, 2000 + attempt)
            now(self.spool.settle([Settlement(self.large.id, 0, state)]))
        (story,) = now(self.spool.stories(str(self.large.id), 1))
        self.assertEqual([f"No room {attempt}." for attempt in (2, 3, 4)], [one.detail for one in story.events])

    def test_older_journal(self) -> None:
        """
        A journal from before there was a ledger gets its books from its recipients; a way back is there too.
        """
        now(self.spool.close())
        path = f"{self.root}/spool/0/journal.sqlite"
        steps = load_steps("twisted_mail_server.spool")
        connection = apsw.Connection(path)
        bring_down(connection, steps, 1)
        connection.close()
        self.spool = self.open(3)
        ledger = now(self.spool.ledger(is_thorough=True))
        self.assertEqual((3, 2, 1), (ledger.promised, ledger.pending, ledger.closed[Fate.DELIVERED]))
        self.assertEqual((0, ""), self.verified())
