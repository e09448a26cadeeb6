"""
L{twisted_mail_server.message.reports}
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.support.envelopes import envelope
from twisted_mail_server.message.reported import DeliveryReport, Typed, read_report
from twisted_mail_server.message.reports import Kind, Subject, build_report, is_reportable, wants, wants_content
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import (
    BodyKind,
    Envelope,
    MailOptions,
    Notify,
    Recipient,
    RecipientOptions,
    Returned,
)
from twisted_mail_server.model.limits import REPORT_CONTENT, REPORT_HEADER, REPORT_LISTED
from twisted_mail_server.model.queue import Outcome, QueueId, Result

ARRIVED = datetime(2026, 2, 2, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 2, 2, 11, 30, tzinfo=UTC)
UNTIL = datetime(2026, 2, 7, 10, 0, tzinfo=UTC)
QUEUE_ID = QueueId(bytes(range(16)))

HEADER = (
    b"From: bob@example.net\r\nTo: ann@example.org\r\nSubject: Hello\r\n"
    b"Date: Mon, 2 Feb 2026 10:59:00 +0100\r\nMessage-ID: <hello@example.net>\r\n"
)
MESSAGE = HEADER + b"\r\nHow are you?\r\n"
UTF8_MESSAGE = MESSAGE.replace(b"Hello", "Grüße".encode())

UNKNOWN = Result(0, Outcome.FAILED, "Unknown.", "5.1.1", "smtp; 550 5.1.1 No such user", "mx.example.org")


def report(
    kind: Kind = Kind.FAILURE,
    subjects: Sequence[Subject] | None = None,
    about: Envelope | None = None,
    *,
    original: bytes = MESSAGE,
    returns_content: bool = True,
    host: str = "mail.example.com",
    boundary: bytes = b"boundary",
    retry_until: datetime | None = None,
) -> tuple[bytes, MailOptions]:
    """
    A report on one recipient that is unknown, unless told otherwise.
    """
    about = about or envelope()
    if subjects is None:
        subjects = [Subject(about.recipients[0], UNKNOWN, NOW)]
    return build_report(
        kind,
        envelope=about,
        subjects=subjects,
        queue_id=QUEUE_ID,
        reporting_mta=host,
        arrived=ARRIVED,
        now=NOW,
        message_id=b"<report@mail.example.com>",
        boundary=boundary,
        original=original,
        returns_content=returns_content,
        retry_until=retry_until,
    )


def read(content: bytes) -> DeliveryReport:
    """
    What it says; it must be a report.
    """
    found = read_report(content)
    assert found is not None
    return found


def parts(content: bytes) -> list[EmailMessage]:
    """
    The parts as Python's own package sees them.
    """
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects, message.defects
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def words(content: bytes) -> str:
    """
    What people read, in one line.
    """
    return " ".join(str(parts(content)[0].get_content()).split())


def with_options(*, orcpt: str = "", notify: frozenset[Notify] | None = None) -> Recipient:
    """
    Ann, with these options.
    """
    return Recipient(Address("ann", "example.org"), options=RecipientOptions(notify, orcpt))


class RulesTests(SynchronousTestCase):
    def test_wants(self) -> None:
        """
        The sender is told what was asked for, and of failures and delays if nothing was (RFC 3461 sections 4.1, 5.2).
        """
        positive = {Kind.SUCCESS, Kind.RELAYED, Kind.EXPANDED}
        told = {
            None: {Kind.FAILURE, Kind.DELAY},
            frozenset[Notify](): set[Kind](),
            frozenset({Notify.FAILURE}): {Kind.FAILURE},
            frozenset({Notify.DELAY}): {Kind.DELAY},
            frozenset({Notify.SUCCESS}): positive,
            frozenset(Notify): positive | {Kind.FAILURE, Kind.DELAY},
        }
        for notify, kinds in told.items():
            self.assertEqual(kinds, {kind for kind in Kind if wants(kind, RecipientOptions(notify))}, notify)

    def test_wants_content(self) -> None:
        """
        The whole message goes back with a failure only, if it is small enough and RET does not say otherwise.
        """
        full, headers = MailOptions(returned=Returned.FULL), MailOptions(returned=Returned.HEADERS)
        self.assertTrue(wants_content(Kind.FAILURE, MailOptions(), REPORT_CONTENT))
        self.assertTrue(wants_content(Kind.FAILURE, full, 1))
        self.assertFalse(wants_content(Kind.FAILURE, headers, 1))
        self.assertFalse(wants_content(Kind.FAILURE, full, REPORT_CONTENT + 1))
        for kind in set(Kind) - {Kind.FAILURE}:
            self.assertFalse(wants_content(kind, full, 1))

    def test_reportable(self) -> None:
        """
        Nobody is told what became of a report.
        """
        self.assertTrue(is_reportable(envelope()))
        self.assertFalse(is_reportable(envelope(sender=None)))
        self.assertRaises(ValueError, report, about=envelope(sender=None), subjects=[])


class ReportTests(SynchronousTestCase):
    maxDiff = None

    def test_failure(self) -> None:
        """
        A report, whole.
        """
        self.assertEqual(
            b"From: MAILER-DAEMON <postmaster@mail.example.com>\r\n"
            b"To: bob@example.net\r\n"
            b"Subject: Your message to ann@example.org could not be delivered\r\n"
            b"Date: Mon, 2 Feb 2026 11:30:00 +0000\r\n"
            b"Message-ID: <report@mail.example.com>\r\n"
            b"In-Reply-To: <hello@example.net>\r\n"
            b"References: <hello@example.net>\r\n"
            b"Auto-Submitted: auto-replied\r\n"
            b"MIME-Version: 1.0\r\n"
            b"Content-Type: multipart/report; report-type=delivery-status;\r\n"
            b'\tboundary="boundary"\r\n'
            b"\r\n"
            b"--boundary\r\n"
            b"Content-Type: text/plain; charset=us-ascii\r\n"
            b"\r\n"
            b"This is the mail server at mail.example.com. Nobody wrote this report,\r\n"
            b"and no answer to it is needed.\r\n"
            b"\r\n"
            b'Your message "Hello" of Mon, 2 Feb 2026 10:59:00 +0100 could not be\r\n'
            b"delivered to:\r\n"
            b"\r\n"
            b"  <ann@example.org>\r\n"
            b"    The server mx.example.org said:\r\n"
            b"    550 5.1.1 No such user\r\n"
            b"\r\n"
            b"No more tries are made.\r\n"
            b"\r\n"
            b"Please check the address. If it is spelled as it should be, ask the\r\n"
            b"recipient in another way for the one that is good today.\r\n"
            b"\r\n"
            b"If you write to postmaster@mail.example.com about it, please give the\r\n"
            b"number by which we know the message: 000102030405060708090a0b0c0d0e0f\r\n"
            b"\r\n"
            b"What follows is the same once more for programs, then your message or\r\n"
            b"its header.\r\n"
            b"\r\n"
            b"--boundary\r\n"
            b"Content-Type: message/delivery-status\r\n"
            b"\r\n"
            b"Reporting-MTA: dns; mail.example.com\r\n"
            b"X-Twisted-Mail-Server-Queue-Id: 000102030405060708090a0b0c0d0e0f\r\n"
            b"Arrival-Date: Mon, 2 Feb 2026 10:00:00 +0000\r\n"
            b"\r\n"
            b"Final-Recipient: rfc822;ann@example.org\r\n"
            b"Action: failed\r\n"
            b"Status: 5.1.1\r\n"
            b"Remote-MTA: dns; mx.example.org\r\n"
            b"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
            b"Last-Attempt-Date: Mon, 2 Feb 2026 11:30:00 +0000\r\n"
            b"\r\n"
            b"--boundary\r\n"
            b"Content-Type: message/rfc822\r\n"
            b"\r\n" + MESSAGE + b"\r\n"
            b"--boundary--\r\n",
            report()[0],
        )
        self.assertEqual(MailOptions(), report()[1])

    def test_read_elsewhere(self) -> None:
        """
        Python's email package sees three parts, the fields of the second in groups.
        """
        text, status, returned = parts(report()[0])
        self.assertEqual("text/plain", text.get_content_type())
        groups = [dict(group.items()) for group in status.walk() if group is not status]
        self.assertEqual("dns; mail.example.com", groups[0]["Reporting-MTA"])
        self.assertEqual("rfc822;ann@example.org", groups[1]["Final-Recipient"])
        self.assertEqual("Hello", returned.get_content()["Subject"])

    def test_delay(self) -> None:
        """
        A delayed message is said to be tried further, and until when; only its header comes back.
        """
        result = evolve(UNKNOWN, outcome=Outcome.DEFERRED, status="4.4.1", diagnostic="smtp; 421 Later")
        subject = Subject(envelope().recipients[0], result, NOW)
        content, _ = report(Kind.DELAY, [subject], returns_content=False, retry_until=UNTIL)
        found = read(content)
        self.assertEqual(Kind.DELAY, found.recipients[0].action)
        self.assertEqual(UNTIL, found.recipients[0].retry_until)
        self.assertEqual("4.4.1", found.recipients[0].status)
        self.assertEqual((HEADER, False), (found.returned, found.is_returned_whole))
        self.assertIn("We go on trying until Sat, 7 Feb 2026 10:00:00 +0000, and", words(content))
        self.assertIn("We go on trying, and", words(report(Kind.DELAY, [subject])[0]))
        self.assertNotIn("Please check", words(content))

    def test_success(self) -> None:
        """
        A success needs no diagnosis, and nothing is said about tries to come.
        """
        delivered = Result(0, Outcome.DELIVERED, "INBOX", "2.1.5")
        for kind in (Kind.SUCCESS, Kind.RELAYED, Kind.EXPANDED):
            content, _ = report(kind, [Subject(envelope().recipients[0], delivered)], retry_until=UNTIL)
            one = read(content).recipients[0]
            self.assertEqual((kind, "2.1.5", None, None, None), (
                one.action, one.status, one.diagnostic, one.attempted, one.retry_until,
            ))  # fmt: skip
            self.assertNotIn("INBOX", words(content))

    def test_wishes(self) -> None:
        """
        ENVID and ORCPT come back as they were given, and only then (RFC 3461 section 6.3).
        """
        about = evolve(
            envelope(),
            options=MailOptions(envid="QQ 31+4 (159)"),
            recipients=(with_options(orcpt="rfc822;Ann+(1)  X@Example.ORG"),),
        )
        found = read(report(about=about)[0])
        self.assertEqual("QQ 31+4 (159)", found.envid)
        self.assertEqual(Typed("rfc822", "Ann+(1)  X@Example.ORG"), found.recipients[0].original)
        found = read(report()[0])
        self.assertEqual(("", None), (found.envid, found.recipients[0].original))

    def test_alias(self) -> None:
        """
        Where an alias leads is not told.
        """
        recipient = Recipient(Address("secret", "elsewhere.example"), named=Address("ann", "example.org"))
        content, _ = report(subjects=[Subject(recipient)])
        self.assertEqual(Address("ann", "example.org"), read(content).recipients[0].address)
        self.assertNotIn(b"secret", content)

    def test_statuses(self) -> None:
        """
        A status that contradicts the kind, or is none, gives way to the unspecific one.
        """
        known = {
            (Kind.FAILURE, "5.1.1"): "5.1.1",
            (Kind.FAILURE, "4.4.7"): "4.4.7",
            (Kind.FAILURE, "2.0.0"): "5.0.0",
            (Kind.FAILURE, "5.01.1"): "5.0.0",
            (Kind.FAILURE, "5.1.1\r\nX: y"): "5.0.0",
            (Kind.FAILURE, ""): "5.0.0",
            (Kind.DELAY, "5.1.1"): "4.0.0",
            (Kind.SUCCESS, "5.1.1"): "2.0.0",
        }
        for (kind, status), expected in known.items():
            subject = Subject(envelope().recipients[0], evolve(UNKNOWN, status=status))
            self.assertEqual(expected, read(report(kind, [subject])[0]).recipients[0].status)

    def test_diagnostics(self) -> None:
        """
        The other side's words are repeated; our own have a type of ours; where nothing is known nothing is said.
        """
        recipient = envelope().recipients[0]
        known = [
            (evolve(UNKNOWN, diagnostic="SMTP;550-a\r\n550 b"), Typed("smtp", "550-a 550 b")),
            (evolve(UNKNOWN, diagnostic="550 untyped"), Typed("smtp", "550 untyped")),
            (Result(0, Outcome.FAILED, "Over  quota."), Typed("x-twisted-mail-server", "Over quota.")),
            (Result(0, Outcome.FAILED, ""), None),
            (None, None),
        ]
        for result, expected in known:
            self.assertEqual(expected, read(report(subjects=[Subject(recipient, result)])[0]).recipients[0].diagnostic)
        refused = Subject(evolve(recipient, refusal="It loops."))
        self.assertEqual(
            Typed("x-twisted-mail-server", "It loops."), read(report(subjects=[refused])[0]).recipients[0].diagnostic
        )

    def test_advice(self) -> None:
        """
        Each piece of advice is given once, and none where there is none.
        """
        about = envelope("a@x.example", "b@x.example", "c@x.example", "d@x.example")
        statuses = ("5.1.1", "5.1.2", "5.2.2", "5.5.0")
        subjects = [
            Subject(recipient, evolve(UNKNOWN, status=status))
            for recipient, status in zip(about.recipients, statuses, strict=True)
        ]
        content, _ = report(subjects=subjects, about=about)
        self.assertEqual(1, words(content).count("Please check the address."))
        self.assertEqual(1, words(content).count("The mailbox is full."))
        self.assertIn(b"Subject: Your message to 4 recipients could not be delivered\r\n", content)
        self.assertEqual([*statuses], [one.status for one in read(content).recipients])

    def test_many(self) -> None:
        """
        People read of some recipients, programs of all.
        """
        about = envelope(*(f"a{number}@example.org" for number in range(REPORT_LISTED + 7)))
        content, _ = report(subjects=[Subject(recipient) for recipient in about.recipients], about=about)
        self.assertIn("... and 7 more", words(content))
        self.assertEqual(REPORT_LISTED + 7, len(read(content).recipients))

    def test_host_without_domain(self) -> None:
        """
        A host that has no domain does not claim to be in the DNS (RFC 3461 section 6.3 b).
        """
        for host, expected in (
            ("attic", Typed("x-local-hostname", "attic")),
            ("", Typed("x-local-hostname", "localhost")),
            ("[IPv6:::1]", Typed("dns", "[IPv6:::1]")),
        ):
            self.assertEqual(expected, read(report(host=host)[0]).reporting)

    def test_nothing_known(self) -> None:
        """
        A message without subject, date and id is a message still.
        """
        for header in (b"X: y\r\n", b"Subject: \r\nDate: never\r\nMessage-ID: none\r\n"):
            content, _ = report(original=header + b"\r\nText\r\n")
            self.assertIn("Your message could not be delivered to:", words(content))
            self.assertNotIn(b"References", content)

    def test_boundary(self) -> None:
        """
        A boundary that occurs in the message is not used.
        """
        original = HEADER + b"\r\n--boundary\r\n\r\n--boundary.0--\r\n"
        content, _ = report(original=original)
        self.assertIn(b'boundary="boundary.1"', report(original=original.replace(b"--boundary\r", b"--boundaryX\r"))[0])
        self.assertEqual(original, read(content).returned)


class ReturnedTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """
        The message comes back as it was, lines mended if they have to be.
        """
        for original in (MESSAGE, HEADER, MESSAGE.rstrip(), b"\r\nNo header.\r\n"):
            self.assertEqual((original, True), self.returned(original))
        self.assertEqual((b"A: b\r\n\r\nc\r\n", True), self.returned(b"A: b\n\nc\r"))

    def test_eight_bits(self) -> None:
        """
        Eight bits go back as such, and say so; a header alone is encoded.
        """
        original = MESSAGE + b"gr\xfc\xdfe\r\n"
        content, options = report(original=original)
        self.assertEqual((original, True), self.returned(original))
        self.assertEqual(MailOptions(body=BodyKind.EIGHT_BIT), options)
        self.assertIn(b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--boundary\r\n", content)
        self.assertIn(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", content)
        original = HEADER.replace(b"Hello", b"Gr\xfc\xdfe")
        content, options = report(original=original, returns_content=False)
        self.assertEqual((original, False), self.returned(original, returns_content=False))
        self.assertTrue(content.isascii())
        self.assertEqual(MailOptions(), options)

    def test_header_instead(self) -> None:
        """
        What is too large, or cannot be in a part, comes back as header.
        """
        for body in (b"x" * REPORT_CONTENT, b"x" * 999 + b"\r\n", b"\0"):
            self.assertEqual((HEADER, False), self.returned(HEADER + b"\r\n" + body))

    def test_large_header(self) -> None:
        """
        A large header is cut between two lines; one that is a single endless line is left out.
        """
        line = b"X: " + b"y" * 95 + b"\r\n"
        expected = line * (REPORT_HEADER // 100)
        self.assertEqual((expected, False), self.returned(line * 1000 + b"\r\n", returns_content=False))
        self.assertEqual((None, False), self.returned(b"X" * (REPORT_HEADER + 1), returns_content=False))
        self.assertEqual((None, False), self.returned(b"", returns_content=True))

    def test_long_lines(self) -> None:
        """
        A header with a line that is too long is encoded.
        """
        header = b"X: " + b"y" * 2000 + b"\r\n"
        self.assertEqual((header, False), self.returned(header + b"\r\nText"))

    def returned(self, original: bytes, returns_content: bool = True) -> tuple[bytes | None, bool]:
        """
        What comes back; no line of the report is too long.
        """
        content, _ = report(original=original, returns_content=returns_content)
        self.assertLessEqual(max(map(len, content.split(b"\r\n"))), 998)
        self.assertNotIn(b"\0", content)
        self.assertEqual(content.count(b"\n"), content.count(b"\r\n"))
        self.assertEqual(content.count(b"\r"), content.count(b"\r\n"))
        found = read(content)
        return found.returned, found.is_returned_whole


class InternationalTests(SynchronousTestCase):
    """
    RFC 6533.
    """

    def about(self, sender: Address, orcpt: str = "utf-8;gr\\x{FC}n@example.org") -> Envelope:
        """
        An envelope of a message that needs SMTPUTF8.
        """
        recipient = Recipient(Address("grün", "example.org"), options=RecipientOptions(orcpt=orcpt))
        return evolve(envelope(), sender=sender, recipients=(recipient,), options=MailOptions(is_utf8=True))

    def test_sender_in_ascii(self) -> None:
        """
        To somebody whose way back may know no UTF-8 all goes in ASCII, and nothing is lost.
        """
        about = self.about(Address("bob", "example.net"))
        for original, returns_content in ((UTF8_MESSAGE, True), (UTF8_MESSAGE, False)):
            content, options = report(about=about, original=original, returns_content=returns_content)
            self.assertTrue(content.isascii())
            self.assertEqual(MailOptions(), options)
            self.assertIn(b"Final-Recipient: utf-8;gr\\x{FC}n@example.org\r\n", content)
            self.assertIn(b"Original-Recipient: utf-8;gr\\x{FC}n@example.org\r\n", content)
            self.assertIn("<grün@example.org>", words(content))
            self.assertIn(b"Subject: Your message could not be delivered\r\n", content)
            found = read(content)
            self.assertEqual(Typed("utf-8", "grün@example.org"), found.recipients[0].final)
            expected = UTF8_MESSAGE if returns_content else UTF8_MESSAGE[: UTF8_MESSAGE.index(b"\r\n\r\n") + 2]
            self.assertEqual((expected, returns_content), (found.returned, found.is_returned_whole))

    def test_sender_in_utf8(self) -> None:
        """
        To somebody with a UTF-8 address it goes by SMTPUTF8, with the types made for that.
        """
        about = self.about(Address("jörg", "example.net"))
        said = evolve(UNKNOWN, diagnostic="smtp; 550 Gibt's nicht: grün")
        for returns_content, kind in ((True, b"message/global"), (False, b"message/global-headers")):
            content, options = report(
                subjects=[Subject(about.recipients[0], said)],
                about=about,
                original=UTF8_MESSAGE,
                returns_content=returns_content,
            )
            self.assertEqual(MailOptions(body=BodyKind.EIGHT_BIT, is_utf8=True), options)
            self.assertIn("To: jörg@example.net\r\n".encode(), content)
            self.assertIn(b"report-type=global-delivery-status", content)
            self.assertIn(
                b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n", content
            )
            self.assertIn("Original-Recipient: utf-8;grün@example.org\r\n".encode(), content)
            self.assertIn(b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: 8bit\r\n", content)
            one = read(content).recipients[0]
            self.assertEqual(Typed("smtp", "550 Gibt's nicht: grün"), one.diagnostic)
            self.assertEqual(Typed("utf-8", "grün@example.org"), one.final)

    def test_ascii_after_all(self) -> None:
        """
        Where nothing in them is beyond ASCII the traditional types do (RFC 6533 section 4.4).
        """
        about = evolve(envelope(), sender=Address("jörg", "example.net"), options=MailOptions(is_utf8=True))
        content, options = report(about=about)
        self.assertIn(b"Content-Type: message/delivery-status\r\n\r\n", content)
        self.assertIn(b"Content-Type: message/rfc822\r\n\r\n", content)
        self.assertEqual(MailOptions(body=BodyKind.EIGHT_BIT, is_utf8=True), options)

    def test_long_lines(self) -> None:
        """
        A message that has lines too long comes back encoded.
        """
        original = UTF8_MESSAGE + b"x" * 1200 + b"\r\n"
        content, _ = report(about=self.about(Address("jörg", "example.net")), original=original)
        self.assertIn(b"Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n", content)
        self.assertEqual(original, read(content).returned)
        header = b"Subject: " + "ü".encode() * 600 + b"\r\n"
        content, _ = report(about=self.about(Address("jörg", "example.net")), original=header, returns_content=False)
        self.assertIn(
            b"Content-Type: message/global-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n", content
        )
        self.assertEqual(header, read(content).returned)

    def test_original_recipients(self) -> None:
        """
        Whatever form ORCPT was in, it is written in the form that fits the report.
        """
        forms = {
            "rfc822;ann@example.org": ("rfc822;ann@example.org", "rfc822;ann@example.org"),
            "UTF-8;gr\\x{fc}n@example.org": ("utf-8;gr\\x{FC}n@example.org", "utf-8;grün@example.org"),
            "utf-8;grün@example.org": ("utf-8;gr\\x{FC}n@example.org", "utf-8;grün@example.org"),
            "utf-8;a=b+c \\d@example.org": (
                "utf-8;a\\x{3D}b\\x{2B}c\\x{20}\\x{5C}d@example.org",
                "utf-8;a=b+c \\d@example.org",
            ),
            "utf-8;a\\x{110000}\\x{D800}\\x{0A}": (
                "utf-8;a\\x{5C}x{110000}\\x{5C}x{D800}\\x{5C}x{0A}",
                "utf-8;a\\x{110000}\\x{D800}\\x{0A}",
            ),
            "rfc822;grün@example.org": ("utf-8;gr\\x{FC}n@example.org", "utf-8;grün@example.org"),
            "no type": ("unknown;no type", "unknown;no type"),
            "bad type;x": ("unknown;bad type;x", "unknown;bad type;x"),
        }
        for orcpt, (narrow, wide) in forms.items():
            for expected, local in ((narrow, "bob"), (wide, "jörg")):
                content, _ = report(about=self.about(Address(local, "example.net"), orcpt))
                self.assertIn(f"\r\nOriginal-Recipient: {expected}\r\n".encode(), content)

    def test_diagnostic_in_ascii(self) -> None:
        """
        Words of the other side that are not ASCII are made so where they must be.
        """
        said = evolve(UNKNOWN, diagnostic="smtp; 550 grün")
        content, _ = report(subjects=[Subject(envelope().recipients[0], said)])
        self.assertIn(b"Diagnostic-Code: smtp; 550 gr\\x{FC}n\r\n", content)
        self.assertIn("550 grün", words(content))


class HostileTests(SynchronousTestCase):
    def test_injection(self) -> None:
        """
        Nothing that others say makes a line, a field or a part of its own.
        """
        evil = "x\r\nAction: delivered\r\n\r\nBcc: v@example.org\r\n--boundary\r\n\0\x1b\u2028\x85\ud800;y"
        recipient = Recipient(
            Address(evil, "example.org"), options=RecipientOptions(orcpt="rfc822;" + evil), refusal=evil
        )
        about = evolve(
            envelope(), sender=Address(evil, "example.net"), recipients=(recipient,), options=MailOptions(envid=evil)
        )
        result = Result(0, Outcome.FAILED, evil, evil, "smtp; " + evil, evil)
        original = b"Subject: =?utf-8?q?a=0D=0ABcc:_v?=\r\n--boundary\r\nMessage-ID: <a@b>\r\n <c@d>\r\n\r\n"
        for each in (result, evolve(result, diagnostic=""), evolve(result, diagnostic=evil), None):
            content, _ = report(subjects=[Subject(recipient, each, NOW)] * 2, about=about, original=original, host=evil)
            names = [line.partition(b":")[0] for line in content.split(b"\r\n\r\n")[0].split(b"\r\n")]
            self.assertNotIn(b"Bcc", names)
            self.assertNotIn(b"In-Reply-To", names)
            found = read(content)
            self.assertEqual([Kind.FAILURE] * 2, [one.action for one in found.recipients])
            self.assertEqual(3, len(parts_by_boundary(content)))
            self.assertEqual(content.count(b"\n"), content.count(b"\r\n"))
            self.assertNotIn(b"\0", content)

    def test_endless_words(self) -> None:
        """
        Nothing that others say makes a line too long, whatever it is made of.
        """
        for evil in ("x" * 5000, "ü" * 5000, "x: " * 5000, "\U0001f600" * 5000, "\u0301 " * 5000):
            recipient = Recipient(Address(evil[:300], "example.org"), options=RecipientOptions(orcpt="utf-8;" + evil))
            result = Result(0, Outcome.FAILED, evil, "5.0.0", "smtp; " + evil, evil)
            for sender in ("bob", "jörg"):
                about = evolve(
                    envelope(),
                    sender=Address(sender, "example.net"),
                    recipients=(recipient,),
                    options=MailOptions(envid=evil, is_utf8=True),
                )
                content, _ = report(subjects=[Subject(recipient, result)], about=about)
                self.assertLessEqual(max(map(len, content.split(b"\r\n"))), 998)
                content.decode("utf-8")
                self.assertLess(len(content), 32_000)
                self.assertEqual(1, len(read(content).recipients))


def parts_by_boundary(content: bytes) -> list[bytes]:
    """
    The parts by the boundary that the header names, as a simple reader finds them.
    """
    boundary = content.partition(b'boundary="')[2].partition(b'"')[0]
    return content.split(b"--" + boundary)[1:-1]
