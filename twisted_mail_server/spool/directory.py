"""
The spool directory: our own journal, and those of processes that died.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDisk, INews, ISpool, IStagedContent
from twisted_mail_server.model.envelopes import Envelope
from twisted_mail_server.model.errors import DiskFull, NoSuchMessage, SyntaxProblem
from twisted_mail_server.model.queue import Ledger, QueueChange, QueuedMessage, QueueId, Report, Settlement, Story

from .journal import Journal, change_message, content_path, read_messages
from .ledger import check_ledger, read_ledger
from .stories import read_events, sought

_log = Logger()
_T = TypeVar("_T")

#: What processes tell each other: the id of a message that an operator changed.
TOPIC = "queue"

_PACKAGE = "twisted_mail_server.spool"


def _nobody(message: QueuedMessage) -> None:
    """
    Until somebody takes L{Spool.hand_over}, messages wait for L{Spool.recover}.
    """


@implementer(ISpool)
@define(eq=False)
class Spool:
    """
    Mail we have promised to deliver, in a directory that several processes share.

    A process that only looks (C{mailctl}) takes no slot: its own journal is opened with the first message it stages.
    """

    _disk: IDisk
    #: The spool's folder.
    _path: str
    _random: Callable[[int], bytes]
    _min_free_bytes: int
    _clock: IReactorTime
    _news: INews | None = None
    _own: Journal | None = field(init=False, default=None)
    _adopted: list[Journal] = field(init=False, factory=list)
    _receiver: Callable[[QueuedMessage], None] = field(init=False, default=_nobody)
    _changed: Callable[[QueuedMessage], None] = field(init=False, default=_nobody)

    def __attrs_post_init__(self) -> None:
        if self._news is not None:
            self._news.subscribe(TOPIC, self._heard)

    async def open(self) -> None:
        """
        Take the lowest slot that is free, and with it what its last owner left.
        """
        await self._disk.run(self._disk.make_directory, self._path)
        number = 0
        while self._own is None:
            self._own = await self._take(str(number))
            number += 1

    async def _take(self, name: str) -> Journal | None:
        """
        A slot, unless a living process has it.
        """
        path = f"{self._path}/{name}"
        await self._disk.run(self._disk.make_directory, path)
        lock = self._disk.lock(f"{path}/lock")
        if lock is None:
            return None
        try:
            return await Journal.open(self._disk, path, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def _journal(self) -> Journal:
        assert self._own is not None, "open() comes first."
        return self._own

    @property
    def unsettled(self) -> int:
        """
        How many messages this process has to deliver.
        """
        return sum(journal.unsettled for journal in self._ours)

    def new_id(self) -> QueueId:
        """
        A fresh, random id.
        """
        return QueueId(self._random(16))

    def check_room(self) -> None:
        """
        Whether a message may come now.

        @raise DiskFull: less than the reserve is free.
        """
        if self._disk.free_bytes() < self._min_free_bytes:
            raise DiskFull("There is not enough room on the disk; please try again later.")

    def stage(self, *, recipients: int = 1) -> IStagedContent:
        """
        Begin content for L{commit}.
        """
        return self._journal.stage(recipients)

    async def commit(self, queue_id: QueueId, envelope: Envelope, content: IStagedContent) -> QueuedMessage:
        """
        Promise to deliver, durably; then hand the message over.
        """
        message = await self._journal.commit(queue_id, envelope, content)
        self._receiver(message)
        return message

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[Report] = ()) -> None:
        """
        Record fates, durably, in the journal that made the promise; reports on them in the same transaction.

        A report on messages of two journals goes with the first: should a crash part the two, it is told twice, never not at all.
        """
        remaining = list(reports)
        promised: list[QueuedMessage] = []
        for journal in self._adopted:
            theirs = [one for one in settlements if journal.holds(one.queue_id)]
            if theirs:
                settlements = [one for one in settlements if one not in theirs]
                promised += await journal.settle(theirs, remaining)
                remaining = []
        if settlements or remaining:
            promised += await self._journal.settle(settlements, remaining)
        for message in promised:
            self._receiver(message)
        await self._release_finished()

    async def change(self, queue_id: QueueId, change: QueueChange) -> QueuedMessage:
        """
        What an operator does with a message that waits, whichever process owns it.

        @raise NoSuchMessage: there is none of that id that waits.
        """
        now = int(self._clock.seconds())
        for journal in self._ours:
            if await journal.change(queue_id, change, now):
                message = await journal.find(queue_id)
                assert message is not None
                self._changed(message)
                return message
        for slot in await self._others():
            database = await self._disk.open_database(f"{slot}/journal.sqlite", load_steps(_PACKAGE))
            try:
                if await database.transact(lambda transaction: change_message(transaction, queue_id, change, now)):
                    (message,) = await read_messages(database, slot, "queue_id = ?", (queue_id.octets,))
                    if self._news is not None:
                        self._news.publish(TOPIC, str(queue_id))
                    return message
            finally:
                await database.close()
        raise NoSuchMessage(f"No message {queue_id} waits in the queue.")

    def listen(self, told: Callable[[QueuedMessage], None]) -> None:
        """
        Have C{told} called with each message of ours that an operator changed.
        """
        self._changed = told

    def _heard(self, text: str) -> None:
        """
        Another process changed a message; perhaps one of ours.
        """
        try:
            queue_id = QueueId.parse(text)
        except SyntaxProblem:
            return
        Deferred.fromCoroutine(self._look_again(queue_id)).addErrback(
            lambda failure: _log.failure("the change of {queue_id} was not seen", failure, queue_id=text)
        )

    async def _look_again(self, queue_id: QueueId) -> None:
        for journal in self._ours:
            message = await journal.look_again(queue_id)
            if message is not None:
                self._changed(message)
        await self._release_finished()

    @property
    def _ours(self) -> list[Journal]:
        return [*self._adopted] if self._own is None else [self._own, *self._adopted]

    async def _others(self) -> list[str]:
        """
        The slots with a journal that are not ours.
        """
        ours = {journal.path for journal in self._ours}
        slots = [f"{self._path}/{name}" for name in await self._slots()]
        return [slot for slot in slots if slot not in ours and self._disk.exists(f"{slot}/journal.sqlite")]

    async def _release_finished(self) -> None:
        """
        Let go of adopted slots in which nothing is left to do.
        """
        for journal in [one for one in self._adopted if one.unsettled == 0]:
            self._adopted.remove(journal)
            await journal.close()

    def hand_over(self, receiver: Callable[[QueuedMessage], None]) -> None:
        """
        Who gets every message from now on.
        """
        self._receiver = receiver

    async def recover(self) -> int:
        """
        Hand over what was promised and not finished: in our own slot, and in those whose owners are gone.
        """
        return await self._hand_over_pending(self._journal) + await self.adopt()

    async def adopt(self) -> int:
        """
        Take the slots of processes that died since, and hand over what they had promised.
        """
        count = 0
        ours = {journal.path for journal in self._ours}
        for name in await self._slots():
            if f"{self._path}/{name}" not in ours:
                count += await self._adopt(name)
        return count

    async def _hand_over_pending(self, journal: Journal) -> int:
        pending = [message for message in await journal.waiting() if message.pending]
        for message in pending:
            self._receiver(message)
        return len(pending)

    async def _adopt(self, name: str) -> int:
        """
        A slot with nothing pending is left alone: who starts next takes it.
        """
        journal = await self._take(name)
        if journal is None:
            return 0
        self._adopted.append(journal)
        count = await self._hand_over_pending(journal)
        if count == 0:
            self._adopted.remove(journal)
            await journal.close()
        else:
            _log.info("adopted slot {slot} with {messages} messages to deliver", slot=name, messages=count)
        return count

    async def _slots(self) -> list[str]:
        names = await self._disk.run(self._disk.list_directory, self._path)
        return sorted((name for name in names if name.isdigit()), key=int)

    async def read(self, message: QueuedMessage, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a message's content.
        """
        for journal in self._adopted:
            if journal.holds(message.id):
                return await journal.read(message, offset, length)
        return await self._journal.read(message, offset, length)

    async def waiting(self) -> list[QueuedMessage]:
        """
        Every message that is not settled, of all processes, oldest first.
        """
        found = [one async for one in self._look("settled IS NULL", ())]
        return sorted(found, key=lambda one: (one.envelope.received, one.id))

    async def find(self, queue_id: QueueId) -> QueuedMessage | None:
        """
        One message, while history keeps it.
        """
        # Ours are open: others' are opened only for what is not there.
        for journal in self._ours:
            known = await journal.find(queue_id)
            if known is not None:
                return known
        async for one in self._look("queue_id = ?", (queue_id.octets,)):
            return one
        return None

    async def ledger(self, *, is_thorough: bool = False) -> Ledger:
        """
        What was promised by all processes, and what became of it.
        """

        async def read(slot: str, database: IDatabase) -> Ledger:
            if is_thorough:
                return await check_ledger(database, lambda one: self._disk.exists(content_path(slot, one)))
            return await read_ledger(database)

        total = Ledger(0, 0, 0, {})
        async for found in self._ask(read):
            total += found
        return total

    async def stories(self, query: str, limit: int) -> list[Story]:
        """
        The messages that C{query} asks for, newest first.
        """
        question = sought(query, limit)

        async def read(slot: str, database: IDatabase) -> list[Story]:
            messages = await read_messages(database, slot, question.condition, question.args)
            events = await read_events(database, [one.id for one in messages])
            return [Story(one, events[one.id]) for one in messages]

        found: list[Story] = []
        async for stories in self._ask(read):
            found += stories
        return sorted(found, key=lambda one: one.message.envelope.received, reverse=True)[:limit]

    async def _look(self, condition: str, args: Sequence[object]) -> AsyncIterator[QueuedMessage]:
        """
        Read every journal there is; others' through connections of our own, which SQLite allows at any time.
        """
        async for messages in self._ask(lambda slot, database: read_messages(database, slot, condition, args)):
            for message in messages:
                yield message

    async def _ask(self, read: Callable[[str, IDatabase], Awaitable[_T]]) -> AsyncIterator[_T]:
        """
        What C{read} gives for every slot that has a journal.  The journal is closed before: who has heard enough may stop.
        """
        for name in await self._slots():
            slot = f"{self._path}/{name}"
            if self._disk.exists(f"{slot}/journal.sqlite"):
                database = await self._disk.open_database(f"{slot}/journal.sqlite", load_steps(_PACKAGE))
                try:
                    answer = await read(slot, database)
                finally:
                    await database.close()
                yield answer

    async def prune(self, before: int) -> int:
        """
        Forget messages settled before that second, in the journals that are ours.
        """
        return sum([await journal.prune(before) for journal in (self._journal, *self._adopted)])

    async def close(self) -> None:
        """
        Finish what was begun, and free our slots.
        """
        self._receiver = self._changed = _nobody
        if self._own is not None:
            own, self._own = self._own, None
            await own.close()
        while self._adopted:
            await self._adopted.pop().close()
