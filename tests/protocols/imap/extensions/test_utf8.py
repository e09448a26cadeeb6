"""
UTF8=ACCEPT (RFC 6855).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class Utf8Tests(ImapTestCase):
    """
    Names in UTF-8.
    """

    separator = "."

    def test_enabled(self) -> None:
        """
        Who has enabled it sends and gets names in UTF-8, quoted; C{&} means itself.
        """
        self.plays("""
            C: a ENABLE UTF8=ACCEPT
            S: * ENABLED UTF8=ACCEPT
            S: a OK ...
            C: b CREATE "Entwürfe.R&D"
            S: b OK ...
            C: c STATUS "Entwürfe.R&D" (MESSAGES)
            S: * STATUS "Entwürfe.R&D" (MESSAGES 0)
            S: c OK ...
            C: d LIST "" "Entwürfe*"
            S: * LIST (\\HasChildren) "." "Entwürfe"
            S: * LIST (\\HasNoChildren) "." "Entwürfe.R&D"
            S: d OK ...
            C: e STATUS plain (MESSAGES)
            S: e NO [NONEXISTENT] ...
            C2: f LIST "" Entw*
            S2: * LIST (\\HasChildren) "." Entw&APw-rfe
            S2: * LIST (\\HasNoChildren) "." Entw&APw-rfe.R&-D
            S2: f OK ...
        """)

    def test_not_enabled(self) -> None:
        """
        Section 3: names in UTF-8 are taken from everybody; what is answered is modified UTF-7.
        """
        self.plays("""
            C: a CREATE "Entwürfe"
            S: a OK ...
            C: b STATUS "Entwürfe" (MESSAGES)
            S: * STATUS Entw&APw-rfe (MESSAGES 0)
            S: b OK ...
            C: c STATUS {9+}
            C: Entwürfe (MESSAGES)
            S: * STATUS Entw&APw-rfe (MESSAGES 0)
            S: c OK ...
        """)

    def test_malformed(self) -> None:
        """
        What is not UTF-8 is BAD; what is not in normalization form C is no name to be made (RFC 9051 section 6.3.4).
        """
        line = self.line()
        line.receive(b'a STATUS "\xff" (MESSAGES)\r\nb CREATE "e\xcc\x81"\r\nc RENAME Trash "e\xcc\x81"\r\n')
        answers = line.take().split(b"\r\n")
        self.assertEqual(b"a BAD The mailbox name is not UTF-8.", answers[0])
        for answer, tag in zip(answers[1:], b"bc", strict=False):
            self.assertEqual(b"%c NO [CANNOT] The name of a new mailbox is in normalization form C." % tag, answer)

    def test_modified_utf7_stays(self) -> None:
        """
        A name in modified UTF-7 may be in any form, and is found by that in UTF-8 too.
        """
        self.plays("""
            C: a CREATE e&AwE-
            S: a OK ...
            C: b STATUS "e\u0301" (MESSAGES)
            S: * STATUS e&AwE- (MESSAGES 0)
            S: b OK ...
        """)

    def test_search(self) -> None:
        """
        Section 3: CHARSET is BAD once it is enabled.
        """
        self.add("Subject: Grüße\n\n".encode())
        self.plays("""
            C: a ENABLE UTF8=ACCEPT
            S: * ENABLED UTF8=ACCEPT
            S: a OK ...
        """)
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()
        self.plays("""
            C: b SEARCH CHARSET UTF-8 SUBJECT "grüße"
            S: b BAD All is UTF-8 here; do not name a charset.
            C: c SEARCH SUBJECT "grüße"
            S: * SEARCH 1
            S: c OK ...
        """)
