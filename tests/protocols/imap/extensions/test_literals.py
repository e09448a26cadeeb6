"""
LITERAL+ (RFC 7888); the rules of reading are tested with C{reading}.
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class LiteralTests(ImapTestCase):
    """
    Literals that are not asked for.
    """

    enters = False

    def test_login(self) -> None:
        """
        No continuation request is sent for them; they and others may be mixed.
        """
        self.plays("""
            C: a LOGIN {4+}
            C: fred {6}
            S: + Go ahead.
            C: secret
            S: a OK ...
            C: b STATUS {5+}
            C: INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 0)
            S: b OK ...
        """)
