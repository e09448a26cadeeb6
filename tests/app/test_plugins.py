"""
L{twisted_mail_server.app.plugins}, and how settings turn plugins on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from tests.app.test_wire import WireTestCase
from tests.support.hooks import Says
from twisted_mail_server.app.kinds import Text, Whole
from twisted_mail_server.app.plugins import (
    GROUP,
    ChosenPlugin,
    MailPlugin,
    NoSettings,
    Services,
    installed_plugins,
    make_hooks,
)
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.settings import Settings, setting
from twisted_mail_server.app.wire import start_server
from twisted_mail_server.delivery.hooks import STAGES
from twisted_mail_server.delivery.logins import CheckedAuthenticator
from twisted_mail_server.model.errors import BadSetting, Refused

SOURCE = """
from twisted_mail_server.app.plugins import MailPlugin

one = MailPlugin({name!r}, lambda settings, services: None)
"""


@frozen
class ListSettings:
    """
    Those of a plugin.
    """

    zone: str = setting(Text("a domain"), "Which list.")
    score: int = setting(Whole(0, 10), "How bad.", default=5)


class FoundTests(SynchronousTestCase):
    """
    Both ways of finding plugins.
    """

    packages = 0

    def folder(self) -> Path:
        """
        A folder from which can be imported.
        """
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        sys.path.insert(0, str(folder))
        self.addCleanup(sys.path.remove, str(folder))
        return folder

    def package(self, **sources: str) -> ModuleType:
        """
        A package in which Twisted finds plugins.
        """
        FoundTests.packages += 1
        name = f"found_plugins_{FoundTests.packages}"
        package = self.folder() / name
        package.mkdir()
        (package / "__init__.py").write_text("", "utf-8")
        for module, source in sources.items():
            (package / f"{module}.py").write_text(source, "utf-8")
        return import_module(name)

    def distribution(self, *entries: str) -> None:
        """
        An installed distribution with entry points.
        """
        FoundTests.packages += 1
        info = self.folder() / f"found_{FoundTests.packages}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: found-{FoundTests.packages}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries, ""]))

    def test_none(self) -> None:
        """
        Nothing is installed with the server itself.
        """
        self.assertEqual({}, installed_plugins())

    def test_twisted(self) -> None:
        """
        What is in Twisted's plugin folder is found by its name.
        """
        package = self.package(one=SOURCE.format(name="one"), two=SOURCE.format(name="two"))
        found = installed_plugins(package)
        self.assertEqual({"one", "two"}, set(found))
        self.assertEqual(NoSettings, found["one"].settings)

    def test_entry_points(self) -> None:
        """
        What a distribution declares is found by its name.
        """
        package = self.package(one=SOURCE.format(name="one"))
        self.distribution(f"whatever = {package.__name__}.one:one")
        self.assertEqual({"one"}, set(installed_plugins(self.package())))

    def test_both(self) -> None:
        """
        What is found both ways is there once.
        """
        package = self.package(one=SOURCE.format(name="one"))
        self.distribution(f"one = {package.__name__}.one:one")
        (found,) = installed_plugins(package).values()
        self.assertIs(import_module(f"{package.__name__}.one").one, found)

    def test_same_name(self) -> None:
        """
        Two plugins with one name are told of, not chosen from.
        """
        package = self.package(one=SOURCE.format(name="one"), other=SOURCE.format(name="one"))
        problem = self.assertRaises(BadSetting, installed_plugins, package)
        self.assertIn("Two plugins are called one: ", problem.public)

    def test_broken(self) -> None:
        """
        A declared plugin that cannot be loaded, or is none, is told of in the log.
        """
        self.distribution("broken = no_such_module_at_all:one", "strange = os:path")
        self.assertEqual({}, installed_plugins(self.package()))
        self.assertEqual(1, len(self.flushLoggedErrors(ModuleNotFoundError)))


class ChosenTests(SynchronousTestCase):
    """
    C{[plugin.NAME]}.
    """

    PLUGINS = {
        "plain": MailPlugin("plain", lambda settings, services: Says("sender")),
        "blocklist": MailPlugin("blocklist", lambda settings, services: Says("sender"), ListSettings),
    }

    def read(self, text: str) -> Settings:
        """
        The settings in a text.
        """
        return parse_settings(text, base="/", machine="host", installed=lambda: self.PLUGINS)

    def complaint(self, text: str) -> str:
        """
        What is wrong with it.
        """
        with self.assertRaises(BadSetting) as caught:
            self.read(text)
        return str(caught.exception)

    def test_not_named(self) -> None:
        """
        A plugin that the settings do not name does nothing; plugins are not even looked for.
        """

        def installed() -> dict[str, Any]:
            raise AssertionError("Who asked?")

        self.assertEqual((), parse_settings("", base="/", machine="host", installed=installed).plugins)

    def test_not_enabled(self) -> None:
        """
        One that is named and not enabled does nothing either, but what is said of it is read.
        """
        self.assertEqual((), self.read("[plugin.plain]").plugins)
        self.assertEqual((), self.read('[plugin.blocklist]\nenabled = false\nzone = "bl.example"').plugins)
        self.assertIn("plugin.blocklist has no zone", self.complaint("[plugin.blocklist]\nenabled = false"))

    def test_enabled(self) -> None:
        """
        An enabled one has its own settings, and their defaults.
        """
        chosen = self.read('[plugin.blocklist]\nenabled = true\nzone = "bl.example"\n[plugin.plain]\nenabled = true')
        self.assertEqual(
            (
                ChosenPlugin(self.PLUGINS["blocklist"], ListSettings("bl.example", 5)),
                ChosenPlugin(self.PLUGINS["plain"], NoSettings()),
            ),
            chosen.plugins,
        )

    def test_mistakes(self) -> None:
        """
        Mistakes are told with their lines, in the words of all other settings.
        """
        for text, complaint in (
            (
                "[plugin.blocklst]\nenabled = true",
                "mail.toml:1: plugin.blocklst is not installed. Did you mean plugin.blocklist?",
            ),
            ("[plugin.zzz]", "mail.toml:1: plugin.zzz is not installed."),
            (
                "[plugin.plain]\nenabeld = true",
                "mail.toml:2: plugin.plain.enabeld is not a setting. Did you mean plugin.plain.enabled?",
            ),
            (
                "[plugin.plain]\nenabled = 1",
                "mail.toml:2: plugin.plain.enabled is 1. It must be true or false.",
            ),
            (
                '[plugin.blocklist]\nzone = "x"\nscor = 1',
                "mail.toml:3: plugin.blocklist.scor is not a setting. Did you mean plugin.blocklist.score?",
            ),
            (
                '[plugin.blocklist]\nzone = "x"\nscore = 11',
                "mail.toml:3: plugin.blocklist.score is 11. It must be a whole number from 0 to 10.",
            ),
            ("plugin = 1", "mail.toml:1: plugin is 1. It must be a table: [plugin.NAME]."),
            ("[plugin]\nplain = true", "mail.toml:2: plugin.plain is true. It must be a table: [plugin.plain]."),
            ("[plugins.plain]", "mail.toml:1: plugins is not a setting. Did you mean plugin?"),
        ):
            self.assertEqual(complaint, self.complaint(text))

    def test_two_of_one_name(self) -> None:
        """
        What is wrong with what is installed is a complaint about the settings that name it.
        """

        def installed() -> dict[str, Any]:
            raise BadSetting("Two plugins are called one.")

        problem = self.assertRaises(
            BadSetting, parse_settings, "[plugin.one]", base="/", machine="host", installed=installed
        )
        self.assertEqual("mail.toml:1: Two plugins are called one.", problem.public)


class ServerTests(WireTestCase):
    """
    From settings to a server.
    """

    async def test_wired(self) -> None:
        """
        The hooks of a chosen plugin are asked wherever there is something to ask; without any there is nothing in the way.
        """

        everything = Says("mailbox")
        directlyProvides(everything, *(interface for interface, _ in STAGES.values()))
        for method in {method for _, method in STAGES.values()}:
            setattr(everything, method, None)
        installed = {"all": MailPlugin("all", lambda settings, services: everything)}
        for text, count in (("", 0), ("[plugin.all]\nenabled = true\n", 1)):
            settings = parse_settings(text, base=str(self.folder), installed=lambda: installed)
            server = await start_server(settings, reactor, None)
            try:
                for stage in STAGES:
                    self.assertEqual(count, len(getattr(server.hooks, stage)), stage)
                self.assertEqual(count, int(isinstance(server.authenticator, CheckedAuthenticator)))
                self.assertIs(server.hooks, server.intake.hooks)
                factory = server.factory(settings.listeners[0])
                self.assertIs(server.hooks, getattr(factory, "checks", None))
            finally:
                await server.stop()


class MadeTests(SynchronousTestCase):
    """
    From chosen plugins to hooks.
    """

    services = Services(Clock(), bytes, "mail.example.org", *[None] * 5)  # type: ignore[arg-type]

    def make(self, make: Callable[[Any, Services], object]) -> list[tuple[str, object]]:
        """
        The hooks of one plugin.
        """
        return make_hooks([ChosenPlugin(MailPlugin("one", make), NoSettings())], self.services)

    def test_made(self) -> None:
        """
        A plugin makes its hook out of its settings and what the server has.
        """
        made = self.make(lambda *given: given)
        self.assertEqual([("one", (NoSettings(), self.services))], made)

    def test_cannot(self) -> None:
        """
        One that cannot be made ends the start, with a sentence.
        """

        def refuse(settings: Any, services: Services) -> object:
            raise Refused("The list is empty.")

        def fail(settings: Any, services: Services) -> object:
            raise ValueError("bug")

        self.assertEqual("plugin.one: The list is empty.", self.assertRaises(BadSetting, self.make, refuse).public)
        problem = self.assertRaises(BadSetting, self.make, fail)
        self.assertEqual("plugin.one failed at its start: ValueError('bug').", problem.public)
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
