"""
L{twisted_mail_server.message.collation}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.collation import casemap


class CasemapTests(SynchronousTestCase):
    def test_case(self) -> None:
        """
        Case makes no difference, in whatever script.
        """
        for one, other in (
            ("Hello", "hELLO"),
            ("\u00c4rger", "\u00e4RGER"),
            ("\u0416", "\u0436"),
            ("\u01c4", "\u01c6"),
        ):
            self.assertEqual(casemap(one), casemap(other))

    def test_composition(self) -> None:
        """
        Nor does it how a character is put together.
        """
        self.assertEqual(casemap("A\u0308"), casemap("\u00e4"))
        self.assertEqual(casemap("fi"), casemap("\ufb01").upper())

    def test_single(self) -> None:
        """
        A character whose title would be several stays as it is.
        """
        self.assertEqual("STRA\u00dfE", casemap("stra\u00dfe"))

    def test_order(self) -> None:
        """
        Accents sort behind their letter, before the next.
        """
        words = ["zoo", "\u00e4b", "AA", "b", "az", ""]
        self.assertEqual(["", "AA", "az", "\u00e4b", "b", "zoo"], sorted(words, key=casemap))
