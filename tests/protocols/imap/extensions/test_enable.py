"""
ENABLE (RFC 5161).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class EnableTests(ImapTestCase):
    """
    What is enabled, and what is told of it.
    """

    def test_example(self) -> None:
        """
        RFC 5161 section 3.1: what is not known, or cannot be enabled, is passed over; CAPABILITY does not change by it.
        """
        line = self.line()
        line.receive(b"t1 CAPABILITY\r\n")
        before = line.take()
        self.plays("""
            C: t2 ENABLE CONDSTORE X-GOOD-IDEA IDLE
            S: * ENABLED CONDSTORE
            S: t2 OK Enabled.
        """)
        line.receive(b"t1 CAPABILITY\r\n")
        self.assertEqual(before, line.take())

    def test_only_what_is_new(self) -> None:
        """
        A name is told once, as it is spelt; with nothing new the response is there all the same.
        """
        self.plays("""
            C: a ENABLE imap4REV2 condstore Condstore
            S: * ENABLED IMAP4rev2 CONDSTORE
            S: a OK ...
            C: b ENABLE CONDSTORE QRESYNC
            S: * ENABLED QRESYNC
            S: b OK ...
            C: c ENABLE QRESYNC
            S: * ENABLED
            S: c OK ...
        """)

    def test_qresync_brings_condstore(self) -> None:
        """
        RFC 7162 section 3.2.3: who enables QRESYNC has CONDSTORE too.
        """
        self.plays("""
            C: a ENABLE QRESYNC
            S: * ENABLED QRESYNC
            S: a OK ...
        """)
        self.assertEqual({b"QRESYNC", b"CONDSTORE"}, self.line().conversation.session.enabled)

    def test_refused(self) -> None:
        """
        Without a name, or with what is none, nothing is enabled.
        """
        self.plays("""
            C: a ENABLE
            S: a BAD ...
            C: b ENABLE CONDSTORE "x"
            S: b BAD ...
            C: c ENABLE CONDSTORE (x)
            S: c BAD ...
            C: d ENABLE  CONDSTORE
            S: d BAD ...
        """)
        self.assertEqual(frozenset(), self.line().conversation.session.enabled)

    def test_before_login(self) -> None:
        """
        It cannot come before login (section 3.1).
        """
        line = self.connect()
        line.receive(b"a ENABLE CONDSTORE\r\n")
        self.assertEqual(b"a BAD [CLIENTBUG] ENABLE cannot come before login.\r\n", line.take())

    def test_with_a_mailbox(self) -> None:
        """
        With a mailbox selected, CONDSTORE is answered with its HIGHESTMODSEQ (RFC 7162 section 3.1).
        """
        self.add(b"a: b\n")
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()
        self.plays("""
            C: a ENABLE CONDSTORE
            S: * ENABLED CONDSTORE
            S: * OK [HIGHESTMODSEQ 7] The highest so far.
            S: a OK Enabled.
            C: b ENABLE QRESYNC
            S: * ENABLED QRESYNC
            S: b OK Enabled.
        """)
