"""
L{twisted_mail_server.protocols.smtp.extensions.limits}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, SmtpCase
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.extensions.limits import learn_limits
from twisted_mail_server.protocols.smtp.vocabulary import Offers


class LimitsTests(SmtpCase, SynchronousTestCase):
    """
    LIMITS (RFC 9422).
    """

    def test_offered(self) -> None:
        """
        What is said is what holds.
        """
        self.plays(
            """
            C: EHLO me
            S: 250-*
            S: 250 LIMITS MAILMAX=1000 RCPTMAX=1
            C: MAIL FROM:<>
            S: 250 ...
            C: RCPT TO:<ana@example.org>
            S: 250 ...
            C: RCPT TO:<ben@example.net>
            S: 452 4.5.3 ...
            """,
            Policy(HOSTNAME, recipients=1),
        )

    def test_learnt(self) -> None:
        """
        What makes sense is kept, in any case and order; the rest is as good as nothing.
        """
        for argument, expected in (
            ("", (0, 0, 0)),
            ("MAILMAX=10 RCPTMAX=20 RCPTDOMAINMAX=3", (10, 20, 3)),
            ("rcptmax=1 FOO=7", (0, 1, 0)),
            ("MAILMAX RCPTMAX=x RCPTDOMAINMAX=-1 MAILMAX=1234567", (0, 0, 0)),
        ):
            offers = Offers()
            learn_limits(offers, argument)
            self.assertEqual(expected, (offers.transactions, offers.recipients, offers.recipient_domains))
