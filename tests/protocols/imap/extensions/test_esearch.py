"""
ESEARCH (RFC 4731), with the grammar of RFC 4466 section 2.6.
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase

ONE = b"Subject: one\n\nBody.\n"


class ExtendedSearchTests(ImapTestCase):
    """
    SEARCH with result options.
    """

    def setUp(self) -> None:
        """
        Six messages with UIDs 2 to 7; the second, third and fifth are flagged.
        """
        super().setUp()
        self.add(*[ONE] * 7)
        self.line().receive(
            b"x SELECT INBOX\r\nx STORE 1 +FLAGS.SILENT (\\Deleted)\r\nx EXPUNGE\r\nx STORE 2,3,5 +FLAGS.SILENT (\\Flagged)\r\n"
        )
        self.line().take()

    def test_options(self) -> None:
        """
        Section 3.1: each option adds what it says; sequence numbers for SEARCH, UIDs for UID SEARCH.
        """
        self.plays("""
            C: A282 SEARCH RETURN (MIN COUNT) FLAGGED
            S: * ESEARCH (TAG "A282") MIN 2 COUNT 3
            S: A282 OK Searched.
            C: A283 SEARCH RETURN () FLAGGED
            S: * ESEARCH (TAG "A283") ALL 2:3,5
            S: A283 OK Searched.
            C: A284 SEARCH return (min) FLAGGED
            S: * ESEARCH (TAG "A284") MIN 2
            S: A284 OK Searched.
            C: A285 UID SEARCH RETURN (ALL MAX MIN COUNT) FLAGGED
            S: * ESEARCH (TAG "A285") UID MIN 3 MAX 6 COUNT 3 ALL 3:4,6
            S: A285 OK Searched.
        """)

    def test_nothing_found(self) -> None:
        """
        MIN, MAX and ALL are left out then; COUNT is not.
        """
        self.plays("""
            C: a SEARCH RETURN (MIN MAX ALL) SEEN
            S: * ESEARCH (TAG "a")
            S: a OK Searched.
            C: b UID SEARCH RETURN (MIN COUNT) SEEN
            S: * ESEARCH (TAG "b") UID COUNT 0
            S: b OK Searched.
        """)

    def test_charset(self) -> None:
        """
        CHARSET comes behind the options.
        """
        self.plays("""
            C: a SEARCH RETURN (COUNT) CHARSET UTF-8 SUBJECT one
            S: * ESEARCH (TAG "a") COUNT 6
            S: a OK Searched.
        """)

    def test_modseq(self) -> None:
        """
        Section 3.2: with MODSEQ among the keys its highest is told: of those named, if only MIN or MAX are, else of all.
        """
        self.plays("""
            C: s STORE 2 +FLAGS.SILENT ($x)
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: s OK ...
            C: a SEARCH RETURN (MIN) MODSEQ 1 FLAGGED
            S: * OK [HIGHESTMODSEQ 11] The highest so far.
            S: * ESEARCH (TAG "a") MIN 2 MODSEQ 11
            S: a OK Searched.
            C: b SEARCH RETURN (MAX) MODSEQ 1 FLAGGED
            S: * ESEARCH (TAG "b") MAX 5 MODSEQ 10
            S: b OK Searched.
            C: c SEARCH RETURN (MIN MAX) MODSEQ 1 FLAGGED
            S: * ESEARCH (TAG "c") MIN 2 MAX 5 MODSEQ 11
            S: c OK Searched.
            C: d SEARCH RETURN (MAX COUNT) MODSEQ 1
            S: * ESEARCH (TAG "d") MAX 6 COUNT 6 MODSEQ 11
            S: d OK Searched.
            C: e SEARCH RETURN (ALL) MODSEQ 12
            S: * ESEARCH (TAG "e")
            S: e OK Searched.
        """)

    def test_refused(self) -> None:
        """
        Unknown and repeated options, and malformed lists, are BAD.
        """
        self.plays("""
            C: a SEARCH RETURN (FIRST) ALL
            S: a BAD ...
            C: b SEARCH RETURN (MIN MIN) ALL
            S: b BAD ...
            C: c SEARCH RETURN (MIN)
            S: c BAD ...
            C: d SEARCH RETURN MIN ALL
            S: d BAD ...
            C: e SEARCH RETURN (MIN ALL
            S: e BAD ...
            C: f SEARCH RETURN (MIN) 9
            S: f BAD There is no message of that number.
        """)
