"""
L{twisted_mail_server.policies.rates}
"""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import OverLimit
from twisted_mail_server.policies.rates import Rates


class RatesTests(SynchronousTestCase):
    def test_within(self) -> None:
        """
        Up to the limit nobody waits; what is beyond it is not spent, and has to wait until room is made.
        """
        rates = Rates(10)
        self.assertEqual(0, rates.spend("ann", 4, 0))
        self.assertEqual(0, rates.spend("ann", 6, 600))
        self.assertEqual(3660 - 700, rates.spend("ann", 1, 700))
        self.assertEqual(10, rates.spent("ann", 700))

    def test_wait_is_enough(self) -> None:
        """
        After the named wait the same amount goes through, and a second earlier it does not.
        """
        for amount, wait in ((4, 2960), (5, 3560)):
            rates = Rates(10)
            rates.spend("ann", 4, 0)
            rates.spend("ann", 6, 600)
            self.assertEqual(wait, rates.spend("ann", amount, 700))
            self.assertEqual(1, rates.spend("ann", amount, 700 + wait - 1))
            self.assertEqual(0, rates.spend("ann", amount, 700 + wait))

    def test_keys_are_apart(self) -> None:
        """
        What one spends costs another nothing.
        """
        rates = Rates(1)
        self.assertEqual(0, rates.spend("ann", 1, 0))
        self.assertEqual(0, rates.spend("bob", 1, 0))
        self.assertEqual(0, rates.spent("carol", 0))

    def test_same_moment(self) -> None:
        """
        Amounts of one moment add up.
        """
        rates = Rates(3)
        self.assertEqual([0, 0, 0, 3660], [rates.spend("ann", 1, 0) for _ in range(4)])

    def test_never(self) -> None:
        """
        More at once than the limit is no matter of waiting.
        """
        self.assertRaises(OverLimit, Rates(10).spend, "ann", 11, 0)

    def test_limit_holds_in_every_period(self) -> None:
        """
        Wherever an hour begins, no more than the limit is spent in it; and whoever keeps asking gets nearly as much.
        """
        chance = random.Random(1)
        rates, spent = Rates(50), list[tuple[float, int]]()
        now = 0.0
        while now < 20 * 3600:
            now += chance.random() * 60
            amount = chance.randrange(1, 4)
            if rates.spend("ann", amount, now) == 0:
                spent.append((now, amount))
        for start, _ in spent:
            self.assertGreaterEqual(50, sum(amount for at, amount in spent if start <= at < start + 3600))
        self.assertGreater(sum(amount for _, amount in spent), 0.9 * 50 * 19)

    def test_clock_goes_back(self) -> None:
        """
        A clock that goes back frees nobody.
        """
        rates = Rates(2)
        self.assertEqual(0, rates.spend("ann", 1, 7200))
        self.assertEqual(0, rates.spend("ann", 1, 0))
        self.assertEqual(10860, rates.spend("ann", 1, 0))
        self.assertEqual(0, rates.spend("ann", 2, 7200 + 3660))

    def test_bounded(self) -> None:
        """
        Only so many keys are remembered; the one that was quiet longest is forgotten.
        """
        rates = Rates(1, keys=2)
        for key in ("ann", "bob"):
            self.assertEqual(0, rates.spend(key, 1, 0))
        self.assertEqual(3660, rates.spend("ann", 1, 0))
        self.assertEqual(0, rates.spend("carol", 1, 0))
        self.assertEqual([1, 0, 1], [rates.spent(key, 0) for key in ("ann", "bob", "carol")])

    def test_forgotten(self) -> None:
        """
        What was spent counts for the period, and no longer than a sixtieth more.
        """
        rates = Rates(5, period=60)
        rates.spend("ann", 5, 0.5)
        self.assertEqual([5, 5, 0], [rates.spent("ann", at) for at in (0.5, 60.5, 61)])
