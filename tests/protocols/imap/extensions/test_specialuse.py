"""
SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model.mailboxes import SpecialUse


class SpecialUseTests(ImapTestCase):
    """
    What mailboxes are for.
    """

    def test_create(self) -> None:
        """
        CREATE takes a use, and LIST tells it.
        """
        self.plays(r"""
            C: a CREATE MySent (USE (\Sent))
            S: a OK Created.
            C: b LIST "" MySent
            S: * LIST (\HasNoChildren \Sent) "/" MySent
            S: b OK ...
            C: c CREATE Plain (USE ())
            S: c OK Created.
            C: d LIST "" Plain
            S: * LIST (\HasNoChildren) "/" Plain
            S: d OK ...
        """)
        self.assertIs(SpecialUse.SENT, now(self.mail.status("MySent")).special_use)

    def test_refused(self) -> None:
        """
        A use that there is not, or two at once, is refused, and nothing is made.
        """
        self.plays(r"""
            C: a CREATE x (USE (\Unknown))
            S: a NO [USEATTR] ...
            C: b CREATE x (USE (\Sent \Drafts))
            S: b NO [USEATTR] ...
            C: c CREATE x (USE \Sent)
            S: c BAD ...
            C: d CREATE x (USE (Sent))
            S: d BAD ...
            C: e CREATE x (USE (\Sent) USE (\Sent))
            S: e BAD ...
            C: f CREATE x (USE)
            S: f BAD ...
            C: g CREATE x (USE (\All))
            S: g NO [USEATTR] ...
            C: h LIST "" x
            S: h OK ...
        """)
