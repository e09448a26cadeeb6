"""
The table of what the revisions do differently.
"""

from __future__ import annotations

from attrs import asdict

from tests.support.imap import ImapTestCase
from twisted_mail_server.protocols.imap.revisions import REV1, REV2


class RevisionTests(ImapTestCase):
    """
    Both revisions, and who speaks which.
    """

    def test_all_differs(self) -> None:
        """
        A line of the table in which both agree would be none.
        """
        one, two = asdict(REV1), asdict(REV2)
        self.assertEqual([], [name for name in one if one[name] == two[name]])

    def test_begins_with_rev1(self) -> None:
        """
        RFC 9051 appendix A: a session is rev1 until its client enables rev2, and rev2 from then on.
        """
        session = self.line().conversation.session
        self.assertIs(REV1, session.revision)
        self.line().receive(b"a ENABLE CONDSTORE\r\n")
        self.assertIs(REV1, session.revision)
        self.line().receive(b"b ENABLE IMAP4rev2\r\nc ENABLE UTF8=ACCEPT\r\n")
        self.assertIs(REV2, session.revision)
