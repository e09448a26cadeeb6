"""
Which names a pattern means (RFC 3501 section 6.3.8).
"""

from __future__ import annotations

import re
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.protocols.imap.patterns import Pattern


class PatternTests(SynchronousTestCase):
    """
    Wildcards.
    """

    def test_like_a_regular_expression(self) -> None:
        """
        Every short pattern means what the same regular expression means, on every short name.
        """
        alphabet = ("a", "/", "*", "%")
        names = ["".join(name) for size in range(5) for name in product("ab/", repeat=size)]
        for size in range(1, 5):
            for pieces in product(alphabet, repeat=size):
                text = "".join(pieces)
                expression = re.compile(re.escape(text).replace(r"\*", ".*").replace("%", "[^/]*"))
                pattern = Pattern(text)
                for name in names:
                    self.assertEqual(bool(expression.fullmatch(name)), pattern.matches(name), (text, name))

    def test_levels(self) -> None:
        """
        A percent sign may stop in the middle of a hierarchy.
        """
        self.assertTrue(Pattern("a/%").has_levels)
        self.assertFalse(Pattern("a*").has_levels)

    def test_inbox(self) -> None:
        """
        INBOX is meant in whatever case it is asked for, with what is below it; no other name is.
        """
        for text in ("inbox", "InBoX", "inb*", "%", "*x", "i%"):
            self.assertTrue(Pattern(text).matches("INBOX"), text)
        self.assertTrue(Pattern("inbox/%").matches("INBOX/a"))
        self.assertFalse(Pattern("inbox").matches("Inboxes"))
        self.assertFalse(Pattern("work").matches("Work"))
        self.assertFalse(Pattern("o*").matches("INBOX"))

    def test_any_characters(self) -> None:
        """
        All other characters stand for themselves.
        """
        self.assertTrue(Pattern("a.b[c]*").matches("a.b[c]d"))
        self.assertFalse(Pattern("a.b*").matches("axb"))
        self.assertTrue(Pattern("é%").matches("éè"))
