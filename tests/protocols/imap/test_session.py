"""
What a session tells its client of what others do (RFC 3501 sections 5.2 and 7.4.1).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model.changes import Reflagged
from twisted_mail_server.model.errors import OutOfTurn
from twisted_mail_server.model.flags import FLAGGED, SEEN

ONE = b"Subject: one\n\nBody.\n"


class NewsTests(ImapTestCase):
    """
    Two sessions on one mailbox.
    """

    def select_both(self, messages: int = 3) -> None:
        """
        Some messages, not recent any more, and two sessions that have selected their mailbox.
        """
        self.add(*[ONE] * messages)
        for number in ("9", "", "2"):
            line = self.line(number)
            line.receive(b"s SELECT INBOX\r\n")
            self.assertIn(b"s OK", line.take())
        self.line("9").receive(b"u LOGOUT\r\n")
        del self.lines["9"]

    def test_arrival(self) -> None:
        """
        A new message is told of by EXISTS and RECENT, after the next command, whatever that is; recent it is to one session.
        """
        self.select_both()
        self.add(ONE)
        self.plays(r"""
            C: a NOOP
            S: * 4 EXISTS
            S: * 1 RECENT
            S: a OK ...
            C2: b CHECK
            S2: * 4 EXISTS
            S2: * 0 RECENT
            S2: b OK ...
            C: c NOOP
            S: c OK ...
        """)

    def test_after_failure(self) -> None:
        """
        News follows a command that failed, too.
        """
        self.select_both()
        self.add(ONE)
        self.plays(r"""
            C: a SELECT2
            S: * 4 EXISTS
            S: * 1 RECENT
            S: a BAD There is no such command.
        """)

    def test_expunge(self) -> None:
        """
        EXPUNGE numbers are right one after the other; who expunged hears them as well.
        """
        self.select_both(5)
        self.plays(r"""
            C: a STORE 2,3,5 +FLAGS.SILENT (\Deleted)
            S: a OK ...
            C: b EXPUNGE
            S: * 5 EXPUNGE
            S: * 3 EXPUNGE
            S: * 2 EXPUNGE
            S: b OK ...
            C2: c NOOP
            S2: * 5 EXPUNGE
            S2: * 3 EXPUNGE
            S2: * 2 EXPUNGE
            S2: c OK ...
            C2: d UID FETCH 1:* FLAGS
            S2: * 1 FETCH (UID 1 FLAGS ())
            S2: * 2 FETCH (UID 4 FLAGS ())
            S2: d OK ...
        """)

    def test_expunge_waits(self) -> None:
        """
        No EXPUNGE comes while FETCH, STORE or SEARCH is answered, by number; numbers stay what they were until it has come.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 1 +FLAGS.SILENT (\Deleted)
            S: a OK ...
            C: b EXPUNGE
            S: * 1 EXPUNGE
            S: b OK ...
            C2: c FETCH 3 UID
            S2: * 3 FETCH (UID 3)
            S2: c OK ...
            C2: d SEARCH ALL
            S2: * SEARCH 1 2 3
            S2: d OK ...
            C2: e STORE 2 +FLAGS (\Seen)
            S2: * 2 FETCH (FLAGS (\Seen))
            S2: e OK ...
            C2: f UID SEARCH ALL
            S2: * SEARCH 1 2 3
            S2: * 1 EXPUNGE
            S2: f OK ...
        """)

    def test_expunge_and_arrival(self) -> None:
        """
        While EXPUNGE waits, EXISTS counts what the client still knows; afterwards it does not.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 1 +FLAGS.SILENT (\Deleted)
            S: a OK ...
            C: b EXPUNGE
            S: * 1 EXPUNGE
            S: b OK ...
        """)
        self.add(ONE)
        self.plays(r"""
            C2: c FETCH 2 UID
            S2: * 2 FETCH (UID 2)
            S2: * 4 EXISTS
            S2: * 1 RECENT
            S2: c OK ...
        """)
        self.add(ONE)
        self.plays(r"""
            C2: d NOOP
            S2: * 1 EXPUNGE
            S2: * 4 EXISTS
            S2: * 2 RECENT
            S2: d OK ...
        """)

    def test_uid_commands_allow_expunge(self) -> None:
        """
        EXPUNGE may come with UID FETCH, UID STORE, UID SEARCH.
        """
        for command, answer in (
            (r"UID FETCH 3 UID", "* 3 FETCH (UID 3)"),
            (r"UID STORE 3 FLAGS (\Seen)", r"* 3 FETCH (UID 3 FLAGS (\Seen))"),
            (r"UID SEARCH UID 3", "* SEARCH 3"),
        ):
            self.setUp()
            self.select_both()
            self.plays(rf"""
                C: a STORE 1 +FLAGS.SILENT (\Deleted)
                S: a OK ...
                C: b EXPUNGE
                S: * 1 EXPUNGE
                S: b OK ...
                C2: c {command}
                S2: {answer}
                S2: * 1 EXPUNGE
                S2: c OK ...
            """)

    def test_flags(self) -> None:
        """
        Flags that another session changed are told of; one's own change is answered once, and not echoed.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 2 +FLAGS (\Flagged)
            S: * 2 FETCH (FLAGS (\Flagged))
            S: a OK ...
            C2: b NOOP
            S2: * 2 FETCH (FLAGS (\Flagged))
            S2: b OK ...
            C: c STORE 1:3 -FLAGS.SILENT (\Flagged)
            S: c OK ...
            C: d NOOP
            S: d OK ...
            C2: e NOOP
            S2: * 2 FETCH (FLAGS ())
            S2: e OK ...
        """)

    def test_back_and_forth(self) -> None:
        """
        Flags that go, and come again, are told of each time.
        """
        self.select_both(1)
        self.plays(r"""
            C: a STORE 1 +FLAGS (\Seen)
            S: * 1 FETCH (FLAGS (\Seen))
            S: a OK ...
            C2: b STORE 1 -FLAGS (\Seen)
            S2: * 1 FETCH (FLAGS ())
            S2: b OK ...
            C: c NOOP
            S: * 1 FETCH (FLAGS ())
            S: c OK ...
            C2: d STORE 1 +FLAGS (\Seen)
            S2: * 1 FETCH (FLAGS (\Seen))
            S2: d OK ...
            C: e NOOP
            S: * 1 FETCH (FLAGS (\Seen))
            S: e OK ...
        """)

    def test_silence_is_for_own_changes(self) -> None:
        """
        After .SILENT the client is told what it could not expect: another's change of the same message.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 1 +FLAGS.SILENT (\Flagged)
            S: a OK ...
            C2: b STORE 1:2 +FLAGS.SILENT (\Seen)
            S2: * 1 FETCH (FLAGS (\Seen \Flagged))
            S2: b OK ...
            C2: c STORE 1 FLAGS.SILENT (\Draft)
            S2: c OK ...
            C2: d STORE 1 -FLAGS.SILENT (\Draft)
            S2: d OK ...
        """)

    def test_others_flags_before_own_fetch(self) -> None:
        """
        FETCH tells flags as they are; the news after it does not repeat what FETCH has set.
        """
        self.select_both()
        self.plays(r"""
            C: a FETCH 1 BODY[TEXT]
            S: * 1 FETCH (BODY[TEXT] {7}
            S: Body.
            S:  FLAGS (\Seen))
            S: a OK ...
            C2: b NOOP
            S2: * 1 FETCH (FLAGS (\Seen))
            S2: b OK ...
        """)

    def test_new_keyword(self) -> None:
        """
        A keyword that is new to the mailbox is told of, to every session, before flags with it are.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 1 +FLAGS ($Work)
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
            S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] Flags permitted.
            S: * 1 FETCH (FLAGS ($Work))
            S: a OK ...
            C2: b NOOP
            S2: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
            S2: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] Flags permitted.
            S2: * 1 FETCH (FLAGS ($Work))
            S2: b OK ...
            C2: c EXAMINE INBOX
            S2: * OK [CLOSED] ...
            S2: * FLAGS ...
            S2: * OK [PERMANENTFLAGS ()] Read-only.
            S2: * 3 EXISTS
            S2: * 0 RECENT
            S2: * OK [UNSEEN 1] ...
            S2: * OK [UIDVALIDITY ...
            S2: * OK [UIDNEXT 4] ...
            S2: * OK [HIGHESTMODSEQ ...
            S2: c OK [READ-ONLY] Open.
            C: d STORE 2 FLAGS.SILENT $Home
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work $Home)
            S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work $Home \*)] Flags permitted.
            S: d OK ...
            C2: e NOOP
            S2: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work $Home)
            S2: * 2 FETCH (FLAGS ($Home))
            S2: e OK ...
        """)

    def test_new_keyword_and_own_fetch(self) -> None:
        """
        Flags that FETCH sets beside another's new keyword are told again, in full, after the keyword.
        """
        self.select_both(1)
        self.plays(r"""
            C2: a STORE 1 +FLAGS.SILENT ($Work)
            S2: * FLAGS ...
            S2: * OK [PERMANENTFLAGS ...
            S2: a OK ...
            C: b FETCH 1 BODY[TEXT]
            S: * 1 FETCH (BODY[TEXT] {7}
            S: Body.
            S:  FLAGS (\Seen...))
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
            S: * OK [PERMANENTFLAGS ...
            S: * 1 FETCH (FLAGS (\Seen $Work))
            S: b OK ...
        """)

    def test_own_copy(self) -> None:
        """
        A copy into the selected mailbox is an arrival there.
        """
        self.select_both(1)
        self.plays(r"""
            C: a COPY 1 INBOX
            S: * 2 EXISTS
            S: * 1 RECENT
            S: a OK [COPYUID ... 1 2] Copied.
        """)

    def test_deleted_mailbox(self) -> None:
        """
        A session whose mailbox is gone ends with BYE: this protocol has no way to take it out of the mailbox.
        """
        now(self.mail.create_mailbox("Work"))
        self.plays(r"""
            C: a EXAMINE Work
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ()] ...
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: a OK [READ-ONLY] ...
            C2: b DELETE Work
            S2: b OK Deleted.
            C: c NOOP
            S: * BYE The selected mailbox was deleted.
        """)
        self.assertTrue(self.line().conversation.is_over)

    def test_reflagged_and_unknown(self) -> None:
        """
        A message that another session has marked and expunged meanwhile is only told of as expunged.
        """
        self.select_both()
        self.plays(r"""
            C: a STORE 2 +FLAGS (\Deleted)
            S: * 2 FETCH (FLAGS (\Deleted))
            S: a OK ...
            C: b EXPUNGE
            S: * 2 EXPUNGE
            S: b OK ...
            C2: c SEARCH DELETED
            S2: * SEARCH...
            S2: c OK ...
            C2: d NOOP
            S2: * 2 EXPUNGE
            S2: d OK ...
        """)


class WritingTests(ImapTestCase):
    """
    Flags in FETCH responses.
    """

    def test_unknown_message(self) -> None:
        """
        A message that the client has no number for is not told of.
        """
        self.add(ONE)
        self.line().receive(b"s SELECT INBOX\r\n")
        session = self.line().conversation.session
        changed = [Reflagged(1, SEEN, 9), Reflagged(2, SEEN, 9)]
        self.assertEqual(
            b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\r\n", session.flag_responses(changed, with_uid=True)
        )
        self.assertEqual(b"", session.flag_responses(changed[1:]))
        self.assertEqual(b"", session.flag_responses([]))

    def test_many(self) -> None:
        """
        Messages that follow one another and such that do not are told of alike, each with what is its own.
        """
        self.add(ONE, ONE, ONE, ONE)
        line = self.line()
        line.receive(b"s SELECT INBOX (CONDSTORE)\r\nt CLOSE\r\nu SELECT INBOX\r\n")
        session = line.conversation.session
        told = {
            uid: b"* %d FETCH (UID %d FLAGS (%b) MODSEQ (%d))\r\n" % (uid, uid, flags, modseq)
            for uid, flags, modseq in ((1, b"\\Seen", 9), (2, b"", 8), (3, b"\\Flagged", 7), (4, b"\\Flagged", 6))
        }
        changed = {
            1: Reflagged(1, SEEN, 9),
            2: Reflagged(2, 0, 8),
            3: Reflagged(3, FLAGGED, 7),
            4: Reflagged(4, FLAGGED, 6),
        }
        for uids in ([1, 2, 3, 4], [2, 3], [1, 3, 4], [4, 1], [3]):
            expected = b"".join([told[uid] for uid in uids])
            self.assertEqual(expected, session.flag_responses(changed[uid] for uid in uids), uids)
        self.assertEqual(
            b"* 1 FETCH (UID 1 MODSEQ (9))\r\n* 3 FETCH (UID 3 MODSEQ (7))\r\n",
            session.flag_responses([changed[1], changed[3]], is_quiet=True),
        )
        self.assertGreaterEqual(session.mailbox.believed_modseq, 9)


class StateTests(ImapTestCase):
    """
    What a session has, and has not.
    """

    enters = False

    def test_nothing_before_login(self) -> None:
        """
        There is no mail before login, and no mailbox before one is selected.
        """
        session = self.line().conversation.session
        self.assertRaises(OutOfTurn, lambda: session.account)
        self.assertRaises(OutOfTurn, lambda: session.mailbox)
        now(session.breathe())
        self.assertEqual(1, self.line().breaths)
        now(session.news())

    def test_close(self) -> None:
        """
        When the connection is lost, the login ends and the mailbox is left.
        """
        self.plays("""
            C: a LOGIN fred secret
            S: a OK [CAPABILITY ...] Logged in.
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
        self.line().lose()
        self.assertTrue(self.passwords.logins[0].is_over)
        self.assertIsNone(self.line().conversation.session.selected)
        self.line().lose()
