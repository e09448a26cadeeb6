"""
L{twisted_mail_server.message.reported}
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.reported import DeliveryReport, RecipientReport, Typed, read_report
from twisted_mail_server.message.reports import Kind
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.limits import RECIPIENTS

EAST = timezone(timedelta(hours=-4))


def read(text: str) -> DeliveryReport:
    """
    What a report says that was written with indentation and bare line ends.
    """
    found = read_report(dedent(text).lstrip("\n").replace("\n", "\r\n").encode("utf-8"))
    assert found is not None
    return found


def recipient(
    final: str,
    action: Kind | None,
    status: str,
    *,
    final_type: str = "rfc822",
    original: str | None = None,
    diagnostic: str | None = None,
    remote: str | None = None,
    attempted: datetime | None = None,
) -> RecipientReport:
    """
    What the examples say of one recipient.
    """
    return RecipientReport(
        final=Typed(final_type, final),
        original=None if original is None else Typed("rfc822", original),
        action=action,
        status=status,
        remote=None if remote is None else Typed("dns", remote),
        diagnostic=None if diagnostic is None else Typed("smtp", diagnostic),
        attempted=attempted,
        retry_until=None,
    )


class ExtensionExamplesTests(SynchronousTestCase):
    """
    The examples of RFC 3461 section 10.
    """

    def test_delivered(self) -> None:
        """
        Section 10.6: "Delivered" DSN for Bob@Example.COM.
        """
        found = read(
            """
            To: Alice@Example.ORG
            From: postmaster@mail.Example.COM
            Subject: Delivery Notification (success) for Bob@Example.COM
            Content-Type: multipart/report; report-type=delivery-status;
                boundary=abcde
            MIME-Version: 1.0

            --abcde
            Content-type: text/plain; charset=us-ascii

            Your message (id QQ314159) was successfully delivered to
            Bob@Example.COM.

            --abcde
            Content-type: message/delivery-status

            Reporting-MTA: dns; mail.Example.COM
            Original-Envelope-ID: QQ314159

            Original-Recipient: rfc822;Bob@Example.COM
            Final-Recipient: rfc822;Bob@Example.COM
            Action: delivered
            Status: 2.0.0

            --abcde
            Content-type: message/rfc822

            (headers of returned message go here)

            --abcde--
            """
        )
        one = recipient("Bob@Example.COM", Kind.SUCCESS, "2.0.0", original="Bob@Example.COM")
        self.assertEqual(
            DeliveryReport(
                reporting=Typed("dns", "mail.Example.COM"),
                envid="QQ314159",
                arrived=None,
                recipients=(one,),
                returned=b"(headers of returned message go here)\r\n",
                is_returned_whole=True,
            ),
            found,
        )

    def test_failed(self) -> None:
        """
        Section 10.7: failed DSN for Carol@Ivory.EDU.
        """
        found = read(
            """
            To: Alice@Example.ORG
            From: postmaster@Example.ORG
            Subject: Delivery Notification (failure) for Carol@Ivory.EDU
            Content-Type: multipart/report; report-type=delivery-status;
                          boundary=bcdef
            MIME-Version: 1.0

            --bcdef
            Content-type: text/plain; charset=us-ascii

            Your message (id QQ314159) could not be delivered to
            Carol@Ivory.EDU.

            A transcript of the session follows:

            (while talking to Ivory.EDU)
            >>> RCPT TO:<Carol@Ivory.EDU> NOTIFY=FAILURE
            <<< 550 error - no such recipient

            --bcdef
            Content-type: message/delivery-status

            Reporting-MTA: dns; Example.ORG
            Original-Envelope-ID: QQ314159

            Original-Recipient: rfc822;Carol@Ivory.EDU
            Final-Recipient: rfc822;Carol@Ivory.EDU
            SMTP-Remote-Recipient: Carol@Ivory.EDU
            Diagnostic-Code: smtp; 550 error - no such recipient
            Action: failed
            Status: 5.0.0

            --bcdef
            Content-type: message/rfc822

            (headers of returned message go here)

            --bcdef--
            """
        )
        expected = recipient(
            "Carol@Ivory.EDU",
            Kind.FAILURE,
            "5.0.0",
            original="Carol@Ivory.EDU",
            diagnostic="550 error - no such recipient",
        )
        self.assertEqual((expected,), found.recipients)
        self.assertEqual(Address("Carol", "ivory.edu"), found.recipients[0].address)

    def test_relayed(self) -> None:
        """
        Section 10.8: relayed DSN for Dana@Ivory.EDU.
        """
        found = read(
            """
            To: Alice@Example.ORG
            From: postmaster@Ivory.EDU
            Subject: mail relayed for Dana@Ivory.EDU
            Content-Type: multipart/report; report-type=delivery-status;
                boundary=cdefg
            MIME-Version: 1.0

            --cdefg
            Content-type: text/plain; charset=us-ascii

            Your message (addressed to Dana@Ivory.EDU) was successfully
            relayed to:

            ymail!Dana

            by the FooMail gateway at Ivory.EDU.

            --cdefg
            Content-type: message/delivery-status

            Reporting-MTA: dns; Ivory.EDU
            Original-Envelope-ID: QQ314159

            Original-Recipient: rfc822;Dana@Ivory.EDU
            Final-Recipient: rfc822;Dana@Ivory.EDU
            Action: relayed
            Status: 2.0.0

            --cdefg
            Content-type: message/rfc822

            (headers of returned message go here)

            --cdefg--
            """
        )
        self.assertEqual(
            (recipient("Dana@Ivory.EDU", Kind.RELAYED, "2.0.0", original="Dana@Ivory.EDU"),), found.recipients
        )

    def test_forwarded(self) -> None:
        """
        Section 10.9: failure notification for Sam@Boondoggle.GOV; its host has no type, its first part no header.
        """
        found = read(
            """
            To: Alice@Example.ORG
            From: Postmaster@Boondoggle.GOV
            Subject: Delivery failure for Sam@Boondoggle.GOV
            Content-Type: multipart/report; report-type=delivery-status;
                          boundary=defgh
            MIME-Version: 1.0

            --defgh
            Your message, originally addressed to George@Tax-ME.GOV, and
            forwarded from there to Sam@Boondoggle.GOV could not be delivered,
            for the following reason:

            write error to mailbox, disk quota exceeded

            --defgh
            Content-type: message/delivery-status

            Reporting-MTA: Boondoggle.GOV
            Original-Envelope-ID: QQ314159

            Original-Recipient: rfc822;George@Tax-ME.GOV
            Final-Recipient: rfc822;Sam@Boondoggle.GOV
            Action: failed
            Status: 4.2.2 (disk quota exceeded)

            --defgh
            Content-type: message/rfc822

            (headers of returned message go here)

            --defgh--
            """
        )
        self.assertEqual(Typed("", "Boondoggle.GOV"), found.reporting)
        self.assertEqual(
            (recipient("Sam@Boondoggle.GOV", Kind.FAILURE, "4.2.2", original="George@Tax-ME.GOV"),), found.recipients
        )


class FormatExamplesTests(SynchronousTestCase):
    """
    The examples of RFC 3464 appendix E, with the line breaks that its printing lost.
    """

    def test_simple(self) -> None:
        """
        Simple DSN.
        """
        found = read(
            """
            Date: Thu, 7 Jul 1994 17:16:05 -0400
            From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
            Message-Id: <199407072116.RAA14128@CS.UTK.EDU>
            Subject: Returned mail: Cannot send message for 5 days
            To: <owner-info-mime@cs.utk.edu>
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
                   boundary="RAA14128.773615765/CS.UTK.EDU"

            --RAA14128.773615765/CS.UTK.EDU

            The original message was received at Sat, 2 Jul 1994 17:10:28 -0400
            from root@localhost

            --RAA14128.773615765/CS.UTK.EDU
            content-type: message/delivery-status

            Reporting-MTA: dns; cs.utk.edu

            Original-Recipient: rfc822;louisl@larry.slip.umd.edu
            Final-Recipient: rfc822;louisl@larry.slip.umd.edu
            Action: failed
            Status: 4.0.0
            Diagnostic-Code: smtp; 426 connection timed out
            Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400

            --RAA14128.773615765/CS.UTK.EDU
            content-type: message/rfc822

            [original message goes here]

            --RAA14128.773615765/CS.UTK.EDU--
            """
        )
        self.assertEqual(Typed("dns", "cs.utk.edu"), found.reporting)
        expected = recipient(
            "louisl@larry.slip.umd.edu",
            Kind.FAILURE,
            "4.0.0",
            original="louisl@larry.slip.umd.edu",
            diagnostic="426 connection timed out",
            attempted=datetime(1994, 7, 7, 17, 15, 49, tzinfo=EAST),
        )
        self.assertEqual((expected,), found.recipients)

    def test_several(self) -> None:
        """
        Multi-recipient DSN.
        """
        found = read(
            """
            Date: Fri, 8 Jul 1994 09:21:47 -0400
            From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
            Subject: Returned mail: User unknown
            To: <owner-ups-mib@CS.UTK.EDU>
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
                   boundary="JAA13167.773673707/CS.UTK.EDU"

            --JAA13167.773673707/CS.UTK.EDU
            content-type: text/plain; charset=us-ascii

                   ----- The following addresses had delivery problems -----
            <arathib@vnet.ibm.com> (unrecoverable error)
            <wsnell@sdcc13.ucsd.edu> (unrecoverable error)

            --JAA13167.773673707/CS.UTK.EDU
            content-type: message/delivery-status

            Reporting-MTA: dns; cs.utk.edu

            Original-Recipient: rfc822;arathib@vnet.ibm.com
            Final-Recipient: rfc822;arathib@vnet.ibm.com
            Action: failed
            Status: 5.0.0 (permanent failure)
            Diagnostic-Code: smtp;  550 'arathib@vnet.IBM.COM' is not a
             registered gateway user
            Remote-MTA: dns; vnet.ibm.com

            Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com
            Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com
            Action: delayed
            Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)

            Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
            Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
            Action: failed
            Status: 5.0.0
            Diagnostic-Code: smtp; 550 user unknown
            Remote-MTA: dns; sdcc13.ucsd.edu

            --JAA13167.773673707/CS.UTK.EDU
            content-type: message/rfc822

            [original message goes here]

            --JAA13167.773673707/CS.UTK.EDU--
            """
        )
        expected = (
            recipient(
                "arathib@vnet.ibm.com",
                Kind.FAILURE,
                "5.0.0",
                original="arathib@vnet.ibm.com",
                diagnostic="550 'arathib@vnet.IBM.COM' is not a registered gateway user",
                remote="vnet.ibm.com",
            ),
            recipient("johnh@hpnjld.njd.hp.com", Kind.DELAY, "4.0.0", original="johnh@hpnjld.njd.hp.com"),
            recipient(
                "wsnell@sdcc13.ucsd.edu",
                Kind.FAILURE,
                "5.0.0",
                original="wsnell@sdcc13.ucsd.edu",
                diagnostic="550 user unknown",
                remote="sdcc13.ucsd.edu",
            ),
        )
        self.assertEqual(expected, found.recipients)

    def test_gateway(self) -> None:
        """
        DSN from gateway to foreign system: no Internet address, nothing returned.
        """
        found = read(
            """
            Disclose-recipients: prohibited
            Date: Fri, 08 Jul 1994 09:21:25 -0400 (EDT)
            From: Message Router Submission Agent <AMMGR@corp.timeplex.com>
            Subject: Status of: Re: Battery current sense
            To: owner-ups-mib@CS.UTK.EDU
            Message-id: <01HEGJ0WNBY28Y95LN@mr.timeplex.com>
            MIME-version: 1.0
            content-type: multipart/report;
                report-type=delivery-status;
                boundary="84229080704991.122306.SYS30"

            --84229080704991.122306.SYS30
            content-type: text/plain

            Invalid address - nair_s
            %DIR-E-NODIRMTCH, No matching Directory Entry
            Entry found

            --84229080704991.122306.SYS30
            content-type: message/delivery-status

            Reporting-MTA: mailbus; SYS30

            Final-Recipient: unknown; nair_s
            Status: 5.0.0 (unknown permanent failure)
            Action: failed

            --84229080704991.122306.SYS30--
            """
        )
        self.assertEqual(
            DeliveryReport(
                reporting=Typed("mailbus", "SYS30"),
                envid="",
                arrived=None,
                recipients=(recipient("nair_s", Kind.FAILURE, "5.0.0", final_type="unknown"),),
                returned=None,
                is_returned_whole=False,
            ),
            found,
        )
        self.assertIsNone(found.recipients[0].address)

    def test_delayed(self) -> None:
        """
        Delayed DSN.
        """
        found = read(
            """
            MIME-Version: 1.0
            From: <postmaster@nsfnet-relay.ac.uk>
            Message-Id: <199407092338.TAA23293@CS.UTK.EDU>
            To: owner-info-mime@cs.utk.edu
            Date: Sun, 10 Jul 1994 00:36:51 +0100
            Subject: WARNING: message delayed at "nsfnet-relay.ac.uk"
            content-type: multipart/report; report-type=delivery-status;
                   boundary=foobar

            --foobar
            content-type: text/plain

            The following message:

            UA-ID: Reliable PC (...
            Q-ID: sun2.nsf:77/msg.11820-0

            has not been delivered to the intended recipient:

                thomas@de-montfort.ac.uk

            --foobar
            content-type: message/delivery-status

            Reporting-MTA: dns; sun2.nsfnet-relay.ac.uk

            Final-Recipient: rfc822;thomas@de-montfort.ac.uk
            Status: 4.0.0 (unknown temporary failure)
            Action: delayed

            --foobar--
            """
        )
        self.assertEqual((recipient("thomas@de-montfort.ac.uk", Kind.DELAY, "4.0.0"),), found.recipients)


class ToleranceTests(SynchronousTestCase):
    def status(
        self, body: bytes, *, kind: bytes = b"message/delivery-status", encoding: bytes = b"8bit"
    ) -> DeliveryReport:
        """
        A report whose second part is that.
        """
        found = read_report(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: %b\r\n"
            b"Content-Transfer-Encoding: %b\r\n\r\n%b\r\n--b--\r\n" % (kind, encoding, body)
        )
        assert found is not None
        return found

    def test_no_report(self) -> None:
        """
        What tells nothing about deliveries is no report.
        """
        for content in (
            b"",
            b"Subject: Hello\r\n\r\nText\r\n",
            b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n",
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b--\r\n",
        ):
            self.assertIsNone(read_report(content))

    def test_empty(self) -> None:
        """
        A report that says nothing is one all the same.
        """
        self.assertEqual(DeliveryReport(None, "", None, (), None, False), self.status(b""))

    def test_recipients_only(self) -> None:
        """
        Fields of the message may be missing altogether.
        """
        found = self.status(b"Final-Recipient: rfc822; a@b.example\n\n\nFinal-Recipient: <c@d.example>\n")
        self.assertIsNone(found.reporting)
        self.assertEqual([Address("a", "b.example"), None], [one.address for one in found.recipients])

    def test_odd_addresses(self) -> None:
        """
        Brackets around an address do not matter; what is no address is none.
        """
        found = self.status(
            b"Reporting-MTA: x\r\n\r\nFinal-Recipient: RFC822;<a@b.example>\r\n\r\n"
            b"Final-Recipient: rfc822;nobody\r\n\r\nFinal-Recipient:\r\n\r\nAction: Failed (for good)\r\n"
        )
        self.assertEqual([Address("a", "b.example"), None, None, None], [one.address for one in found.recipients])
        self.assertEqual(Kind.FAILURE, found.recipients[3].action)

    def test_repeated_fields(self) -> None:
        """
        Of a field that is there twice the first counts.
        """
        found = self.status(
            b"Reporting-MTA: dns; a\r\nREPORTING-MTA: dns; b\r\nArrival-Date: Thu, 1 Jan 1970 00:00:01 +0000\r\n"
        )
        self.assertEqual(Typed("dns", "a"), found.reporting)
        self.assertEqual(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), found.arrived)

    def test_encoded(self) -> None:
        """
        Parts may be encoded, and addresses in UTF-8.
        """
        body = b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: utf-8; gr=C3=BCn@b.example\r\nStatus: 9.9.9\r\n"
        found = self.status(body, kind=b"message/global-delivery-status", encoding=b"quoted-printable")
        self.assertEqual(Typed("utf-8", "grün@b.example"), found.recipients[0].final)
        self.assertEqual("", found.recipients[0].status)
        self.assertIsNone(found.recipients[0].action)

    def test_many(self) -> None:
        """
        No more recipients are read than a message may have.
        """
        body = b"Reporting-MTA: x\r\n" + b"\r\nFinal-Recipient: rfc822;a@b.example\r\n" * (RECIPIENTS + 5)
        self.assertEqual(RECIPIENTS, len(self.status(body).recipients))
