"""
So many in a period and no more: recipients of an account in an hour.

The period slides and is counted in L{RATE_SLOTS} pieces.  What was spent is
remembered for the period and up to one piece longer, so that in no period
whatsoever more is spent than the limit.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from itertools import accumulate

from attrs import define, field

from ..model.errors import OverLimit
from ..model.limits import RATE_KEYS, RATE_SLOTS


@define
class _Spending:
    """
    What one key has spent: amounts by their piece of time, oldest first.
    """

    slots: deque[tuple[int, int]] = field(factory=deque)
    total: int = 0

    def forget(self, before: int) -> None:
        """
        Drop what was spent before that piece.
        """
        while self.slots and self.slots[0][0] < before:
            self.total -= self.slots.popleft()[1]

    def add(self, slot: int, amount: int) -> None:
        """
        Remember an amount.
        """
        if self.slots and self.slots[-1][0] == slot:
            amount_before = self.slots.pop()[1]
            self.slots.append((slot, amount_before + amount))
        else:
            self.slots.append((slot, amount))
        self.total += amount

    def freeing(self, excess: int) -> int:
        """
        The piece with whose end at least C{excess} is forgotten.
        """
        sums = accumulate(amount for _, amount in self.slots)
        return next(slot for (slot, _), freed in zip(self.slots, sums, strict=True) if freed >= excess)


@define
class Rates:
    """
    Who has spent how much lately.

    Keys are as trustworthy as what they stand for: where anybody can invent
    new ones, the oldest are pushed out, and their spending is forgotten.

    @ivar limit: what may be spent in a period.
    @ivar period: its seconds.
    @ivar keys: how many are remembered.
    """

    limit: int
    period: int = 3600
    keys: int = RATE_KEYS
    _spendings: OrderedDict[str, _Spending] = field(factory=OrderedDict, init=False, repr=False)

    def spend(self, key: str, amount: int, now: float) -> int:
        """
        Spend, if the limit allows it.

        @param now: seconds of any clock; where it goes back, it stands still.
        @return: 0 when it was spent; else nothing was, and these are the
            seconds after which it can be.
        @raise OverLimit: it is more at once than may be spent in a period.
        """
        if amount > self.limit:
            raise OverLimit(f"No more than {self.limit} are allowed in {self.period} seconds.")
        slot = math.floor(now * RATE_SLOTS / self.period)
        spending = self._known(key)
        if spending.slots:
            slot = max(slot, spending.slots[-1][0])
        spending.forget(slot - RATE_SLOTS)
        excess = spending.total + amount - self.limit
        if excess > 0:
            free = (spending.freeing(excess) + RATE_SLOTS + 1) * self.period / RATE_SLOTS
            return max(1, math.ceil(free - now))
        spending.add(slot, amount)
        return 0

    def spent(self, key: str, now: float) -> int:
        """
        What counts against that key; for people who want to see it.
        """
        spending = self._spendings.get(key)
        if spending is None:
            return 0
        spending.forget(math.floor(now * RATE_SLOTS / self.period) - RATE_SLOTS)
        return spending.total

    def _known(self, key: str) -> _Spending:
        """
        The spending of that key, which is now the youngest.
        """
        spending = self._spendings.get(key)
        if spending is None:
            spending = self._spendings[key] = _Spending()
            if len(self._spendings) > self.keys:
                self._spendings.popitem(last=False)
        else:
            self._spendings.move_to_end(key)
        return spending
