"""
L{twisted_mail_server.servers.smtp}
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import EVERYONE, PASSWORD, ServerCase, collect_events
from tests.support.transports import TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import BodyKind, MailOptions, Origin, Service
from twisted_mail_server.model.errors import DiskFull, NoSuchAccount, Refused, TemporaryFailure, Throttled
from twisted_mail_server.servers.base import Ending, TlsUse

OPENING = """
C: EHLO client.example.net
S: 250-mail.example.org greets client.example.net
S: 250-PIPELINING
S: 250-SIZE 52428800
S: 250-8BITMIME
S: 250-ENHANCEDSTATUSCODES
S: 250-SMTPUTF8
S: 250-CHUNKING
S: 250-DSN
S: 250-LIMITS MAILMAX=1000 RCPTMAX=1000
S: 250 STARTTLS
"""
SEND = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
HELLO = b"HELO client\r\n"
LOGIN = b"AUTH PLAIN " + b64encode(b"\0someone\0" + PASSWORD) + b"\r\n"


def codes(output: bytes) -> list[str]:
    """
    The codes of the replies.
    """
    return [line[:3].decode() for line in output.splitlines() if line[3:4] != b"-"]


class ReceivingTests(ServerCase, SynchronousTestCase):
    """
    Mail for people here, from anywhere.
    """

    def test_message(self) -> None:
        """
        A message goes to the intake with all that is known of it, and its id comes back.
        """
        session, transport = self.plays(
            OPENING
            + """
            C: MAIL FROM:<a@example.net> SIZE=7 BODY=8BITMIME
            S: 250 2.1.0 Sender ok.
            C: RCPT TO:<b@example.org>
            S: 250 2.1.5 Recipient ok.
            C: RCPT TO:<c@example.org>
            S: 250 2.1.5 Recipient ok.
            C: DATA
            S: 354 Go ahead; end with <CRLF>.<CRLF>.
            C: Hello
            C: .
            S: 250 2.0.0 Queued as 00000000000000000000000000000000.
            C: QUIT
            S: 221 2.0.0 Goodbye.
            """
        )
        self.assertEqual([("a@example.net", ["b@example.org", "c@example.org"], b"Hello\r\n")], self.intake.taken)
        (transaction,) = self.intake.transactions
        self.assertEqual((MailOptions(BodyKind.EIGHT_BIT, 7), None), (transaction.options, transaction.submitter))
        expected = Origin(Service.MX, "192.0.2.1", "client.example.net", "ESMTP")
        self.assertEqual(expected, transaction.origin)
        self.assertTrue(transport.disconnecting)
        self.assertIsNone(session.ending)

    def test_helo(self) -> None:
        """
        After HELO the protocol is SMTP; nobody may be a sender.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        transport.deliver(b"x\r\n.\r\n")
        self.assertEqual([("", ["b@example.org"], b"x\r\n")], self.intake.taken)
        self.assertEqual("SMTP", self.intake.transactions[0].origin.protocol)

    def test_one_write(self) -> None:
        """
        A pipelined burst is answered in one write.
        """
        _, transport = self.connect()
        writes: list[bytes] = []
        self.patch(transport, "write", writes.append)
        transport.deliver(HELLO + SEND + b"x\r\n.\r\n" + SEND + b"x\r\n.\r\n")
        self.assertEqual(["250", "250", "250", "354", "250", "250", "250", "354", "250"], codes(*writes))

    def test_refusals(self) -> None:
        """
        What the intake refuses is refused with its words, logged, and given up.
        """
        events = collect_events(self)
        self.intake.told = {
            "spam@example.net": Refused("Not from there."),
            "nobody@example.org": NoSuchAccount("Nobody of that name lives here."),
        }
        self.plays(
            OPENING
            + """
            C: MAIL FROM:<spam@example.net>
            S: 550 5.7.1 Not from there.
            C: MAIL FROM:<a@example.net>
            S: 250 2.1.0 ...
            C: RCPT TO:<nobody@example.org>
            S: 550 5.1.1 Nobody of that name lives here.
            """
        )
        (told,) = [event for event in events if event.get("recipient")]
        self.assertEqual(
            ("nobody@example.org", "550 5.1.1 Nobody of that name lives here.", "192.0.2.1", "RCPT"),
            (told["recipient"], told["reply"], told["peer"], told["command"]),
        )

    def test_refused_at_data(self) -> None:
        """
        Refused at DATA, or at the end, or in between: the transaction is abandoned, and another may follow.
        """
        for step in ("DATA", "content", "finish"):
            self.intake.transactions.clear()
            self.intake.told = {step: DiskFull("No room.")}
            _, transport = self.connect()
            transport.deliver(HELLO + SEND)
            output = transport.take()
            if step != "DATA":
                transport.deliver(b"x\r\n" + b"y" * 70000)
                transport.deliver(b"y" * 70000)
                transport.deliver(b"z\r\n.\r\n")
                output = transport.take()
            self.assertTrue(output.endswith(b"452 4.3.1 No room.\r\n"), output)
            self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])
            self.intake.told = {}
            transport.deliver(SEND + b"x\r\n.\r\n")
            self.assertEqual(["250", "250", "354", "250"], codes(transport.take()))

    def test_spoiled(self) -> None:
        """
        Content that is spoiled is abandoned at once, and refused at its end.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + SEND + b"a\nb\r\n")
        self.assertEqual("abandoned", self.intake.transactions[0].fate)
        transport.take()
        transport.deliver(b"more\r\n.\r\n")
        self.assertEqual(["550"], codes(transport.take()))
        self.assertEqual([], self.intake.taken)

    def test_reset(self) -> None:
        """
        RSET and EHLO abandon, and so does QUIT.
        """
        for command in (b"RSET", b"EHLO me", b"QUIT"):
            self.intake.transactions.clear()
            _, transport = self.connect()
            transport.deliver(HELLO + SEND[:27] + command + b"\r\n")
            self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])

    def test_script(self) -> None:
        """
        A script may send all it has and close its end: everything is done and answered, even if that takes time.
        """
        for is_slow in (False, True):
            self.intake.transactions.clear()
            self.intake.told = {"finish": Deferred()} if is_slow else {}
            session, transport = self.connect()
            transport.deliver(HELLO + SEND + b"x\r\n.\r\n")
            session.readConnectionLost()
            if is_slow:
                self.assertFalse(transport.disconnecting)
                self.intake.told["finish"].callback(None)
            self.assertEqual(["220", "250", "250", "250", "354", "250"], codes(transport.take()))
            self.assertTrue(transport.disconnecting)
            self.assertEqual(1, len(self.intake.taken))

    def test_expelled(self) -> None:
        """
        A client that goes too far is sent away, and the log says so.
        """
        events = collect_events(self)
        session, transport = self.connect()
        transport.deliver(b"GET / HTTP/1.1\r\n")
        self.assertEqual((["220", "421"], Ending.EXPELLED), (codes(transport.take()), session.ending))
        transport.lose()
        self.assertEqual(["expelled"], [event["ending"] for event in events if "ending" in event])

    def test_waiting(self) -> None:
        """
        While a decision is awaited nothing else is decided; then all goes on in order.
        """
        self.intake.told = {"b@example.org": Deferred()}
        session, transport = self.connect()
        transport.take()
        transport.deliver(HELLO + SEND)
        transport.deliver(b"x\r\n.\r\nQUIT\r\n")
        self.assertEqual((["250", "250"], True), (codes(transport.take()), session.is_busy))
        self.intake.told["b@example.org"].callback(None)
        self.assertEqual(["250", "354", "250", "221"], codes(transport.take()))
        self.assertEqual(1, len(self.intake.taken))

    def test_content_that_waits(self) -> None:
        """
        When the intake cannot keep up the client is not read, so that little is held.
        """
        session, transport = self.connect()
        transport.deliver(HELLO + SEND)
        waiting: Deferred[None] = Deferred()
        self.intake.told = {"content": waiting}
        transport.deliver(b"x" * 60000)
        for _ in range(2):
            transport.deliver(b"x" * 60000)
        self.assertEqual(("paused", 120000), (transport.producerState, session.unread()))
        self.intake.told = {}
        waiting.callback(None)
        self.assertEqual(("producing", 0), (transport.producerState, session.unread()))
        transport.deliver(b"\r\n.\r\n")
        self.assertEqual(180002, len(self.intake.taken[0][2]))

    def test_slow_reader(self) -> None:
        """
        A client that sends commands and reads nothing is not read any more, and costs little.
        """
        session, transport = self.connect()
        opening, command = HELLO + b"MAIL FROM:<>\r\n", b"RCPT TO:<b@example.org>\r\n"
        transport.deliver(opening)
        session.pauseProducing()
        rounds = 0
        while transport.producerState == "producing" and rounds < 1000:
            transport.deliver(command * 250)
            rounds += 1
        self.assertLess(session.unread(), limits.PIPELINE + 6001)
        self.assertLess(len(transport.take()), limits.PENDING_OUTPUT + 200_000)
        session.resumeProducing()
        self.assertEqual(("producing", 0), (transport.producerState, session.unread()))
        self.assertEqual(rounds * 250 * len(command), session.octets_received - len(opening))


class LossTests(ServerCase, SynchronousTestCase):
    """
    Connections that are lost, and sessions that are ended.
    """

    def test_lost(self) -> None:
        """
        A connection lost before the end of content abandons the transaction.
        """
        for sent in (SEND[:27], SEND, SEND + b"x\r\n"):
            self.intake.transactions.clear()
            _, transport = self.connect()
            transport.deliver(HELLO + sent)
            transport.lose()
            self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])

    def test_lost_while_asked(self) -> None:
        """
        A connection lost while a recipient is looked up ends the look-up, and abandons.
        """
        cancelled: list[object] = []
        self.intake.told = {"b@example.org": Deferred(cancelled.append)}
        session, transport = self.connect()
        transport.deliver(HELLO + SEND)
        transport.lose()
        self.assertEqual((1, False), (len(cancelled), session.is_busy))
        self.assertEqual("abandoned", self.intake.transactions[0].fate)

    def test_lost_while_promised(self) -> None:
        """
        A promise that is being made is made, though nobody hears of it; one that fails is abandoned.
        """
        for result, fate in ((None, "finished"), (TemporaryFailure("No."), "abandoned")):
            self.intake.transactions.clear()
            self.intake.told = {"finish": Deferred()}
            session, transport = self.connect()
            transport.deliver(HELLO + SEND + b"x\r\n.\r\nNOOP\r\n")
            transport.lose()
            self.assertEqual("open", self.intake.transactions[0].fate)
            told = self.intake.told.pop("finish")
            told.callback(None) if result is None else told.errback(result)
            self.assertEqual((fate, False), (self.intake.transactions[0].fate, session.is_busy))

    def test_abandon_fails(self) -> None:
        """
        An abandoning that fails is logged.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + SEND)
        self.intake.told = {"abandon": RuntimeError("A bug.")}
        transport.lose()
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_bug(self) -> None:
        """
        A bug in the intake costs its client the connection, and is logged; replies before it are sent.
        """
        self.intake.told = {"b@example.org": RuntimeError("A bug.")}
        _, transport = self.connect()
        transport.take()
        transport.deliver(HELLO + SEND)
        self.assertEqual(["250", "250", "421"], codes(output := transport.take()))
        self.assertTrue(output.endswith(b"421 4.3.0 mail.example.org has a fault; please try later.\r\n"))
        transport.lose()
        self.assertEqual("abandoned", self.intake.transactions[0].fate)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_silence(self) -> None:
        """
        A client that says nothing is told, and let go.
        """
        _, transport = self.connect()
        transport.take()
        self.clock.advance(limits.SMTP_COMMAND_TIMEOUT)
        self.assertEqual(b"421 4.4.2 mail.example.org waited too long.\r\n", transport.take())

    def test_one_octet_a_minute(self) -> None:
        """
        Content may come slowly, but not for ever; afterwards the clock is set back.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + SEND)
        transport.take()
        for _ in range(limits.SMTP_DATA_TOTAL // 60 - 1):
            self.clock.advance(60)
            transport.deliver(b"x")
        self.assertEqual(b"", transport.take())
        self.clock.advance(60)
        self.assertEqual(["421"], codes(transport.take()))
        _, transport = self.connect()
        transport.deliver(HELLO + SEND + b"x\r\n.\r\n")
        for _ in range(limits.SMTP_DATA_TOTAL // 60 + 1):
            self.clock.advance(60)
            transport.deliver(b"NOOP\r\n")
        self.assertFalse(transport.disconnecting)

    def test_drain(self) -> None:
        """
        A server that stops lets a message under way come to its end; an idle session ends at once.
        """
        idle_session, idle = self.connect()
        session, transport = self.connect()
        transport.deliver(HELLO + SEND)
        transport.take()
        assert self.factory is not None
        Deferred.fromCoroutine(self.factory.drain())
        self.assertEqual(["220", "421"], codes(idle.take()))
        transport.deliver(b"x\r\n")
        self.assertEqual(b"", transport.take())
        transport.deliver(b".\r\nNOOP\r\n")
        self.assertEqual(["250", "421"], codes(transport.take()))
        self.assertEqual([Ending.DRAINED] * 2, [idle_session.ending, session.ending])
        self.assertEqual(1, len(self.intake.taken))

    def test_crowded(self) -> None:
        """
        One connection too many is told, and counts for nothing.
        """
        self.connect(terms={"connections": 1})
        _, transport = self.connect()
        self.assertEqual(
            b"421 4.7.0 mail.example.org has too many connections; please try later.\r\n", transport.take()
        )
        transport.deliver(HELLO)
        transport.lose()
        self.assertEqual(b"", transport.take())


class SubmissionTests(ServerCase, SynchronousTestCase):
    """
    Mail from people here, to anywhere.
    """

    service = Service.SUBMISSION

    def secure(self, **options: Any) -> tuple[Any, Any, TlsClient]:
        """
        A connection under implicit TLS.
        """
        session, transport = self.connect(tls_use=TlsUse.IMPLICIT, **options)
        return session, transport, TlsClient(transport)

    def test_login(self) -> None:
        """
        Under TLS a client logs in and sends; the intake knows who.
        """
        session, transport, client = self.secure()
        self.talk(
            client.talk,
            """
            S: 220 mail.example.org ESMTP
            C: EHLO client.example.net
            S: 250-*
            S: 250 AUTH PLAIN LOGIN
            C: MAIL FROM:<someone@example.org>
            S: 530 5.7.0 Log in first.
            """,
        )
        self.assertEqual(b"235 2.7.0 Welcome.\r\n", client.talk(LOGIN))
        client.talk(SEND + b"x\r\n.\r\n")
        (transaction,) = self.intake.transactions
        (login,) = self.authenticator.logins
        self.assertIs(login.avatar, transaction.submitter)
        expected = Origin(
            Service.SUBMISSION,
            "192.0.2.1",
            "client.example.net",
            "ESMTPSA",
            str(session.tls),
            EVERYONE.id,
            "someone@example.org",
        )
        self.assertEqual(expected, transaction.origin)
        self.assertEqual([("someone", "192.0.2.1")], self.authenticator.asked)
        transport.lose()
        self.assertEqual((1, "someone@example.org"), (login.logouts, session.account))

    def test_starttls(self) -> None:
        """
        A client upgrades, and logs in then.
        """
        _, transport = self.plays(
            OPENING
            + """
            C: AUTH PLAIN
            S: 538 5.7.11 ...
            C: MAIL FROM:<>
            S: 530 5.7.0 Use STARTTLS first.
            C: STARTTLS
            S: 220 2.0.0 Ready to start TLS.
            """
        )
        client = TlsClient(transport)
        self.assertEqual(["503"], codes(client.talk(b"MAIL FROM:<>\r\n")))
        self.assertEqual(["250", "235"], codes(client.talk(b"EHLO me\r\n" + LOGIN)))
        self.assertEqual(["250", "250", "354", "250"], codes(client.talk(SEND + b"x\r\n.\r\n")))

    def test_not_allowed(self) -> None:
        """
        A wrong password, one that cannot be checked now, and the third that is wrong.
        """
        _, _, client = self.secure()
        client.talk(b"EHLO me\r\n")
        self.authenticator.problem = Throttled("Too many failures; wait a while.")
        self.assertEqual(b"454 4.7.0 Too many failures; wait a while.\r\n", client.talk(LOGIN))
        self.authenticator.problem = None
        wrong = b"AUTH PLAIN " + b64encode(b"\0someone\0wrong") + b"\r\n"
        answers = [codes(client.talk(wrong))[0] for _ in range(limits.LOGINS_PER_SESSION)]
        self.assertEqual(["535"] * (limits.LOGINS_PER_SESSION - 1) + ["421"], answers)

    def test_login_that_waits(self) -> None:
        """
        A login may take its time; what is pipelined behind it waits, and a lost connection ends it.
        """
        for is_lost in (False, True):
            self.authenticator.logins.clear()
            session, transport, client = self.secure()
            self.authenticator.waiting = Deferred()
            self.assertEqual(["220", "250"], codes(client.talk(b"EHLO me\r\n" + LOGIN + b"MAIL FROM:<>\r\n")))
            self.assertTrue(session.is_busy)
            if is_lost:
                transport.lose()
                self.assertEqual(([], False), (self.authenticator.logins, session.is_busy))
            else:
                self.authenticator.waiting.callback(None)
                self.assertEqual(["235", "250"], codes(client.talk()))

    def test_in_time(self) -> None:
        """
        Who does not log in is let go soon; who does has time, and so has who need not.
        """
        _, _, client = self.secure()
        client.talk(b"EHLO me\r\n")
        self.clock.advance(limits.LOGIN_TIMEOUT)
        self.assertEqual(["421"], codes(client.talk()))
        _, transport, client = self.secure()
        client.talk(b"EHLO me\r\n" + LOGIN)
        self.clock.advance(limits.LOGIN_TIMEOUT)
        self.assertFalse(transport.disconnecting)
        _, transport = self.connect(is_trusted=lambda peer: peer == "192.0.2.1")
        self.clock.advance(limits.LOGIN_TIMEOUT)
        self.assertFalse(transport.disconnecting)

    def test_trusted(self) -> None:
        """
        Trusted networks submit without a login.
        """
        for peer, expected in (
            ("192.0.2.1", ["220", "250", "250", "250", "354"]),
            ("192.0.2.2", ["220", "250", "530", "530", "530"]),
        ):
            _, transport = self.connect(peer, is_trusted=lambda peer: peer == "192.0.2.1")
            transport.deliver(HELLO + SEND)
            self.assertEqual(expected, codes(transport.take()))

    def test_revoked(self) -> None:
        """
        A login that is revoked ends its session: at once, or after the reply under way, even in the middle of content.
        """
        for sent in (b"", SEND, SEND + b"x\r\n"):
            self.intake.transactions.clear()
            self.authenticator.logins.clear()
            session, transport, client = self.secure()
            client.talk(b"EHLO me\r\n" + LOGIN + sent)
            self.authenticator.logins[0].revoked("The account was disabled.")
            self.assertEqual(b"421 4.7.0 mail.example.org ends this login.\r\n", client.talk(b"more\r\n.\r\n"))
            transport.lose()
            self.assertEqual(([], Ending.REVOKED), (self.intake.taken, session.ending))

    def test_revoked_while_busy(self) -> None:
        """
        The command under way is answered first.
        """
        _, _, client = self.secure()
        client.talk(b"EHLO me\r\n" + LOGIN)
        self.intake.told = {"b@example.org": Deferred()}
        self.assertEqual(["250"], codes(client.talk(SEND)))
        self.authenticator.logins[0].revoked("The password was changed.")
        self.intake.told["b@example.org"].callback(None)
        self.assertEqual(["250", "421"], codes(client.talk()))

    def test_plaintext(self) -> None:
        """
        Where the settings allow it, loopback may log in without TLS.
        """
        _, transport = self.connect("127.0.0.1", tls_use=TlsUse.OFF, terms={"allow_plaintext": True})
        transport.deliver(b"EHLO me\r\n" + LOGIN + SEND)
        self.assertEqual(["220", "250", "235", "250", "250", "354"], codes(transport.take()))
        self.assertEqual("ESMTPA", self.intake.transactions[0].origin.protocol)

    def test_without_authenticator(self) -> None:
        """
        Without somebody to check passwords none are asked for.
        """
        _, _, client = self.secure(authenticator=None)
        self.assertEqual(["220", "250", "502"], codes(client.talk(b"EHLO me\r\n" + LOGIN)))
