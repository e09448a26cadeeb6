"""
SMTP: whatever a client sends, and however it is cut, the same events and replies come out; every reply is well formed; no
exception leaves the conversation; memory is bounded.
"""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, SmtpCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import PeerError
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import Content, ContentEnded, ContentSpoiled
from twisted_mail_server.protocols.smtp.grammar import parse_reverse_path, split_parameters, split_path

CALM = settings(derandomize=True, max_examples=250, deadline=None, database=None)
REPLY = re.compile(rb"(?:[2345][0-9]{2}[ -][\x20-\x7e]*\r\n)*")
OPENING = b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"

WORDS = st.sampled_from(
    (
        b"EHLO me",
        b"HELO me",
        b"MAIL FROM:<a@b.example>",
        b"MAIL FROM:<> SIZE=5",
        b"RCPT TO:<a@b.example>",
        b"RCPT TO:<@c:d@e>",
    )
    + (
        b"DATA",
        b"RSET",
        b"NOOP",
        b"QUIT",
        b"VRFY a",
        b"EXPN",
        b"HELP",
        b"AUTH PLAIN",
        b"AUTH PLAIN AGEAYg==",
        b"AUTH LOGIN",
        b"*",
    )
    + (
        b"AGEAYg==",
        b"YQ==",
        b".",
        b"..",
        b"",
        b"text",
        b"a\nb",
        b"BDAT 0",
        b"BDAT 3\r\na",
        b"BDAT 4 LAST\r\nx\r",
        b"BDAT 12",
        b"BDAT 9 LAST",
        b"BDAT x",
        "MAIL FROM:<ü@ö.example> SMTPUTF8 RET=HDRS".encode(),
        "RCPT TO:<ü@b.example> NOTIFY=NEVER ORCPT=utf-8;ü".encode(),
        b"VRFY \xc3",
        b"\r",
        b"\0",
        b"\xff",
        b"x" * (limits.SMTP_COMMAND_LINE + 1),
    )
)
SCRIPTS = st.lists(st.one_of(WORDS, WORDS, st.binary(max_size=12)), max_size=20).map(b"\r\n".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)
#: What content is made of where it matters.
PIECES = st.lists(st.sampled_from((b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"a", b"bc")), max_size=25).map(
    b"".join
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """
    C{data} in pieces.
    """
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(borders)]


class SmtpTests(SmtpCase, SynchronousTestCase):
    """
    The conversation, its content, its grammar.
    """

    @CALM
    @given(SCRIPTS, CUTS)
    def test_conversations(self, data: bytes, places: list[int]) -> None:
        """
        Any input, cut anywhere.
        """
        policy = Policy(HOSTNAME, message_size=50, recipients=2)
        whole = self.make(policy, mechanisms=("PLAIN", "LOGIN"))
        whole.receive(data)
        self.assertIsNotNone(REPLY.fullmatch(whole.output), whole.output)
        self.assertLess(len(whole.smtp.input), limits.SASL_LINE + 2)
        self.same_however_cut(data, [cut(data, places)], whole, policy, mechanisms=("PLAIN", "LOGIN"))

    @CALM
    @given(SCRIPTS, CUTS)
    def test_lmtp(self, data: bytes, places: list[int]) -> None:
        """
        So in LMTP.
        """
        policy = Policy(HOSTNAME, message_size=50, recipients=2, is_lmtp=True)
        data = data.replace(b"EHLO", b"LHLO")
        whole = self.make(policy)
        whole.receive(data)
        self.assertIsNotNone(REPLY.fullmatch(whole.output), whole.output)
        self.same_however_cut(data, [cut(data, places)], whole, policy)

    @CALM
    @given(PIECES, CUTS)
    def test_content(self, data: bytes, places: list[int]) -> None:
        """
        Content is what a slow and simple reader makes of it.
        """
        driver = self.make()
        driver.receive(OPENING)
        del driver.events[:]
        for piece in cut(data, places):
            driver.smtp.receive(piece)
            while not driver.smtp.is_closed and (event := driver.smtp.next_event()) is not None:
                driver._note(event)
                if isinstance(event, ContentEnded):
                    break
            if driver.smtp.asked is not None:
                break
        content, is_clean, has_ended = read_slowly(data)
        spoiled = [event for event in driver.events if isinstance(event, ContentSpoiled)]
        if has_ended:
            self.assertEqual(is_clean, not spoiled)
            self.assertEqual(is_clean, ContentEnded() in driver.events)
        if has_ended and is_clean:
            taken = b"".join(event.data for event in driver.events if isinstance(event, Content))
            self.assertEqual(content, taken)

    @CALM
    @given(PIECES, st.lists(st.integers(0, 30), max_size=4), CUTS)
    def test_chunks(self, data: bytes, borders: list[int], places: list[int]) -> None:
        """
        Content in chunks is taken as it is if its lines are clean, wherever it is cut into chunks, and these into reads.
        """
        chunks = cut(data, borders)
        said = b"".join(
            b"BDAT %d%s\r\n%s" % (len(chunk), b" LAST" * (number == len(chunks) - 1), chunk)
            for number, chunk in enumerate(chunks)
        )
        driver = self.make()
        driver.receive(OPENING.replace(b"DATA\r\n", b""))
        for piece in cut(said, places):
            driver.receive(piece)
        taken = b"".join(event.data for event in driver.events if isinstance(event, Content))
        rest = data.replace(b"\r\n", b"")
        if b"\r" in rest or b"\n" in rest:
            self.assertNotIn(ContentEnded(), driver.events)
        else:
            self.assertIn(ContentEnded(), driver.events)
            self.assertEqual(data if not data or data.endswith(b"\r\n") else data + b"\r\n", taken)
        self.assertEqual(b"250 2.0.0 Ok.\r\n", driver.receive(b"NOOP\r\n"))

    @CALM
    @given(
        st.text(
            st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("üß用\u200d。\u2028\xa0"), max_size=60
        ),
        st.booleans(),
    )
    def test_paths(self, text: str, is_bracketed: bool) -> None:
        """
        An argument of MAIL is an address that can be written and read again, nobody, or refused.
        """
        try:
            mailbox, parameters = split_path(f"FROM:<{text}>" if is_bracketed else f"FROM:{text}", "FROM:")
            address = parse_reverse_path(mailbox)
            split_parameters(parameters)
        except PeerError:
            return
        if address is not None:
            self.assertEqual(address, Address.parse(str(address)))


def read_slowly(data: bytes) -> tuple[bytes, bool, bool]:
    """
    Content, whether it is clean, and whether it has ended, line by line.
    """
    content = b""
    rest = data
    while True:
        line, crlf, rest = rest.partition(b"\r\n")
        if not crlf:
            return content, True, False
        if line == b".":
            return (
                content,
                b"\r" not in content.replace(b"\r\n", b"") and b"\n" not in content.replace(b"\r\n", b""),
                True,
            )
        content += line.removeprefix(b".") + crlf
