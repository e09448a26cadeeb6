"""
IMAP4rev2 (RFC 9051), beside IMAP4rev1.
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase

ONE = b"Subject: one\n\nBody.\n"


class Rev2Tests(ImapTestCase):
    """
    What a session does otherwise once it is rev2.
    """

    def setUp(self) -> None:
        """
        Session 1 is rev2, session 2 rev1.
        """
        super().setUp()
        self.line().receive(b"x ENABLE IMAP4rev2\r\n")
        self.assertIn(b"* ENABLED IMAP4rev2\r\n", self.line().take())

    def test_select(self) -> None:
        """
        Section 6.3.2: the name is listed; nothing is said of what is recent, or first unseen; CLOSED comes between.
        """
        self.add(ONE, ONE)
        self.plays(r"""
            C: A142 SELECT inbox
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
            S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] Flags permitted.
            S: * 2 EXISTS
            S: * OK [UIDVALIDITY 1700000000] UIDs valid.
            S: * OK [UIDNEXT 3] The next UID, or below it.
            S: * OK [HIGHESTMODSEQ 7] The highest so far.
            S: * LIST (\HasNoChildren) "/" INBOX
            S: A142 OK [READ-WRITE] Open.
            C: A143 EXAMINE Drafts
            S: * OK [CLOSED] The mailbox before.
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
            S: * OK [PERMANENTFLAGS ()] Read-only.
            S: * 0 EXISTS
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: * LIST (\HasNoChildren \Drafts) "/" Drafts
            S: A143 OK [READ-ONLY] Open.
        """)

    def select(self) -> None:
        """
        INBOX, in both sessions.
        """
        for number in ("", "2"):
            self.line(number).receive(b"x SELECT INBOX\r\n")
            self.line(number).take()

    def test_recent(self) -> None:
        """
        Nothing is recent to rev2, nor taken from who knows what that is.
        """
        self.add(ONE)
        self.select()
        self.add(ONE)
        self.plays(r"""
            C: a FETCH 1 FLAGS
            S: * 1 FETCH (FLAGS ())
            S: * 2 EXISTS
            S: a OK ...
            C: b SEARCH RECENT
            S: * ESEARCH (TAG "b")
            S: b OK ...
            C2: c FETCH 1 FLAGS
            S2: * 1 FETCH (FLAGS (\Recent))
            S2: * 2 EXISTS
            S2: * 2 RECENT
            S2: c OK ...
        """)

    def test_search(self) -> None:
        """
        Section 6.4.4: ESEARCH answers every SEARCH, as if RETURN (ALL) were there.
        """
        self.add(ONE, ONE)
        self.select()
        self.plays("""
            C: a SEARCH ALL
            S: * ESEARCH (TAG "a") ALL 1:2
            S: a OK ...
            C: b UID SEARCH RETURN (COUNT) ALL
            S: * ESEARCH (TAG "b") UID COUNT 2
            S: b OK ...
            C: c SEARCH SEEN
            S: * ESEARCH (TAG "c")
            S: c OK ...
        """)

    def test_uid_in_news(self) -> None:
        """
        Section 7.5.2: a FETCH response that nobody asked for tells the UID.
        """
        self.add(ONE, ONE)
        self.select()
        self.plays(r"""
            C2: a STORE 2 +FLAGS (\Flagged)
            S2: * 2 FETCH (FLAGS (\Flagged \Recent))
            S2: a OK ...
            C: b NOOP
            S: * 2 FETCH (UID 2 FLAGS (\Flagged))
            S: b OK ...
            C: c STORE 1 +FLAGS (\Seen)
            S: * 1 FETCH (UID 1 FLAGS (\Seen))
            S: c OK ...
        """)

    def test_names(self) -> None:
        """
        Section 5.1: names are UTF-8.
        """
        self.plays("""
            C: a CREATE "Entwürfe"
            S: a OK ...
            C: b SELECT "Entwürfe"
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 0 EXISTS
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT ...
            S: * OK [HIGHESTMODSEQ ...
            S: * LIST (\\HasNoChildren) "/" "Entwürfe"
            S: b OK ...
            C: c SEARCH CHARSET UTF-8 SUBJECT "ü"
            S: * ESEARCH (TAG "c")
            S: c OK ...
        """)

    def test_all_that_it_takes_in(self) -> None:
        """
        Appendix E, 2: what rev2 has taken in of other extensions is offered to rev1 too.
        """
        line = self.line("2")
        line.receive(b"a CAPABILITY\r\n")
        offered = set(line.take().split(b"\r\n")[0].split())
        for word in (
            b"IMAP4rev1 IMAP4rev2 NAMESPACE UNSELECT UIDPLUS ESEARCH SEARCHRES ENABLE IDLE SASL-IR MOVE"
        ).split():
            self.assertIn(word, offered)
