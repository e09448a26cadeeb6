"""
L{twisted_mail_server.policies.retries}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.policies.retries import is_delay_due, is_expired, next_try

SCHEDULE = (300, 1800, 14400)


class NextTryTests(SynchronousTestCase):
    def test_schedule(self) -> None:
        """
        Each failure leads to the next pause, and the last one repeats.
        """
        self.assertEqual(
            [1300, 2800, 15400, 15400, 15400], [next_try(SCHEDULE, attempts, 1000, 0.5) for attempts in range(1, 6)]
        )

    def test_untried(self) -> None:
        """
        What was never tried is tried at once.
        """
        self.assertEqual(1000, next_try(SCHEDULE, 0, 1000, 0.9))

    def test_jitter(self) -> None:
        """
        Chance moves a pause by a tenth at most, either way.
        """
        self.assertEqual(1270, next_try(SCHEDULE, 1, 1000, 0.0))
        self.assertEqual(1330, next_try(SCHEDULE, 1, 1000, 0.999999))

    def test_latest(self) -> None:
        """
        The last try comes when the message expires, not after that, and never in the past.
        """
        self.assertEqual(1200, next_try(SCHEDULE, 1, 1000, 0.5, latest=1200))
        self.assertEqual(1300, next_try(SCHEDULE, 1, 1000, 0.5, latest=9999))
        self.assertEqual(1000, next_try(SCHEDULE, 1, 1000, 0.5, latest=900))


class GivingUpTests(SynchronousTestCase):
    def test_expired(self) -> None:
        """
        A message is given up once it is as old as that, not a second earlier.
        """
        self.assertFalse(is_expired(1000, 1000 + 432000 - 1, 432000))
        self.assertTrue(is_expired(1000, 1000 + 432000, 432000))

    def test_delay(self) -> None:
        """
        The sender is told of a delay when it is time, and once.
        """
        self.assertFalse(is_delay_due(1000, 1000 + 14399, 14400, False))
        self.assertTrue(is_delay_due(1000, 1000 + 14400, 14400, False))
        self.assertFalse(is_delay_due(1000, 1000 + 14400, 14400, True))

    def test_no_delay_reports(self) -> None:
        """
        Zero means that nobody is told of delays.
        """
        self.assertFalse(is_delay_due(1000, 10**9, 0, False))
