"""
L{twisted_mail_server.directory.names}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.model.addresses import Address


class LocalNamesTests(SynchronousTestCase):
    """
    What the settings make of names.
    """

    def test_case(self) -> None:
        """
        Domains are compared in lower case, however the settings write them.
        """
        names = LocalNames(["Example.ORG"], "Example.NET")
        self.assertTrue(names.is_declared("example.org"))
        self.assertTrue(names.is_declared("example.net"))
        self.assertEqual(Address("Bob", "example.net"), names.login_address("Bob"))

    def test_completed(self) -> None:
        """
        Only an address without a domain gets the default one.
        """
        names = LocalNames([], "example.net")
        self.assertEqual(Address("postmaster", "example.net"), names.completed(Address("postmaster", "")))
        self.assertEqual(Address("a", "example.org"), names.completed(Address("a", "example.org")))
