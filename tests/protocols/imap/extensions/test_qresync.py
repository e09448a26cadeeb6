"""
QRESYNC (RFC 7162 section 3.2).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase
from twisted_mail_server.storage.memory import MemoryView

ONE = b"Subject: one\n\nBody.\n"


class QresyncCase(ImapTestCase):
    """
    Twelve messages, appended with MODSEQ 7, of which 1, 3, 4 and 12 are expunged with MODSEQ 8, 2 is marked with MODSEQ 9, and 6
    expunged with MODSEQ 10: so 2, 5 and 7 to 11 are left.
    """

    uidvalidity = 1_700_000_000

    def setUp(self) -> None:
        """
        Make it so, and enable QRESYNC in session 1; session 2 is plain.
        """
        super().setUp()
        self.add(*[ONE] * 12)
        line = self.line("2")
        line.receive(
            b"x SELECT INBOX\r\nx UID MOVE 1,3,4,12 Trash\r\nx UID STORE 2 +FLAGS (\\Seen)\r\nx UID MOVE 6 Trash\r\n"
        )
        line.take()
        self.line().receive(b"x ENABLE QRESYNC\r\n")
        self.line().take()

    def resync(self, parameters: str) -> list[str]:
        """
        What is told of the time since.
        """
        line = self.line()
        line.receive(f"s SELECT INBOX (QRESYNC ({parameters}))\r\n".encode())
        said = line.take().decode().split("\r\n")
        self.assertEqual("s OK [READ-WRITE] Open.", said[-2])
        self.assertIn("* OK [HIGHESTMODSEQ 10] The highest so far.", said)
        return [one for one in said if "VANISHED" in one or "FETCH" in one]

    def forget(self) -> None:
        """
        The store remembers no expunges any more.
        """

        async def nothing(view: MemoryView, modseq: int) -> None:
            return None

        self.patch(MemoryView, "vanished_since", nothing)


class ResyncTests(QresyncCase):
    """
    SELECT with QRESYNC (section 3.2.5).
    """

    def test_since(self) -> None:
        """
        Section 3.2.5.1: what vanished since is told, and what was changed; nothing twice.
        """
        seen = "* 1 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (9))"
        valid = self.uidvalidity
        self.assertEqual(["* VANISHED (EARLIER) 1,3:4,6,12", seen], self.resync(f"{valid} 7"))
        self.assertEqual(["* VANISHED (EARLIER) 6", seen], self.resync(f"{valid} 8"))
        self.assertEqual(["* VANISHED (EARLIER) 6"], self.resync(f"{valid} 9"))
        self.assertEqual([], self.resync(f"{valid} 10"))
        self.assertEqual([], self.resync(f"{valid} 9223372036854775807"))

    def test_known_uids(self) -> None:
        """
        Only what the client knows is told of.
        """
        valid = self.uidvalidity
        self.assertEqual(["* VANISHED (EARLIER) 3:4"], self.resync(f"{valid} 7 3:5,10"))
        told = self.resync(f"{valid} 1 1,10:4000000000")
        self.assertEqual("* VANISHED (EARLIER) 1,12", told[0])
        self.assertEqual(["10", "11"], [one.split("UID ")[1].split(" ")[0] for one in told[1:]])

    def test_all_at_once(self) -> None:
        """
        The example of section 3.2.5.1: VANISHED comes before FETCH, and both behind what SELECT tells.
        """
        self.plays(rf"""
            C: A03 SELECT INBOX (CONDSTORE QRESYNC ({self.uidvalidity} 7 1:8))
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 7 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 2] ...
            S: * OK [UIDVALIDITY {self.uidvalidity}] UIDs valid.
            S: * OK [UIDNEXT 13] ...
            S: * OK [HIGHESTMODSEQ 10] The highest so far.
            S: * VANISHED (EARLIER) 1,3:4,6
            S: * 1 FETCH (UID 2 FLAGS (\Seen) MODSEQ (9))
            S: A03 OK [READ-WRITE] Open.
            C: A04 EXAMINE INBOX (QRESYNC ({self.uidvalidity} 10))
            S: * OK [CLOSED] ...
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ()] ...
            S: * 7 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 2] ...
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 13] ...
            S: * OK [HIGHESTMODSEQ 10] ...
            S: A04 OK [READ-ONLY] Open.
        """)

    def test_other_uidvalidity(self) -> None:
        """
        With another UIDVALIDITY the rest counts for nothing.
        """
        self.assertEqual([], self.resync("67890007 1 1:12"))

    def test_empty(self) -> None:
        """
        In a mailbox that never had a message nothing is told.
        """
        self.plays("""
            C: a SELECT Drafts (QRESYNC (1700000001 1))
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY 1700000001] ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: a OK ...
        """)

    def test_not_enabled(self) -> None:
        """
        Without ENABLE QRESYNC it is BAD, and the mailbox stays selected (section 3.2.5); CONDSTORE is not enough.
        """
        self.plays(f"""
            C2: a SELECT Trash (QRESYNC ({self.uidvalidity} 7))
            S2: a BAD Enable QRESYNC first.
            C2: b ENABLE CONDSTORE
            S2: * ENABLED CONDSTORE
            S2: * OK [HIGHESTMODSEQ 10] ...
            S2: b OK ...
            C2: c SELECT Trash (QRESYNC ({self.uidvalidity} 7))
            S2: c BAD Enable QRESYNC first.
            C2: d CHECK
            S2: d OK ...
        """)

    def test_malformed(self) -> None:
        """
        What is malformed is BAD, and opens nothing.
        """
        for parameters in (
            "",
            "()",
            "(1)",
            "(0 7)",
            "(1 x)",
            "(1 9223372036854775808)",
            "(1 7 *)",
            "(1 7 1:*)",
            "(1 7 $)",
            "(1 7 1:5 )",
            "(1 7 1:5 (1:5))",
            "(1 7 1:5 (1:5 1:4))",
            "(1 7 1:5 (1:4 1:5))",
            "(1 7 1:5 (1:* 1:5))",
            "(1 7 1:5 (1:5 1:5) 3)",
            "(1 7 1:5 (1:5 1:5)",
            "1 7",
        ):
            line = self.line()
            line.receive(f"a SELECT INBOX (QRESYNC {parameters})\r\nb CHECK\r\nc NOOP\r\n".encode())
            first, second, *_ = line.take().split(b"\r\n")
            self.assertTrue(first.startswith(b"a BAD"), (parameters, first))
            self.assertTrue(second.startswith(b"b BAD [CLIENTBUG]"), parameters)


class CutTests(QresyncCase):
    """
    However the octets come.
    """

    def test_every_cut(self) -> None:
        """
        The answers are the same wherever the conversation is cut in two.
        """
        said = (
            b"a ENABLE QRESYNC IMAP4rev2\r\n"
            b"b SELECT INBOX (QRESYNC (1700000000 7 1:8 (1:2 2,5)))\r\n"
            b"c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7 VANISHED)\r\n"
            b"d SEARCH RETURN (SAVE MIN) CHARSET {5+}\r\nUTF-8 MODSEQ 7\r\n"
            b"e UID FETCH $ (MODSEQ)\r\n"
        )

        def heard(pieces: tuple[bytes, ...]) -> bytes:
            line = self.connect()
            line.receive(b"x LOGIN fred secret\r\n")
            line.take()
            for piece in pieces:
                line.receive(piece)
            return line.take()

        whole = heard((said,))
        self.assertIn(b"* VANISHED (EARLIER) 1,3:4,6,12\r\n", whole)
        self.assertIn(b'* ESEARCH (TAG "d") MIN 1 MODSEQ 9\r\n', whole)
        self.assertTrue(whole.endswith(b"* 1 FETCH (UID 2 MODSEQ (9))\r\ne OK Fetched.\r\n"))
        for cut in range(1, len(said)):
            self.assertEqual(whole, heard((said[:cut], said[cut:])), cut)


class ForgottenTests(QresyncCase):
    """
    The same where the store does not remember so far back: every UID that the client knows and that is gone is told.
    """

    def setUp(self) -> None:
        """
        Let the store forget.
        """
        super().setUp()
        self.forget()

    def vanished(self, parameters: str) -> str:
        """
        The UIDs that are told as vanished.
        """
        told = self.resync(f"{self.uidvalidity} {parameters}")
        return told[0].removeprefix("* VANISHED (EARLIER) ") if told and "VANISHED" in told[0] else ""

    def test_all(self) -> None:
        """
        Section 3.2.6: as if all were asked for; UIDs that never were are not told of.
        """
        self.assertEqual("1,3:4,6,12", self.vanished("9"))
        self.assertEqual("1,3:4,6,12", self.vanished("9 1:4294967295"))
        self.assertEqual("3:4", self.vanished("9 2:5,7:9"))
        self.assertEqual("", self.vanished("9 2,5,7:11"))
        self.assertEqual("12", self.vanished("9 8:20"))
        self.assertEqual("", self.vanished("9 13:20"))

    def test_sequence_match_data(self) -> None:
        """
        Section 3.2.5.2: below a message that still has its number nothing vanished unheard.
        """
        # Now the numbers 1 to 7 are UIDs 2, 5, 7, 8, 9, 10, 11.
        self.assertEqual("3:4,6,12", self.vanished("9 1:12 (1 2)"))
        self.assertEqual("6,12", self.vanished("9 1:12 (1:2 2,5)"))
        self.assertEqual("12", self.vanished("9 1:12 (1,2,7 2,5,11)"))
        self.assertEqual("12", self.vanished("9 1:12 (1,3:6 2,7:10)"))
        self.assertEqual("6,12", self.vanished("9 1:12 (2,4 5,9)"))
        self.assertEqual("12", self.vanished("9 1:12 (3:9 7:13)"))
        self.assertEqual("1,3:4,6,12", self.vanished("9 1:12 (1:12 1:12)"))
        self.assertEqual("1,3:4,6,12", self.vanished("9 1:12 (20:25 2:7)"))
        self.assertEqual("1,3:4,6,12", self.vanished("9 (1:4294967295 1:4294967295)"))
        self.assertEqual("12", self.vanished("9 (7 11)"))


class VanishedTests(QresyncCase):
    """
    VANISHED, instead of EXPUNGE (section 3.2.10).
    """

    def setUp(self) -> None:
        """
        Select the mailbox.
        """
        super().setUp()
        self.resync(f"{self.uidvalidity} 10")

    def test_own(self) -> None:
        """
        The example of section 3.2.10.2, and HIGHESTMODSEQ with it (section 3.2.7).
        """
        self.plays(r"""
            C: A201 STORE 2,3,7 +FLAGS.SILENT (\Deleted)
            S: * 2 FETCH (UID 5 MODSEQ (11))
            S: * 3 FETCH (UID 7 MODSEQ (11))
            S: * 7 FETCH (UID 11 MODSEQ (11))
            S: A201 OK Stored.
            C: A202 EXPUNGE
            S: * VANISHED 5,7,11
            S: A202 OK [HIGHESTMODSEQ 12] Expunged.
            C: A203 UID MOVE 8:9 Trash
            S: * OK [COPYUID ...
            S: * VANISHED 8:9
            S: A203 OK [HIGHESTMODSEQ 13] Moved.
            C: A204 FETCH 1:2 UID
            S: * 1 FETCH (UID 2)
            S: * 2 FETCH (UID 10)
            S: A204 OK Fetched.
        """)

    def test_others(self) -> None:
        """
        Expunges of others wait as EXPUNGE does; UID SEARCH with sequence numbers among its keys waits too.
        """
        self.plays(r"""
            C2: a UID MOVE 5 Trash
            S2: * OK [COPYUID ...
            S2: * 2 EXPUNGE
            S2: a OK Moved.
            C: b FETCH 2 UID
            S: * 2 FETCH (UID 5)
            S: b OK Fetched.
            C: c SEARCH ALL
            S: * SEARCH 1 2 3 4 5 6 7
            S: c OK Searched.
            C: d UID SEARCH 1:3
            S: * SEARCH 2 5 7
            S: d OK Searched.
            C: e UID SEARCH ALL
            S: * SEARCH 2 5 7 8 9 10 11
            S: * VANISHED 5
            S: e OK [HIGHESTMODSEQ 11] Searched.
        """)

    def test_uid_fetch(self) -> None:
        """
        Section 3.2.6: UID FETCH tells what vanished in the past, before anything else.
        """
        self.plays(r"""
            C: s100 UID FETCH 1:5,12:* (FLAGS) (CHANGEDSINCE 7 VANISHED)
            S: * VANISHED (EARLIER) 1,3:4,12
            S: * 1 FETCH (UID 2 FLAGS (\Seen) MODSEQ (9))
            S: s100 OK Fetched.
            C: s101 UID FETCH 1:5 UID (VANISHED CHANGEDSINCE 9)
            S: s101 OK Fetched.
            C: s102 SEARCH RETURN (SAVE) ALL
            S: s102 OK Searched.
            C: s103 UID FETCH $ UID (VANISHED CHANGEDSINCE 9)
            S: s103 OK Fetched.
        """)
        self.forget()
        self.plays(r"""
            C: s104 UID FETCH 1:* UID (VANISHED CHANGEDSINCE 9)
            S: * VANISHED (EARLIER) 1,3:4,6,12
            S: s104 OK Fetched.
        """)

    def test_still_numbered(self) -> None:
        """
        What vanished and the client still numbers is told by VANISHED without EARLIER, and only by it (section 3.2.10).
        """
        for forgetful in (False, True):
            if forgetful:
                self.forget()
            uid = 7 if forgetful else 5
            self.plays(rf"""
                C2: a UID MOVE {uid} Trash
                S2: * OK [COPYUID ...
                S2: * 2 EXPUNGE
                S2: a OK Moved.
                C: b FETCH 2 UID
                S: * 2 FETCH (UID {uid})
                S: b OK Fetched.
                C: c UID FETCH {uid} UID (VANISHED CHANGEDSINCE 1)
                S: * 2 FETCH (UID {uid} MODSEQ (7))
                S: * VANISHED {uid}
                S: c OK [HIGHESTMODSEQ ...
            """)

    def test_refused(self) -> None:
        """
        It stands in UID FETCH only, with CHANGEDSINCE, and when QRESYNC is enabled.
        """
        self.plays("""
            C: a FETCH 1 UID (CHANGEDSINCE 7 VANISHED)
            S: a BAD ...
            C: b UID FETCH 1 UID (VANISHED)
            S: b BAD ...
            C2: c UID FETCH 1 UID (CHANGEDSINCE 7 VANISHED)
            S2: c BAD Enable QRESYNC first.
        """)

    def test_idle(self) -> None:
        """
        While idling, too.
        """
        self.plays("""
            C: a IDLE
            S: + idling
            C2: b UID MOVE 10 Trash
            S: * VANISHED 10
            S2: * OK [COPYUID ...
            S2: * 6 EXPUNGE
            S2: b OK Moved.
            C: DONE
            S: a OK [HIGHESTMODSEQ 11] No longer idling.
        """)
