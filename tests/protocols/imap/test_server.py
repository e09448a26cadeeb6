"""
Collecting commands, answering them, and every way to go wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tests.support.drive import now
from tests.support.imap import ImapTestCase, Line
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.protocols.imap.fetching import LiteralBroken

#: A conversation with everything in it: literals of both kinds, pipelining, a search, content, IDLE, and mistakes.
CONVERSATION = (
    b"a LOGIN {4}\r\nfred {6+}\r\nsecret\r\n"
    b'b CREATE "Some box"\r\nc LIST "" *\r\n'
    b'd APPEND {8}\r\nSome box (\\Seen $x) " 1-Jan-2020 00:00:00 +0000" {26+}\r\nSubject: {5}\r\n\r\nBody {3}\r\n\r\n'
    b"e APPEND INBOX {6}\r\na: b\r\n\r\nf SELECT INBOX\r\ng FETCH 1 (FLAGS BODY[])\r\nnonsense\r\n\r\n"
    b"h SEARCH SUBJECT {3+}\r\nabc FROM {1}\r\nx\r\ni FETCH (\r\nj XYZZY {5+}\r\n12345\r\n"
    b"k IDLE\r\nDONE\r\nl STORE 1 +FLAGS (\\Deleted)\r\nm EXPUNGE\r\nn AUTHENTICATE PLAIN\r\no LOGOUT\r\n"
)


class CollectingTests(ImapTestCase):
    """
    From octets to commands.
    """

    enters = False

    def converse(self, *chunks: bytes) -> bytes:
        """
        All that is said to those chunks, in a fresh store.
        """
        self.setUp()
        line = self.connect()
        for chunk in chunks:
            line.receive(chunk)
        self.assertTrue(line.conversation.is_over)
        self.assertEqual([], line.failures)
        return line.take()

    def test_cuts(self) -> None:
        """
        Where the network cuts a conversation makes no difference.
        """
        whole = self.converse(CONVERSATION)
        for answer in (
            b"a OK ",
            b"b OK ",
            b"c OK ",
            b"d OK [APPENDUID",
            b"e OK [APPENDUID",
            b"f OK [READ-WRITE]",
            b"g OK ",
            b"\r\n* BAD ",
            b"h OK ",
            b"i BAD ",
            b"j BAD ",
            b"k OK ",
            b"l OK ",
            b"m OK ",
            b"n BAD ",
            b"o OK ",
        ):
            self.assertIn(answer, whole)
        for cut in range(1, len(CONVERSATION)):
            self.assertEqual(whole, self.converse(CONVERSATION[:cut], CONVERSATION[cut:]), cut)
        for size in (1, 2, 3, 7, 40):
            chunks = [CONVERSATION[start : start + size] for start in range(0, len(CONVERSATION), size)]
            self.assertEqual(whole, self.converse(*chunks), size)

    def test_tags(self) -> None:
        """
        A tag that cannot be read is answered without one; an empty line too.
        """
        self.plays("""
            C: + NOOP
            S: * BAD A command begins with a tag.
            C:
            S: * BAD A command begins with a tag.
            C: a(b NOOP
            S: * BAD A command begins with a tag.
            C: a]b NOOP
            S: a]b OK ...
            C: a
            S: a BAD There is no such command.
            C: a  NOOP
            S: a BAD There is no such command.
            C: a NOOP
            S: a OK ...
            C: a NOOP x
            S: a BAD There is more than the command takes.
            C: a uid noop
            S: a BAD There is no such command.
            C: a NO[OP
            S: a BAD There is no such command.
        """)

    def test_case(self) -> None:
        """
        Commands are known in any case.
        """
        self.plays("""
            C: a noOp
            S: a OK ...
        """)

    def test_bare_line_end(self) -> None:
        """
        A line that ends in LF alone is refused.
        """
        line = self.connect()
        line.receive(b"a NOOP\nb NOOP\r\n")
        self.assertEqual(b"a BAD A line ends in CRLF.\r\nb OK Nothing done.\r\n", line.take())

    def test_literal_before_login(self) -> None:
        """
        Before login a literal of more than a few octets is refused before it is sent.
        """
        line = self.connect()
        line.receive(b"a LOGIN {4097}\r\nb NOOP\r\n")
        self.assertEqual(
            b"a BAD [LIMIT] The literals of a command have at most 4096 octets.\r\nb OK Nothing done.\r\n", line.take()
        )
        line.receive(b"a LOGIN {4096}\r\n")
        self.assertEqual(b"+ Go ahead.\r\n", line.take())

    def test_literal_of_a_stranger(self) -> None:
        """
        A command that may not come now, or is not there, gets no literal.
        """
        self.plays("""
            C: a APPEND INBOX {5}
            S: a BAD [CLIENTBUG] APPEND cannot come before login.
            C: a XYZZY {5}
            S: a BAD There is no such command.
        """)

    def test_too_much_before_login(self) -> None:
        """
        Who talks and talks, and does not log in, is sent away.
        """
        line = self.connect()
        for _ in range(1200):
            line.receive(b"a NOOP " + b" " * 50 + b"\r\n")
            line.receive(b"a ID NIL" + b"\r\n")
            if line.conversation.is_over:
                break
        self.assertTrue(line.conversation.is_over)
        line = self.connect()
        while not line.conversation.is_over:
            line.receive(b"a ID (" + b" ".join([b'"%d" "x"' % number for number in range(20)]) + b")\r\n")
        self.assertIn(b"* BYE That is too much before login.\r\n", line.take())

    def test_unasked_and_huge(self) -> None:
        """
        A huge literal that comes unasked ends the connection, after an answer.
        """
        line = self.connect()
        line.receive(b"a LOGIN {1000000+}\r\n")
        self.assertEqual(
            b"a BAD [LIMIT] The literals of a command have at most 4096 octets.\r\n"
            b"* BYE [TOOBIG] That was too much to throw away.\r\n",
            line.take(),
        )
        self.assertTrue(line.conversation.is_over)

    def test_errors(self) -> None:
        """
        After many mistakes there is BYE, whatever is said in between.
        """
        line = self.connect()
        line.receive(b"a NOOP\r\na XYZZY\r\n" * limits.ERRORS_PER_SESSION)
        self.assertTrue(
            line.take().endswith(b"a BAD There is no such command.\r\n* BYE [CLIENTBUG] Too many errors.\r\n")
        )
        self.assertTrue(line.conversation.is_over)


class BoundTests(ImapTestCase):
    """
    Limits after login.
    """

    def test_errors(self) -> None:
        """
        After login only mistakes in a row count: a session lasts long.
        """
        line = self.line()
        for _ in range(3):
            line.receive(b"a XYZZY\r\n" * (limits.ERRORS_PER_SESSION - 1) + b"b NOOP\r\n")
        self.assertFalse(line.conversation.is_over)
        line.receive(b"a XYZZY\r\n" * limits.ERRORS_PER_SESSION)
        self.assertTrue(line.conversation.is_over)
        self.assertTrue(line.take().endswith(b"* BYE [CLIENTBUG] Too many errors.\r\n"))

    def test_literals(self) -> None:
        """
        The literals of one command are bounded together.
        """
        line = self.line()
        self.plays("""
            C: a SELECT INBOX
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: a OK ...
        """)
        line.receive(b"a SEARCH SUBJECT {200000}\r\n")
        self.assertEqual(b"+ Go ahead.\r\n", line.take())
        line.receive(b"y" * 200000 + b" SUBJECT {70000}\r\nb NOOP\r\n")
        self.assertEqual(
            b"a BAD [LIMIT] The literals of a command have at most 262144 octets.\r\nb OK Nothing done.\r\n",
            line.take(),
        )

    def test_many_small_literals(self) -> None:
        """
        A great many small literals are a long line.
        """
        line = self.line()
        line.receive(b"a STATUS " + b"{0+}\r\n" * 20000 + b"\r\nb NOOP\r\n")
        self.assertEqual(
            b"a BAD [LIMIT] A command line has at most 65536 octets.\r\nb OK Nothing done.\r\n", line.take()
        )

    def test_long_line(self) -> None:
        """
        A line that is too long is answered, and what follows it is read.
        """
        line = self.line()
        line.receive(b"a NOOP " + b"x" * 70000)
        line.receive(b"y" * 70000 + b"\r\nb NOOP\r\n")
        self.assertEqual(b"a BAD [LIMIT] A line has at most 65536 octets.\r\nb OK Nothing done.\r\n", line.take())

    def test_long_line_without_tag(self) -> None:
        """
        One that has no tag is answered without.
        """
        line = self.line()
        line.receive(b"(" * 70000 + b"\r\nb NOOP\r\n")
        self.assertEqual(b"* BAD A command begins with a tag.\r\nb OK Nothing done.\r\n", line.take())

    def test_unread(self) -> None:
        """
        What waits is counted, unless a command waits for it.
        """
        line = self.line()
        self.assertEqual(0, line.conversation.unread)
        line.receive(b"abc")
        self.assertEqual(3, line.conversation.unread)
        line.receive(b" APPEND INBOX {10}\r\n")
        line.receive(b"x")
        self.assertEqual(0, line.conversation.unread)

    def test_leaving(self) -> None:
        """
        When the session is to end, no further command is begun.
        """
        line = self.line()
        line.is_leaving = True
        line.receive(b"a NOOP\r\n")
        self.assertEqual(b"", line.take())


class Slow:
    """
    A transport that is full.
    """

    def __init__(self, line: Line) -> None:
        self.writes: list[bytes] = []
        self.line = line
        line.on_write = self.write

    def write(self, data: bytes) -> Awaitable[None]:
        """
        Wait after each write.
        """
        self.writes.append(data)
        return self.line.wait()


class OutputTests(ImapTestCase):
    """
    What goes out.
    """

    def test_coalesced(self) -> None:
        """
        The answers to commands that came together go out together.
        """
        line = self.line()
        writes: list[bytes] = []
        line.on_write = writes.append
        line.receive(b"a NOOP\r\nb NOOP\r\n")
        self.assertEqual([b"a OK Nothing done.\r\nb OK Nothing done.\r\n"], writes)

    def test_back_pressure(self) -> None:
        """
        Who does not take the answers gets no further ones: the commands wait.
        """
        line = self.line()
        for number in range(200):
            now(self.mail.create_mailbox(f"box number {number}" + "x" * 100))
        slow = Slow(line)
        line.receive(b'a LIST "" *\r\nb LIST "" *\r\nc NOOP\r\n')
        self.assertEqual(1, len(slow.writes))
        self.assertNotIn(b"b OK", slow.writes[0])
        line.receive(b"")
        self.assertEqual(2, len(slow.writes))
        line.receive(b"")
        self.assertTrue(b"".join(slow.writes).endswith(b"b OK Listed.\r\nc OK Nothing done.\r\n"))


class Unreliable:
    """
    A view of which one method fails.
    """

    def __init__(self, view: IMailboxView, method: str, problem: Exception) -> None:
        self._view = view
        self._method = method
        self._problem = problem

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method else getattr(self._view, name)

    async def _fail(self, *args: Any, **facts: Any) -> None:
        raise self._problem


class TroubleTests(ImapTestCase):
    """
    What fails on our side.
    """

    def break_view(self, method: str, problem: Exception) -> None:
        """
        Select a mailbox with a message; that method of its view will fail.
        """
        self.add(b"Subject: x\n\ny\n")
        self.line().receive(b"a SELECT INBOX\r\n")
        self.line().take()
        selected = self.line().conversation.session.mailbox
        selected.view = Unreliable(selected.view, method, problem)  # type: ignore[assignment]

    def test_bug(self) -> None:
        """
        A bug is told to the log with its cause, to the client without; the session goes on.
        """
        self.break_view("expunge", ZeroDivisionError("secret"))
        self.plays("""
            C: b EXPUNGE
            S: b NO [SERVERBUG] That went wrong here, and was written down.
            C: c NOOP
            S: c OK ...
        """)
        self.assertIsInstance(self.line().failures[0], ZeroDivisionError)

    def test_failure_of_a_lost_connection(self) -> None:
        """
        What fails because the connection is gone is no bug.
        """
        line = self.line()
        line.receive(b"a APPEND INBOX {10}\r\n")
        line.lose()
        self.assertEqual([], line.failures)

    def test_trouble(self) -> None:
        """
        What cannot be done for the moment is NO, with a code.
        """
        self.break_view("expunge", TemporaryFailure("Not now."))
        self.plays("""
            C: b EXPUNGE
            S: b NO [UNAVAILABLE] Not now.
        """)

    def test_no_news_for_the_moment(self) -> None:
        """
        When the news cannot be had, what was done is answered all the same.
        """
        self.break_view("advance", TemporaryFailure("Not now."))
        self.plays("""
            C: b NOOP
            S: b OK Nothing done.
        """)

    def test_broken_literal(self) -> None:
        """
        When content breaks off in the middle of a literal, the connection ends without another word.
        """
        self.break_view("change_flags", LiteralBroken("Gone."))
        line = self.line()
        line.receive(b"b STORE 1 FLAGS (\\Seen)\r\nc NOOP\r\n")
        self.assertEqual(b"", line.take())
        self.assertTrue(line.conversation.is_over)
        self.assertEqual(["Gone."], line.broken)
