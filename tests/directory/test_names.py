"""
L{twisted_mail_server.directory.names}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.directory.names import LocalNames, check_separator
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import SyntaxProblem


class LocalNamesTests(SynchronousTestCase):
    """
    What the settings make of names.
    """

    def test_case(self) -> None:
        """
        Domains are compared in lower case, however the settings write them.
        """
        names = LocalNames(["Example.ORG", "b\u00fccher.example"], "Example.NET")
        self.assertTrue(names.is_declared("xn--bcher-kva.example"))
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

    def test_separators(self) -> None:
        """
        A separator is of what a local part is of, and short; empty is none.
        """
        for text in ("+", "-", "--", "", ".", "=x="):
            self.assertEqual(text, check_separator(text))
        for text in ("@", " ", "..", "\u00e9 ", "+" * 9, '"'):
            with self.assertRaises(SyntaxProblem):
                check_separator(text)

    def test_spelling(self) -> None:
        """
        What is no address is one name whatever its case.
        """
        names = LocalNames([], "example.net")
        self.assertEqual("a b", names.spelling("A b"))
        self.assertEqual("ann@example.net", names.spelling("Ann"))
