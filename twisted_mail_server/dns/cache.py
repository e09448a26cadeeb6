"""
Answers that are kept for a while; the least used make room.
"""

from __future__ import annotations

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, RecordKind

#: What is asked: a name in canonical form, and a kind.
Key = tuple[str, RecordKind]


@frozen
class NoAnswer:
    """
    There was no answer, and why.
    """

    reason: str


@define(eq=False)
class Cache:
    """
    Bounded by entries.  Nothing is removed by the clock: an entry that is too old is found to be so when it is looked at.
    """

    _clock: IReactorTime
    _size: int = limits.DNS_KEPT
    #: What is known and until when, the least recently used first.
    _entries: dict[Key, tuple[DnsAnswer | NoAnswer, float]] = field(init=False, factory=dict)

    def find(self, key: Key) -> DnsAnswer | NoAnswer | None:
        """
        What is known, the time it may still be kept brought up to date.
        """
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        found, until = entry
        remaining = until - self._clock.seconds()
        if remaining <= 0:
            return None
        self._entries[key] = entry
        return evolve(found, ttl=int(remaining)) if isinstance(found, DnsAnswer) else found

    def keep(self, key: Key, found: DnsAnswer | NoAnswer) -> None:
        """
        Keep it for as long as it says, a failure for a moment only: so that many who ask at once do not all wait for nothing.
        """
        seconds = found.ttl if isinstance(found, DnsAnswer) else limits.DNS_KEPT_FAILURE
        self._entries.pop(key, None)
        if seconds <= 0:
            return
        self._entries[key] = (found, self._clock.seconds() + seconds)
        if len(self._entries) > self._size:
            del self._entries[next(iter(self._entries))]

    def __len__(self) -> int:
        return len(self._entries)
