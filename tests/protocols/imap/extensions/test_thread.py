"""
THREAD (RFC 5256).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class ThreadTests(ImapTestCase):
    """
    THREAD and UID THREAD.
    """

    def setUp(self) -> None:
        """
        A discussion, without its first message.
        """
        super().setUp()
        self.add(
            b"Subject: gone\n\n.\n",
            b"Message-ID: <2@x>\nSubject: one\nDate: 2 Feb 1994 00:00:00 +0000\n\nBody.\n",
            b"Message-ID: <3@x>\nSubject: Re: one\nReferences: <2@x>\nDate: 3 Feb 1994 00:00:00 +0000\n\nBody.\n",
            b"Message-ID: <4@x>\nSubject: Re: one\nReferences: <2@x> <3@x>\nDate: 4 Feb 1994 00:00:00 +0000\n\nBody.\n",
            b"Message-ID: <5@x>\nSubject: other\nReferences: <2@x>\nDate: 5 Feb 1994 00:00:00 +0000\n\nBody.\n",
            b"Message-ID: <6@x>\nSubject: else\nDate: 1 Feb 1994 00:00:00 +0000\n\nBody.\n",
        )
        line = self.line()
        line.receive(b"a SELECT INBOX\r\nb STORE 1 FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE\r\n")
        self.assertIn(b"c OK", line.take())

    def test_thread(self) -> None:
        """
        Messages found, in threads, by number or UID.
        """
        self.plays("""
            C: A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000
            S: * THREAD (5)(1 (2)(3))(4)
            S: A283 OK ...
            C: A284 THREAD ORDEREDSUBJECT US-ASCII TEXT "gewp"
            S: * THREAD
            S: A284 OK ...
            C: A285 THREAD REFERENCES UTF-8 SINCE 5-MAR-2000
            S: * THREAD (5)(1 (2 3)(4))
            S: A285 OK ...
            C: a UID THREAD references UTF-8 NOT UID 2
            S: * THREAD (6)((3 4)(5))
            S: a OK ...
            C: b UID THREAD REFERENCES UTF-8 MODSEQ 1 UID 5
            S: * OK [HIGHESTMODSEQ ...
            S: * THREAD (5)
            S: b OK ...
        """)

    def test_refused(self) -> None:
        """
        What is malformed is BAD, an unknown charset is NO, and there is no THREAD without a mailbox.
        """
        self.plays("""
            C: a THREAD REFS UTF-8 ALL
            S: a BAD ...
            C: b THREAD REFERENCES X-KLINGON ALL
            S: b NO [BADCHARSET ...
            C: c THREAD REFERENCES UTF-8
            S: c BAD ...
            C: d THREAD
            S: d BAD ...
            C: e THREAD REFERENCES
            S: e BAD ...
            C: f THREAD (REFERENCES) UTF-8 ALL
            S: f BAD ...
            C2: g THREAD REFERENCES UTF-8 ALL
            S2: g BAD ...
        """)
