"""
L{twisted_mail_server.telemetry.lag}
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.telemetry.lag import ReactorLag


class ReactorLagTests(SynchronousTestCase):
    """
    A reactor that is late now and then.
    """

    def setUp(self) -> None:
        """
        It is measured from the start.
        """
        self.clock = Clock()
        self.lag = ReactorLag(self.clock)
        self.lag.start()

    def test_before(self) -> None:
        """
        Before anything was measured there is no lag.
        """
        self.assertEqual((0.0, 0.0), (self.lag.latest, self.lag.worst))

    def test_late(self) -> None:
        """
        A timer that rings late tells by how much; the worst is remembered.
        """
        self.clock.advance(limits.LAG_INTERVAL + 0.25)
        self.assertEqual((0.25, 0.25), (self.lag.latest, self.lag.worst))
        self.clock.advance(limits.LAG_INTERVAL)
        self.assertEqual((0.0, 0.25), (self.lag.latest, self.lag.worst))

    def test_forgotten(self) -> None:
        """
        After a minute a bad moment is forgotten.
        """
        self.clock.advance(limits.LAG_INTERVAL + 2)
        for _ in range(limits.LAG_KEPT):
            self.assertEqual(2, self.lag.worst)
            self.clock.advance(limits.LAG_INTERVAL)
        self.assertEqual(0, self.lag.worst)

    def test_stop(self) -> None:
        """
        Once stopped, harmlessly twice, it sets no more timers.
        """
        self.lag.stop()
        self.lag.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
