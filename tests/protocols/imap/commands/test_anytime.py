"""
CAPABILITY, NOOP, LOGOUT (RFC 3501 section 6.1).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class AnytimeTests(ImapTestCase):
    """
    What may always come.
    """

    enters = False

    def test_capability(self) -> None:
        """
        CAPABILITY tells what there is, before login and after it.
        """
        self.plays("""
            C: a CAPABILITY
            S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN
            S: a OK ...
            C: b LOGIN fred secret
            S: b OK ...
            C: c CAPABILITY
            S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID IDLE ...
            S: c OK ...
        """)

    def test_noop(self) -> None:
        """
        NOOP does nothing.
        """
        self.plays("""
            C: a NOOP
            S: a OK Nothing done.
        """)

    def test_logout(self) -> None:
        """
        LOGOUT says BYE, then OK; there is no news in between.
        """
        self.plays("""
            C: a LOGIN fred secret
            S: a OK ...
            C: b SELECT INBOX
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: b OK [READ-WRITE] ...
        """)
        self.add(b"Subject: x\n\ny\n")
        self.plays("""
            C: c LOGOUT
            S: * BYE ...
            S: c OK ...
        """)
        self.assertTrue(self.line().conversation.is_over)
