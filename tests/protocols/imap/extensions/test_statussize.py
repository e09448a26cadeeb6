"""
STATUS=SIZE (RFC 8438).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class StatusSizeTests(ImapTestCase):
    """
    The STATUS item SIZE.
    """

    def test_size(self) -> None:
        """
        It is the sum of all RFC822.SIZE.
        """
        self.add(b"a: 1\n", b"a: 22\n")
        self.plays("""
            C: A01 STATUS INBOX (MESSAGES SIZE UIDNEXT)
            S: * STATUS INBOX (MESSAGES 2 SIZE 13 UIDNEXT 3)
            S: A01 OK ...
            C: A02 STATUS Drafts (size)
            S: * STATUS Drafts (SIZE 0)
            S: A02 OK ...
            C: A03 STATUS INBOX (SIZE 1)
            S: A03 BAD ...
        """)
