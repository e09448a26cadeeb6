"""
Messages on their way to another server: commands, content, and what comes of each recipient.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp_client import CONTENT, HELLO, ClientCase, ClientDriver, address, mail, outcomes
from twisted_mail_server.model.envelopes import MailOptions, Recipient
from twisted_mail_server.model.queue import Outcome, Result
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp import client_transfer
from twisted_mail_server.protocols.smtp.client_conversation import USAGES, Wishes
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.protocols.smtp.client_transfer import Lines
from twisted_mail_server.protocols.smtp.vocabulary import OutgoingMail, Usage

WISHES = Wishes(HELLO, "mx.example.net", "192.0.2.1")
FAILED, DEFERRED, RELAYED = Outcome.FAILED, Outcome.DEFERRED, Outcome.RELAYED
TEXT = "".join(f"C: {line}\n" for line in CONTENT.decode().split("\r\n")[:-1]) + "C: ."


def session(*offers: str) -> str:
    """
    A session up to the first message.
    """
    lines = ["mx.example.net", *offers]
    answers = "".join(f"S: 250{'-' if one is not lines[-1] else ' '}{one}\n" for one in lines)
    return f"S: 220 hi\nC: EHLO client.example.org\n{answers}"


ONE_BY_ONE = session()
GROUPS = session("PIPELINING")


class OneByOneTests(ClientCase, SynchronousTestCase):
    """
    Servers without PIPELINING.
    """

    def test_relayed(self) -> None:
        """
        The whole way (RFC 5321 appendix D.1).
        """
        driver = self.plays(
            ONE_BY_ONE
            + f"""
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 250 ok
            C: RCPT TO:<cid@example.net>
            S: 550 5.1.1 Who?
            C: RCPT TO:<dot@example.net>
            S: 450 Later.
            C: DATA
            S: 354 Go ahead.
            {TEXT}
            S: 250 2.0.0 Queued as 17.
            C: QUIT
            """,
            mail("bob@example.net", "cid@example.net", "dot@example.net"),
        )
        (finished,) = driver.finished
        peer = "mx.example.net [192.0.2.1]"
        expected = (
            Result(
                0,
                RELAYED,
                f"{peer} said: 250 2.0.0 Queued as 17.",
                "2.0.0",
                "smtp; 250 2.0.0 Queued as 17.",
                "mx.example.net",
            ),
            Result(
                1,
                FAILED,
                f"{peer} said: 550 5.1.1 Who? (in reply to RCPT)",
                "5.1.1",
                "smtp; 550 5.1.1 Who?",
                "mx.example.net",
            ),
            Result(
                2,
                DEFERRED,
                f"{peer} said: 450 Later. (in reply to RCPT)",
                "4.2.0",
                "smtp; 450 Later.",
                "mx.example.net",
            ),
        )
        self.assertEqual(expected, finished.results)

    def test_two_messages(self) -> None:
        """
        After the reply to the content the next message may begin.
        """
        one = f"""
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 251 He moved.
            C: DATA
            S: 354 Go ahead.
            {TEXT}
            """
        driver = self.plays(ONE_BY_ONE + one + "S: 554 Spam.\n" + one + "S: 250 ok\nC: QUIT", mail(), mail())
        self.assertEqual([(0, FAILED, "5.0.0"), (0, RELAYED, "2.0.0")], outcomes(driver.results))
        self.assertEqual(2, driver.smtp.transactions)

    def test_sender_refused(self) -> None:
        """
        A refused MAIL is so for everybody; no transaction is open.
        """
        driver = self.plays(
            ONE_BY_ONE
            + """
            C: MAIL FROM:<ann@example.org>
            S: 550 5.7.1 You?
            C: QUIT
            """,
            mail("bob@example.net", "cid@example.net"),
        )
        self.assertEqual([(0, FAILED, "5.7.1"), (1, FAILED, "5.7.1")], outcomes(driver.results))

    def test_recipients_refused(self) -> None:
        """
        Without recipients there is no content, and RSET before the next message.
        """
        driver = self.plays(
            ONE_BY_ONE
            + """
            C: MAIL FROM:<>
            S: 250 ok
            C: RCPT TO:<Postmaster>
            S: 550 Who?
            C: RSET
            S: 250 ok
            C: MAIL FROM:<"a b"@example.org>
            """,
            OutgoingMail(sender=None, recipients=[(7, Recipient(address("Postmaster@")))], size=9, is_eight_bit=False),
            mail(sender="a b@example.org"),
        )
        self.assertEqual([(7, FAILED, "5.1.0")], outcomes(driver.results))

    def test_data_refused(self) -> None:
        """
        A refused DATA is so for those who were accepted.
        """
        driver = self.plays(
            ONE_BY_ONE
            + """
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 250 ok
            C: DATA
            S: 451 4.3.0 No room.
            C: RSET
            S: 250 ok
            C: QUIT
            """,
            mail(),
        )
        self.assertEqual([(0, DEFERRED, "4.3.0")], outcomes(driver.results))

    def test_refused_reset(self) -> None:
        """
        Who does not take RSET gets no further message.
        """
        driver = self.plays(
            ONE_BY_ONE
            + """
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 550 no
            C: RSET
            S: 500 What?
            """,
            mail(),
            mail(),
        )
        self.assertEqual(Cause.PROTOCOL, driver.over.cause)
        self.assertEqual(1, len(driver.finished))

    def test_senseless_replies(self) -> None:
        """
        A 3xx where none can be, or a 2xx to DATA, ends the session; for the message there is another time.
        """
        start = ONE_BY_ONE + "C: MAIL FROM:<ann@example.org>\n"
        to_recipient = start + "S: 250 ok\nC: RCPT TO:<bob@example.net>\n"
        to_data = to_recipient + "S: 250 ok\nC: DATA\n"
        for script in (
            start + "S: 354 What?",
            to_recipient + "S: 334 What?",
            to_data + "S: 250 What?",
            to_data + f"S: 354 ok\n{TEXT}\nS: 354 What?",
        ):
            driver = self.plays(script, mail())
            self.assertEqual([(0, DEFERRED, "4.5.0")], outcomes(driver.results))
            self.assertEqual(Cause.PROTOCOL, driver.over.cause)

    def test_leaving_servers(self) -> None:
        """
        421 may answer anything (RFC 5321 section 3.8); who has a result keeps it.
        """
        start = ONE_BY_ONE + "C: MAIL FROM:<ann@example.org>\n"
        first = start + "S: 250 ok\nC: RCPT TO:<bob@example.net>\n"
        second = first + "S: 550 no\nC: RCPT TO:<cid@example.net>\n"
        data = second + "S: 250 ok\nC: DATA\n"
        leave = "S: 421 4.3.2 Bye."
        for script, expected in (
            (start + leave, (DEFERRED, "4.3.2")),
            (first + leave, (DEFERRED, "4.3.2")),
            (second + leave, (FAILED, "5.1.0")),
            (data + leave, (FAILED, "5.1.0")),
            (data + f"S: 354 ok\n{TEXT}\n{leave}", (FAILED, "5.1.0")),
        ):
            driver = self.plays(script, mail("bob@example.net", "cid@example.net"))
            self.assertEqual([(0, *expected), (1, DEFERRED, "4.3.2")], outcomes(driver.results))
            self.assertEqual("smtp; 421 4.3.2 Bye.", driver.results[1].diagnostic)

    def test_lost(self) -> None:
        """
        A lost connection is another time; once the whole content was sent, the result says what may come of that.
        """
        start = ONE_BY_ONE + "C: MAIL FROM:<ann@example.org>\n"
        data = start + "S: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\n"
        driver = self.plays(data, mail())
        driver.smtp.end(Cause.LOST, "The connection was lost.")
        driver.receive(b"")
        expected = "mx.example.net [192.0.2.1]: The connection was lost. (waiting for the reply to DATA)"
        self.assertEqual(expected, driver.results[0].detail)
        driver = self.plays(data + f"S: 354 ok\n{TEXT}", mail())
        driver.smtp.end(Cause.TIMEOUT, "Too long.")
        driver.receive(b"")
        expected = (
            "mx.example.net [192.0.2.1]: Too long. (waiting for the reply to end of data)"
            "; the whole message had been sent, so it may arrive twice"
        )
        self.assertEqual([(0, DEFERRED, "4.4.2")], outcomes(driver.results))
        self.assertEqual(expected, driver.results[0].detail)
        self.assertEqual("", driver.results[0].remote)

    def test_too_many_recipients(self) -> None:
        """
        452 after some were taken, and the 552 of old servers, ask for another transaction (RFC 5321 section 4.5.3.1.10).
        """
        driver = self.plays(
            ONE_BY_ONE
            + f"""
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 250 ok
            C: RCPT TO:<cid@example.net>
            S: 452 4.5.3 Enough.
            C: RCPT TO:<dot@example.net>
            S: 552 Enough.
            C: RCPT TO:<eve@example.net>
            S: 452 4.2.2 Her mailbox is full.
            C: DATA
            S: 354 ok
            {TEXT}
            S: 250 ok
            C: QUIT
            """,
            mail("bob@example.net", "cid@example.net", "dot@example.net", "eve@example.net"),
        )
        (finished,) = driver.finished
        self.assertEqual((1, 2), finished.postponed)
        self.assertEqual([(0, RELAYED, "2.0.0"), (3, DEFERRED, "4.2.2")], outcomes(finished.results))

    def test_full_from_the_beginning(self) -> None:
        """
        Before anybody was taken, 552 is what it says, and 452 is another time.
        """
        for reply, expected in (("552 Full.", (FAILED, "5.2.2")), ("452 Full.", (DEFERRED, "4.5.3"))):
            driver = self.plays(
                ONE_BY_ONE
                + f"""
                C: MAIL FROM:<ann@example.org>
                S: 250 ok
                C: RCPT TO:<bob@example.net>
                S: {reply}
                C: RSET
                """,
                mail(),
            )
            self.assertEqual([(0, *expected)], outcomes(driver.results))

    def test_answer_amid_content(self) -> None:
        """
        A refusal amid the content is one, and the end of the session; a yes is nonsense.
        """
        start = (
            ONE_BY_ONE + "C: MAIL FROM:<ann@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA"
        )
        for reply, expected in (
            (b"552 5.3.4 Too big.\r\n", (FAILED, "5.3.4")),
            (b"250 ok\r\n", (DEFERRED, "4.5.0")),
        ):
            driver = self.plays(start, mail())
            driver.smtp.receive(b"354 ok\r\n")
            driver.smtp.write(b"Subject: ", is_last=False)
            driver.smtp.receive(reply)
            driver.smtp.write(b"too late", is_last=True)
            driver.receive(b"")
            self.assertEqual([(0, *expected)], outcomes(driver.results))
            self.assertEqual(Cause.PROTOCOL, driver.over.cause)
            self.assertTrue(driver.output.endswith(b"DATA\r\nSubject: "))


class GroupTests(ClientCase, SynchronousTestCase):
    """
    Servers with PIPELINING (RFC 2920).
    """

    ASKED = """
        C: MAIL FROM:<ann@example.org>
        C: RCPT TO:<bob@example.net>
        C: RCPT TO:<cid@example.net>
        C: DATA
        """

    def sends(self, answers: str, **options: Any) -> ClientDriver:
        """
        A message for two, and what is said to that.
        """
        return self.plays(GROUPS + self.ASKED + answers, mail("bob@example.net", "cid@example.net"), **options)

    def test_relayed(self) -> None:
        """
        Everything up to DATA in one piece, the content in another.
        """
        driver = self.sends(f"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 Go\n{TEXT}\nS: 250 ok\nC: QUIT")
        self.assertEqual([(0, RELAYED, "2.0.0"), (1, RELAYED, "2.0.0")], outcomes(driver.results))

    def test_in_pieces(self) -> None:
        """
        The content comes in pieces, however they are cut.
        """
        script = f"S: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 Go\n{TEXT}\nS: 250 ok\nC: QUIT"
        for piece in (1, 2, 7):
            driver = self.sends(script, piece=piece)
            self.assertEqual([(0, RELAYED, "2.0.0"), (1, FAILED, "5.1.0")], outcomes(driver.results))

    def test_nobody(self) -> None:
        """
        Where DATA was accepted and no recipient was, a lone dot ends it (RFC 2920 section 3.1), and its reply is nobody's.
        """
        for reply in ("554 No recipients.", "250 ok"):
            driver = self.sends(f"S: 250 ok\nS: 550 no\nS: 450 no\nS: 354 Go\nC: .\nS: {reply}\nC: QUIT")
            self.assertEqual([(0, FAILED, "5.1.0"), (1, DEFERRED, "4.2.0")], outcomes(driver.results))

    def test_nobody_and_no_data(self) -> None:
        """
        Where DATA was refused because nobody was accepted, everybody keeps their own reply.
        """
        driver = self.sends("S: 250 ok\nS: 550 no\nS: 450 no\nS: 503 What?\nC: RSET\nS: 250 ok\nC: QUIT")
        self.assertEqual([(0, FAILED, "5.1.0"), (1, DEFERRED, "4.2.0")], outcomes(driver.results))

    def test_sender_refused(self) -> None:
        """
        What follows a refused MAIL is refused for that alone; nothing is open after it.
        """
        driver = self.sends("S: 451 4.7.1 You?\nS: 503 no\nS: 503 no\nS: 503 no\nC: QUIT")
        self.assertEqual([(0, DEFERRED, "4.7.1"), (1, DEFERRED, "4.7.1")], outcomes(driver.results))

    def test_sender_refused_and_data_taken(self) -> None:
        """
        Whatever a server answers to what follows a refused MAIL, it gets no content.
        """
        driver = self.sends("S: 550 5.7.1 You?\nS: 250 ok\nS: 250 ok\nS: 354 Go\nC: .\nS: 250 ok\nC: QUIT")
        self.assertEqual([(0, FAILED, "5.7.1"), (1, FAILED, "5.7.1")], outcomes(driver.results))

    def test_leaving_server(self) -> None:
        """
        421 to one of a group ends them all.
        """
        driver = self.sends("S: 250 ok\nS: 550 no\nS: 421 Bye.\nS: 503 no")
        self.assertEqual([(0, FAILED, "5.1.0"), (1, DEFERRED, "4.3.2")], outcomes(driver.results))

    def test_too_many_and_lost(self) -> None:
        """
        Who was to go into another transaction has a result when the session ends first.
        """
        driver = self.sends("S: 250 ok\nS: 250 ok\nS: 452 Enough.\nS: 421 Bye.")
        self.assertEqual([(0, DEFERRED, "4.3.2"), (1, DEFERRED, "4.3.2")], outcomes(driver.results))
        self.assertEqual((), driver.finished[0].postponed)


class LmtpTests(ClientCase, SynchronousTestCase):
    """
    LMTP (RFC 2033).
    """

    def test_content_by_data(self) -> None:
        """
        Content goes by DATA even where CHUNKING is offered.
        """
        start = session("CHUNKING").replace("EHLO", "LHLO") + (
            """
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            S: 250 ok
            C: DATA
            S: 354 Go
            """
            + TEXT
        )
        driver = self.plays(f"{start}\nS: 250 2.1.5 ok\nC: QUIT", mail("bob@example.net"), wishes={"is_lmtp": True})
        self.assertEqual([(0, RELAYED, "2.1.5")], outcomes(driver.results))

    def test_reply_for_each(self) -> None:
        """
        After the content each accepted recipient has a reply.
        """
        answers = "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 Go\n"
        start = GROUPS.replace("EHLO", "LHLO") + (
            """
            C: MAIL FROM:<ann@example.org>
            C: RCPT TO:<bob@example.net>
            C: RCPT TO:<cid@example.net>
            C: RCPT TO:<dot@example.net>
            C: DATA
            """
            + answers
            + TEXT
        )
        message = mail("bob@example.net", "cid@example.net", "dot@example.net")
        driver = self.plays(f"{start}\nS: 452 4.2.2 Full.\nS: 250 2.1.5 ok\nC: QUIT", message, wishes={"is_lmtp": True})
        expected = [(0, DEFERRED, "4.2.2"), (1, FAILED, "5.1.0"), (2, RELAYED, "2.1.5")]
        self.assertEqual(expected, outcomes(driver.results))
        driver = self.plays(f"{start}\nS: 250 ok\nS: 421 Bye.", message, wishes={"is_lmtp": True})
        expected = [(0, RELAYED, "2.0.0"), (1, FAILED, "5.1.0"), (2, DEFERRED, "4.3.2")]
        self.assertEqual(expected, outcomes(driver.results))


class ChunkTests(ClientCase, SynchronousTestCase):
    """
    BDAT (RFC 3030).
    """

    def start(self, *offers: str) -> str:
        """
        A message for one, up to its content.
        """
        lines = "C: MAIL FROM:<ann@example.org>\nC: RCPT TO:<bob@example.net>\n"
        answers = "S: 250 ok\nS: 250 ok\n"
        if "PIPELINING" in offers:
            return session(*offers) + lines + answers
        sender, recipient = lines.splitlines()
        return session(*offers) + f"{sender}\nS: 250 ok\n{recipient}\nS: 250 ok\n"

    def chunks(self, content: bytes, piece: int) -> list[bytes]:
        """
        What is said for a content in pieces.
        """
        parts = [content[at : at + piece] for at in range(0, len(content), piece)]
        return [
            b"BDAT %d%s\r\n%s" % (len(part), b" LAST" if at == len(parts) - 1 else b"", part)
            for at, part in enumerate(parts)
        ]

    def test_one(self) -> None:
        """
        A small content is one chunk, its dots as they are.
        """
        for offers in (("CHUNKING",), ("CHUNKING", "PIPELINING")):
            content = b".\r\n..\r\n"
            driver = self.plays(
                self.start(*offers) + "C: BDAT 7 LAST\nC: .\nC: ..\nS: 250 ok\nC: QUIT",
                (mail(content=content), content),
            )
            self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(driver.results))

    def test_line_end(self) -> None:
        """
        The last line has an end.
        """
        self.plays(self.start("CHUNKING") + "C: BDAT 3 LAST\nC: x\nS: 250 ok\nC: QUIT", (mail(content=b"x"), b"x"))

    def test_one_after_the_other(self) -> None:
        """
        Without PIPELINING each chunk waits for the reply to the one before.
        """
        driver = ClientDriver(WISHES, [(mail(), CONTENT)], piece=10)
        driver.receive(b"220 hi\r\n")
        driver.receive(b"250-mx\r\n250 CHUNKING\r\n")
        driver.receive(b"250 ok\r\n")
        said = [driver.receive(b"250 ok\r\n") for _ in range(3)]
        self.assertEqual(self.chunks(CONTENT, 10), said)
        driver.receive(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(driver.results))

    def group(self) -> ClientDriver:
        """
        A content in three chunks, sent in one go.
        """
        driver = ClientDriver(WISHES, [(mail(), CONTENT)], piece=10)
        driver.receive(b"220 hi\r\n")
        driver.receive(b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        self.assertEqual(b"".join(self.chunks(CONTENT, 10)), driver.receive(b"250 ok\r\n250 ok\r\n"))
        return driver

    def test_group(self) -> None:
        """
        With PIPELINING chunks do not wait.
        """
        driver = self.group()
        self.assertEqual(b"QUIT\r\n", driver.receive(b"250 ok\r\n250 ok\r\n250 ok\r\n"))
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(driver.results))

    def test_refused_at_the_end(self) -> None:
        """
        The reply to the last chunk is that to the message.
        """
        driver = self.group()
        driver.receive(b"250 ok\r\n250 ok\r\n554 5.7.1 Spam.\r\n")
        self.assertEqual([(0, FAILED, "5.7.1")], outcomes(driver.results))

    def test_refused_amid(self) -> None:
        """
        A refused chunk is the reply to the message, whatever is said to those already sent.
        """
        driver = self.group()
        self.assertEqual(b"", driver.receive(b"552 Too big.\r\n"))
        self.assertEqual(b"RSET\r\n", driver.receive(b"503 no\r\n250 ok\r\n"))
        self.assertEqual([(0, FAILED, "5.3.4")], outcomes(driver.results))
        self.assertEqual(b"QUIT\r\n", driver.receive(b"250 ok\r\n"))

    def test_refused_before_the_rest(self) -> None:
        """
        After a refused chunk no other is sent, wanted already or not.
        """
        smtp = ClientDriver(WISHES, ()).smtp
        smtp.receive(b"220 hi\r\n")
        smtp.receive(b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        smtp.begin(mail())
        smtp.receive(b"250 ok\r\n250 ok\r\n")
        smtp.write(b"one", is_last=False)
        smtp.write(b"two", is_last=False)
        smtp.take_output()
        smtp.receive(b"552 Too big.\r\n")
        smtp.write(b"three", is_last=True)
        self.assertEqual(b"", smtp.take_output())
        smtp.receive(b"552 Too big.\r\n")
        self.assertEqual(b"RSET\r\n", smtp.take_output())
        smtp.write(b"four", is_last=True)
        self.assertEqual(b"", smtp.take_output())

    def test_nobody(self) -> None:
        """
        Without recipients there is no chunk.
        """
        for offers in (("CHUNKING",), ("CHUNKING", "PIPELINING")):
            script = self.start(*offers)
            script = script[: script.rindex("S: 250")]
            driver = self.plays(script + "S: 550 no\nC: RSET\nS: 250 ok\nC: QUIT", mail())
            self.assertEqual([(0, FAILED, "5.1.0")], outcomes(driver.results))

    def test_sender_refused(self) -> None:
        """
        Nor after a refused MAIL, and nothing is open then.
        """
        script = self.start("CHUNKING", "PIPELINING").replace("S: 250 ok\n", "S: 550 no\n")
        driver = self.plays(script + "C: QUIT", mail())
        self.assertEqual([(0, FAILED, "5.0.0")], outcomes(driver.results))

    def test_nonsense(self) -> None:
        """
        354 is no answer to a chunk.
        """
        driver = self.group()
        driver.receive(b"354 Go\r\n")
        self.assertEqual([(0, DEFERRED, "4.5.0")], outcomes(driver.results))
        self.assertIn("may arrive twice", driver.results[0].detail)


class ParameterTests(ClientCase, SynchronousTestCase):
    """
    What the older extensions add, and refuse.
    """

    def test_size(self) -> None:
        """
        SIZE is said where it is offered, if it is known (RFC 1870 section 5).
        """
        self.plays(session("SIZE 1000") + f"C: MAIL FROM:<ann@example.org> SIZE={len(CONTENT)}", mail())
        self.plays(session("SIZE 1000") + "C: MAIL FROM:<ann@example.org>", mail(content=b""))
        self.plays(session() + "C: MAIL FROM:<ann@example.org>", mail())

    def test_too_big(self) -> None:
        """
        What is too big is not even begun.
        """
        driver = self.plays(session("SIZE 10") + "C: QUIT", mail("bob@example.net", "cid@example.net"))
        self.assertEqual([(0, FAILED, "5.3.4"), (1, FAILED, "5.3.4")], outcomes(driver.results))
        expected = f"mx.example.net [192.0.2.1]: The message has {len(CONTENT)} octets, and the server takes 10."
        self.assertEqual(expected, driver.results[0].detail)

    def test_eight_bit(self) -> None:
        """
        BODY=8BITMIME is said for octets above 127 (RFC 6152), and what needs it goes nowhere else.
        """
        eight = mail(content=b"\xe9\r\n", has_eight_bit_header=False)
        self.plays(session("8BITMIME") + "C: MAIL FROM:<ann@example.org> BODY=8BITMIME", eight)
        self.plays(session("8BITMIME") + "C: MAIL FROM:<ann@example.org>", mail())
        driver = self.plays(session() + "C: QUIT", eight)
        self.assertEqual([(0, FAILED, "5.6.3")], outcomes(driver.results))

    def test_utf8(self) -> None:
        """
        What needs SMTPUTF8 and does not find it fails; who can have the message without, has it (RFC 6531 section 3.2).
        """
        driver = self.plays(
            session() + "C: MAIL FROM:<ann@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>",
            mail("zoë@example.net", "bob@example.net", options=MailOptions(is_utf8=True)),
        )
        driver.smtp.end(Cause.LOST, "Lost.")
        driver.receive(b"")
        (refused, other) = outcomes(driver.results)
        self.assertEqual((0, FAILED), refused[:2])
        self.assertEqual("5.6.7", refused[2])
        self.assertEqual((1, DEFERRED), other[:2])
        driver = self.plays(session() + "C: QUIT", mail(sender="zoë@example.org"))
        self.assertEqual([(0, FAILED, "5.6.7")], outcomes(driver.results))

    def test_needs_utf8(self) -> None:
        """
        What needs SMTPUTF8: the sender's address, or the header where the sender said so.
        """
        said = MailOptions(is_utf8=True)
        self.assertFalse(mail(options=said).needs_utf8)
        self.assertFalse(mail(content=b"\xe9", options=said, has_eight_bit_header=False).needs_utf8)
        self.assertTrue(mail(content=b"\xe9", options=said).needs_utf8)
        self.assertFalse(mail(content=b"\xe9").needs_utf8)
        self.assertTrue(mail(sender="zoë@example.org").needs_utf8)
        self.assertFalse(mail(sender=None).needs_utf8)

    def test_reports_passed_on(self) -> None:
        """
        Who offers DSN takes over the duty to report (RFC 3461 section 5.2.2).
        """
        script = "C: MAIL FROM:<ann@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\n"
        driver = self.plays(session("DSN") + script + f"S: 354 Go\n{TEXT}\nS: 250 ok\nC: QUIT", mail())
        self.assertTrue(driver.results[0].is_dsn_passed_on)

    def test_commands_in_addresses(self) -> None:
        """
        An address that could end its command is refused here, wherever it came from.
        """
        bad = address("bob\r\nDATA@example.net")
        driver = self.plays(
            session() + "C: QUIT",
            OutgoingMail(sender=None, recipients=[(0, Recipient(bad))], size=1, is_eight_bit=False),
        )
        self.assertEqual([(0, FAILED, "5.1.3")], outcomes(driver.results))
        driver = self.plays(session() + "C: QUIT", mail(sender="a\r\nb@example.org"))
        self.assertEqual([(0, FAILED, "5.1.7")], outcomes(driver.results))

    def test_later(self) -> None:
        """
        What an extension refuses with 4xx is another time.
        """
        later = Usage(refuse_mail=lambda offers, mail: Reply(450, "Later.", "4.3.0"))
        self.patch(client_transfer, "USAGES", {**USAGES, "XLATER": later})
        driver = self.plays(session() + "C: QUIT", mail())
        self.assertEqual([(0, DEFERRED, "4.3.0")], outcomes(driver.results))


class LinesTests(SynchronousTestCase):
    """
    L{Lines}.
    """

    def through(self, *pieces: bytes) -> bytes:
        """
        What becomes of a content in pieces.
        """
        lines = Lines()
        return b"".join(lines.add(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces))

    def test_canonical(self) -> None:
        """
        Good lines stay; bare CR and LF become line ends; the last line has one; however it is cut.
        """
        for content, expected in (
            (b"", b""),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a", b"a\r\n"),
            (b"a\nb\rc", b"a\r\nb\r\nc\r\n"),
            (b"a\r", b"a\r\n"),
            (b"a\n.\r\nMAIL", b"a\r\n.\r\nMAIL\r\n"),
            (b"\r\r\n\n", b"\r\n\r\n\r\n"),
        ):
            self.assertEqual(expected, self.through(content))
            for at in range(len(content) + 1):
                self.assertEqual(expected, self.through(content[:at], content[at:]), (content, at))
            self.assertEqual(expected, self.through(*(content[at : at + 1] for at in range(len(content))), b""))
