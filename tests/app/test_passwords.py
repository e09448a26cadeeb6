"""
L{twisted_mail_server.app.passwords}
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.passwords import smarthost_login, warnings
from twisted_mail_server.app.reading import read_settings
from twisted_mail_server.app.settings import Settings
from twisted_mail_server.model.errors import BadSetting


class PasswordTests(SynchronousTestCase):
    """
    Where a password stands.
    """

    def setUp(self) -> None:
        """
        An empty folder.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.secret = self.folder / "secret"

    def settings(self, password: str) -> Settings:
        """
        Settings with that password.
        """
        text = f'[relay]\nsmarthost = "a.example:587"\nsmarthost_login = "ann"\nsmarthost_password = {password}\n'
        file = self.folder / "mail.toml"
        file.write_text(text, "utf-8")
        file.chmod(0o600)
        return read_settings(str(file), {}, "/")

    def complaint(self, password: str) -> str:
        """
        Why it cannot be read.
        """
        with self.assertRaises(BadSetting) as caught:
            smarthost_login(self.settings(password), {})
        return str(caught.exception)

    def test_nobody(self) -> None:
        """
        Without a login there is none, and nothing to warn of.
        """
        self.assertIsNone(smarthost_login(Settings(), {}))
        self.assertEqual([], list(warnings(Settings())))

    def test_itself(self) -> None:
        """
        It stands in the settings, which nobody else should be able to read then.
        """
        settings = self.settings('"hüsh"')
        self.assertEqual(("ann", "hüsh".encode()), smarthost_login(settings, {}))
        self.assertEqual([], list(warnings(settings)))
        os.chmod(settings.source or "", 0o644)
        self.assertEqual(1, len(list(warnings(settings))))

    def test_variable(self) -> None:
        """
        It is in the environment.
        """
        settings = self.settings('{ env = "SECRET" }')
        self.assertEqual(("ann", b"hush"), smarthost_login(settings, {"SECRET": "hush"}))
        self.assertEqual([], list(warnings(settings)))
        self.assertEqual("relay.smarthost_password: $SECRET holds no password.", self.complaint('{ env = "SECRET" }'))

    def test_file(self) -> None:
        """
        It is the first line of a file; others who may read that are warned of.
        """
        self.secret.write_bytes(b" hush \r\nmore\n")
        self.secret.chmod(0o640)
        settings = self.settings('{ file = "secret" }')
        self.assertEqual(("ann", b" hush "), smarthost_login(settings, {}))
        (warning,) = warnings(settings)
        self.assertEqual(f"{self.secret} holds a password, and others than its owner", warning.partition(" may")[0])
        self.assertNotIn("hush", warning)
        self.secret.chmod(0o600)
        self.assertEqual([], list(warnings(settings)))

    def test_no_file(self) -> None:
        """
        A file that is not there, or empty, is told.
        """
        settings = self.settings('{ file = "secret" }')
        self.assertEqual([], list(warnings(settings)))
        self.assertEqual(
            f"relay.smarthost_password: {self.secret}: No such file or directory.",
            self.complaint('{ file = "secret" }'),
        )
        self.secret.write_bytes(b"\n")
        self.assertEqual(
            f"relay.smarthost_password: {self.secret} holds no password.", self.complaint('{ file = "secret" }')
        )
