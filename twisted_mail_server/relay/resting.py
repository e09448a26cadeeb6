"""
What could not be connected to a moment ago is left alone for a while.

A thousand messages for a host that is dead then cost one time-out, and not a thousand.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Result


@define(eq=False)
class Resting:
    """
    Places, and why nobody tries them now.  Bounded: the oldest is forgotten first.
    """

    _clock: IReactorTime
    _places: dict[str, tuple[float, Result]] = field(init=False, factory=dict)

    def find(self, place: str) -> Result | None:
        """
        What came of the last try, while it counts.
        """
        until, result = self._places.get(place, (0.0, None))
        if until > self._clock.seconds():
            return result
        self._places.pop(place, None)
        return None

    def put(self, place: str, result: Result) -> None:
        """
        A try did not even come to a conversation.
        """
        self._places.pop(place, None)
        self._places[place] = (self._clock.seconds() + limits.RELAY_REST, result)
        if len(self._places) > limits.RELAY_RESTING:
            del self._places[next(iter(self._places))]
