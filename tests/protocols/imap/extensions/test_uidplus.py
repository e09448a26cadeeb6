"""
UIDPLUS (RFC 4315).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase

ONE = b"Subject: one\n\nBody.\n"


class UidExpungeTests(ImapTestCase):
    """
    UID EXPUNGE.
    """

    def test_only_those(self) -> None:
        """
        Of the messages meant, those marked are expunged; nothing else is.
        """
        self.add(ONE, ONE, ONE, ONE)
        self.line().receive(b"x SELECT INBOX\r\nx STORE 1,2,4 FLAGS.SILENT (\\Deleted)\r\n")
        self.line().take()
        self.plays("""
            C: a UID EXPUNGE 2:3,99
            S: * 2 EXPUNGE
            S: a OK Expunged.
            C: b UID SEARCH ALL
            S: * SEARCH 1 3 4
            S: b OK ...
            C: c UID EXPUNGE 99
            S: c OK Expunged.
            C: d UID EXPUNGE
            S: d BAD ...
            C: e UID EXPUNGE *
            S: * 3 EXPUNGE
            S: e OK ...
        """)
