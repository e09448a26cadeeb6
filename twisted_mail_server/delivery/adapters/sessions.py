"""
What adapters remember between the stages of one session: other servers' hooks share objects, ours are given values.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import define, field

from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import Origin

_T = TypeVar("_T")


@define(eq=False)
class Sessions(Generic[_T]):
    """
    Something for each session; of more sessions than can be open, those that were quiet longest are forgotten.
    """

    _make: Callable[[Origin], _T]
    _limit: int = 4 * limits.CONNECTIONS
    _known: OrderedDict[str, _T] = field(init=False, factory=OrderedDict)

    def of(self, origin: Origin) -> _T:
        """
        What belongs to the session of C{origin}; something new for one that has no id.
        """
        found = self._known.get(origin.session)
        if found is None:
            found = self._make(origin)
            if origin.session:
                self._known[origin.session] = found
                if len(self._known) > self._limit:
                    self._known.popitem(last=False)
        else:
            self._known.move_to_end(origin.session)
        return found
