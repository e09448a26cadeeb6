"""
The queue's words: ids, fates, and what is still to be done.
"""

from __future__ import annotations

import re
from enum import Enum

from attrs import evolve, field, frozen

from .envelopes import Envelope
from .errors import SyntaxProblem

_QUEUE_ID = re.compile(r"[0-9a-f]{32}")


@frozen(order=True)
class QueueId:
    """
    A message on its way: 16 random octets, never reused.
    """

    octets: bytes

    @classmethod
    def parse(cls, text: str) -> QueueId:
        """
        @raise SyntaxProblem: not 32 hexadecimal digits.
        """
        if not _QUEUE_ID.fullmatch(text):
            raise SyntaxProblem("A queue id is 32 hexadecimal digits.")
        return cls(bytes.fromhex(text))

    def __str__(self) -> str:
        return self.octets.hex()


class Fate(Enum):
    """
    Where one recipient of one message stands; docs/explanation/spool.md has the table.
    """

    #: Promised, not yet settled.
    PENDING = "pending"
    #: Cannot be delivered now and is kept; its reason is in the queue.
    HELD = "held"
    #: In a mailbox here.
    DELIVERED = "delivered"

    @property
    def is_settled(self) -> bool:
        """
        Whether nothing more is to be done.
        """
        return self is Fate.DELIVERED


@frozen
class RecipientState:
    """
    One recipient's fate, and what was last said of it.
    """

    fate: Fate = Fate.PENDING
    #: For people: why held, where delivered.
    detail: str = ""
    #: How often delivery was tried.
    attempts: int = 0
    #: When the fate last changed, seconds since 1970.
    changed: int = 0


@frozen
class Settlement:
    """
    A recipient's new fate.  C{number} is its place in the envelope, counted from 0.
    """

    queue_id: QueueId
    number: int
    state: RecipientState


@frozen
class QueuedMessage:
    """
    A message we have promised to deliver.
    """

    id: QueueId
    envelope: Envelope
    states: tuple[RecipientState, ...]
    #: Octets of the content, trace fields of intake included.
    size: int
    #: SHA-256 of that content.
    digest: bytes = field(repr=False)
    #: The content where it is small; else it is in the spool's file.
    inline: bytes | None = field(default=None, repr=False)
    #: Absolute path of that file, safe to link from once the message is committed.
    path: str | None = None

    @property
    def pending(self) -> tuple[int, ...]:
        """
        The numbers of the recipients that something is to be done for.
        """
        return tuple(number for number, state in enumerate(self.states) if state.fate is Fate.PENDING)

    @property
    def is_settled(self) -> bool:
        """
        Whether every recipient has its final fate.
        """
        return all(state.fate.is_settled for state in self.states)

    def with_state(self, number: int, state: RecipientState) -> QueuedMessage:
        """
        The same message after one recipient's fate has changed.
        """
        states = (*self.states[:number], state, *self.states[number + 1 :])
        return evolve(self, states=states)


@frozen
class Arrival:
    """
    One message for one account, on its way into the store.
    """

    queue_id: QueueId
    #: The recipient's place in the envelope: with the queue id it makes a repeated delivery known.
    number: int
    mailbox: str
    #: Per-recipient header fields, served before the content (Return-Path, Delivered-To).
    prefix: bytes = field(repr=False)
    size: int = 0
    digest: bytes = field(default=b"", repr=False)
    inline: bytes | None = field(default=None, repr=False)
    #: A durable file in the spool that may be linked from.
    path: str | None = None
    #: Whether several accounts get this content, so that one file is better than many copies.
    is_shared: bool = False
    flags: tuple[str, ...] = ()
    #: Seconds since 1970.
    internal_date: int = 0
