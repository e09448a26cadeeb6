"""
NAMESPACE (RFC 2342).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class NamespaceTests(ImapTestCase):
    """
    Where whose mailboxes are.
    """

    def test_personal_only(self) -> None:
        """
        There is the personal namespace, without a prefix.
        """
        self.plays("""
            C: a NAMESPACE
            S: * NAMESPACE (("" "/")) NIL NIL
            S: a OK ...
            C: b NAMESPACE x
            S: b BAD ...
        """)
