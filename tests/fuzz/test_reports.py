"""
Whatever is told, a report is one: three parts, CRLF, no line beyond 998 octets,
ASCII unless its options say otherwise, and it is read back as it was meant.
Reading takes whatever comes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.envelopes import ORIGIN
from twisted_mail_server.message.addresstypes import TYPED, original_recipient, plain_address, typed_address
from twisted_mail_server.message.lines import find_bare
from twisted_mail_server.message.reported import read_report
from twisted_mail_server.message.reports import Kind, Subject, build_report
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, Envelope, MailOptions, Recipient, RecipientOptions
from twisted_mail_server.model.queue import Outcome, QueueId, Result

NOW = datetime(2026, 2, 2, 10, 0, tzinfo=UTC)

_texts = st.text(max_size=40) | st.sampled_from(
    ["\r\n--b\r\n", "smtp; 550 No", "a" * 1200, "x;\r\n\r\nAction: relayed"]
)
_local_parts = st.from_regex(r"[a-z.=+äöü]{1,20}", fullmatch=True)
_printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
_pieces = st.sampled_from(
    [
        b"Subject: ",
        b"Message-ID: <a@b>",
        b"Date: 1 Jan 2026 1:2 Z",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b"\0",
    ]
    + [b"\xfc", "ü".encode(), b"x" * 999, b" ", b"=?utf-8?q?=0D=0A?=", b"."]
)
_originals = st.lists(_pieces, max_size=12).map(b"".join)


@st.composite
def _results(draw: st.DrawFn) -> Result:
    outcome = draw(st.sampled_from(Outcome))
    return Result(0, outcome, draw(_texts), draw(_texts | st.just("5.1.1")), draw(_texts), draw(_texts))


@st.composite
def _subjects(draw: st.DrawFn) -> Subject:
    options = RecipientOptions(None, draw(_texts))
    recipient = Recipient(Address(draw(_local_parts), "example.org"), draw(_texts), options)
    return Subject(recipient, draw(st.none() | _results()), draw(st.none() | st.just(NOW)))


class ReportTests(SynchronousTestCase):
    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(
        st.sampled_from(Kind),
        st.lists(_subjects(), min_size=1, max_size=3),
        _local_parts,
        _originals,
        st.booleans(),
        _texts,
    )
    def test_built(
        self, kind: Kind, subjects: list[Subject], sender: str, original: bytes, returns_content: bool, text: str
    ) -> None:
        """
        What is built keeps the rules of a message, and says what it was told to say.
        """
        about = Envelope(
            ORIGIN,
            Address(sender, "example.net"),
            tuple(subject.recipient for subject in subjects),
            MailOptions(envid=text, is_utf8="ü".encode() in original),
        )
        content, options = build_report(
            kind,
            envelope=about,
            subjects=subjects,
            queue_id=QueueId(bytes(16)),
            reporting_mta=text,
            arrived=NOW,
            now=NOW,
            message_id=b"<1@example.com>",
            boundary=b"b",
            original=original,
            returns_content=returns_content,
            retry_until=NOW,
        )
        self.assertEqual(-1, find_bare(content))
        self.assertLessEqual(max(map(len, content.split(b"\r\n"))), 998)
        self.assertNotIn(b"\0", content)
        self.assertEqual(content.isascii(), options.body is BodyKind.SEVEN_BIT)
        self.assertEqual(not sender.isascii(), options.is_utf8)
        header = content.partition(b"\r\n\r\n")[0]
        self.assertEqual(8, len(set(re.findall(rb"(?m)^[A-Za-z-]+(?=:)", header)) - _MAYBE))
        found = read_report(content)
        assert found is not None
        self.assertEqual([kind] * len(subjects), [one.action for one in found.recipients])
        self.assertEqual(
            [str(subject.final) for subject in subjects],
            [None if one.final is None else one.final.text for one in found.recipients],
        )
        self.assertEqual([subject.attempted for subject in subjects], [one.attempted for one in found.recipients])

    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(_printable, st.booleans())
    def test_addresses(self, text: str, is_wide: bool) -> None:
        """
        An address of any kind is read as it was written.
        """
        for written in (typed_address("rfc822", text, is_wide), original_recipient(f"rfc822;{text}", is_wide)):
            found = TYPED.fullmatch(written)
            self.assertEqual(text, found and found[2])
        found = TYPED.fullmatch(typed_address("rfc822", f"ü{text}", is_wide))
        assert found is not None
        if not is_wide:
            self.assertTrue(found[2].isascii())
            self.assertEqual(f"ü{text}", plain_address(found[2]))

    @settings(derandomize=True, max_examples=120, deadline=None, database=None)
    @given(
        st.lists(
            st.sampled_from(
                [
                    b"Reporting-MTA: dns; x",
                    b"Final-Recipient: ",
                    b"rfc822;a@b",
                    b"utf-8;\\x{D800}",
                    b"Status: 5.1.1",
                    b"Action: failed",
                ]
                + [
                    b"\r\n",
                    b"\r\n\r\n",
                    b"\n",
                    b"(",
                    b'"',
                    b" ",
                    b";",
                    b":",
                    b"\xff",
                    b"Arrival-Date: 1 Jan 99999",
                    b"--b\r\n",
                ]
            )
            | st.binary(max_size=10),
            max_size=20,
        ).map(b"".join),
        st.sampled_from([b"8bit", b"base64", b"quoted-printable"]),
    )
    def test_read(self, body: bytes, encoding: bytes) -> None:
        """
        Reading takes anything, and finds a report where there is one.
        """
        content = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n"
        content += b"Content-Transfer-Encoding: %b\r\n\r\n%b\r\n--b--\r\n" % (encoding, body)
        found = read_report(content)
        assert found is not None
        for one in found.recipients:
            self.assertIn(one.action, [None, *Kind])
            self.assertTrue(one.address is None or one.final is not None)
        read_report(body)


#: Fields of the report's header that are not always there.
_MAYBE = {b"Content-Transfer-Encoding", b"In-Reply-To", b"References"}
