"""
The standards' own examples, from the client's side.

Where a server offers PIPELINING or SIZE our client uses them, which the examples do not always do: its commands come in one
group, and MAIL names the size.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp_client import ClientCase, mail, outcomes
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.queue import Outcome


class TranscriptTests(ClientCase, SynchronousTestCase):
    """
    RFC 5321, 2033, 3030, 4954.
    """

    def test_aborted(self) -> None:
        """
        RFC 5321 appendix D.2, with no recipient left.
        """
        driver = self.plays(
            """
            S: 220 foo.com Simple Mail Transfer Service Ready
            C: EHLO client.example.org
            S: 250-foo.com greets bar.com
            S: 250-8BITMIME
            S: 250-SIZE
            S: 250 HELP
            C: MAIL FROM:<Smith@bar.com> SIZE=2
            S: 250 OK
            C: RCPT TO:<Green@foo.com>
            S: 550 No such user here
            C: RSET
            S: 250 OK
            C: QUIT
            S: 221 foo.com Service closing transmission channel
            """,
            mail("Green@foo.com", sender="Smith@bar.com", content=b"x\n"),
        )
        self.assertEqual([(0, Outcome.FAILED, "5.1.0")], outcomes(driver.results))

    def test_lmtp(self) -> None:
        """
        RFC 2033 section 4.2.
        """
        content = b"Blah blah blah...\r\n...etc. etc. etc.\r\n"
        driver = self.plays(
            f"""
            S: 220 foo.edu LMTP server ready
            C: LHLO client.example.org
            S: 250-foo.edu
            S: 250-PIPELINING
            S: 250 SIZE
            C: MAIL FROM:<chris@bar.com> SIZE={len(content)}
            C: RCPT TO:<pat@foo.edu>
            C: RCPT TO:<jones@foo.edu>
            C: RCPT TO:<green@foo.edu>
            C: DATA
            S: 250 OK
            S: 250 OK
            S: 550 No such user here
            S: 250 OK
            S: 354 Start mail input; end with <CRLF>.<CRLF>
            C: Blah blah blah...
            C: ....etc. etc. etc.
            C: .
            S: 250 OK
            S: 452 <green@foo.edu> is temporarily over quota
            C: QUIT
            S: 221 foo.edu closing connection
            """,
            (mail("pat@foo.edu", "jones@foo.edu", "green@foo.edu", sender="chris@bar.com", content=content), content),
            wishes={"is_lmtp": True},
        )
        expected = [(0, Outcome.RELAYED, "2.0.0"), (1, Outcome.FAILED, "5.1.0"), (2, Outcome.DEFERRED, "4.3.1")]
        self.assertEqual(expected, outcomes(driver.results))

    def test_chunking(self) -> None:
        """
        RFC 3030 section 4.1.
        """
        content = b"To: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test message\r\n"
        driver = self.plays(
            """
            S: 220 cnri.reston.va.us SMTP service ready
            C: EHLO client.example.org
            S: 250-cnri.reston.va.us says hello
            S: 250 CHUNKING
            C: MAIL FROM:<Sam@random.com>
            S: 250 <Sam@Random.com> Sender ok
            C: RCPT TO:<Susan@random.com>
            S: 250 <Susan@random.com> Recipient ok
            C: BDAT 86 LAST
            C: To: Susan@random.com
            C: From: Sam@random.com
            C: Subject: This is a bodyless test message
            S: 250 Message OK, 86 octets received
            C: QUIT
            S: 221 Goodbye
            """,
            (mail("Susan@random.com", sender="Sam@random.com", content=content), content),
        )
        self.assertEqual([(0, Outcome.RELAYED, "2.0.0")], outcomes(driver.results))

    def test_authentication(self) -> None:
        """
        RFC 4954 section 4.1, its user and password, by PLAIN.
        """
        self.plays(
            """
            S: 220-smtp.example.com ESMTP Server
            S: 220 ready
            C: EHLO client.example.org
            S: 250-smtp.example.com Hello client.example.com
            S: 250 AUTH GSSAPI DIGEST-MD5 PLAIN
            C: AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=
            S: 235 2.7.0 Authentication successful
            C: QUIT
            """,
            wishes={"secret": PlainSecret("test", b"1234", "test"), "trusts_network": True},
        )
