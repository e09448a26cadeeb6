"""
SMTP as a client: whatever a server says, and however it is cut, the same comes of it; every recipient of every message has
exactly one result; no exception leaves the conversation; memory is bounded.
"""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp_client import CONTENT, HELLO, ClientDriver, mail
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.queue import Outcome
from twisted_mail_server.protocols.smtp.client_conversation import Wishes
from twisted_mail_server.protocols.smtp.client_events import Cause, SessionOver
from twisted_mail_server.protocols.smtp.client_replies import ReplyReader

CALM = settings(derandomize=True, max_examples=250, deadline=None, database=None)

LINES = st.sampled_from(
    (
        b"220 hi",
        b"250 ok",
        b"250 ok",
        b"250 ok",
        b"250-mx\r\n250-PIPELINING\r\n250 SIZE 1000",
        b"250-mx\r\n250-CHUNKING\r\n250-PIPELINING\r\n250 DSN",
        b"250-mx\r\n250 LIMITS RCPTMAX=1",
        b"250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN",
        b"354 Go",
        b"354 Go",
        b"334 ",
        b"334 VXNlcm5hbWU6",
        b"235 Welcome",
        b"450 4.2.1 Later",
        b"452 4.5.3 Enough",
        b"550 5.1.1 Who?",
        b"554 No",
        b"552 Big",
        b"421 Bye",
        b"250-one",
        b"what?",
        b"",
        b"250 \x00\xff",
    )
)


def conversation(lines: list[bytes], wishes: Wishes, piece: int) -> ClientDriver:
    """
    A session in which the server says one line after the other, and then goes.
    """
    driver = ClientDriver(wishes, [(mail("a@b.example", "c@d.example"), CONTENT)] * 3, piece=piece)
    for line in lines:
        driver.receive(line + b"\r\n")
    driver.smtp.end(Cause.LOST, "Lost.")
    driver.receive(b"")
    return driver


class ClientTests(SynchronousTestCase):
    """
    L{ClientSide}.
    """

    @CALM
    @given(st.lists(LINES, max_size=30), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 50))
    def test_any_server(self, lines: list[bytes], has_login: bool, wants_tls: bool, is_lmtp: bool, piece: int) -> None:
        """
        Each message begun has one result for each recipient, or they are postponed; nothing is relayed without a 2xx reply.
        """
        secret = PlainSecret("ann", b"secret") if has_login else None
        wishes = Wishes(HELLO, "mx", wants_tls=wants_tls, secret=secret, is_lmtp=is_lmtp, trusts_network=not wants_tls)
        driver = conversation([b"220 hi", *lines], wishes, piece)
        self.assertEqual(driver.smtp.transactions, len(driver.finished))
        for finished in driver.finished:
            numbers = [result.number for result in finished.results]
            self.assertEqual([0, 1], sorted([*numbers, *finished.postponed]))
            for result in finished.results:
                self.assertTrue(result.detail.isascii() and result.detail.isprintable())
                self.assertEqual(
                    {"relayed": "2", "deferred": "4", "failed": "5"}[result.outcome.value], result.status[0]
                )
                if result.outcome is Outcome.RELAYED:
                    self.assertTrue(result.diagnostic.startswith("smtp; 2"))
        self.assertEqual(1, sum(isinstance(event, SessionOver) for event in driver.events))

    @CALM
    @given(st.lists(LINES, max_size=20), st.lists(st.integers(0, 300), max_size=8))
    def test_any_cut(self, lines: list[bytes], places: list[int]) -> None:
        """
        Where the server's words are cut makes no difference.
        """
        whole = ClientDriver(Wishes(HELLO, "mx"), [(mail(), CONTENT)])
        cut = ClientDriver(Wishes(HELLO, "mx"), [(mail(), CONTENT)])
        for line in lines:
            data = line + b"\r\n"
            expected = whole.receive(data)
            marks = sorted({0, len(data), *(place for place in places if place < len(data))})
            self.assertEqual(expected, b"".join(cut.receive(data[a:b]) for a, b in itertools.pairwise(marks)))
        self.assertEqual(whole.events, cut.events)

    @CALM
    @given(st.lists(st.binary(max_size=3000), max_size=20))
    def test_any_octets(self, pieces: list[bytes]) -> None:
        """
        Octets of any kind; what waits is never more than one line.
        """
        driver = ClientDriver(Wishes(HELLO, "mx"), [(mail(), CONTENT)])
        driver.receive(b"220 hi\r\n")
        for piece in pieces:
            driver.receive(piece)
            reader = driver.smtp._reader
            assert isinstance(reader, ReplyReader)
            self.assertTrue(len(reader) <= limits.SMTP_REPLY_LINE + 1)
        self.assertEqual(driver.smtp.transactions, len(driver.finished) + (driver.smtp._transfer is not None))
