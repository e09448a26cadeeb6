"""
A whole spool in a dictionary: for tests, and for servers that promise nothing across a restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail_server.disk.memory import MemoryStagedContent
from twisted_mail_server.interfaces import ISpool, IStagedContent
from twisted_mail_server.model.envelopes import Envelope
from twisted_mail_server.model.errors import NoSuchMessage, TemporaryFailure
from twisted_mail_server.model.queue import (
    FINAL_FATES,
    Fate,
    Ledger,
    QueueChange,
    QueuedMessage,
    QueueEvent,
    QueueId,
    RecipientState,
    Report,
    Settlement,
    Story,
)

from .journal import CHANGED


@implementer(ISpool)
@define(eq=False)
class MemorySpool:
    """
    Mail promised for as long as the process lives.
    """

    _random: Callable[[int], bytes]
    _clock: IReactorTime
    _messages: dict[QueueId, QueuedMessage] = field(init=False, factory=dict)
    _settled: dict[QueueId, int] = field(init=False, factory=dict)
    _events: dict[QueueId, list[QueueEvent]] = field(init=False, factory=dict)
    #: Recipients promised, and those forgotten by their fates.
    _promised: int = field(init=False, default=0)
    _forgotten: dict[Fate, int] = field(init=False, factory=lambda: dict.fromkeys(FINAL_FATES, 0))
    _receiver: Callable[[QueuedMessage], None] | None = field(init=False, default=None)
    _told: Callable[[QueuedMessage], object] = field(init=False, default=id)

    def new_id(self) -> QueueId:
        """
        A fresh, random id.
        """
        return QueueId(self._random(16))

    def check_room(self) -> None:
        """
        There is always room, until there is none.
        """

    def stage(self, *, recipients: int = 1) -> IStagedContent:
        """
        Begin content.
        """
        return MemoryStagedContent()

    async def commit(self, queue_id: QueueId, envelope: Envelope, content: IStagedContent) -> QueuedMessage:
        """
        Keep the message, and hand it over.
        """
        await content.finish()
        states = tuple(RecipientState(changed=envelope.received) for _ in envelope.recipients)
        message = QueuedMessage(queue_id, envelope, states, content.size, content.digest, content.inline)
        self._messages[queue_id] = message
        self._promised += len(states)
        if self._receiver is not None:
            self._receiver(message)
        return message

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[Report] = ()) -> None:
        """
        Record fates; what is settled gives up its content; reports are handed over.
        """
        for one in settlements:
            message = self._messages.get(one.queue_id)
            if message is None:
                continue
            state = one.state
            if state.fate is Fate.PENDING:
                # A try that did not succeed does not undo what an operator did meanwhile.
                state = evolve(state, fate=message.states[one.number].fate)
            self._keep(message.with_state(one.number, state), state.changed)
            if not one.state.fate.is_settled:
                what = "held" if one.state.fate is Fate.HELD else "deferred"
                self._note(message.id, QueueEvent(state.changed, one.number, what, state.detail))
        for report in reports:
            if report.about in self._messages:
                told = f"to the sender, in message {report.id}"
                self._note(report.about, QueueEvent(report.envelope.received, None, "reported", told))
            content = MemoryStagedContent()
            content.write(report.content)
            await self.commit(report.id, report.envelope, content)

    def _note(self, queue_id: QueueId, event: QueueEvent) -> None:
        self._events.setdefault(queue_id, []).append(event)

    def _keep(self, message: QueuedMessage, now: int) -> None:
        if message.is_settled:
            self._settled.setdefault(message.id, now)
            message = evolve(message, inline=None)
        self._messages[message.id] = message

    async def change(self, queue_id: QueueId, change: QueueChange) -> QueuedMessage:
        """
        What an operator does with a message that waits.
        """
        message = self._messages.get(queue_id)
        if message is None or message.is_settled:
            raise NoSuchMessage(f"No message {queue_id} waits in the queue.")
        now = int(self._clock.seconds())
        for number, state in enumerate(message.states):
            message = message.with_state(number, _changed(state, change, now))
        self._keep(message, now)
        self._note(queue_id, QueueEvent(now, None, CHANGED[change], "by an operator"))
        self._told(evolve(message, inline=None))
        return evolve(message, inline=None)

    def listen(self, told: Callable[[QueuedMessage], None]) -> None:
        """
        Have C{told} called with each message that an operator changed.
        """
        self._told = told

    def hand_over(self, receiver: Callable[[QueuedMessage], None]) -> None:
        """
        Who gets every message from now on.
        """
        self._receiver = receiver

    async def recover(self) -> int:
        """
        Hand over what is pending.
        """
        pending = [one for one in self._messages.values() if one.pending]
        if self._receiver is not None:
            for message in pending:
                self._receiver(message)
        return len(pending)

    async def adopt(self) -> int:
        """
        Nobody else's memory is ours.
        """
        return 0

    async def read(self, message: QueuedMessage, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a message's content.
        """
        kept = self._messages.get(message.id)
        if kept is None or kept.inline is None:
            raise TemporaryFailure(f"The content of message {message.id} is not in the spool.")
        return kept.inline[offset : None if length < 0 else offset + length]

    async def waiting(self) -> list[QueuedMessage]:
        """
        Every message that is not settled, oldest first.
        """
        return [evolve(one, inline=None) for one in self._messages.values() if not one.is_settled]

    async def find(self, queue_id: QueueId) -> QueuedMessage | None:
        """
        One message.
        """
        message = self._messages.get(queue_id)
        return None if message is None else evolve(message, inline=None)

    async def ledger(self, *, is_thorough: bool = False) -> Ledger:
        """
        What was promised, and what became of it.
        """
        fates = Counter(state.fate for message in self._messages.values() for state in message.states)
        closed = {fate: fates[fate] + self._forgotten[fate] for fate in FINAL_FATES}
        return Ledger(self._promised, fates[Fate.PENDING], fates[Fate.HELD], closed)

    async def stories(self, query: str, limit: int) -> list[Story]:
        """
        The messages that C{query} asks for, newest first.
        """
        name = query.strip().removeprefix("<").removesuffix(">").lower()
        found = [
            Story(evolve(one, inline=None), tuple(self._events.get(one.id, ())))
            for one in reversed(self._messages.values())
            if name in (str(one.id), one.envelope.message_id.lower()) or _has_address(one.envelope, name)
        ]
        return sorted(found, key=lambda one: one.message.envelope.received, reverse=True)[:limit]

    async def prune(self, before: int) -> int:
        """
        Forget settled messages.
        """
        old = [queue_id for queue_id, when in self._settled.items() if when < before]
        for queue_id in old:
            for state in self._messages[queue_id].states:
                self._forgotten[state.fate] += 1
            del self._settled[queue_id], self._messages[queue_id]
            self._events.pop(queue_id, None)
        return len(old)

    async def close(self) -> None:
        """
        Nothing to let go of.
        """
        self._receiver = None


def _has_address(envelope: Envelope, text: str) -> bool:
    """
    Whether C{text} is in an address of the envelope, which is not a queue id.
    """
    addresses = [
        envelope.sender,
        *(one.address for one in envelope.recipients),
        *(one.named for one in envelope.recipients),
    ]
    return any(text in f"{one.local}@{one.domain}".lower() for one in addresses if one is not None)


def _changed(state: RecipientState, change: QueueChange, now: int) -> RecipientState:
    """
    A recipient's state after an operator's change; one that the change does not concern stays.
    """
    if change is QueueChange.HOLD and state.fate is Fate.PENDING:
        return evolve(state, fate=Fate.HELD, changed=now)
    if change is QueueChange.RELEASE and state.fate is Fate.HELD:
        return evolve(state, fate=Fate.PENDING, due=0, changed=now)
    if change is QueueChange.RETRY and state.fate is Fate.PENDING:
        return evolve(state, due=0, changed=now)
    if change is QueueChange.REMOVE and not state.fate.is_settled:
        return evolve(state, fate=Fate.REMOVED, changed=now)
    return state
