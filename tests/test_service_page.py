"""
What C{docs/how-to/run-as-a-service.md} tells an operator is so.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.admin.cli.root import COMMANDS
from twisted_mail_server.app.reading import parse_settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "how-to"
PAGE = (FOLDER / "run-as-a-service.md").read_text("utf-8")
UNIT = (FOLDER / "mailserver.service").read_text("utf-8")


class ServicePageTests(SynchronousTestCase):
    """
    The page, and the unit beside it.
    """

    def test_settings(self) -> None:
        """
        Its settings files are right, alone and together.
        """
        blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        self.assertEqual(2, len(blocks))
        whole, certificates = (parse_settings(text, base="/", source="/mail.toml") for text in blocks)
        self.assertEqual(["smtp", "submission", "imap"], [one.protocol for one in whole.listeners])
        self.assertEqual(("mail.example.net",), certificates.certificates[0].names)
        self.assertEqual(whole.tls, certificates.tls)

    def test_commands(self) -> None:
        """
        Every verb of C{mailctl} that page and unit name is one, and both speak of the same files.
        """
        verbs = {command.name for command in COMMANDS} | {"serve"}
        found = re.findall(r"mailctl(?: --config (\S+))? ([a-z]+)", re.sub(r"`mailctl`[^`]", "", PAGE) + UNIT)
        self.assertLessEqual({verb for _, verb in found}, verbs)
        self.assertEqual({"", "/etc/mailserver/mail.toml"}, {path for path, _ in found})
        self.assertIn("ExecReload=/opt/mailserver/bin/mailctl --config /etc/mailserver/mail.toml reload\n", UNIT)
        self.assertIn("Type=notify\n", UNIT)
        self.assertIn("/opt/mailserver/bin/pip install", PAGE)

    def test_data(self) -> None:
        """
        The unit lets the server write where the settings have its data.
        """
        self.assertIn('data_dir = "/var/lib/mailserver"\n', PAGE)
        self.assertIn("StateDirectory=mailserver\n", UNIT)
