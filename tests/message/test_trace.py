"""
L{twisted_mail_server.message.trace}
"""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.headers import fields
from twisted_mail_server.message.trace import (
    Hop,
    count_received,
    delivered_to,
    deliveries,
    harmless,
    received,
    return_path,
)

HOP = Hop(
    helo="client.example.com",
    address="192.0.2.7",
    host="mail.example.org",
    protocol="ESMTPSA",
    queue_id="0123456789abcdef0123456789abcdef",
    received=datetime(2026, 2, 2, 10, 0, tzinfo=UTC),
)

HOSTILE = 'a\r\nBcc: x@y\r\n\r\nbody \0\x7f\x85\u2028é(b)"<>;\\'


class ReceivedTests(SynchronousTestCase):
    def test_field(self) -> None:
        """
        All that is known of a message's coming, in lines of 78 at most.
        """
        self.assertEqual(
            b"Received: from client.example.com (rdns.example.com [192.0.2.7]) (using\r\n"
            b"\tTLSv1.3 TLS_AES_256_GCM_SHA384) by mail.example.org with ESMTPSA id\r\n"
            b"\t0123456789abcdef0123456789abcdef for <you@example.org>; Mon, 2 Feb 2026\r\n"
            b"\t10:00:00 +0000\r\n",
            received(
                evolve(HOP, name="rdns.example.com", recipient="you@example.org", tls="TLSv1.3 TLS_AES_256_GCM_SHA384")
            ),
        )

    def test_least(self) -> None:
        """
        What is not known is left out.
        """
        self.assertEqual(
            b"Received: from client.example.com ([192.0.2.7]) by mail.example.org with\r\n"
            b"\tESMTPSA id 0123456789abcdef0123456789abcdef; Mon, 2 Feb 2026 10:00:00 +0000\r\n",
            received(HOP),
        )

    def test_addresses(self) -> None:
        """
        IPv6 has its tag (RFC 5321 section 4.1.3); without a name the address
        stands for it; a local program has neither.
        """
        self.assertIn(b"from c ([IPv6:2001:db8::1]) by", received(evolve(HOP, helo="c", address="2001:db8::1")))
        self.assertIn(b"from [192.0.2.7] ([192.0.2.7]) by", received(evolve(HOP, helo="")))
        self.assertIn(b"from localhost by", received(evolve(HOP, helo="", address="")))

    def test_recipient_not_ascii(self) -> None:
        """
        A recipient that is not ASCII is not named.
        """
        self.assertNotIn(b" for ", received(evolve(HOP, recipient="grüße@example.org")))

    def test_injection(self) -> None:
        """
        Nothing that a client says can leave the field.
        """
        for hop in (
            evolve(HOP, helo=HOSTILE),
            evolve(HOP, name=HOSTILE),
            evolve(HOP, recipient=HOSTILE),
            evolve(HOP, recipient=HOSTILE.replace("é", "")),
            evolve(HOP, tls=HOSTILE),
            evolve(HOP, address=HOSTILE),
            evolve(HOP, host=HOSTILE, protocol=HOSTILE, queue_id=HOSTILE),
        ):
            field = received(hop)
            self.assertEqual([(b"Received", 0, len(field))], [(f.name, f.start, f.end) for f in fields(field)], hop)
            self.assertRegex(field, rb"\A[\t\r\n -~]+\r\n\Z")
            self.assertEqual(field.count(b"\n"), field.count(b"\r\n"))
            self.assertNotIn(b"\n\r", field)

    def test_long_words(self) -> None:
        """
        A word that fits no line has one of its own.
        """
        lines = received(evolve(HOP, helo="h" * 100)).split(b"\r\n")
        self.assertEqual([b"Received: from", b"\t" + b"h" * 100], lines[:2])
        self.assertLessEqual(max(map(len, lines[2:])), 78)


class OtherFieldTests(SynchronousTestCase):
    def test_return_path(self) -> None:
        """
        The sender stands in brackets, and nobody between them.
        """
        self.assertEqual(b"Return-Path: <a@b.example>\r\n", return_path("a@b.example"))
        self.assertEqual(b"Return-Path: <>\r\n", return_path(""))

    def test_delivered_to(self) -> None:
        """
        The recipient stands as it is, UTF-8 and a quoted local part included.
        """
        self.assertEqual("Delivered-To: grüße@example.org\r\n".encode(), delivered_to("grüße@example.org"))
        self.assertEqual(b'Delivered-To: "a b\\" c"@d\r\n', delivered_to('"a b\\" c"@d'))

    def test_injection(self) -> None:
        """
        No address can leave its line.
        """
        for write in (return_path, delivered_to):
            for address in (HOSTILE, f'"{HOSTILE}"@example.org', '"a\r\nb"@c', "\ud800@a"):
                field = write(address)
                self.assertEqual([len(field)], [f.end for f in fields(field)])
                self.assertEqual(1, field.count(b"\n"))
                self.assertNotRegex(field[:-2], rb"[\x00-\x1f\x7f]")

    def test_harmless(self) -> None:
        """
        Letters, digits and the marks of names and literals stay.
        """
        self.assertEqual("mail.a-b_c.example[IPv6:::1]", harmless("mail.a-b_c.example[IPv6:::1]"))
        self.assertEqual("a??b", harmless("a\r\nb"))
        self.assertEqual("a b?", harmless(" a\r\n b(", keep_spaces=True))


class ReadTests(SynchronousTestCase):
    BLOCK = (
        b"Delivered-To: One@Example.org\r\nReceived: a\r\n\tReceived: folded\r\nreceived: b\r\n"
        b"DELIVERED-TO: <two@example.org>\r\n\r\nReceived: in the body\r\n"
    )

    def test_count(self) -> None:
        """
        Fields are counted, not lines, and not those of the body.
        """
        self.assertEqual(2, count_received(self.BLOCK))

    def test_deliveries(self) -> None:
        """
        Addresses come in small letters and without brackets.
        """
        self.assertEqual(frozenset({"one@example.org", "two@example.org"}), deliveries(self.BLOCK))

    def test_round_trip(self) -> None:
        """
        What we write we find again.
        """
        self.assertEqual(frozenset({"grüße@example.org"}), deliveries(delivered_to("Grüße@example.org")))
        self.assertEqual(1, count_received(received(HOP)))
