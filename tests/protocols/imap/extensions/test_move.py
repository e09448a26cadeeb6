"""
MOVE (RFC 6851).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase

ONE = b"Subject: one\n\nBody.\n"


class MoveTests(ImapTestCase):
    """
    MOVE and UID MOVE.
    """

    def setUp(self) -> None:
        """
        Four messages, two sessions.
        """
        super().setUp()
        self.add(ONE, ONE, ONE, ONE)
        for number in ("", "2"):
            self.line(number).receive(b"x SELECT INBOX\r\n")
            self.line(number).take()

    def test_move(self) -> None:
        """
        COPYUID comes before the messages vanish, and the tagged OK last; other sessions hear that they have gone.
        """
        self.plays("""
            C: a MOVE 2:3 Archive
            S: * OK [COPYUID 1700000005 2:3 1:2] Moved.
            S: * 3 EXPUNGE
            S: * 2 EXPUNGE
            S: a OK Moved.
            C2: b NOOP
            S2: * 3 EXPUNGE
            S2: * 2 EXPUNGE
            S2: b OK ...
            C: c UID MOVE 4 Archive
            S: * OK [COPYUID 1700000005 4 3] Moved.
            S: * 2 EXPUNGE
            S: c OK Moved.
            C: d UID MOVE 77 Archive
            S: d OK Moved.
        """)

    def test_refused(self) -> None:
        """
        Without a target nothing moves.
        """
        self.plays("""
            C: a MOVE 1 Nowhere
            S: a NO [TRYCREATE] ...
            C: b MOVE 9 Archive
            S: b BAD ...
            C: c MOVE 1
            S: c BAD ...
            C: d SEARCH ALL
            S: * SEARCH 1 2 3 4
            S: d OK ...
        """)

    def test_within_a_mailbox(self) -> None:
        """
        A message moved to where it is gets a new UID, at the end.
        """
        self.plays("""
            C: a MOVE 1 INBOX
            S: * OK [COPYUID 1700000000 1 5] Moved.
            S: * 1 EXPUNGE
            S: * 4 EXISTS
            S: * 4 RECENT
            S: a OK Moved.
        """)
