"""
L{twisted_mail_server.protocols.smtp.extensions.chunking}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, Driver, SmtpCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import DiskFull, NoSuchAccount, Refused
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import (
    Content,
    ContentAsked,
    ContentEnded,
    ContentSpoiled,
    Event,
    MailAsked,
    RecipientAsked,
    Reset,
)
from twisted_mail_server.protocols.smtp.extensions.chunking import EXTENSION
from twisted_mail_server.protocols.smtp.replies import BARE_LINE_END, LINE_TOO_LONG, TOO_BIG
from twisted_mail_server.protocols.smtp.states import State
from twisted_mail_server.protocols.smtp.vocabulary import Offers

OPENING = b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\n"


def codes(said: bytes) -> str:
    """
    The codes of the replies.
    """
    return " ".join(line[:3].decode() for line in said.splitlines() if line[3:4] != b"-")


class ChunkingCase(SmtpCase):
    """
    To be mixed into a test case: what comes after RCPT.
    """

    def talk(self, data: bytes, policy: Policy | None = None, opening: bytes = OPENING) -> tuple[Driver, bytes]:
        """
        What C{data} brings; the same however it is cut in two, or into octets.
        """
        outcomes: list[tuple[list[Event], bytes, State]] = []
        octets = [data[at : at + 1] for at in range(len(data))]
        for pieces in ([data], octets, *([data[:cut], data[cut:]] for cut in range(1, min(len(data), 300)))):
            driver = self.make(policy)
            driver.receive(opening)
            del driver.events[:]
            said = b"".join(driver.receive(piece) for piece in pieces)
            outcomes.append((list(driver.events), said, driver.smtp.state))
            self.assertEqual(outcomes[0], outcomes[-1], pieces)
        return driver, said


class ChunkTests(ChunkingCase, SynchronousTestCase):
    """
    Messages that come in chunks.
    """

    def test_one_chunk(self) -> None:
        """
        A message in one chunk: no dots are stuffed, no end is looked for, and the reply comes when it is there.
        """
        driver, said = self.talk(b"BDAT 13 last\r\na\r\n.\r\n..b\r\n\r\nNOOP\r\n")
        self.assertEqual([ContentAsked(), Content(b"a\r\n.\r\n..b\r\n\r\n"), ContentEnded()], driver.events)
        self.assertEqual(b"250 2.0.0 Ok.\r\n250 2.0.0 Ok.\r\n", said)
        self.assertEqual(State.READY, driver.smtp.state)

    def test_chunks(self) -> None:
        """
        Several, pipelined with all before and after; a CRLF may be cut by them; the last may be empty.
        """
        driver, said = self.talk(
            OPENING + b"BDAT 2\r\na\rBDAT 4\r\n\nb\r\nNOOP\r\nBDAT 0 LAST\r\nMAIL FROM:<>\r\n", opening=b""
        )
        content = Content(b"a\r\nb\r\n")
        self.assertEqual(
            [
                MailAsked(None),
                RecipientAsked(Address("ana", "example.org")),
                ContentAsked(),
                content,
                ContentEnded(),
                MailAsked(None),
            ],
            driver.events,
        )
        self.assertEqual("250 250 250 250 250 250 250 250", codes(said))
        self.assertIn(b"250 2.0.0 2 octets received.\r\n250 2.0.0 4 octets received.\r\n", said)

    def test_empty(self) -> None:
        """
        A message of nothing.
        """
        driver, said = self.talk(b"BDAT 0 LAST\r\n")
        self.assertEqual(([ContentAsked(), ContentEnded()], b"250 2.0.0 Ok.\r\n"), (driver.events, said))

    def test_last_line(self) -> None:
        """
        A last line that has no end gets one, so that the message is lines wherever it goes.
        """
        for data, content in ((b"a", b"a\r\n"), (b"a\r\nb", b"a\r\nb\r\n"), (b"a\r\n", b"a\r\n")):
            for last in (
                b"BDAT %d LAST\r\n%s" % (len(data), data),
                b"BDAT %d\r\n%sBDAT 0 LAST\r\n" % (len(data), data),
            ):
                driver, _ = self.talk(last)
                self.assertEqual([ContentAsked(), Content(content), ContentEnded()], driver.events)

    def test_reset(self) -> None:
        """
        RSET between chunks clears them all; so do EHLO and QUIT.
        """
        driver, said = self.talk(b"BDAT 3\r\na\r\nRSET\r\nBDAT 1 LAST\r\nx" + OPENING[9:] + b"BDAT 3 LAST\r\nb\r\n")
        self.assertEqual("250 250 503 250 250 250", codes(said))
        self.assertEqual([ContentAsked(), Content(b"a\r\n"), Reset()], driver.events[:3])
        self.assertEqual([ContentAsked(), Content(b"b\r\n"), ContentEnded()], driver.events[5:])
        for command in (b"EHLO me\r\n", b"QUIT\r\n"):
            self.assertIn(Reset(), self.talk(b"BDAT 3\r\na\r\n" + command)[0].events)

    def test_not_mixed(self) -> None:
        """
        DATA after BDAT is refused (section 2), and so is anything but BDAT, RSET and what goes at any time.
        """
        for command in (b"DATA", b"MAIL FROM:<>", b"RCPT TO:<ben@example.net>", b"STARTTLS", b"AUTH PLAIN"):
            driver, said = self.talk(b"BDAT 3\r\na\r\n" + command + b"\r\nVRFY ana\r\nBDAT 3 LAST\r\nb\r\n")
            self.assertEqual("250 503 252 250", codes(said))
            self.assertEqual([ContentAsked(), Content(b"a\r\nb\r\n"), ContentEnded()], driver.events)

    def test_both_in_one_session(self) -> None:
        """
        One message by BDAT, the next by DATA, and again.
        """
        driver, said = self.talk(
            b"BDAT 3 LAST\r\na\r\n" + OPENING[9:] + b"DATA\r\nb\r\n.\r\n" + OPENING[9:] + b"BDAT 3 LAST\r\nc\r\n"
        )
        self.assertEqual("250 250 250 354 250 250 250 250", codes(said))
        self.assertEqual(3, driver.events.count(ContentEnded()))

    def test_after_last(self) -> None:
        """
        BDAT after the last one is refused, its octets swallowed (section 2).
        """
        _, said = self.talk(b"BDAT 3 LAST\r\na\r\nBDAT 6\r\nNOOP\r\nNOOP\r\n")
        self.assertEqual("250 503 250", codes(said))

    def test_extension(self) -> None:
        """
        As a client we see that it is offered.
        """
        offers = Offers()
        assert EXTENSION.usage is not None
        EXTENSION.usage.learn(offers, "")
        self.assertTrue(offers.takes_chunks)


class RefusedTests(ChunkingCase, SynchronousTestCase):
    """
    What is refused is swallowed first.
    """

    def test_out_of_turn(self) -> None:
        """
        Wherever BDAT is out of turn, its octets are no commands, and the reply comes after them.
        """
        chunk = b"BDAT 12\r\nRSET\r\nNOOP\r\nNOOP\r\n"
        for opening, answer in (
            (b"", b"503 5.5.1 Say EHLO first."),
            (b"EHLO me\r\n", b"503 5.5.1 MAIL comes first."),
            (OPENING[:23], b"503 5.5.1 A transaction is open, and RCPT comes next."),
        ):
            driver, said = self.talk(chunk, opening=opening)
            self.assertEqual(answer + b"\r\n250 2.0.0 Ok.\r\n", said)
            self.assertEqual([], driver.events)

    def test_without_recipients(self) -> None:
        """
        A client that pipelines its chunks before it knows that no recipient was taken hears just that.
        """
        driver, said = self.talk(b"RCPT TO:<nobody>\r\nBDAT 6\r\nNOOP\r\nBDAT 0 LAST\r\nRSET\r\n", opening=OPENING[:23])
        self.assertEqual("501 554 554 250", codes(said))
        self.assertEqual([Reset()], driver.events)

    def test_malformed(self) -> None:
        """
        Where the size of a chunk cannot be read nobody knows where it ends, so nothing more is read.
        """
        for argument in (
            b"",
            b" LAST",
            b" -1",
            b" 1 2",
            b" 1 LASTLY",
            b" 0x10",
            b" 1LAST",
            b" 1 LAST x",
            b" " + b"9" * 21,
        ):
            for opening in (b"", OPENING, OPENING + b"BDAT 0\r\n"):
                driver, said = self.talk(b"BDAT" + argument + b"\r\nNOOP\r\n", opening=opening)
                self.assertEqual(b"501 5.5.4 BDAT has a number of octets, and LAST or nothing after it.\r\n", said)
                self.assertEqual((True, True), (driver.smtp.is_closed, driver.smtp.is_expelled))

    def test_refused_at_first(self) -> None:
        """
        Where content may not come, the first chunk is swallowed and refused, those behind it too, and RSET makes good.
        """
        self.refusals = {"ContentAsked": DiskFull("No room.")}
        driver, said = self.talk(b"BDAT 6\r\nNOOP\r\nBDAT 6\r\nNOOP\r\nDATA\r\nRSET\r\nNOOP\r\n")
        self.assertEqual("452 452 503 250 250", codes(said))
        self.assertEqual([ContentAsked(), Reset()], driver.events)
        driver, said = self.talk(b"BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n")
        self.assertEqual("452 452 250", codes(said))
        self.assertEqual([ContentAsked()], driver.events)
        _, said = self.talk(b"BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n")
        self.assertEqual("452 250", codes(said))

    def test_refused_while_it_comes(self) -> None:
        """
        Content refused while it comes is swallowed up to the end of its chunk.
        """
        self.refusals = {"Content": DiskFull("No room.")}
        driver = self.make()
        driver.receive(OPENING)
        said = driver.receive(b"BDAT 6\r\nNOOP\r\nBDAT 8 LAST\r\nNOOP\nx\r\nNOOP\r\n")
        self.assertEqual(b"452 4.3.1 No room.\r\n452 4.3.1 No room.\r\n250 2.0.0 Ok.\r\n", said)
        self.assertNotIn(ContentEnded(), driver.events)

    def test_refused_at_the_end(self) -> None:
        """
        A message refused when it is whole ends its transaction.
        """
        self.refusals = {"ContentEnded": Refused("Not this.")}
        driver, said = self.talk(b"BDAT 3 LAST\r\na\r\nMAIL FROM:<>\r\n")
        self.assertEqual("550 250", codes(said))
        self.assertEqual(State.SENDER, driver.smtp.state)

    def test_lone_line_ends(self) -> None:
        """
        A CR or LF that stands alone spoils the message, in the middle of a chunk, at its border or at the end.
        """
        for data, said in (
            (b"BDAT 3\r\na\nbBDAT 0 LAST\r\n", "550 550"),
            (b"BDAT 3\r\na\rbBDAT 0 LAST\r\n", "550 550"),
            (b"BDAT 2\r\na\rBDAT 1\r\nbBDAT 0 LAST\r\n", "250 550 550"),
            (b"BDAT 2\r\na\rBDAT 2 LAST\r\n\r\n", "250 550"),
            (b"BDAT 1\r\naBDAT 1 LAST\r\n\n", "250 550"),
            (b"BDAT 2 LAST\r\na\r", "550"),
            (b"BDAT 2\r\na\rBDAT 0 LAST\r\n", "250 550"),
            (b"BDAT 8 LAST\r\na\n.\nNOOP", "550"),
        ):
            driver, answer = self.talk(data)
            self.assertEqual(said, codes(answer), data)
            self.assertTrue(answer.endswith(BARE_LINE_END.encode()))
            self.assertEqual([ContentAsked(), ContentSpoiled(BARE_LINE_END)], driver.events, data)
            self.assertEqual(State.READY, driver.smtp.state)

    def test_too_big(self) -> None:
        """
        All chunks together may be as large as a message may be.
        """
        policy = Policy(HOSTNAME, message_size=10)
        _, said = self.talk(b"BDAT 4\r\naa\r\nBDAT 6 LAST\r\nbbbb\r\n", policy)
        self.assertEqual("250 250", codes(said))
        driver, said = self.talk(b"BDAT 4\r\naa\r\nBDAT 7\r\nbbbbb\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n", policy)
        self.assertEqual("250 552 552 250", codes(said))
        self.assertEqual(ContentSpoiled(TOO_BIG), driver.events[-1])

    def test_long_lines(self) -> None:
        """
        A line may be no longer than by DATA, whatever chunks it comes in.
        """
        for extra, code in ((0, "250"), (1, "550")):
            driver = self.make()
            driver.receive(OPENING)
            half = b"x" * (limits.TEXT_LINE // 2)
            said = driver.receive(b"BDAT %d\r\n%s" % (len(half), half))
            said += driver.receive(b"BDAT %d\r\n%s%s" % (len(half) + extra, half, b"x" * extra))
            said += driver.receive(b"BDAT 2 LAST\r\n\r\n")
            self.assertEqual(f"250 {code} {code}", codes(said))
            if extra:
                self.assertEqual(ContentSpoiled(LINE_TOO_LONG), driver.events[-1])

    def test_one_error(self) -> None:
        """
        The chunks of one failed message are one error; those of a client that never learns end its session.
        """
        driver = self.make()
        driver.receive(OPENING)
        said = driver.receive(b"BDAT 1\r\n\n" + b"BDAT 1\r\nx" * 100)
        self.assertEqual("550 " * 100 + "550", codes(said))
        driver = self.make()
        said = driver.receive(b"BDAT 1\r\nx" * limits.ERRORS_PER_SESSION + b"NOOP\r\n")
        self.assertEqual("503 " * (limits.ERRORS_PER_SESSION - 1) + "421", codes(said))

    def test_unwanted(self) -> None:
        """
        Only so many octets are swallowed in one session.
        """
        self.patch(limits, "SMTP_SKIPPED", 10)
        _, said = self.talk(b"BDAT 6\r\nNOOP\r\nBDAT 4\r\nabcdNOOP\r\n", opening=b"")
        self.assertEqual("503 503 250", codes(said))
        _, said = self.talk(b"BDAT 6\r\nNOOP\r\nBDAT 5\r\nabcdeNOOP\r\n", opening=b"")
        self.assertEqual("503 421", codes(said))

    def test_without_login(self) -> None:
        """
        Where a login is needed a chunk is refused, swallowed, and counted among what is taken without one.
        """
        driver = self.make(needs_login=True)
        driver.receive(b"EHLO me\r\n")
        self.assertEqual("530 250", codes(driver.receive(b"BDAT 6\r\nNOOP\r\nNOOP\r\n")))
        driver.receive(b"BDAT 99999999999\r\n")
        said = b"".join(driver.receive(b"x" * 10000) for _ in range(limits.UNAUTHENTICATED_BYTES // 10000 + 2))
        self.assertEqual(b"421 4.7.0 Too much without a login.\r\n", said)


class LmtpTests(ChunkingCase, SynchronousTestCase):
    """
    Chunks in LMTP (RFC 2033 section 4.3).
    """

    refusals = {"nobody@example.org": NoSuchAccount("Nobody of that name lives here.")}
    opening = (
        b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<a@b.example>\r\n"
    )
    policy = Policy(HOSTNAME, is_lmtp=True)

    def test_replies(self) -> None:
        """
        The last chunk is answered once for each recipient that was taken, earlier ones once.
        """
        _, said = self.talk(b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n", self.policy, self.opening)
        self.assertEqual("250 250 250 250", codes(said))

    def test_refused(self) -> None:
        """
        So it is if content is spoiled, or refused when it is whole.
        """
        _, said = self.talk(b"BDAT 3\r\na\nbBDAT 3 LAST\r\nb\r\nNOOP\r\n", self.policy, self.opening)
        self.assertEqual("550 550 550 250", codes(said))
        self.refusals = {**self.refusals, "ContentEnded": DiskFull("No room.")}
        _, said = self.talk(b"BDAT 3 LAST\r\nb\r\nNOOP\r\n", self.policy, self.opening)
        self.assertEqual("452 452 250", codes(said))

    def test_nobody(self) -> None:
        """
        Without recipients the last chunk is not answered at all, and ends the transaction; others are.
        """
        driver, said = self.talk(
            b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nMAIL FROM:<>\r\nBDAT 3 LAST\r\nb\r\nBDAT 0 LAST\r\n",
            self.policy,
            b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\n",
        )
        self.assertEqual("503 250 503", codes(said))
        self.assertEqual([Reset(), MailAsked(None), Reset()], driver.events)
