"""
L{twisted_mail_server.relay.resting}
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Outcome, Result
from twisted_mail_server.relay.resting import Resting

RESULT = Result(-1, Outcome.DEFERRED, "Dead.", "4.4.1")


class RestingTests(SynchronousTestCase):
    """
    What is left alone for a while.
    """

    def setUp(self) -> None:
        """
        Nothing is.
        """
        self.clock = Clock()
        self.resting = Resting(self.clock)

    def test_for_a_while(self) -> None:
        """
        A place rests, with what was found there, until its time is over.
        """
        self.assertIsNone(self.resting.find("a"))
        self.resting.put("a", RESULT)
        self.clock.advance(limits.RELAY_REST - 1)
        self.assertEqual(RESULT, self.resting.find("a"))
        self.clock.advance(1)
        self.assertIsNone(self.resting.find("a"))

    def test_bound(self) -> None:
        """
        Only so many places are remembered, the latest.
        """
        for number in range(limits.RELAY_RESTING + 1):
            self.resting.put(str(number), RESULT)
        self.assertIsNone(self.resting.find("0"))
        self.assertEqual(RESULT, self.resting.find("1"))
