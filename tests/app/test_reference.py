"""
L{twisted_mail_server.app.reference}
"""

from __future__ import annotations

import re
import sys
import tomllib
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.reference import main, settings_page
from twisted_mail_server.app.settings import DEFAULT_LISTENERS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


class ReferenceTests(SynchronousTestCase):
    """
    The manual's page of settings.
    """

    def test_it_is_what_the_settings_say(self) -> None:
        """
        The page in the manual is the one that is written from the settings.
        """
        self.assertEqual(settings_page(), PAGE.read_text(encoding="utf-8"))

    def test_its_example_is_true(self) -> None:
        """
        The listeners it shows are those of a server without settings.
        """
        found = re.search(r"```toml\n(.*?)```", settings_page(), re.DOTALL)
        assert found is not None
        self.assertEqual(len(DEFAULT_LISTENERS), len(tomllib.loads(found[1])["listener"]))
        self.assertEqual(DEFAULT_LISTENERS, parse_settings(found[1], base="/").listeners)

    def test_it_is_printed(self) -> None:
        """
        The command prints it.
        """
        printed = StringIO()
        self.patch(sys, "stdout", printed)
        main(["settings"])
        self.assertEqual(settings_page(), printed.getvalue())

    def test_another_page(self) -> None:
        """
        A page that is not there is asked for in vain.
        """
        with self.assertRaises(SystemExit) as caught:
            main(["weather"])
        self.assertEqual("Say which page: settings, commands, protocols, metrics, interfaces.", caught.exception.code)
