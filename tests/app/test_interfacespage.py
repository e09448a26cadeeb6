"""
L{twisted_mail_server.app.interfacespage}
"""

from __future__ import annotations

import inspect
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Attribute
from zope.interface.interface import InterfaceClass, Method

from twisted_mail_server import interfaces
from twisted_mail_server.app.interfacespage import described_groups, interfaces_page
from twisted_mail_server.delivery.hooks import STAGES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "interfaces.md"

SOURCE = '''
from zope.interface import Attribute, Interface

# --- Doors: what opens ------------------------
#
# All of C{doors} open.  See L{the hall <house.hall>}
# and L{house.keys}.


class IDoor(Interface):
    """
    A door.  It has two sides.
    """

    colour: str | None = Attribute("What C{colour} it has.")

    async def open(
        key: bytes, *, mode: int = 0o600
    ) -> None:
        """
        Open it.

        Slowly,
        mostly.

        @raise Locked: it is.
        @param key: what fits.
        """


class Doorbell:
    """
    No interface.
    """


# --- Windows --------


class IWindow(Interface):
    """
    Is it open?  Perhaps.
    """

    def shut():
        """
        Shut it.
        """
'''


class InterfacesPageTests(SynchronousTestCase):
    """
    The manual's page of interfaces.
    """

    def test_it_is_what_the_interfaces_say(self) -> None:
        """
        The page in the manual is the one that is written from the module.
        """
        self.assertEqual(interfaces_page(), PAGE.read_text("utf-8"))

    def test_source(self) -> None:
        """
        Titles, remarks, interfaces, attributes with their types and signatures as they are written are taken from the source.
        """
        doors, windows = described_groups(SOURCE)
        self.assertEqual(("Doors: what opens", "Windows"), (doors.title, windows.title))
        self.assertEqual("All of `doors` open. See `the hall` and `house.keys`.", doors.remark)
        (door,), (window,) = doors.members, windows.members
        self.assertEqual(("A door. It has two sides.", "A door."), (door.purpose, door.sentence))
        self.assertEqual((("colour", "str | None", "What `colour` it has."),), door.attributes)
        meaning = "Open it.\n\nSlowly, mostly.\n\nRaises `Locked`: it is.\n\n`key`: what fits."
        self.assertEqual((("async open(key: bytes, *, mode: int = 0o600) -> None", meaning),), door.methods)
        self.assertEqual(("Is it open?", (("shut()", "Shut it."),)), (window.sentence, window.methods))

    def test_nothing_is_missing(self) -> None:
        """
        Every interface of the module is there with a sentence, and so is all that zope knows of it.
        """
        described = {
            one.name: one for group in described_groups(inspect.getsource(interfaces)) for one in group.members
        }
        known = {
            name: one
            for name, one in vars(interfaces).items()
            if isinstance(one, InterfaceClass) and one.__module__ == interfaces.__name__
        }
        self.assertEqual(set(known), set(described))
        for name, interface in known.items():
            one = described[name]
            self.assertRegex(one.sentence, r"^\S.*[.?]$", name)
            for place in (*one.attributes, *one.methods):
                self.assertTrue(place[-1], f"{name}: {place[0]}")
            methods = {each for each, what in interface.namesAndDescriptions() if isinstance(what, Method)}
            attributes = {each for each, what in interface.namesAndDescriptions() if type(what) is Attribute}
            self.assertEqual(methods, {what.removeprefix("async ").split("(")[0] for what, _ in one.methods}, name)
            self.assertEqual(attributes, {what for what, _, _ in one.attributes}, name)

    def test_what_is_for_plugins_comes_first(self) -> None:
        """
        The page begins with the hooks, each by its stage, and tells where to read on.
        """
        beginning, _, rest = interfaces_page().partition("\n## Hooks")
        self.assertIn("](../how-to/extend.md)", beginning)
        for stage, (interface, method) in STAGES.items():
            self.assertRegex(beginning, rf"\| {stage} \| \[`{interface.__name__}`\].*{method}\(")
        for name in ("IDirectory", "IMailStore", "ISpool", "IResolver"):
            self.assertIn(f"`{name}`", beginning)
        self.assertIn("\n## Disk", rest)

    def test_providers(self) -> None:
        """
        Who provides an interface is named, with the file.
        """
        self.assertIn("`RealDisk` in `twisted_mail_server/disk/real.py`", interfaces_page())
