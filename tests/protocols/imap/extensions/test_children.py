"""
CHILDREN (RFC 3348).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase


class ChildrenTests(ImapTestCase):
    """
    What is below.
    """

    def test_both_attributes(self) -> None:
        """
        Every name has one of the two attributes, and a new mailbox below changes it.
        """
        now(self.mail.create_mailbox("a"))
        self.plays(r"""
            C: a LIST "" a
            S: * LIST (\HasNoChildren) "/" a
            S: a OK ...
            C: b CREATE a/b
            S: b OK ...
            C: c LIST "" a
            S: * LIST (\HasChildren) "/" a
            S: c OK ...
        """)
