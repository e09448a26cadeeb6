"""
CONDSTORE (RFC 7162 section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.imap import ImapTestCase
from twisted_mail_server.model.changes import MessageRow
from twisted_mail_server.storage.memory import MemoryView

ONE = b"Subject: one\n\nBody.\n"


class CondstoreCase(ImapTestCase):
    """
    Three messages, appended with MODSEQ 7, in the selected mailbox of every session.
    """

    messages = 3

    def setUp(self) -> None:
        """
        Fill INBOX.
        """
        super().setUp()
        self.add(*[ONE] * self.messages)
        self.line().receive(b"x SELECT INBOX\r\nx UNSELECT\r\n")
        self.select("")

    def select(self, number: str, *, enabled: bytes = b"") -> None:
        """
        Begin a session that has INBOX selected.
        """
        line = self.line(number)
        if enabled:
            line.receive(b"x ENABLE " + enabled + b"\r\n")
        line.receive(b"x SELECT INBOX\r\n")
        self.assertIn(b"x OK [READ-WRITE] Open.\r\n", line.take())


class SelectTests(CondstoreCase):
    """
    What enables it, and what is told then.
    """

    def test_told_in_any_case(self) -> None:
        """
        HIGHESTMODSEQ is told to everyone (section 3.1.2.1); with the parameter CONDSTORE it is told once.
        """
        for tag, parameter in (("a", ""), ("b", " (CONDSTORE)")):
            self.plays(rf"""
                C: {tag} SELECT INBOX{parameter}
                S: * OK [CLOSED] ...
                S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
                S: * OK [PERMANENTFLAGS ...
                S: * 3 EXISTS
                S: * 0 RECENT
                S: * OK [UNSEEN 1] ...
                S: * OK [UIDVALIDITY ...
                S: * OK [UIDNEXT 4] ...
                S: * OK [HIGHESTMODSEQ 7] The highest so far.
                S: {tag} OK [READ-WRITE] Open.
            """)
            self.assertEqual(bool(parameter), self.line().conversation.session.tells_modseq)

    def test_first_enabling_command(self) -> None:
        """
        Section 3.1: whatever enables it first is answered with HIGHESTMODSEQ, if a mailbox is selected.
        """
        for number, (command, answer) in enumerate(
            (
                ("FETCH 1 MODSEQ", "* 1 FETCH (MODSEQ (7))"),
                ("SEARCH MODSEQ 7", "* SEARCH 1 2 3 (MODSEQ 7)"),
                ("STATUS INBOX (HIGHESTMODSEQ)", "* STATUS INBOX (HIGHESTMODSEQ 7)"),
                ("FETCH 1 FLAGS (CHANGEDSINCE 6)", "* 1 FETCH (FLAGS () MODSEQ (7))"),
                ("STORE 1 (UNCHANGEDSINCE 7) -FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS () MODSEQ (7))"),
                ("ENABLE CONDSTORE", "* ENABLED CONDSTORE"),
            ),
            2,
        ):
            self.select(str(number))
            line = self.line(str(number))
            line.receive(f"a {command}\r\n".encode())
            said = line.take().decode().split("\r\n")
            self.assertIn("* OK [HIGHESTMODSEQ 7] The highest so far.", said)
            self.assertIn(answer, said)
            self.assertTrue(said[-2].startswith("a OK"), said)
            line.receive(f"b {command}\r\n".encode())
            self.assertNotIn(b"HIGHESTMODSEQ 7]", line.take())

    def test_parameters_refused(self) -> None:
        """
        An unknown parameter, one that comes twice, an empty list: BAD, and the mailbox stays selected.
        """
        self.plays("""
            C: a SELECT INBOX (NONSENSE)
            S: a BAD ...
            C: b SELECT INBOX (CONDSTORE CONDSTORE)
            S: b BAD ...
            C: c SELECT INBOX ()
            S: c BAD ...
            C: d SELECT INBOX (CONDSTORE
            S: d BAD ...
            C: e SELECT INBOX CONDSTORE
            S: e BAD ...
            C: f CHECK
            S: f OK ...
        """)


class FetchTests(CondstoreCase):
    """
    FETCH with MODSEQ and CHANGEDSINCE (section 3.1.4).
    """

    def test_changedsince(self) -> None:
        """
        Only messages with a higher MODSEQ are shown, and it with them (example 12).
        """
        self.plays(r"""
            C: a STORE 2 +FLAGS.SILENT (\Seen)
            S: a OK Stored.
            C: s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7)
            S: * OK [HIGHESTMODSEQ 8] ...
            S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (8))
            S: s100 OK Fetched.
            C: s101 FETCH 1:3 (MODSEQ FLAGS) (changedsince 0)
            S: * 1 FETCH (MODSEQ (7) FLAGS ())
            S: * 2 FETCH (MODSEQ (8) FLAGS (\Seen))
            S: * 3 FETCH (MODSEQ (7) FLAGS ())
            S: s101 OK Fetched.
            C: s102 FETCH 1:3 FLAGS (CHANGEDSINCE 9223372036854775807)
            S: s102 OK Fetched.
        """)

    def test_gone(self) -> None:
        """
        A message of which nothing is left is left out; the MODSEQs of the others are theirs.
        """
        fetch = MemoryView.fetch

        async def only_the_last(view: MemoryView, uids: Sequence[int], **how: bool) -> list[MessageRow]:
            return await fetch(view, uids[-1:], **how)

        self.line().receive(b"x STORE 3 +FLAGS.SILENT (\\Seen)\r\n")
        self.line().take()
        self.patch(MemoryView, "fetch", only_the_last)
        self.plays("""
            C: a FETCH 1:3 (MODSEQ RFC822.SIZE)
            S: * OK [HIGHESTMODSEQ 8] ...
            S: * 3 FETCH (MODSEQ (8) RFC822.SIZE 23)
            S: a NO [EXPUNGEISSUED] Some of the messages were expunged meanwhile.
        """)

    def test_refused(self) -> None:
        """
        Numbers of more than 63 bits, repeated and unknown modifiers are BAD.
        """
        self.plays("""
            C: a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)
            S: a BAD ...
            C: b FETCH 1 FLAGS (CHANGEDSINCE)
            S: b BAD ...
            C: c FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)
            S: c BAD ...
            C: d FETCH 1 FLAGS (NONSENSE)
            S: d BAD ...
            C: e FETCH 1 FLAGS ()
            S: e BAD ...
            C: f FETCH 1 FLAGS CHANGEDSINCE 1
            S: f BAD ...
        """)
        self.assertFalse(self.line().conversation.session.tells_modseq)

    def test_news(self) -> None:
        """
        Section 3.2.4: who knows MODSEQ is told it with every change, and the UID; others are not.
        """
        self.select("2", enabled=b"CONDSTORE")
        self.plays(r"""
            C: a STORE 3 +FLAGS (\Flagged)
            S: * 3 FETCH (FLAGS (\Flagged))
            S: a OK Stored.
            C2: b NOOP
            S2: * 3 FETCH (UID 3 FLAGS (\Flagged) MODSEQ (8))
            S2: b OK Nothing done.
        """)

    def test_seen(self) -> None:
        """
        Section 3.2.4: so it is when FETCH sets C{\\Seen}; what was asked for is not told twice, and no echo follows.
        """
        self.select("2", enabled=b"CONDSTORE")
        self.plays(r"""
            C2: a FETCH 1 BODY[TEXT]
            S2: * 1 FETCH (BODY[TEXT] {7}
            S2: Body.
            S2:  FLAGS (\Seen) UID 1 MODSEQ (8))
            S2: a OK Fetched.
            C2: b UID FETCH 2 (FLAGS BODY[TEXT])
            S2: * 2 FETCH (UID 2 FLAGS (\Seen) BODY[TEXT] {7}
            S2: Body.
            S2:  MODSEQ (9))
            S2: b OK Fetched.
            C2: c UID FETCH 3 (MODSEQ FLAGS BODY[TEXT])
            S2: * 3 FETCH (UID 3 MODSEQ (10) FLAGS (\Seen) BODY[TEXT] {7}
            S2: Body.
            S2: )
            S2: c OK Fetched.
            C2: d FETCH 1:3 BODY.PEEK[HEADER]<0.1>
            S2: * 1 FETCH (BODY[HEADER]<0> {1}
            S2: S)
            S2: * 2 FETCH (BODY[HEADER]<0> {1}
            S2: S)
            S2: * 3 FETCH (BODY[HEADER]<0> {1}
            S2: S)
            S2: d OK Fetched.
        """)


class StoreTests(CondstoreCase):
    """
    STORE with UNCHANGEDSINCE (section 3.1.3).
    """

    def test_all_pass(self) -> None:
        """
        Examples 3 and 4: with C{.SILENT} too, each message's new MODSEQ is told; one that is meant twice passes.
        """
        self.plays(r"""
            C: a102 NOOP
            S: a102 OK ...
            C: a103 UID STORE 3,1 (UNCHANGEDSINCE 7) +FLAGS.SILENT (\Deleted)
            S: * OK [HIGHESTMODSEQ 7] ...
            S: * 1 FETCH (UID 1 MODSEQ (8))
            S: * 3 FETCH (UID 3 MODSEQ (8))
            S: a103 OK Stored.
            C: a104 STORE 2,1:3 (UNCHANGEDSINCE 8) FLAGS.SILENT (\Answered)
            S: * 1 FETCH (UID 1 MODSEQ (9))
            S: * 2 FETCH (UID 2 MODSEQ (9))
            S: * 3 FETCH (UID 3 MODSEQ (9))
            S: a104 OK Stored.
            C: a105 STORE 2 (UNCHANGEDSINCE 9) -FLAGS (\Answered)
            S: * 2 FETCH (UID 2 FLAGS () MODSEQ (10))
            S: a105 OK Stored.
        """)

    def test_modified(self) -> None:
        """
        Examples 6 and 7: messages that fail the test stay as they are; they are named, and their flags told.
        """
        self.select("2")
        self.plays(r"""
            C2: a STORE 1,3 FLAGS.SILENT (\Seen)
            S2: a OK Stored.
            C: d105 STORE 1,2,3 (UNCHANGEDSINCE 7) FLAGS.SILENT (\Deleted)
            S: * OK [HIGHESTMODSEQ 7] ...
            S: * 2 FETCH (UID 2 MODSEQ (9))
            S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (8))
            S: * 3 FETCH (UID 3 FLAGS (\Seen) MODSEQ (8))
            S: d105 OK [MODIFIED 1,3] Stored, where nothing had changed.
            C: d106 UID STORE 1:3 (UNCHANGEDSINCE 8) FLAGS (\Flagged)
            S: * 1 FETCH (UID 1 FLAGS (\Flagged) MODSEQ (10))
            S: * 3 FETCH (UID 3 FLAGS (\Flagged) MODSEQ (10))
            S: * 2 FETCH (UID 2 FLAGS (\Deleted) MODSEQ (9))
            S: d106 OK [MODIFIED 2] Stored, where nothing had changed.
        """)

    def test_zero(self) -> None:
        """
        Example 8: with 0 it always fails.
        """
        self.plays(r"""
            C: a102 STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)
            S: * OK [HIGHESTMODSEQ 7] ...
            S: * 1 FETCH (UID 1 FLAGS () MODSEQ (7))
            S: a102 OK [MODIFIED 1] Stored, where nothing had changed.
        """)

    def test_other_flags_changed(self) -> None:
        """
        Section 3.1.12: if only other flags have changed since the client was told, it is not troubled with that.
        """
        self.select("2")
        self.plays(r"""
            C2: a STORE 1 +FLAGS.SILENT (\Deleted)
            S2: a OK Stored.
            C2: b STORE 2 +FLAGS.SILENT (\Seen)
            S2: b OK Stored.
            C: c STORE 1:3 (UNCHANGEDSINCE 7) +FLAGS.SILENT (\Seen)
            S: * OK [HIGHESTMODSEQ 7] ...
            S: * 3 FETCH (UID 3 MODSEQ (10))
            S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (9))
            S: * 1 FETCH (UID 1 FLAGS (\Seen \Deleted) MODSEQ (11))
            S: c OK [MODIFIED 2] Stored, where nothing had changed.
        """)

    def test_some_are_gone(self) -> None:
        """
        Example 11: MODIFIED stands in a NO too.
        """
        self.select("2")
        self.plays(r"""
            C2: a STORE 1,3 +FLAGS.SILENT (\Deleted)
            S2: a OK Stored.
            C2: b UID EXPUNGE 3
            S2: * 3 EXPUNGE
            S2: b OK Expunged.
            C: B001 STORE 1:3 (UNCHANGEDSINCE 7) FLAGS (\Seen)
            S: * OK [HIGHESTMODSEQ 7] ...
            S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (10))
            S: * 1 FETCH (UID 1 FLAGS (\Deleted) MODSEQ (8))
            S: * OK [HIGHESTMODSEQ 7] The highest so far.
            S: B001 NO [MODIFIED 1] Some of the messages were expunged meanwhile.
            C: B002 NOOP
            S: * 3 EXPUNGE
            S: B002 OK [HIGHESTMODSEQ 10] Nothing done.
        """)

    def test_refused(self) -> None:
        """
        A malformed modifier changes nothing.
        """
        self.plays(r"""
            C: a STORE 1 (UNCHANGEDSINCE -1) FLAGS (\Seen)
            S: a BAD ...
            C: b STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS (\Seen)
            S: b BAD ...
            C: c STORE 1 (UNCHANGEDSINCE 1)FLAGS (\Seen)
            S: c BAD ...
            C: d STORE 1 () FLAGS (\Seen)
            S: d BAD ...
            C: e FETCH 1 FLAGS
            S: * 1 FETCH (FLAGS ())
            S: e OK ...
        """)


class HighestModseqTests(CondstoreCase):
    """
    What a client takes for the highest MODSEQ is never more than it was told of (RFC 7162 sections 3.2 and 6).
    """

    def test_delayed_expunge(self) -> None:
        """
        The example of section 6: while an EXPUNGE waits, HIGHESTMODSEQ is kept below it.
        """
        self.select("2", enabled=b"QRESYNC")
        self.plays(r"""
            C: a UID EXPUNGE 1
            S: a OK Expunged.
            C: b STORE 2 +FLAGS.SILENT (\Deleted)
            S: b OK Stored.
            C: c EXPUNGE
            S: * 2 EXPUNGE
            S: c OK Expunged.
            C2: A150 STORE 1 +FLAGS.SILENT (\Seen)
            S2: * 1 FETCH (UID 1 MODSEQ (10))
            S2: A150 OK [HIGHESTMODSEQ 7] Stored.
            C2: A151 STORE 3 +FLAGS.SILENT (\Seen)
            S2: * 3 FETCH (UID 3 MODSEQ (11))
            S2: A151 OK [HIGHESTMODSEQ 7] Stored.
            C2: A152 FETCH 3 MODSEQ
            S2: * 3 FETCH (MODSEQ (11))
            S2: A152 OK [HIGHESTMODSEQ 7] Fetched.
            C2: A153 NOOP
            S2: * VANISHED 2
            S2: A153 OK [HIGHESTMODSEQ 11] Nothing done.
        """)

    def test_in_expunge(self) -> None:
        """
        Sections 3.2.7 and 3.2.9: EXPUNGE tells it in the tagged response; CLOSE does not (section 3.2.8).
        """
        self.select("2", enabled=b"CONDSTORE")
        self.plays(r"""
            C2: a STORE 1:3 +FLAGS.SILENT (\Deleted)
            S2: * 1 FETCH (UID 1 MODSEQ (8))
            S2: * 2 FETCH (UID 2 MODSEQ (8))
            S2: * 3 FETCH (UID 3 MODSEQ (8))
            S2: a OK Stored.
            C2: b UID EXPUNGE 2
            S2: * 2 EXPUNGE
            S2: b OK [HIGHESTMODSEQ 9] Expunged.
            C2: c MOVE 1 Trash
            S2: * OK [COPYUID ...
            S2: * 1 EXPUNGE
            S2: c OK [HIGHESTMODSEQ 10] Moved.
            C2: d CLOSE
            S2: d OK Closed.
        """)

    def test_with_another_code(self) -> None:
        """
        Where the tagged response has a code of its own, an untagged one tells it.
        """
        self.select("2", enabled=b"CONDSTORE")
        self.plays("""
            C2: a COPY 1 INBOX
            S2: * 4 EXISTS
            S2: * 1 RECENT
            S2: * OK [HIGHESTMODSEQ 8] The highest so far.
            S2: a OK [COPYUID ...
        """)


class SearchTests(CondstoreCase):
    """
    The key MODSEQ (sections 3.1.5 and 3.1.6).
    """

    def test_examples(self) -> None:
        """
        Examples 15 and 16: entries are passed over; the highest MODSEQ of what was found is told, if anything was.
        """
        self.plays(r"""
            C: s STORE 2 +FLAGS.SILENT (\Seen)
            S: s OK Stored.
            C: a SEARCH MODSEQ "/flags/\\draft" all 8
            S: * OK [HIGHESTMODSEQ 8] ...
            S: * SEARCH 2 (MODSEQ 8)
            S: a OK Searched.
            C: t SEARCH OR NOT MODSEQ 7 LARGER 50000
            S: * SEARCH
            S: t OK Searched.
            C: u UID SEARCH NOT MODSEQ 8
            S: * SEARCH 1 3 (MODSEQ 7)
            S: u OK Searched.
            C: v SEARCH MODSEQ "/flags/$Junk" priv 0 SEEN
            S: * SEARCH 2 (MODSEQ 8)
            S: v OK Searched.
        """)

    def test_refused(self) -> None:
        """
        What is no metadata item is BAD.
        """
        self.plays(r"""
            C: a SEARCH MODSEQ
            S: a BAD ...
            C: b SEARCH MODSEQ "/comment" all 1
            S: b BAD ...
            C: c SEARCH MODSEQ "/flags/x" some 1
            S: c BAD ...
            C: d SEARCH MODSEQ "/flags/x" 1
            S: d BAD ...
        """)


class StatusTests(CondstoreCase):
    """
    STATUS (HIGHESTMODSEQ) (section 3.1.7).
    """

    def test_item(self) -> None:
        """
        It is what SELECT tells.
        """
        self.plays("""
            C: a UNSELECT
            S: a OK ...
            C: A042 STATUS INBOX (UIDNEXT MESSAGES HIGHESTMODSEQ)
            S: * STATUS INBOX (UIDNEXT 4 MESSAGES 3 HIGHESTMODSEQ 7)
            S: A042 OK ...
        """)
        self.assertTrue(self.line().conversation.session.tells_modseq)
