"""
The short form of C{make prove}: one seed; and two safeguards taken out, each of which must be missed.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.prove.mutations import SAFEGUARDS, taken_out
from tests.prove.trial import Trial, try_seed


class ProofTests(SynchronousTestCase):
    """
    Mixed load on the whole server, cut, started again, and audited.
    """

    def test_nothing_lost_nothing_doubled(self) -> None:
        """
        Whatever a power cut leaves, every promise is kept.
        """
        account = try_seed(100, 40, 4)
        self.assertEqual([], account.findings.all, account.first)
        self.assertEqual(40, account.cuts)
        self.assertGreater(account.states, 60)

    def test_load_is_mixed(self) -> None:
        """
        Every kind of promise is made, relaying and reports among them.
        """
        trial = Trial(101)
        self.addCleanup(trial.close)
        trial.load()
        ledger = trial.ledger
        self.assertEqual(0, trial.refusals)
        self.assertGreater(sum(one.answered is not None for one in ledger.sent), 40)
        self.assertGreater(len(trial.house.relay.handed), 10)
        self.assertTrue(any(one.tokens for one in ledger.removals))
        self.assertTrue(any("Deleted" in str(step.after) for track in ledger.mail.values() for step in track.steps))
        self.assertGreater(len(ledger.people.steps), 3)
        self.assertGreater(len(ledger.named), 10)

    def test_the_proof_can_fail(self) -> None:
        """
        Without an fsync, or without the order of two commits, the proof says what was lost and what was doubled.
        """
        for name, kind in (("fsync of a large content", "lost"), ("a repeat is recognised", "doubled")):
            (safeguard,) = [one for one in SAFEGUARDS if name in one.name]
            with taken_out(safeguard):
                account = try_seed(1, 60, 4, stop_early=True)
            self.assertIn(kind, account.first, name)
        self.flushLoggedErrors()
