"""
L{twisted_mail_server.protocols.smtp.server}
"""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, SmtpCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, MailOptions
from twisted_mail_server.model.errors import AuthenticationFailed, DiskFull, NoSuchAccount, Refused, TemporaryFailure
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import (
    AuthenticationAsked,
    Content,
    ContentAsked,
    ContentEnded,
    ContentSpoiled,
    Event,
    MailAsked,
    RecipientAsked,
    Reset,
    TlsAsked,
)
from twisted_mail_server.protocols.smtp.registry import SMTP
from twisted_mail_server.protocols.smtp.states import State

ANA = Address("ana", "example.org")
BEN = Address("ben", "example.net")
MESSAGE = [ContentAsked(), Content(b"Hello\r\n"), ContentEnded()]


class SessionTests(SmtpCase, SynchronousTestCase):
    """
    Saying hello and goodbye, and what is answered at any time.
    """

    def test_hello(self) -> None:
        """
        EHLO lists what is offered, HELO nothing; neither has an enhanced code.
        """
        self.plays("""
            S: 220 mail.example.org ESMTP
            C: EHLO client.example.net
            S: 250-mail.example.org greets client.example.net
            S: 250-PIPELINING
            S: 250-SIZE 52428800
            S: 250-8BITMIME
            S: 250-ENHANCEDSTATUSCODES
            S: 250-SMTPUTF8
            S: 250-CHUNKING
            S: 250-DSN
            S: 250 LIMITS MAILMAX=1000 RCPTMAX=1000
            C: helo client.example.net
            S: 250 mail.example.org greets client.example.net
            C: QUIT
            S: 221 2.0.0 Goodbye.
        """)

    def test_hello_to_nobody(self) -> None:
        """
        A client says who it is; what it says is cleaned and cut, and any word will do.
        """
        driver = self.plays("""
            C: EHLO
            S: 501 5.5.4 ...
            C: HELO
            S: 501 5.5.4 ...
            C: MAIL FROM:<>
            S: 503 5.5.1 Say EHLO first.
            C: HELO [192.0.2.7]
            S: 250 mail.example.org greets [192.0.2.7]
            C: HELO my (computer) <x>
            S: 250 mail.example.org greets my??computer???x?
        """)
        driver.receive(b"HELO " + b"x" * 2000 + b"\r\n")
        self.assertEqual("x" * limits.DOMAIN, driver.smtp.helo)

    def test_offers(self) -> None:
        """
        TLS and mechanisms are listed while they are to be had.
        """
        self.plays(
            """
            C: EHLO client
            S: 250-mail.example.org greets client
            S: 250-PIPELINING
            S: 250-SIZE 1000
            S: 250-8BITMIME
            S: 250-ENHANCEDSTATUSCODES
            S: 250-SMTPUTF8
            S: 250-CHUNKING
            S: 250-DSN
            S: 250-LIMITS MAILMAX=1000 RCPTMAX=1000
            S: 250-STARTTLS
            S: 250 AUTH PLAIN LOGIN
            """,
            Policy(HOSTNAME, 1000),
            offers_tls=True,
            mechanisms=("PLAIN", "LOGIN"),
        )

    def test_at_any_time(self) -> None:
        """
        NOOP, HELP, VRFY, EXPN and RSET are answered even before EHLO (RFC 5321 section 4.1.4).
        """
        driver = self.plays("""
            C: NOOP whatever
            S: 250 2.0.0 Ok.
            C: HELP me
            S: 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET VRFY EXPN HELP NOOP QUIT BDAT STARTTLS AUTH.
            C: VRFY ana
            S: 252 2.0.0 Cannot verify, but will take mail for it and try.
            C: VRFY
            S: 501 5.5.4 Whom?
            C: EXPN all
            S: 502 5.5.1 No list is expanded here.
            C: EXPN
            S: 501 5.5.4 Whom?
            C: RSET
            S: 250 2.0.0 Ok.
            C: RSET now
            S: 501 5.5.4 This command takes no argument.
        """)
        self.assertEqual(State.START, driver.smtp.state)

    def test_what_is_no_command(self) -> None:
        """
        Unknown words, empty lines, NUL, octets above 127, and lone CRs and LFs are refused, each line once.
        """
        driver = self.plays("""
            C: FOO
            S: 500 5.5.2 There is no such command.
            C:
            S: 500 5.5.2 There is no such command.
        """)
        for line in (b"NO\0OP", b"NOOP \xe9", b"NOOP\nNOOP", b"NOOP\rNOOP", b"NOOP\r", b"\nNOOP", b"NOOP \x7f"):
            self.assertEqual(b"500 5.5.2 A command", driver.receive(line + b"\r\n")[:19])
        self.assertEqual(b"", driver.receive(b"NOOP\n"))

    def test_nothing_after_goodbye(self) -> None:
        """
        What comes after QUIT is not read.
        """
        driver = self.plays("""
            C+ QUIT
            C: NOOP
            S: 221 2.0.0 Goodbye.
            C: NOOP
        """)
        self.assertTrue(driver.smtp.is_closed)
        self.assertFalse(driver.smtp.is_expelled)
        self.assertEqual({"helo": "", "transactions": 0}, driver.smtp.facts())

    def test_web(self) -> None:
        """
        A web browser is sent away at once, before what it posts is read as commands.
        """
        self.plays("""
            C+ POST / HTTP/1.1
            C: EHLO client
            S: 421 4.7.0 This is a mail server.
        """)

    def test_long_lines(self) -> None:
        """
        A line may be as long as its limit; longer ones are refused at their end, and their rest is not read as a command.
        """
        driver = self.make()
        longest = b"NOOP " + b"x" * (limits.SMTP_COMMAND_LINE - 5)
        for line, code in ((longest, b"250"), (longest + b"x", b"500"), (longest * 10 + b"\nNOOP", b"500")):
            self.assertEqual(code, driver.receive(line + b"\r\n")[:3])
            for piece in (line, b"\r"):
                self.assertEqual(b"", driver.receive(piece))
            self.assertEqual(code, driver.receive(b"\n")[:3])
        self.assertEqual(b"500 5.5.6", driver.receive(longest + b"x\r\n")[:9])

    def test_too_many_errors(self) -> None:
        """
        A client that does nothing right is sent away; a message that is taken makes up for it.
        """
        driver = self.make()
        for _ in range(limits.ERRORS_PER_SESSION - 1):
            self.assertEqual(b"500", driver.receive(b"FOO\r\n")[:3])
        driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n.\r\n")
        for _ in range(limits.ERRORS_PER_SESSION - 1):
            self.assertEqual(b"500", driver.receive(b"FOO\r\n")[:3])
        self.assertEqual(b"421 4.7.0 Too many errors.\r\n", driver.receive(b"FOO\r\nNOOP\r\n"))
        self.assertTrue(driver.smtp.is_expelled)

    def test_too_many_transactions(self) -> None:
        """
        After so many transactions the client must connect again.
        """
        driver = self.make()
        driver.receive(b"HELO me\r\n")
        for _ in range(limits.TRANSACTIONS_PER_SESSION):
            self.assertEqual(b"250", driver.receive(b"MAIL FROM:<>\r\nRSET\r\n")[:3])
        self.assertEqual(b"421 4.7.0", driver.receive(b"MAIL FROM:<>\r\n")[:9])


class TransactionTests(SmtpCase, SynchronousTestCase):
    """
    MAIL, RCPT, DATA.
    """

    refusals = {
        "nobody@example.org": NoSuchAccount("Nobody of that name lives here."),
        "later@example.org": TemporaryFailure("Try later."),
        "spam@example.org": Refused("No."),
        "closing@example.org": Refused("x"),
    }

    def test_message(self) -> None:
        """
        A message comes as events; its parameters are read.
        """
        driver = self.plays("""
            C: EHLO client
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<ana@example.org> SIZE=500 body=8bitmime AUTH=e+3Dmc2@example.com
            S: 250 2.1.0 Sender ok.
            C: RCPT TO:<ben@example.net>
            S: 250 2.1.5 Recipient ok.
            C: DATA
            S: 354 Go ahead; end with <CRLF>.<CRLF>.
            C: Hello
            C: .
            S: 250 2.0.0 Ok.
        """)
        options = MailOptions(BodyKind.EIGHT_BIT, 500)
        self.assertEqual([MailAsked(ANA, options), RecipientAsked(BEN), *MESSAGE], driver.events)
        self.assertEqual(1, driver.smtp.transactions)

    def test_order(self) -> None:
        """
        What is out of turn is refused, and changes nothing.
        """
        self.plays("""
            C: RCPT TO:<ana@example.org>
            S: 503 5.5.1 Say EHLO first.
            C: HELO client
            S: 250 ...
            C: RCPT TO:<ana@example.org>
            S: 503 5.5.1 MAIL comes first.
            C: DATA
            S: 503 5.5.1 MAIL comes first.
            C: MAIL FROM:<>
            S: 250 2.1.0 Sender ok.
            C: MAIL FROM:<>
            S: 503 5.5.1 A transaction is open, and RCPT comes next.
            C: DATA
            S: 503 5.5.1 A transaction is open, and RCPT comes next.
            C: RCPT TO:<nobody@example.org>
            S: 550 5.1.1 Nobody of that name lives here.
            C: DATA
            S: 554 5.5.1 No valid recipients.
            C: RCPT TO:<ana@example.org>
            S: 250 2.1.5 Recipient ok.
            C: MAIL FROM:<>
            S: 503 5.5.1 A transaction is open.
            C: DATA now
            S: 501 5.5.4 This command takes no argument.
            C: DATA
            S: 354 ...
            C: .
            S: 250 2.0.0 Ok.
            C: RCPT TO:<ana@example.org>
            S: 503 5.5.1 MAIL comes first.
        """)

    def test_pipelined(self) -> None:
        """
        A burst is answered in order, and in one piece (RFC 2920).
        """
        driver = self.plays("""
            C: HELO client
            S: 250 ...
            C+ MAIL FROM:<ana@example.org>
            C+ RCPT TO:<nobody@example.org>
            C+ RCPT TO:<later@example.org>
            C+ RCPT TO:<ben@example.net>
            C: DATA
            S: 250 2.1.0 ...
            S: 550 5.1.1 ...
            S: 451 4.3.0 Try later.
            S: 250 2.1.5 ...
            S: 354 ...
            C+ Hello
            C+ .
            C+ MAIL FROM:<>
            C: QUIT
            S: 250 2.0.0 Ok.
            S: 250 2.1.0 ...
            S: 221 2.0.0 ...
        """)
        self.assertEqual([*MESSAGE, MailAsked(None), Reset()], driver.events[4:])

    def test_one_question_at_a_time(self) -> None:
        """
        Nothing goes on while a question is open, however much comes in.
        """
        smtp = self.make().smtp
        smtp.receive(b"HELO me\r\nMAIL FROM:<>\r\nRSET\r\n")
        self.assertEqual(MailAsked(None), smtp.next_event())
        smtp.receive(b"NOOP\r\n")
        self.assertIsNone(smtp.next_event())
        smtp.take_output()
        smtp.accept(Reply(250, "As you like.", "2.1.0"))
        self.assertEqual(Reset(), smtp.next_event())
        self.assertIsNone(smtp.next_event())
        self.assertEqual(b"250 2.1.0 As you like.\r\n250 2.0.0 Ok.\r\n250 2.0.0 Ok.\r\n", smtp.take_output())
        self.assertRaises(AssertionError, smtp.accept)
        self.assertRaises(AssertionError, smtp.refuse, Refused("No."))
        self.assertRaises(AssertionError, smtp.refuse_content, Refused("No."))

    def test_reset(self) -> None:
        """
        RSET, EHLO and HELO end a transaction, and say so once.
        """
        driver = self.plays("""
            C: HELO client
            S: 250 ...
            C+ MAIL FROM:<>
            C: RSET
            S: 250 2.1.0 ...
            S: 250 2.0.0 ...
            C: RSET
            S: 250 2.0.0 ...
            C+ MAIL FROM:<>
            C+ RCPT TO:<ana@example.org>
            C: HELO again
            S: 250 2.1.0 ...
            S: 250 2.1.5 ...
            S: 250 mail.example.org greets again
            C: DATA
            S: 503 5.5.1 MAIL comes first.
        """)
        self.assertEqual([MailAsked(None), Reset(), MailAsked(None), RecipientAsked(ANA), Reset()], driver.events)

    def test_refused_sender(self) -> None:
        """
        A sender that is refused begins no transaction; one in bad form is refused with its own code.
        """
        self.plays("""
            C: HELO client
            S: 250 ...
            C: MAIL FROM:<spam@example.org>
            S: 550 5.7.1 No.
            C: MAIL FROM:<spam>
            S: 501 5.1.7 ...
            C: MAIL FROM:spam@example.org
            S: 501 5.5.2 ...
            C: MAIL spam@example.org
            S: 501 5.5.2 ...
            C: MAIL
            S: 501 5.5.2 ...
            C: MAIL FROM:<ana@example.org> FOO=bar
            S: 555 5.5.4 The parameter FOO is not known here.
            C: MAIL FROM:<ana@example.org> SIZE=x
            S: 501 5.5.4 SIZE is a number of octets.
            C: MAIL FROM:<ana@example.org> SIZE
            S: 501 5.5.4 SIZE is a number of octets.
            C: MAIL FROM:<ana@example.org> BODY=BINARYMIME
            S: 501 5.5.4 BODY is 7BIT or 8BITMIME.
            C: MAIL FROM:<ana@example.org> AUTH
            S: 501 5.5.4 AUTH is an address or <>.
            C: MAIL FROM:<ana@example.org> SIZE=1 SIZE=2
            S: 501 5.5.2 A parameter is there twice.
            C: MAIL FROM:<ana@example.org> =
            S: 501 5.5.2 A parameter is malformed.
            C: MAIL FROM:<ana@example.org> AUTH=<> SIZE=52428801
            S: 552 5.3.4 The message is larger than this server takes.
            C: MAIL FROM:<ana@example.org> AUTH=<> SIZE=52428800 BODY=7BIT
            S: 250 2.1.0 ...
        """)

    def test_recipients(self) -> None:
        """
        A recipient is an address or the postmaster; nobody is none; a refused one does not count.
        """
        driver = self.plays(
            """
            C: HELO client
            S: 250 ...
            C: MAIL FROM:<>
            S: 250 2.1.0 ...
            C: RCPT TO:<>
            S: 501 5.1.3 ...
            C: RCPT TO:<ana>
            S: 501 5.1.3 ...
            C: RCPT TO:<ana@example.org> FOO=NEVER
            S: 555 5.5.4 ...
            C: RCPT FROM:<ana@example.org>
            S: 501 5.5.2 ...
            C: RCPT TO:<PostMaster>
            S: 250 2.1.5 ...
            C: RCPT TO:<nobody@example.org>
            S: 550 5.1.1 ...
            C: RCPT TO:<@relay.example.com,@[192.0.2.1]:ana@example.org>
            S: 250 2.1.5 ...
            C: RCPT TO:<ben@example.net>
            S: 452 4.5.3 Too many recipients; send the rest in another transaction.
            """,
            Policy(HOSTNAME, recipients=2),
        )
        postmaster = Address("postmaster", "")
        nobody = Address("nobody", "example.org")
        self.assertEqual([RecipientAsked(postmaster), RecipientAsked(nobody), RecipientAsked(ANA)], driver.events[1:])

    def test_refused_content(self) -> None:
        """
        Refused at DATA or at its end, a transaction is over.
        """
        for key in ("ContentAsked", "ContentEnded"):
            driver = self.make()
            driver.refusals = {key: DiskFull("No room.")}
            driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\n")
            said = driver.receive(b"DATA\r\n")
            if key == "ContentEnded":
                said = driver.receive(b"Hello\r\n.\r\n")
            self.assertEqual((b"452 4.3.1 No room.\r\n", State.READY), (said, driver.smtp.state))

    def test_refused_while_it_comes(self) -> None:
        """
        Content refused while it comes is swallowed to its end, and refused there, with the first reason.
        """
        driver = self.make()
        driver.refusals = {"Content": DiskFull("No room.")}
        driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n")
        self.assertEqual(b"", driver.receive(b"Hello\r\n"))
        self.assertTrue(driver.smtp.is_receiving_content)
        driver.smtp.refuse_content(Refused("Another reason."))
        self.assertEqual(b"", driver.receive(b"bare\nLF\r\n"))
        self.assertEqual(b"452 4.3.1 No room.\r\n250 2.0.0 Ok.\r\n", driver.receive(b"World\r\n.\r\nNOOP\r\n"))
        self.assertEqual(Content(b"Hello"), driver.events[-1])
        # All at once, too: its end was read already when it is refused.
        said = driver.receive(b"MAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nHello\r\n.\r\nNOOP\r\n")
        self.assertEqual([b"250", b"250", b"354", b"452", b"250"], [line[:3] for line in said.splitlines()])

    def test_last_words(self) -> None:
        """
        A decision with code 421 ends the session, even one about content.
        """

        class Full(Refused):
            code, enhanced = 421, "4.3.2"

        for key in ("None", "ContentEnded"):
            driver = self.make()
            driver.refusals = {key: Full("Closing.")}
            said = driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n.\r\nNOOP\r\n")
            self.assertTrue(said.endswith(b"421 4.3.2 Closing.\r\n"))
            self.assertTrue(driver.smtp.is_closed)

    def test_accepted_with_last_words(self) -> None:
        """
        So does an acceptance.
        """
        smtp = self.make().smtp
        smtp.receive(b"HELO me\r\nMAIL FROM:<>\r\nNOOP\r\n")
        smtp.next_event()
        smtp.accept(Reply(221, "Fine, and goodbye.", "2.0.0"))
        self.assertIsNone(smtp.next_event())
        self.assertTrue(smtp.is_closed)

    def test_states(self) -> None:
        """
        In every state every verb either leads where the table says, or is out of turn and changes nothing.
        """
        roads = {
            State.START: b"",
            State.READY: b"EHLO me\r\n",
            State.SENDER: b"EHLO me\r\nMAIL FROM:<>\r\n",
            State.RECIPIENTS: b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\n",
            State.CHUNKS: b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nBDAT 0\r\n",
        }
        lines = {
            "EHLO": b"EHLO me",
            "HELO": b"HELO me",
            "MAIL": b"MAIL FROM:<>",
            "RCPT": b"RCPT TO:<ben@example.net>",
            "AUTH": b"AUTH PLAIN AGEAYg==",
            "VRFY": b"VRFY ana",
            "EXPN": b"EXPN ana",
            # One octet is due, so that the session stands in the chunk.
            "BDAT": b"BDAT 1",
        }
        for state, road in roads.items():
            for verb in self.make().smtp.commands:
                driver = self.make(mechanisms=("PLAIN",), offers_tls=True)
                driver.receive(road)
                self.assertEqual(state, driver.smtp.state)
                said = driver.receive(lines.get(verb, verb.encode()) + b"\r\n")
                if verb == "BDAT" and state not in (State.RECIPIENTS, State.CHUNKS):
                    self.assertEqual((b"", State.CHUNK), (said, driver.smtp.state))
                    said = driver.receive(b"x")
                expected = SMTP.moves[state].get(verb)
                self.assertEqual(expected is None, said.startswith(b"503 5.5.1"), (state, verb, said))
                self.assertEqual(state if expected is None else expected, driver.smtp.state, (state, verb))


class ContentTests(SmtpCase, SynchronousTestCase):
    """
    What is content, and what ends it.
    """

    def content(self, data: bytes, policy: Policy | None = None) -> tuple[list[Event], bytes]:
        """
        The events and the replies that C{data} after DATA makes; the same however it is cut in two, or into octets.
        """
        outcomes = []
        octets = [data[at : at + 1] for at in range(len(data))]
        for pieces in ([data], octets, *([data[:cut], data[cut:]] for cut in range(1, min(len(data), 300)))):
            driver = self.make(policy)
            driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n")
            del driver.events[:]
            said = b"".join(driver.receive(piece) for piece in pieces)
            outcomes.append((list(driver.events), said))
        for outcome in outcomes:
            self.assertEqual(outcomes[0], outcome)
        return outcomes[0]

    def test_content(self) -> None:
        """
        Content ends at CRLF.CRLF, its last CRLF is its own, and one dot is taken off each line that begins with one.
        """
        cases = [
            (b".\r\n", b""),
            (b"\r\n.\r\n", b"\r\n"),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"..a\r\n...\r\n.b\r\n.\r\n", b".a\r\n..\r\nb\r\n"),
            (b"a\r\n\r\n..\r\nx.\r\n.\r\n", b"a\r\n\r\n.\r\nx.\r\n"),
            (b"\xff\0\r\n.\r\n", b"\xff\0\r\n"),
        ]
        for data, content in cases:
            events = [Content(content), ContentEnded()] if content else [ContentEnded()]
            self.assertEqual((events, b"250 2.0.0 Ok.\r\n"), self.content(data))

    def test_what_follows(self) -> None:
        """
        What follows the end is commands again.
        """
        self.assertEqual(b"250 2.0.0 Ok.\r\n250 2.0.0 Ok.\r\n", self.content(b"a\r\n.\r\nNOOP\r\n.")[1])

    def test_lone_line_ends(self) -> None:
        """
        A CR or LF that stands alone spoils a message; nothing but CRLF.CRLF ends it.
        """
        for data in (
            b"a\nb",
            b"a\rb",
            b"\n.\n",
            b"\r.\r",
            b"\n.\r\nb",
            b"\r.\r\nb",
            b"\r\n.\nb",
            b"\r\n.\rb",
            b"a\r",
            b"\n",
            b"\r\r",
        ):
            events, said = self.content(data + b"\r\n.\r\nNOOP\r\n")
            (spoiled,) = events
            assert isinstance(spoiled, ContentSpoiled)
            self.assertEqual((550, "5.6.11"), (spoiled.reply.code, spoiled.reply.enhanced))
            self.assertEqual(spoiled.reply.encode() + b"250 2.0.0 Ok.\r\n", said)

    def test_too_big(self) -> None:
        """
        A message may be as large as allowed, without its dots; a larger one is swallowed and refused.
        """
        policy = Policy(HOSTNAME, 10)
        self.assertEqual(b"250", self.content(b"..2345678\r\n.\r\n", policy)[1][:3])
        events, said = self.content(b"123456789\r\n1\r\n.\r\n", policy)
        self.assertEqual(b"552 5.3.4 The message is larger than this server takes.\r\n", said)
        self.assertEqual(1, len(events))

    def test_long_lines(self) -> None:
        """
        A line may be as long as its limit; a longer one spoils the message, wherever it is and however it comes.
        """
        longest = b"x" * limits.TEXT_LINE
        cases = [
            (b"250", longest),
            (b"250", b"a\r\n" + longest),
            (b"250", longest + b"\r\na\r\n" + longest),
            (b"550", longest + b"x"),
            (b"550", longest + b"x\r\na"),
            (b"550", b"a\r\n" + longest + b"x"),
            (b"550", b"a\r\n" + longest + b"x\r\na"),
        ]
        for code, data in cases:
            for size in (len(data) + 9, 65536, 99991):
                driver = self.make()
                driver.receive(b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n")
                whole = data + b"\r\n.\r\n"
                said = b"".join(driver.receive(whole[at : at + size]) for at in range(0, len(whole), size))
                self.assertEqual(code, said[:3])


class AuthTests(SmtpCase, SynchronousTestCase):
    """
    AUTH (RFC 4954).
    """

    refusals = {"wrong": AuthenticationFailed("Wrong name or password."), "later": TemporaryFailure("Try later.")}
    tim = PlainSecret("tim", b"tanstaaftanstaaf")

    def test_plain(self) -> None:
        """
        PLAIN with an initial response, without one, and LOGIN; one login is enough.
        """
        initial = b64encode(b"\0tim\0tanstaaftanstaaf").decode()
        login = AuthenticationAsked("LOGIN", self.tim)
        plain = AuthenticationAsked("PLAIN", self.tim)
        scripts = [
            (plain, f"C: auth plain {initial}"),
            (plain, f"C: AUTH PLAIN\nS: 334\nC: {initial}"),
            (login, "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\nS: 334 UGFzc3dvcmQ6\nC: dGFuc3RhYWZ0YW5zdGFhZg=="),
            (login, "C: AUTH LOGIN dGlt\nS: 334 UGFzc3dvcmQ6\nC: dGFuc3RhYWZ0YW5zdGFhZg=="),
        ]
        for event, script in scripts:
            driver = self.plays(
                "C: EHLO me\n"
                + "S: 250-*\nS: 250 ...\n"
                + script
                + f"\nS: 235 2.7.0 Welcome.\nC: AUTH PLAIN {initial}\nS: 503 5.5.1 You are logged in already.",
                mechanisms=("PLAIN", "LOGIN"),
            )
            self.assertEqual([event], driver.events)
            self.assertTrue(driver.smtp.is_authenticated)

    def test_refused(self) -> None:
        """
        Every way in which AUTH goes wrong leaves the session as it was.
        """
        self.plays(
            """
            C: AUTH PLAIN
            S: 503 5.5.1 Say EHLO first.
            C: HELO me
            S: 250 ...
            C: AUTH PLAIN
            S: 503 5.5.1 Say EHLO first.
            C: EHLO me
            S: 250-*
            S: 250 AUTH PLAIN
            C: AUTH
            S: 504 5.5.4 There is no such mechanism here.
            C: AUTH SPHINX
            S: 504 5.5.4 There is no such mechanism here.
            C: AUTH LOGIN
            S: 504 5.5.4 There is no such mechanism here.
            C: AUTH PLAIN =
            S: 501 5.5.2 PLAIN has three parts, with a NUL between them.
            C: AUTH PLAIN AAA=BBB
            S: 501 5.5.2 That is not base64.
            C: AUTH PLAIN
            S: 334
            C: *
            S: 501 5.7.0 The login is cancelled.
            C: AUTH PLAIN
            S: 334
            C: NOOP
            S: 501 5.5.2 PLAIN has three parts, with a NUL between them.
            C: AUTH PLAIN
            S: 334
            C: =
            S: 501 5.5.2 That is not base64.
            C: MAIL FROM:<>
            S: 250 ...
            C: AUTH PLAIN
            S: 503 5.5.1 ...
            """,
            mechanisms=("PLAIN",),
        )

    def test_server_begins(self) -> None:
        """
        A mechanism in which the server speaks first takes no initial response.
        """
        from attrs import evolve

        from twisted_mail_server.protocols.sasl import registry

        self.patch(registry, "BY_NAME", registry.BY_NAME)
        self.addCleanup(registry.BY_NAME.pop, "RIDDLE")
        registry.BY_NAME["RIDDLE"] = evolve(registry.BY_NAME["LOGIN"], name="RIDDLE", is_client_first=False)
        driver = self.make(mechanisms=("RIDDLE",))
        driver.receive(b"EHLO me\r\n")
        self.assertEqual(
            b"501 5.7.0 This mechanism has no initial response.\r\n", driver.receive(b"AUTH RIDDLE YQ==\r\n")
        )
        self.assertEqual(b"334 VXNlcm5hbWU6\r\n", driver.receive(b"AUTH RIDDLE\r\n"))

    def test_not_offered(self) -> None:
        """
        Without a private connection there are no mechanisms, and STARTTLS is the way where there is one.
        """
        for offers_tls, code in ((True, b"538 5.7.11"), (False, b"502 5.5.1")):
            driver = self.make(offers_tls=offers_tls)
            driver.receive(b"EHLO me\r\n")
            self.assertEqual(code, driver.receive(b"AUTH PLAIN\r\n")[: len(code)])

    def test_failures(self) -> None:
        """
        After a few failed logins the session ends; a temporary failure is none.
        """
        driver = self.make(mechanisms=("PLAIN",))
        driver.receive(b"EHLO me\r\n")
        wrong = b"AUTH PLAIN " + b64encode(b"\0wrong\0x") + b"\r\n"
        for _ in range(limits.LOGINS_PER_SESSION):
            self.assertEqual(b"451 4.3.0", driver.receive(b"AUTH PLAIN " + b64encode(b"\0later\0x") + b"\r\n")[:9])
        for _ in range(limits.LOGINS_PER_SESSION - 1):
            self.assertEqual(b"535 5.7.8 Wrong name or password.\r\n", driver.receive(wrong))
        self.assertEqual(b"421 4.7.0 Too many failed logins.\r\n", driver.receive(wrong))

    def test_long_lines(self) -> None:
        """
        Lines of a login may have 12,288 octets; a longer one ends the exchange.
        """
        driver = self.make(mechanisms=("PLAIN",))
        driver.receive(b"EHLO me\r\n")
        response = b"A" * (limits.SASL_LINE - len("AUTH PLAIN ") - 1)
        self.assertEqual(b"501 5.5.2", driver.receive(b"AUTH PLAIN " + response + b"\r\n")[:9])
        self.assertEqual(b"500 5.5.6", driver.receive(b"AUTH PLAIN " + response + b"AA\r\n")[:9])
        driver.receive(b"AUTH PLAIN\r\n")
        self.assertEqual(b"501 5.5.2", driver.receive(b"A" * limits.SASL_LINE + b"\r\n")[:9])
        driver.receive(b"AUTH PLAIN\r\n")
        self.assertEqual(b"500 5.5.6", driver.receive(b"A" * (limits.SASL_LINE + 1) + b"\r\n")[:9])
        self.assertEqual(b"250", driver.receive(b"NOOP\r\n")[:3])

    def test_submission(self) -> None:
        """
        Without a login nothing can be sent, only talked about.
        """
        driver = self.plays(
            """
            C: MAIL FROM:<>
            S: 503 5.5.1 Say EHLO first.
            C: VRFY ana
            S: 530 5.7.0 Log in first.
            C: EHLO me
            S: 250-*
            S: 250 AUTH PLAIN
            C+ MAIL FROM:<ana@example.org>
            C+ RCPT TO:<ben@example.net>
            C: DATA
            S: 530 5.7.0 Log in first.
            S: 530 5.7.0 Log in first.
            S: 530 5.7.0 Log in first.
            C: NOOP
            S: 250 2.0.0 Ok.
            C: AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm
            S: 235 2.7.0 Welcome.
            C: MAIL FROM:<ana@example.org>
            S: 250 2.1.0 Sender ok.
            """,
            mechanisms=("PLAIN",),
            needs_login=True,
        )
        self.assertFalse(driver.smtp.needs_login)

    def test_submission_needs_tls(self) -> None:
        """
        Where a login needs TLS, that is what a client is told.
        """
        for offers_tls, text in ((True, b"Use STARTTLS first."), (False, b"Log in first.")):
            driver = self.make(needs_login=True, offers_tls=offers_tls)
            driver.receive(b"EHLO me\r\n")
            self.assertEqual(b"530 5.7.0 " + text + b"\r\n", driver.receive(b"MAIL FROM:<>\r\n"))

    def test_much_without_login(self) -> None:
        """
        Only so much is read without a login, where one is needed.
        """
        line = b"NOOP " + b"x" * 2000 + b"\r\n"
        count = limits.UNAUTHENTICATED_BYTES // len(line) + 1
        driver = self.make(needs_login=True)
        said = driver.receive(line * (count + 3))
        self.assertEqual([b"250 2.0.0 Ok."] * count + [b"421 4.7.0 Too much without a login."], said.splitlines())
        driver = self.make()
        self.assertEqual(limits.IDLE_COMMANDS, driver.receive(line * 200).count(b"250 2.0.0 Ok."))
        driver = self.make(needs_login=True)
        endless = b"".join(driver.receive(b"x" * 1000) for _ in range(100))
        self.assertEqual(b"421 4.7.0 Too much without a login.\r\n", endless)


class TlsTests(SmtpCase, SynchronousTestCase):
    """
    STARTTLS (RFC 3207).
    """

    def test_upgrade(self) -> None:
        """
        After the handshake the session begins anew: EHLO is forgotten, TLS is not offered again, mechanisms are.
        """
        driver = self.plays(
            """
            C: EHLO me
            S: 250-*
            S: 250 STARTTLS
            C: STARTTLS now
            S: 501 5.5.4 ...
            C: STARTTLS
            S: 220 2.0.0 Ready to start TLS.
            C: MAIL FROM:<>
            S: 503 5.5.1 Say EHLO first.
            C: EHLO me
            S: 250-*
            S: 250 AUTH PLAIN LOGIN
            C: STARTTLS
            S: 502 5.5.1 TLS is not offered here, or already there.
            """,
            offers_tls=True,
        )
        self.assertEqual([TlsAsked()], driver.events)

    def test_injection(self) -> None:
        """
        What is pipelined behind STARTTLS, and what else comes in clear before the handshake, is thrown away.
        """
        smtp = self.make(offers_tls=True).smtp
        smtp.receive(b"EHLO me\r\nSTARTTLS\r\nMAIL FROM:<evil@example.net>\r\n")
        self.assertEqual(TlsAsked(), smtp.next_event())
        smtp.receive(b"RCPT TO:<ana@example.org>\r\n")
        self.assertIsNone(smtp.next_event())
        self.assertTrue(smtp.take_output().endswith(b"220 2.0.0 Ready to start TLS.\r\n"))
        smtp.tls_started(())
        self.assertIsNone(smtp.next_event())
        self.assertEqual((b"", 0, State.START), (smtp.take_output(), len(smtp.input), smtp.state))
        self.assertEqual(("", False), (smtp.helo, smtp.is_extended))
