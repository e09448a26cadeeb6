"""
The conversations that the standards print, played against our side of them.

Only codes are compared: the words are each server's own.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import SmtpCase
from twisted_mail_server.model.errors import NoSuchAccount, RelayDenied
from twisted_mail_server.protocols.smtp.conversation import Policy

EHLO = "S: 250-foo.com greets bar.com\n" + "S: 250-...\n" * 3 + "S: 250 ..."


class Rfc5321Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 5321 appendix D.
    """

    refusals = {"Green@foo.com": NoSuchAccount("No such user here.")}

    def test_typical(self) -> None:
        """
        D.1, a typical transaction.
        """
        driver = self.plays(
            f"""
S: 220 foo.com ...
C: EHLO bar.com
{EHLO}
C: MAIL FROM:<Smith@bar.com>
S: 250 ...
C: RCPT TO:<Jones@foo.com>
S: 250 ...
C: RCPT TO:<Green@foo.com>
S: 550 ...
C: RCPT TO:<Brown@foo.com>
S: 250 ...
C: DATA
S: 354 ...
C: Blah blah blah...
C: ...etc. etc. etc.
C: .
S: 250 ...
C: QUIT
S: 221 ...
""",
            Policy("foo.com"),
        )
        self.assertEqual(b"Blah blah blah...\r\n..etc. etc. etc.\r\n", driver.events[-2].data)  # type: ignore[union-attr]

    def test_aborted(self) -> None:
        """
        D.2, an aborted transaction.
        """
        self.plays(
            f"""
S: 220 foo.com ...
C: EHLO bar.com
{EHLO}
C: MAIL FROM:<Smith@bar.com>
S: 250 ...
C: RCPT TO:<Jones@foo.com>
S: 250 ...
C: RCPT TO:<Green@foo.com>
S: 550 ...
C: RSET
S: 250 ...
C: QUIT
S: 221 ...
""",
            Policy("foo.com"),
        )

    def test_relayed(self) -> None:
        """
        D.3, the first step of a relayed message.
        """
        self.plays(
            f"""
S: 220 foo.com ...
C: EHLO bar.com
{EHLO}
C: MAIL FROM:<JQP@bar.com>
S: 250 ...
C: RCPT TO:<Jones@XYZ.COM>
S: 250 ...
C: DATA
S: 354 ...
C: Date: Thu, 21 May 1998 05:33:29 -0700
C: From: John Q. Public <JQP@bar.com>
C: Subject: The Next Meeting of the Board
C: To: Jones@xyz.com
C:
C: Bill:
C: The next meeting of the board of directors will be
C: on Tuesday.
C: John.
C: .
S: 250 ...
C: QUIT
S: 221 ...
""",
            Policy("foo.com"),
        )

    def test_verifying(self) -> None:
        """
        D.4, but who lives here is not told (section 7.3).
        """
        self.plays(
            f"""
S: 220 foo.com ...
C: EHLO bar.com
{EHLO}
C: VRFY Crispin
S: 252 ...
C: MAIL FROM:<EAK@bar.com>
S: 250 ...
C: RCPT TO:<Admin.MRC@foo.com>
S: 250 ...
C: DATA
S: 354 ...
C: Blah blah blah...
C: .
S: 250 ...
C: QUIT
S: 221 ...
""",
            Policy("foo.com"),
        )


class Rfc2920Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 2920 section 4.
    """

    refusals = {
        "nsb@thumper.bellcore.com": RelayDenied("Remote mail is not allowed."),
        "galvin@tis.com": RelayDenied("Remote mail is not allowed."),
    }

    def test_without_pipelining(self) -> None:
        """
        One command after the other.
        """
        self.plays(
            """
            S: 220 innosoft.com ...
            C: HELO dbc.mtview.ca.us
            S: 250 innosoft.com ...
            C: MAIL FROM:<mrose@dbc.mtview.ca.us>
            S: 250 ...
            C: RCPT TO:<ned@innosoft.com>
            S: 250 ...
            C: RCPT TO:<dan@innosoft.com>
            S: 250 ...
            C: RCPT TO:<kvc@innosoft.com>
            S: 250 ...
            C: DATA
            S: 354 ...
            C: .
            S: 250 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("innosoft.com"),
        )

    def test_with_pipelining(self) -> None:
        """
        Four turnarounds instead of nine.
        """
        self.plays(
            """
            S: 220 innosoft.com ...
            C: EHLO dbc.mtview.ca.us
            S: 250-innosoft.com ...
            S: 250-PIPELINING
            S: 250-...
            S: 250-...
            S: 250 ...
            C+ MAIL FROM:<mrose@dbc.mtview.ca.us>
            C+ RCPT TO:<ned@innosoft.com>
            C+ RCPT TO:<dan@innosoft.com>
            C+ RCPT TO:<kvc@innosoft.com>
            C: DATA
            S: 250 ...
            S: 250 ...
            S: 250 ...
            S: 250 ...
            S: 354 ...
            C+ .
            C: QUIT
            S: 250 ...
            S: 221 ...
            """,
            Policy("innosoft.com"),
        )

    def test_no_recipients(self) -> None:
        """
        All recipients refused: DATA is, too.
        """
        self.plays(
            """
            S: 220 innosoft.com ...
            C: HELO dbc.mtview.ca.us
            S: 250 ...
            C+ MAIL FROM:<mrose@dbc.mtview.ca.us>
            C+ RCPT TO:<nsb@thumper.bellcore.com>
            C+ RCPT TO:<galvin@tis.com>
            C: DATA
            S: 250 ...
            S: 550 ...
            S: 550 ...
            S: 554 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("innosoft.com"),
        )


class Rfc4954Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 4954 section 4.1 and RFC 3207 section 5.
    """

    def test_starttls_and_plain(self) -> None:
        """
        EHLO, STARTTLS, EHLO again, and a login with PLAIN in one step.
        """
        self.plays(
            """
            S: 220 smtp.example.com ...
            C: EHLO client.example.com
            S: 250-smtp.example.com ...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250 STARTTLS
            C: STARTTLS
            S: 220 ...
            C: EHLO client.example.com
            S: 250-smtp.example.com ...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250 AUTH PLAIN LOGIN
            C: AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=
            S: 235 2.7.0 ...
            """,
            Policy("smtp.example.com"),
            offers_tls=True,
        )

    def test_plain_in_two_steps(self) -> None:
        """
        PLAIN without an initial response: there is a space after 334.
        """
        driver = self.plays(
            """
            S: 220 ...
            C: EHLO client.example.com
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250-...
            S: 250 AUTH PLAIN
            C: AUTH PLAIN
            S: 334
            C: dGVzdAB0ZXN0ADEyMzQ=
            S: 235 2.7.0 ...
            """,
            mechanisms=("PLAIN",),
        )
        self.assertIn(b"\r\n334 \r\n", driver.output)
