"""
UNSELECT (RFC 3691).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class UnselectTests(ImapTestCase):
    """
    Leaving a mailbox as it is.
    """

    def test_leaves_without_expunging(self) -> None:
        """
        What is marked stays, and no mailbox is selected any more.
        """
        self.add(b"Subject: one\n\nBody.\n", flags=("\\Deleted",))
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()
        self.plays("""
            C: a UNSELECT
            S: a OK Left without expunging.
            C: b STATUS INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 1)
            S: b OK ...
            C: c UNSELECT
            S: c BAD [CLIENTBUG] UNSELECT cannot come without a selected mailbox.
        """)
