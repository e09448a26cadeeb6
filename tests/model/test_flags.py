"""
L{twisted_mail_server.model.flags}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import OverLimit, SyntaxProblem
from twisted_mail_server.model.flags import DELETED, SEEN, Keywords, check_keyword


class KeywordsTests(SynchronousTestCase):
    """
    Flags as bits.
    """

    def test_system_flags(self) -> None:
        """
        System flags have the low bits, in any case of letters; C{\\Recent} and strangers have none.
        """
        self.assertEqual(SEEN | DELETED, Keywords().mask(["\\SEEN", "\\deleted", "\\Recent", "strange"]))
        self.assertEqual(("\\Seen", "\\Deleted"), Keywords().flags(SEEN | DELETED))

    def test_keywords(self) -> None:
        """
        Keywords take the bits above in the order in which they were learnt, and keep the spelling of the first time.
        """
        known = Keywords().learn(["$Junk", "\\Seen", "Work"]).learn(["$junk", "Later"])
        self.assertEqual(("$Junk", "Work", "Later"), known.names)
        self.assertEqual(1 << 5 | 1 << 7, known.mask(["$JUNK", "later"]))
        self.assertEqual(("$Junk", "Later"), known.flags(1 << 5 | 1 << 7))

    def test_nothing_new(self) -> None:
        """
        Learning what is known changes nothing.
        """
        known = Keywords(("a",))
        self.assertIs(known, known.learn(["A", "\\Seen"]))

    def test_full(self) -> None:
        """
        A mailbox knows as many keywords as its mask has bits for, and then no more.
        """
        known = Keywords().learn([f"k{number}" for number in range(limits.KEYWORDS)])
        self.assertTrue(known.is_full)
        self.assertLess(known.mask(list(known.names)), 1 << 63)
        self.assertRaises(OverLimit, known.learn, ["one-more"])
        self.assertFalse(Keywords().is_full)

    def test_check_keyword(self) -> None:
        """
        A keyword is an atom of bounded length (RFC 3501 section 9).
        """
        self.assertEqual("$Forwarded", check_keyword("$Forwarded"))
        for wrong in ("", "a b", "(", "a]", "\\Seen", "x" * (limits.KEYWORD + 1), "caf\xe9", 'a"'):
            with self.assertRaises(SyntaxProblem):
                check_keyword(wrong)
