"""
L{twisted_mail_server.telemetry.meters}
"""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.drive import now
from twisted_mail_server.interfaces import IMeters, Unmetered
from twisted_mail_server.telemetry.meters import METERS, Kind, Meters, metrics_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def samples(meters: Meters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """
    What the page tells, as Prometheus reads it.
    """
    families = text_string_to_metric_families(now(meters.page()).decode("utf-8"))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


class MetersTests(SynchronousTestCase):
    """
    What is counted is told.
    """

    def setUp(self) -> None:
        """
        Nothing is counted yet.
        """
        self.meters = Meters()

    def test_interface(self) -> None:
        """
        Both that count and that do not are what is asked for.
        """
        self.assertTrue(verifyObject(IMeters, self.meters))
        self.assertTrue(verifyObject(IMeters, Unmetered()))

    def test_counted(self) -> None:
        """
        Counters add, gauges are set, levels rise and fall, histograms count by bounds.
        """
        self.meters.counter("mail_logins_total", "accepted")(2)
        self.meters.counter("mail_logins_total", "accepted")(1)
        self.meters.gauge("mail_ledger_recipients", "promised")(7)
        level = self.meters.level("mail_sessions", "imap")
        level(2)
        level(-1)
        self.meters.histogram("mail_commit_transactions")(3)
        found = samples(self.meters)
        self.assertEqual(3, found["mail_logins_total", (("outcome", "accepted"),)])
        self.assertEqual(7, found["mail_ledger_recipients", (("entry", "promised"),)])
        self.assertEqual(1, found["mail_sessions", (("service", "imap"),)])
        self.assertEqual(0, found["mail_commit_transactions_bucket", (("le", "2.0"),)])
        self.assertEqual(1, found["mail_commit_transactions_bucket", (("le", "5.0"),)])

    def test_read_when_somebody_looks(self) -> None:
        """
        What is watched is asked, and what must be refreshed is, at each look.
        """
        values = [1.0]
        gauge = self.meters.gauge("mail_ledger_unaccounted")

        async def refresh() -> None:
            gauge(values[0] * 10)

        self.meters.watch("mail_queue_messages", lambda: values[0])
        self.meters.refresh(refresh)
        for value in (1.0, 2.0):
            values[0] = value
            found = samples(self.meters)
            self.assertEqual(value, found["mail_queue_messages", ()])
            self.assertEqual(value * 10, found["mail_ledger_unaccounted", ()])

    def test_two_registries(self) -> None:
        """
        Two servers in one process do not count together.
        """
        self.meters.counter("mail_checkpoints_total")(1)
        self.assertEqual(0, samples(Meters())["mail_checkpoints_total", ()])

    def test_unknown(self) -> None:
        """
        A meter that is not in the list, or is another kind of meter, is a bug that shows at once.
        """
        self.assertRaises(KeyError, self.meters.counter, "mail_weather_total")
        self.assertRaises(AssertionError, self.meters.counter, "mail_sessions", "imap")

    def test_nobody_looks(self) -> None:
        """
        Without meters everything can be counted, and nothing is.
        """
        meters = Unmetered()
        for make in (meters.counter, meters.gauge, meters.level, meters.histogram):
            make("mail_weather_total", "rain")(1)
        meters.watch("mail_weather_total", lambda: 1.0)

    def test_names(self) -> None:
        """
        Names end as Prometheus asks; no two are the same.
        """
        self.assertEqual(len(METERS), len({meter.name for meter in METERS}))
        for meter in METERS:
            self.assertEqual(meter.kind is Kind.COUNTER, meter.name.endswith("_total"), meter.name)
            self.assertEqual(meter.kind is Kind.HISTOGRAM, bool(meter.buckets), meter.name)

    def test_manual(self) -> None:
        """
        The page in the manual is the one that is written from the list.
        """
        self.assertEqual(metrics_page(), PAGE.read_text(encoding="utf-8"))
