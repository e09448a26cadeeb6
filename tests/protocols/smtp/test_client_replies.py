"""
Replies of other servers.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.model.queue import Outcome
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp.client_replies import (
    ReplyReader,
    Stage,
    describe,
    outcome_of,
    status_of,
)


def read(data: bytes) -> list[Reply]:
    """
    All replies in C{data}.
    """
    reader = ReplyReader()
    reader.receive(data)
    replies = []
    while (reply := reader.next_reply()) is not None:
        replies.append(reply)
    return replies


class ReplyReaderTests(SynchronousTestCase):
    """
    L{ReplyReader}.
    """

    def test_one_line(self) -> None:
        """
        Code, enhanced code and text are told apart.
        """
        self.assertEqual([Reply(250, "Fine.", "2.1.0")], read(b"250 2.1.0 Fine.\r\n"))

    def test_without_text(self) -> None:
        """
        A code alone is a reply, with or without the space after it (RFC 5321 section 4.2).
        """
        self.assertEqual([Reply(250, ""), Reply(354, "")], read(b"250\r\n354 \r\n"))

    def test_only_an_enhanced_code(self) -> None:
        """
        There may be nothing behind the enhanced code.
        """
        self.assertEqual([Reply(250, "", "2.0.0")], read(b"250 2.0.0\r\n"))

    def test_several_lines(self) -> None:
        """
        A hyphen goes on; the enhanced code is taken off each line that has it.
        """
        expected = Reply(550, "No.", "5.1.1", ("Really 5.1.1 not.", "Bye."))
        self.assertEqual([expected], read(b"550-5.1.1 No.\r\n550-5.1.1 Really 5.1.1 not.\r\n550 Bye.\r\n"))

    def test_codes_of_two_classes(self) -> None:
        """
        An enhanced code of another class than the code is text.
        """
        self.assertEqual([Reply(450, "5.1.1 Who?")], read(b"450 5.1.1 Who?\r\n"))

    def test_a_number_that_is_no_enhanced_code(self) -> None:
        """
        An address at the beginning of the text is text.
        """
        self.assertEqual([Reply(550, "5.1.1.7 is listed.")], read(b"550 5.1.1.7 is listed.\r\n"))

    def test_bare_line_feeds(self) -> None:
        """
        LF alone ends a line too.
        """
        self.assertEqual([Reply(250, "a", more=("b",)), Reply(221, "c")], read(b"250-a\n250 b\r\n221 c\n"))

    def test_odd_octets(self) -> None:
        """
        What is not printable ASCII is shown as a question mark.
        """
        self.assertEqual([Reply(550, "a??b?c??")], read(b"550 a\x00\rb\tc\xc3\xa9\r\n"))

    def test_no_reply(self) -> None:
        """
        What does not begin with a code and a space, a hyphen or nothing is no reply.
        """
        for line in (b"SSH-2.0-OpenSSH", b"", b"25 ok", b"2500 ok", b"150 ok", b"650 ok", b"250_ok", b"\x16\x03\x01"):
            problem = self.assertRaises(SyntaxProblem, read, line + b"\r\n")
            self.assertTrue(problem.public.startswith("What came is no SMTP reply: "))
        problem = self.assertRaises(SyntaxProblem, read, b"x" * 100 + b"\r\n")
        self.assertEqual(f"What came is no SMTP reply: {'x' * 60}", problem.public)

    def test_mixed_codes(self) -> None:
        """
        The lines of a reply have one code (RFC 5321 section 4.2.1).
        """
        self.assertRaises(SyntaxProblem, read, b"250-one\r\n550 two\r\n")

    def test_long_lines(self) -> None:
        """
        A line may be long, but not endless, however it is cut.
        """
        text = b"x" * (limits.SMTP_REPLY_LINE - 4)
        self.assertEqual([Reply(250, text.decode())], read(b"250 " + text + b"\r\n"))
        self.assertEqual([], read(b"250 " + text + b"\r"))
        self.assertRaises(TooLong, read, b"250 " + text + b"xx")
        self.assertRaises(TooLong, read, b"250 " + text + b"xx\r\n")

    def test_many_lines(self) -> None:
        """
        A reply has a bounded number of lines.
        """
        line = b"220-x\r\n"
        whole = line * (limits.SMTP_REPLY_LINES - 1) + b"220 x\r\n"
        self.assertEqual(limits.SMTP_REPLY_LINES - 1, len(read(whole)[0].more))
        self.assertRaises(TooLong, read, line + whole)

    def test_large_replies(self) -> None:
        """
        A reply has a bounded size.
        """
        line = b"220-" + b"x" * 2000 + b"\r\n"
        self.assertRaises(TooLong, read, line * 40)

    def test_discard(self) -> None:
        """
        After C{discard} nothing is left, half a reply neither.
        """
        reader = ReplyReader()
        reader.receive(b"250-a\r\n250-b\r\n250")
        self.assertIsNone(reader.next_reply())
        self.assertEqual(3, len(reader))
        reader.discard()
        self.assertEqual(0, len(reader))
        reader.receive(b"220 c\r\n")
        self.assertEqual(Reply(220, "c"), reader.next_reply())


class MeaningTests(SynchronousTestCase):
    """
    What replies mean for a recipient.
    """

    def test_describe(self) -> None:
        """
        A reply on one line, spaces made one, and not endless.
        """
        self.assertEqual("550 5.1.1 No such user.", describe(Reply(550, " No  such", "5.1.1", ("user.",))))
        self.assertEqual("250", describe(Reply(250, "")))
        self.assertEqual(limits.RELAY_DETAIL, len(describe(Reply(250, "x" * 5000))))

    def test_outcomes(self) -> None:
        """
        The first digit decides (RFC 5321 section 4.2.1).
        """
        self.assertEqual(Outcome.DEFERRED, outcome_of(Reply(499, "")))
        self.assertEqual(Outcome.FAILED, outcome_of(Reply(571, "")))
        self.assertIsNone(outcome_of(Reply(250, "")))
        self.assertIsNone(outcome_of(Reply(354, "")))

    def test_statuses(self) -> None:
        """
        The enhanced code, or what comes closest to the code and what it answers.
        """
        self.assertEqual("5.7.26", status_of(Reply(550, "", "5.7.26"), Stage.CONTENT))
        for code, stage, expected in (
            (250, Stage.CONTENT, "2.0.0"),
            (550, Stage.RCPT, "5.1.0"),
            (550, Stage.CONTENT, "5.0.0"),
            (552, Stage.RCPT, "5.2.2"),
            (552, Stage.CONTENT, "5.3.4"),
            (553, Stage.RCPT, "5.1.3"),
            (553, Stage.MAIL, "5.1.7"),
            (452, Stage.RCPT, "4.5.3"),
            (452, Stage.CONTENT, "4.3.1"),
            (421, Stage.RCPT, "4.3.2"),
            (599, Stage.RCPT, "5.0.0"),
        ):
            self.assertEqual(expected, status_of(Reply(code, ""), stage), (code, stage))
