"""
The spool's table of states (C{docs/explanation/spool.md}), stopped at every step.
"""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, inline_disk, recorded_disk_for, seeded
from tests.support.drive import now
from tests.support.envelopes import MESSAGE, spooled
from twisted_mail_server.disk.images import Replay, images
from twisted_mail_server.disk.operations import Snapshot
from twisted_mail_server.model.queue import Fate, Ledger, QueuedMessage, QueueId, RecipientState, Settlement
from twisted_mail_server.spool.directory import Spool

LARGE = b"0123456789abcdef" * 4096

#: Crash states looked at for each moment.
IMAGES = 6


class SpoolCrashTests(SynchronousTestCase):
    """
    A power cut after any operation keeps what was promised, and invents nothing.
    """

    def setUp(self) -> None:
        """
        A spool on a recorded disk, and the promises that stood at each of its operations.
        """
        self.disk = recorded_disk_for(self)
        self.promised: dict[QueueId, QueuedMessage] = {}
        self.contents: dict[QueueId, bytes] = {}
        #: Fates and messages that are being recorded: a cut may find them done or not.
        self.under_way: frozenset[QueueId] = frozenset()
        self.moments: list[tuple[Snapshot, dict[QueueId, QueuedMessage], frozenset[QueueId]]] = []
        self.spool = Spool(self.disk, f"{self.disk.root}/spool", seeded(), 0, Clock())
        now(self.spool.open())
        self.disk.on_operation(self.note)

    def note(self, snapshot: Snapshot) -> None:
        """
        What stands at this moment.
        """
        self.moments.append((snapshot, dict(self.promised), self.under_way))

    def promise(self, content: bytes, *recipients: str) -> QueuedMessage:
        """
        Commit a message.
        """
        message = now(spooled(self.spool, content, *recipients))
        self.contents[message.id] = content
        self.promised[message.id] = message
        self.note(self.disk.cut())
        return message

    def settle(self, message: QueuedMessage, number: int, fate: Fate) -> None:
        """
        Record a fate.
        """
        state = RecipientState(fate, fate.value, 1, 2000)
        self.under_way = frozenset({message.id})
        now(self.spool.settle([Settlement(message.id, number, state)]))
        self.under_way = frozenset()
        self.promised[message.id] = self.promised[message.id].with_state(number, state)
        self.note(self.disk.cut())

    def tell_story(self) -> None:
        """
        Every state of the table, and every way between them.
        """
        small = self.promise(MESSAGE)
        large = self.promise(LARGE, "ann@example.org", "eve@example.org")
        self.settle(small, 0, Fate.DELIVERED)
        self.settle(large, 0, Fate.DELIVERED)
        waits = self.promise(MESSAGE + b"waits")
        self.settle(waits, 0, Fate.PENDING)
        self.settle(large, 1, Fate.HELD)
        held = self.promise(MESSAGE + b"held")
        self.settle(held, 0, Fate.HELD)
        self.settle(waits, 0, Fate.DELIVERED)
        self.settle(large, 1, Fate.DELIVERED)
        self.promise(LARGE + b"last")

    def test_every_operation(self) -> None:
        """
        Cut after each operation of a story with every state: promised contents are whole, fates are kept, settled mail is not sent again.
        """
        self.tell_story()
        self.assertGreater(len(self.moments), 100)
        replay, seen = Replay(self.disk.log), set[bytes]()
        into, chance, looked = folder_for(self), Random(3), 0
        asked: object = None
        for snapshot, promised, under_way in self.moments:
            if asked != (promised, under_way):
                # What was good enough before is looked at again when more is promised.
                asked, seen = (promised, under_way), set()
            for image in images(snapshot, chance, IMAGES, into, seen=seen, replay=replay):
                looked += 1
                problem = self.examine(image.path, promised, under_way)
                self.assertEqual("", problem, f"at operation {snapshot.length}: {image.kind}")
        self.assertGreater(looked, 150)

    def examine(self, root: str, promised: dict[QueueId, QueuedMessage], under_way: frozenset[QueueId]) -> str:
        """
        What is wrong with the spool that a power cut left, if anything is.
        """
        spool = Spool(inline_disk(root), f"{root}/spool", seeded(7), 0, Clock())
        now(spool.open())
        handed: list[QueuedMessage] = []
        spool.hand_over(handed.append)
        now(spool.recover())
        try:
            waiting = {one.id: one for one in now(spool.waiting())}
            return (
                _unbalanced(now(spool.ledger(is_thorough=True)), promised)
                or _lost(promised, waiting, under_way)
                or _invented(handed, promised, under_way)
                or self._broken(spool, waiting.values())
            )
        finally:
            now(spool.close())

    def _broken(self, spool: Spool, waiting: object) -> str:
        for message in waiting:  # type: ignore[attr-defined]
            content = now(spool.read(message))
            # A message whose commit was under way is not in our list yet; its content is whole all the same.
            wanted = self.contents.get(message.id)
            if wanted is not None and content != wanted:
                return f"the content of {message.id} is broken"
            if len(content) != message.size:
                return f"{message.id} has {len(content)} octets of {message.size}"
        return ""

    def test_the_test_can_fail(self) -> None:
        """
        Without the sync of the content folder, a promise is lost in some image.
        """
        self.patch(type(self.disk), "sync_directory", lambda *_: None)
        self.promise(LARGE)
        replay, into = Replay(self.disk.log), folder_for(self)
        snapshot = self.disk.cut()
        problems = []
        for image in images(snapshot, Random(1), IMAGES, into, replay=replay):
            try:
                problems.append(self.examine(image.path, dict(self.promised), frozenset()))
            except Exception as problem:  # noqa: BLE001 (a content that is not there, told in whatever way)
                problems.append(str(problem))
        self.assertTrue(any(problems), problems)


def _unbalanced(ledger: Ledger, promised: dict[QueueId, QueuedMessage]) -> str:
    if ledger.unaccounted or ledger.problems:
        return f"the ledger does not add up: {ledger}"
    entries = sum(len(one.states) for one in promised.values())
    return f"the ledger has {ledger.promised} entries of {entries}" if ledger.promised < entries else ""


def _lost(
    promised: dict[QueueId, QueuedMessage], waiting: dict[QueueId, QueuedMessage], under_way: frozenset[QueueId]
) -> str:
    for queue_id, message in promised.items():
        found = waiting.get(queue_id)
        if queue_id in under_way:
            continue
        if found is None and not message.is_settled:
            return f"{queue_id} is lost"
        if found is not None and found.states != message.states:
            return f"{queue_id} stands as {found.states}, not {message.states}"
    return ""


def _invented(
    handed: list[QueuedMessage], promised: dict[QueueId, QueuedMessage], under_way: frozenset[QueueId]
) -> str:
    twice = len(handed) != len({one.id for one in handed})
    if twice:
        return "a message was handed over twice"
    for message in handed:
        known = promised.get(message.id)
        if known is not None and known.is_settled and message.id not in under_way:
            return f"{message.id} was settled, and is handed over again"
    return ""
