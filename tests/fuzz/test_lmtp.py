"""
LMTP: whatever a client sends, and however it is cut, the same events and replies come out; the end of content has as many replies as
recipients were taken (RFC 2033 section 4.2), so that nobody loses count; memory is bounded, and no exception leaves the conversation.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, Driver, SmtpCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DiskFull, NoSuchAccount
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import ContentEnded, MailAsked, RecipientAsked

CALM = settings(derandomize=True, max_examples=250, deadline=None, database=None)
REPLY = re.compile(rb"(?:[2345][0-9]{2}[ -][\x20-\x7e]*\r\n)*")
POLICY = Policy(HOSTNAME, message_size=10_000, recipients=3, is_lmtp=True)

#: A conversation is more often right than wrong: whole turns, and things that are out of place.
TURNS = st.sampled_from(
    (
        b"LHLO me\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=10001\r\n",
        b"RCPT TO:<a@b.example>\r\n",
        b"RCPT TO:<nobody@b.example>\r\n",
        b"DATA\r\n",
        b"text\r\n.\r\n",
        b"..\r\n.\r\n",
        b"bare\nline\r\n.\r\n",
        b"BDAT 5\r\nab\r\nc",
        b"BDAT 4 LAST\r\nd\r\n\r",
        b"BDAT 0 LAST\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
    )
)
ODD = st.sampled_from(
    (
        b"EHLO me\r\n",
        b"HELO me\r\n",
        b"STARTTLX\r\n",
        b"AUTH PLAIN\r\n",
        b"BDAT 99\r\n",
        b"BDAT x\r\n",
        b"LHLO\r\n",
        b"\xff\r\n",
        b"\r\n",
        b"QUIT\r\n",
        b"x" * (limits.SMTP_COMMAND_LINE + 3) + b"\r\n",
        b"y" * 70 + b"\r\n.\r\n",
    )
)
SCRIPTS = st.lists(st.one_of(TURNS, TURNS, TURNS, TURNS, ODD, st.binary(max_size=6)), max_size=24).map(b"".join)
BEGINNINGS = st.sampled_from((b"", b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n"))
CUTS = st.lists(st.integers(0, 600), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """
    C{data} in pieces.
    """
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(borders)]


class LmtpTests(SmtpCase, SynchronousTestCase):
    """
    The engine, and somebody who takes nobody by the name of C{nobody}.
    """

    refusals = {"nobody@b.example": NoSuchAccount("Nobody of that name.")}

    @CALM
    @given(BEGINNINGS, SCRIPTS, CUTS)
    def test_conversations(self, beginning: bytes, script: bytes, places: list[int]) -> None:
        """
        Any input, cut anywhere.
        """
        data = beginning + script
        whole = self.make(POLICY)
        whole.receive(data)
        self.assertIsNotNone(REPLY.fullmatch(whole.output), whole.output)
        self.assertLessEqual(len(whole.smtp.input), limits.SMTP_COMMAND_LINE + 2)
        self.same_however_cut(data, [cut(data, places)], whole, POLICY)

    @CALM
    @given(SCRIPTS, st.sampled_from((None, DiskFull("No room."))))
    def test_replies(self, script: bytes, problem: DiskFull | None) -> None:
        """
        Each end of content is answered once for each recipient that was taken, whatever the answer is, and each command once.
        """
        driver = self.make(POLICY)
        if problem is not None:
            driver.refusals = {**driver.refusals, "ContentEnded": problem}
        data = b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n" + script
        taken = 0
        for start in range(0, len(data), 1):
            before, seen = len(driver.output), len(driver.events)
            driver.receive(data[start : start + 1])
            said = driver.output[before:].count(b"\r\n") - driver.output[before:].count(b"250-")
            fresh = driver.events[seen:]
            if any(isinstance(event, MailAsked) for event in fresh):
                taken = 0
            taken += self.takes(driver, fresh)
            if ContentEnded() in fresh:
                self.assertEqual(taken, said)
                taken = 0
            elif not driver.smtp.is_closed:
                self.assertLessEqual(said, max(1, taken))

    @staticmethod
    def takes(driver: Driver, events: Sequence[object]) -> int:
        """
        How many of these are recipients that were taken.
        """
        asked = [event for event in events if isinstance(event, RecipientAsked)]
        return sum(str(event.address) not in driver.refusals for event in asked)
