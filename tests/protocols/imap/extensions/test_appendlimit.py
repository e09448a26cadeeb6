"""
APPENDLIMIT (RFC 7889).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class AppendLimitTests(ImapTestCase):
    """
    How large a message may be.
    """

    message_size = 257_890

    def test_limit(self) -> None:
        """
        CAPABILITY has it, STATUS has it, and APPEND keeps to it.
        """
        self.plays("""
            C: t1 CAPABILITY
            S: * CAPABILITY IMAP4rev1 ... APPENDLIMIT=257890
            S: t1 OK ...
            C: t2 STATUS INBOX (APPENDLIMIT)
            S: * STATUS INBOX (APPENDLIMIT 257890)
            S: t2 OK ...
            C: t3 APPEND INBOX {257891}
            S: t3 NO [TOOBIG] ...
            C: t4 APPEND INBOX {257890}
            S: + Go ahead.
        """)
