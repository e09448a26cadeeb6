"""
The conversations that the standards print, played against our side of them.

Only codes are compared: the words are each server's own.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import SmtpCase
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Notify, RecipientOptions, Returned
from twisted_mail_server.model.errors import NoSuchAccount, RelayDenied
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import Content, MailAsked, RecipientAsked

EHLO = "S: 250-foo.com greets bar.com\n" + "S: 250-*\nS: 250 ..."


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
            S: 250-*
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
            S: 250-*
            S: 250 STARTTLS
            C: STARTTLS
            S: 220 ...
            C: EHLO client.example.com
            S: 250-smtp.example.com ...
            S: 250-*
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
            S: 250-*
            S: 250 AUTH PLAIN
            C: AUTH PLAIN
            S: 334
            C: dGVzdAB0ZXN0ADEyMzQ=
            S: 235 2.7.0 ...
            """,
            mechanisms=("PLAIN",),
        )
        self.assertIn(b"\r\n334 \r\n", driver.output)


class Rfc2033Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 2033 section 4.2.
    """

    refusals = {"jones@foo.edu": NoSuchAccount("No such user here.")}

    def test_example(self) -> None:
        """
        Two of three recipients are taken, and each hears of the message; that both hear the same is our intake's way.
        """
        self.plays(
            """
            S: 220 foo.edu LMTP
            C: LHLO foo.edu
            S: 250-foo.edu ...
            S: 250-PIPELINING
            S: 250-SIZE ...
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<chris@bar.com>
            S: 250 ...
            C: RCPT TO:<pat@foo.edu>
            S: 250 ...
            C: RCPT TO:<jones@foo.edu>
            S: 550 ...
            C: RCPT TO:<green@foo.edu>
            S: 250 ...
            C: DATA
            S: 354 ...
            C+ Blah blah blah...
            C+ ...etc. etc. etc.
            C: .
            S: 250 ...
            S: 250 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("foo.edu", is_lmtp=True),
        )


class Rfc3030Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 3030 section 4.
    """

    def test_simple(self) -> None:
        """
        4.1, simple chunking.
        """
        driver = self.plays(
            """
            S: 220 cnri.reston.va.us ...
            C: EHLO ymir.claremont.edu
            S: 250-cnri.reston.va.us ...
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<Sam@Random.com>
            S: 250 ...
            C: RCPT TO:<Susan@Random.com>
            S: 250 ...
            C+ BDAT 86 LAST
            C+ To: Susan@random.com
            C+ From: Sam@random.com
            C: Subject: This is a bodyless test message
            S: 250 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("cnri.reston.va.us"),
        )
        (content,) = [event for event in driver.events if isinstance(event, Content)]
        self.assertEqual((86, b"To: Susan"), (len(content.data), content.data[:9]))

    def test_pipelining(self) -> None:
        """
        4.2, pipelining, with less in the chunks, and without the BINARYMIME that we do not take.
        """
        self.plays(
            """
            S: 220 cnri.reston.va.us ...
            C: EHLO ymir.claremont.edu
            S: 250-cnri.reston.va.us ...
            S: 250-PIPELINING
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME
            S: 501 ...
            C+ MAIL FROM:<ned@ymir.claremont.edu> BODY=8BITMIME
            C+ RCPT TO:<gvaudre@cnri.reston.va.us>
            C: RCPT TO:<jstewart@cnri.reston.va.us>
            S: 250 ...
            S: 250 ...
            S: 250 ...
            C+ BDAT 10
            C+ 12345678
            C+ BDAT 5
            C+ 123
            C: BDAT 0 LAST
            S: 250 2.0.0 10 octets received.
            S: 250 2.0.0 5 octets received.
            S: 250 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("cnri.reston.va.us"),
        )


class Rfc3461Tests(SmtpCase, SynchronousTestCase):
    """
    RFC 3461 section 10.1.
    """

    def test_submission(self) -> None:
        """
        Alice's wishes for each of her recipients.
        """
        driver = self.plays(
            """
            S: 220 Example.ORG ...
            C: EHLO Example.ORG
            S: 250-Example.ORG ...
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159
            S: 250 ...
            C: RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM
            S: 250 ...
            C: RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU
            S: 250 ...
            C: RCPT TO:<Fred@Bombs.AF.MIL> NOTIFY=NEVER
            S: 250 ...
            C: DATA
            S: 354 ...
            C: .
            S: 250 ...
            C: QUIT
            S: 221 ...
            """,
            Policy("Example.ORG"),
        )
        self.assertEqual(
            [
                MailAsked(Address("Alice", "example.org"), MailOptions(returned=Returned.HEADERS, envid="QQ314159")),
                RecipientAsked(
                    Address("Bob", "example.com"),
                    RecipientOptions(frozenset({Notify.SUCCESS}), "rfc822;Bob@Example.COM"),
                ),
                RecipientAsked(
                    Address("Dana", "ivory.edu"),
                    RecipientOptions(frozenset({Notify.SUCCESS, Notify.FAILURE}), "rfc822;Dana@Ivory.EDU"),
                ),
                RecipientAsked(Address("Fred", "bombs.af.mil"), RecipientOptions(frozenset())),
            ],
            driver.events[:4],
        )
