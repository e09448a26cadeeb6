"""
A running server, watched: its metrics, its ledger, and the story of a message.
"""

from __future__ import annotations

import json
import re
import smtplib
import time
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.support.server import SETTINGS, Server

WATCHED = f"""{SETTINGS}
[[listener]]
protocol = "http"
endpoint = "tcp:0:interface=127.0.0.1"
"""

MESSAGE = "Subject: Hello\r\nMessage-ID: <one@client.example>\r\n\r\nHow are you?\r\n"


class WatchingTests(SynchronousTestCase):
    """
    One server, and a message to somebody and somebody.
    """

    def test_watching(self) -> None:
        """
        What was promised is told by metrics, ledger and trace alike; the ledger outlives a crash.
        """
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        server = Server(str(folder), WATCHED)
        for name in ("ann", "eve"):
            server.add_account(f"{name}@example.org", "correct horse battery")
        server.start()
        self.addCleanup(server.kill)
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
            client.sendmail("bob@example.net", ["ann@example.org", "eve@example.org"], MESSAGE)
            self.assertRaises(
                smtplib.SMTPRecipientsRefused, client.sendmail, "bob@example.net", ["nobody@example.org"], MESSAGE
            )
        deadline = time.monotonic() + 30
        while (found := self.metrics(server)).get("mail_recipients_total{delivered}") != 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        for sample, value in (
            ("mail_messages_accepted_total{smtp}", 1),
            ("mail_sessions_opened_total{smtp}", 1),
            ("mail_commands_refused_total{smtp}", 1),
            ("mail_ledger_recipients{promised}", 2),
            ("mail_ledger_recipients{delivered}", 2),
            ("mail_ledger_unaccounted{}", 0),
            ("mail_delivery_seconds_count{}", 2),
            ("mail_queue_messages{}", 0),
            ("mail_open_databases{}", 2),
        ):
            self.assertEqual(value, found.get(sample), sample)
        self.assertGreater(found["mail_commit_seconds_count{}"], 3)
        with urlopen(f"http://127.0.0.1:{server.ports['http']}/health", timeout=30) as answer:
            self.assertEqual(b"ok\n", answer.read())
        (story,) = json.loads(server.mailctl("message", "trace", "one@client.example", "--json"))
        self.assertEqual(["accepted", "delivered", "delivered"], [event["event"] for event in story["events"]])
        server.kill()
        self.assertRegex(
            server.mailctl("ledger", "verify"), re.compile(r"^promised +2$.*^unaccounted = 0$", re.M | re.S)
        )

    def metrics(self, server: Server) -> dict[str, float]:
        """
        Each sample by its name and the values of its labels.
        """
        with urlopen(f"http://127.0.0.1:{server.ports['http']}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode("utf-8"))
            return {
                f"{sample.name}{{{','.join(sample.labels.values())}}}": sample.value
                for family in families
                for sample in family.samples
            }
