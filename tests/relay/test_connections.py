"""
Sessions with other servers, good and bad.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, NoRouteError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import collect_events
from tests.support.smtp_client import CONTENT, outcomes
from tests.support.smtp_peers import ClientTransport, ConnectionCase, Waiting, outgoing
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused, TemporaryFailure, Trouble
from twisted_mail_server.model.queue import Outcome, Result
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.relay.connections import ConnectDeferred, Connection, ConnectRefused, Target

FAILED, DEFERRED, RELAYED = Outcome.FAILED, Outcome.DEFERRED, Outcome.RELAYED
ENVELOPE = b"MAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"
TAKEN = b"250 ok\r\n250 ok\r\n354 Go\r\n"


def is_cut(transport: ClientTransport) -> bool:
    """
    Whether the client let go at once.
    """
    return transport.aborting


class OpeningTests(ConnectionCase, SynchronousTestCase):
    """
    L{Connector.open}.
    """

    def test_ready(self) -> None:
        """
        Greeting and EHLO make a session; the clock is left alone.
        """
        connection, transport = self.open()
        self.assertTrue(connection.is_usable)
        self.assertEqual([("192.0.2.1", 25, limits.RELAY_CONNECT_TIMEOUT)], self.dialer.dialled)
        self.assertTrue(transport.options["nodelay"])
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_targets(self) -> None:
        """
        How TLS is used is one of four words.
        """
        self.assertRaises(ValueError, Target, "mx", "192.0.2.1", tls="maybe")

    def test_no_connection(self) -> None:
        """
        Without a connection there is a reason that people understand.
        """
        for problem, expected in (
            (ConnectionRefusedError("111: Connection refused"), "Connection was refused by other side"),
            (NoRouteError("113: No route to host"), "No route to host"),
            (error.TimeoutError(), "No connection within 30 s"),
        ):
            opening = Waiting(self.make_connector().open(Target("mx.example.net", "192.0.2.1")))
            self.dialer.fail(problem)
            failure = opening.problem
            assert isinstance(failure, ConnectDeferred)
            self.assertEqual((Cause.CONNECT, "4.4.1"), (failure.cause, failure.status))
            self.assertTrue(failure.public.startswith(f"mx.example.net [192.0.2.1]: {expected}"), failure.public)
            expected_result = Result(3, DEFERRED, failure.public, "4.4.1")
            self.assertEqual(expected_result, failure.result(3, "mx.example.net"))

    def test_given_up_while_dialling(self) -> None:
        """
        Cancelled while there is no connection, it stops dialling.
        """
        opening = Waiting(self.make_connector().open(Target("mx.example.net", "192.0.2.1")))
        opening.cancel()
        self.assertIsInstance(opening.problem, CancelledError)
        self.assertTrue(self.dialer.is_given_up)

    def test_given_up_and_there(self) -> None:
        """
        A connection that comes about although nobody wants it any more is dropped.
        """
        opening = Waiting(self.make_connector().open(Target("mx.example.net", "192.0.2.1")))
        opening.cancel()
        self.assertTrue(is_cut(self.dialer.answer()))

    def test_refused_at_once(self) -> None:
        """
        Some connections are there, or fail, before C{connectTCP} returns.
        """
        self.patch(self.dialer, "connectTCP", self.dialer.refuse)
        opening = Waiting(self.make_connector().open(Target("mx.example.net", "192.0.2.1")))
        self.assertEqual(Cause.CONNECT, getattr(opening.problem, "cause", None))

    def test_given_up_while_dialled(self) -> None:
        """
        Cancelled within C{connectTCP} nothing is there to be disconnected; later, the connection is dropped.
        """
        opening, transport = self.dial()
        opening.cancel()
        self.assertIsInstance(opening.problem, CancelledError)
        self.assertTrue(is_cut(transport))

    def test_refused(self) -> None:
        """
        A refusal for ever is a L{Refused}, one for now is a L{Trouble}; both are left politely.
        """
        for said, kind, base, status in (
            (b"554 5.7.1 No.\r\n", ConnectRefused, Refused, "5.7.1"),
            (b"450 Later.\r\n", ConnectDeferred, Trouble, "4.2.0"),
        ):
            opening, transport = self.dial()
            transport.deliver(said)
            failure = opening.problem
            self.assertIsInstance(failure, base)
            assert isinstance(failure, kind)
            self.assertEqual((Cause.GREETING, status), (failure.cause, failure.status))
            result = failure.result(0, "mx.example.net")
            self.assertEqual((f"smtp; {said.decode().strip()}", "mx.example.net"), (result.diagnostic, result.remote))
            self.assertEqual(b"QUIT\r\n", transport.take())
            self.assertTrue(transport.disconnecting)
            self.assertFalse(is_cut(transport))
            transport.lose()
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_refused_and_stuck(self) -> None:
        """
        A connection that does not end by itself is ended.
        """
        _, transport = self.dial()
        transport.deliver(b"554 No.\r\n")
        self.clock.advance(limits.RELAY_QUIT_TIMEOUT)
        self.assertTrue(is_cut(transport))

    def test_silent(self) -> None:
        """
        A server that says nothing costs one time-out.
        """
        opening, transport = self.dial(self.make_connector(command_timeout=60))
        self.clock.advance(59)
        self.assertFalse(opening.is_done)
        self.clock.advance(1)
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred)
        self.assertEqual((Cause.TIMEOUT, "4.4.2"), (failure.cause, failure.status))
        self.assertIn("The server took too long. (waiting for the reply to connecting)", failure.public)
        self.assertTrue(is_cut(transport))

    def test_slow(self) -> None:
        """
        One reply has one time-out, however many octets come at what pace; each reply has its own.
        """
        opening, transport = self.dial(self.make_connector(command_timeout=60))
        for octet in b"220 hello w":
            self.clock.advance(5)
            transport.deliver(bytes([octet]))
            self.assertFalse(opening.is_done)
        self.clock.advance(5)
        self.assertEqual(Cause.TIMEOUT, getattr(opening.problem, "cause", None))
        opening, transport = self.dial(self.make_connector(command_timeout=60))
        self.clock.advance(50)
        transport.deliver(b"220 hi\r\n")
        self.clock.advance(50)
        transport.deliver(b"250 hi\r\n")
        self.assertIsInstance(opening.result, Connection)

    def test_forever_busy(self) -> None:
        """
        A login that goes on and on ends.
        """
        opening, transport = self.dial(login=("ann", b"secret"), tls="off")
        transport.deliver(b"220 hi\r\n")
        transport.deliver(b"250-mx\r\n250 AUTH PLAIN\r\n")
        while not opening.is_done:
            self.clock.advance(299)
            transport.deliver(b"334 \r\n")
        self.assertEqual(Cause.TIMEOUT, getattr(opening.problem, "cause", None))
        self.assertTrue(self.clock.seconds() < limits.RELAY_OPEN_TIMEOUT + 300)

    def test_lost(self) -> None:
        """
        A connection that is lost before the session is ready.
        """
        opening, transport = self.dial()
        transport.lose()
        failure = opening.problem
        assert isinstance(failure, ConnectDeferred)
        self.assertEqual(Cause.LOST, failure.cause)
        self.assertIn("The server closed the connection.", failure.public)

    def test_endless_banners(self) -> None:
        """
        A banner without end, in one line or in many, ends the session early.
        """
        for piece in (b"220-hello\r\n", b"220 " + b"x" * 100):
            opening, transport = self.dial()
            sent = 0
            while not opening.is_done:
                transport.deliver(piece)
                sent += len(piece)
                self.assertTrue(sent < 10 * limits.SMTP_REPLY_LINE)
            self.assertEqual(Cause.PROTOCOL, getattr(opening.problem, "cause", None))
            self.assertTrue(transport.disconnecting)

    def test_login(self) -> None:
        """
        Where TLS was declined, a password goes without.
        """
        opening, transport = self.dial(login=("ann", b"secret"), tls="off")
        transport.deliver(b"220 hi\r\n")
        transport.deliver(b"250-mx\r\n250 AUTH PLAIN\r\n")
        self.assertTrue(transport.take().endswith(b"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"))
        transport.deliver(b"235 ok\r\n")
        self.assertIsInstance(opening.result, Connection)


class DeliveryTests(ConnectionCase, SynchronousTestCase):
    """
    L{Connection.deliver}.
    """

    def send(self, *offers: str, **options: Any) -> tuple[Connection, ClientTransport, Waiting]:
        """
        A message whose envelope was sent.
        """
        connection, transport = self.open(*(offers or ("PIPELINING",)))
        sending = Waiting(connection.deliver(outgoing(**options)))
        return connection, transport, sending

    def test_relayed(self) -> None:
        """
        A message in two round trips, and the connection may take another.
        """
        connection, transport, sending = self.send()
        self.assertFalse(connection.is_usable)
        self.assertEqual(ENVELOPE, transport.take())
        transport.deliver(TAKEN)
        self.assertEqual(CONTENT + b".\r\n", transport.take())
        transport.deliver(b"250 2.0.0 Queued.\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))
        self.assertTrue(connection.is_usable)
        self.assertEqual([], self.clock.getDelayedCalls())
        again = Waiting(connection.deliver(outgoing()))
        transport.deliver(TAKEN + b"")
        transport.deliver(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(again.result))
        self.assertEqual(2, connection.messages)

    def test_one_by_one(self) -> None:
        """
        Without PIPELINING each reply brings the next command.
        """
        connection, transport = self.open()
        sending = Waiting(connection.deliver(outgoing()))
        said = [transport.take()]
        for reply in (b"250 ok", b"250 ok", b"354 ok", b"250 ok"):
            transport.deliver(reply + b"\r\n")
            said.append(transport.take())
        self.assertEqual(ENVELOPE + CONTENT + b".\r\n", b"".join(said))
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))

    def test_empty(self) -> None:
        """
        A message without content is one.
        """
        _, transport, sending = self.send(content=b"")
        transport.take()
        transport.deliver(TAKEN)
        self.assertEqual(b".\r\n", transport.take())
        transport.deliver(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))

    def test_back_pressure(self) -> None:
        """
        A large content is read no faster than it is taken.
        """
        content = b"x" * 98 + b"\r\n"
        content *= 3 * limits.CONTENT_PIECE // len(content)
        asked: list[int] = []

        async def read(offset: int, length: int) -> bytes:
            asked.append(offset)
            return content[offset : offset + length]

        connection, transport, sending = self.send(content=content, read=read)
        transport.take()
        connection.pauseProducing()
        transport.deliver(TAKEN)
        self.assertEqual([], asked)
        connection.resumeProducing()
        self.assertEqual([0, limits.CONTENT_PIECE, 2 * limits.CONTENT_PIECE], asked)
        self.assertEqual(content + b".\r\n", transport.take())
        connection.pauseProducing()
        connection.resumeProducing()
        transport.deliver(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))

    def test_never_reads(self) -> None:
        """
        A server that takes nothing of the content costs the time-out of one piece.
        """
        connection, transport, sending = self.send()
        connection.pauseProducing()
        transport.deliver(TAKEN)
        self.clock.advance(limits.RELAY_BLOCK_TIMEOUT - 1)
        self.assertFalse(sending.is_done)
        self.clock.advance(1)
        self.assertEqual([(0, DEFERRED, "4.4.2")], outcomes(sending.result))
        self.assertIn("took nothing of the content", sending.result[0].detail)
        self.assertNotIn("twice", sending.result[0].detail)
        self.assertTrue(is_cut(transport))
        self.assertFalse(connection.is_usable)

    def test_refused_while_blocked(self) -> None:
        """
        An early refusal is heard although nothing can be sent.
        """
        connection, transport, sending = self.send()
        connection.pauseProducing()
        transport.deliver(TAKEN)
        transport.deliver(b"552 5.3.4 Too big.\r\n")
        self.assertEqual([(0, FAILED, "5.3.4")], outcomes(sending.result))
        self.assertTrue(transport.disconnecting)

    def test_refused_while_reading(self) -> None:
        """
        A refusal that comes while the content is read is heard once it is.
        """
        reading: Deferred[bytes] = Deferred()
        connection, transport = self.open("PIPELINING")
        sending = Waiting(connection.deliver(outgoing(read=lambda offset, length: reading)))
        transport.take()
        transport.deliver(TAKEN)
        transport.deliver(b"552 5.3.4 Too big.\r\n")
        reading.callback(CONTENT)
        self.assertEqual([(0, FAILED, "5.3.4")], outcomes(sending.result))
        self.assertEqual(b"", transport.take())

    def test_slow_reading(self) -> None:
        """
        Our own slowness is not the server's: while content is read, no time runs.
        """
        reading: Deferred[bytes] = Deferred()
        connection, transport = self.open("PIPELINING")
        sending = Waiting(connection.deliver(outgoing(read=lambda offset, length: reading)))
        transport.deliver(TAKEN)
        self.clock.advance(1000)
        self.assertFalse(sending.is_done)
        reading.callback(CONTENT)
        self.clock.advance(limits.RELAY_END_TIMEOUT - 1)
        transport.deliver(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))

    def test_answers_at_once(self) -> None:
        """
        Some transports bring the answer before C{write} returns.
        """
        connection, transport = self.open("PIPELINING")
        answers = [TAKEN, b"250 ok\r\n"]
        self.patch(transport, "write", lambda data: transport.deliver(answers.pop(0)))
        sending = Waiting(connection.deliver(outgoing()))
        self.assertEqual([(0, RELAYED, "2.0.0")], outcomes(sending.result))

    def test_each_wait(self) -> None:
        """
        Each reply is waited for as long as its kind deserves (RFC 5321 section 4.5.3.2); what came of it, the text says.
        """
        for said, seconds, stage, twice in (
            (b"", 300, "MAIL", False),
            (b"250 ok\r\n", 300, "RCPT", False),
            (b"250 ok\r\n250 ok\r\n", limits.RELAY_DATA_TIMEOUT, "DATA", False),
            (TAKEN, limits.RELAY_END_TIMEOUT, "end of data", True),
        ):
            _connection, transport, sending = self.send()
            self.clock.advance(17)
            transport.deliver(said)
            self.clock.advance(seconds - 17 * (said == b"") - 1)
            self.assertFalse(sending.is_done, stage)
            self.clock.advance(1)
            self.assertEqual([(0, DEFERRED, "4.4.2")], outcomes(sending.result))
            self.assertIn(f"The server took too long. (waiting for the reply to {stage})", sending.result[0].detail)
            self.assertEqual(twice, "may arrive twice" in sending.result[0].detail)
            self.assertTrue(is_cut(transport))

    def test_whole_message(self) -> None:
        """
        All replies of one message together have a time-out, too.
        """
        names = [f"r{number}@example.net" for number in range(50)]
        connection, transport = self.open("PIPELINING")
        sending = Waiting(connection.deliver(outgoing(*names)))
        while not sending.is_done:
            self.clock.advance(299)
            transport.deliver(b"250 ok\r\n")
        self.assertEqual({(DEFERRED, "4.4.2")}, {one[1:] for one in outcomes(sending.result)})
        self.assertTrue(self.clock.seconds() <= limits.RELAY_MESSAGE_TIMEOUT + 299)

    def test_lost_anywhere(self) -> None:
        """
        A connection lost at any point makes a result that says so, and whether the message may arrive twice.
        """
        said = (b"250 ok\r\n", b"250 ok\r\n", b"354 Go\r\n")
        for count in range(len(said) + 1):
            connection, transport, sending = self.send()
            for reply in said[:count]:
                transport.deliver(reply)
            transport.lose()
            (result,) = sending.result
            self.assertEqual((DEFERRED, "4.4.2"), (result.outcome, result.status))
            self.assertIn("The server closed the connection.", result.detail)
            self.assertEqual(count == 3, "may arrive twice" in result.detail)
            self.assertFalse(connection.is_usable)

    def test_lost_by_the_network(self) -> None:
        """
        A reset is told apart from a farewell.
        """
        for problem, expected in (
            (ConnectionLost(), "The connection was lost."),
            (OSError("Broken."), "The connection was lost: Broken."),
        ):
            connection, _transport, sending = self.send()
            connection.connectionLost(Failure(problem))
            self.assertIn(expected, sending.result[0].detail)

    def test_lost_while_reading(self) -> None:
        """
        A connection lost while the content is read: nothing more is written.
        """
        reading: Deferred[bytes] = Deferred()
        connection, transport = self.open("PIPELINING")
        sending = Waiting(connection.deliver(outgoing(read=lambda offset, length: reading)))
        transport.deliver(TAKEN)
        transport.take()
        transport.lose()
        reading.callback(CONTENT)
        self.assertEqual([(0, DEFERRED, "4.4.2")], outcomes(sending.result))
        self.assertEqual(b"", transport.take())

    def test_unreadable_content(self) -> None:
        """
        Content that cannot be read, or is shorter than it was, never seems to end.
        """

        async def fails(offset: int, length: int) -> bytes:
            raise TemporaryFailure("The disk is on fire.")

        for options, expected in (
            ({"read": fails}, "Nothing was sent: The disk is on fire."),
            ({"size": len(CONTENT) + 1}, "Nothing was sent: The content is shorter than it was."),
        ):
            _connection, transport, sending = self.send(**options)
            transport.take()
            transport.deliver(TAKEN)
            self.assertEqual([(0, DEFERRED, "4.3.0")], outcomes(sending.result))
            self.assertIn(expected, sending.result[0].detail)
            self.assertEqual(b"", transport.take())
            self.assertTrue(is_cut(transport))

    def test_bug_while_reading(self) -> None:
        """
        What is no expected failure goes to the caller, and the connection goes too.
        """

        async def fails(offset: int, length: int) -> bytes:
            raise ZeroDivisionError

        connection, transport, sending = self.send(read=fails)
        transport.deliver(TAKEN)
        self.assertIsInstance(sending.problem, ZeroDivisionError)
        self.assertTrue(is_cut(transport))
        self.assertFalse(connection.is_usable)

    def test_cancelled(self) -> None:
        """
        Cancelled anywhere, there is no result and no connection.
        """
        reading: Deferred[bytes] = Deferred()
        for said in (b"", b"250 ok\r\n", TAKEN):
            connection, transport = self.open("PIPELINING")
            sending = Waiting(connection.deliver(outgoing(read=lambda offset, length: reading)))
            transport.deliver(said)
            sending.cancel()
            self.assertIsInstance(sending.problem, CancelledError)
            self.assertTrue(is_cut(transport))
            self.assertFalse(connection.is_usable)
            transport.lose()
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_groups_of_recipients(self) -> None:
        """
        More recipients than fit go in several transactions (RFC 9422 section 4.2), the content each time.
        """
        connection, transport = self.open("PIPELINING", "LIMITS RCPTMAX=2")
        sending = Waiting(connection.deliver(outgoing("a@x.example", "b@x.example", "c@x.example")))
        self.assertEqual(2, transport.take().count(b"RCPT"))
        transport.deliver(b"250 ok\r\n250 ok\r\n550 no\r\n354 Go\r\n")
        transport.deliver(b"250 ok\r\n")
        self.assertTrue(transport.take().endswith(b"MAIL FROM:<>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n"))
        transport.deliver(TAKEN)
        self.assertEqual(CONTENT + b".\r\n", transport.take())
        transport.deliver(b"450 Later.\r\n")
        expected = [(0, RELAYED, "2.0.0"), (1, FAILED, "5.1.0"), (2, DEFERRED, "4.2.0")]
        self.assertEqual(expected, outcomes(sending.result))

    def test_postponed_recipients(self) -> None:
        """
        Who was too many goes into a transaction of their own.
        """
        connection, transport = self.open("PIPELINING")
        sending = Waiting(connection.deliver(outgoing("a@x.example", "b@x.example")))
        transport.take()
        transport.deliver(b"250 ok\r\n250 ok\r\n452 4.5.3 Enough.\r\n354 Go\r\n")
        transport.deliver(b"250 ok\r\n")
        self.assertTrue(transport.take().endswith(b"RCPT TO:<b@x.example>\r\nDATA\r\n"))
        transport.deliver(b"250 ok\r\n452 4.5.3 Enough.\r\n503 no\r\n")
        self.assertEqual(b"RSET\r\n", transport.take())
        self.assertEqual([(0, RELAYED, "2.0.0"), (1, DEFERRED, "4.5.3")], outcomes(sending.result))
        self.assertTrue(connection.is_usable)

    def test_no_more_transactions(self) -> None:
        """
        What does not fit into the transactions of a session waits (RFC 9422 section 4.1).
        """
        connection, transport = self.open("PIPELINING", "LIMITS MAILMAX=1 RCPTMAX=1")
        sending = Waiting(connection.deliver(outgoing("a@x.example", "b@x.example")))
        transport.deliver(TAKEN)
        transport.deliver(b"250 ok\r\n")
        self.assertEqual([(0, RELAYED, "2.0.0"), (1, DEFERRED, "4.5.3")], outcomes(sending.result))
        self.assertFalse(connection.is_usable)

    def test_over_between_transactions(self) -> None:
        """
        Who was to go into the next transaction has a result when the session ends before.
        """
        connection, transport = self.open("PIPELINING", "LIMITS RCPTMAX=1")
        sending = Waiting(connection.deliver(outgoing("a@x.example", "b@x.example")))
        transport.deliver(TAKEN)
        transport.deliver(b"250 ok\r\n421 4.3.2 Bye.\r\n")
        first, second = sending.result
        self.assertEqual((RELAYED, DEFERRED), (first.outcome, second.outcome))
        self.assertEqual(("smtp; 421 4.3.2 Bye.", "mx.example.net"), (second.diagnostic, second.remote))
        connection, transport = self.open("PIPELINING", "LIMITS RCPTMAX=1")
        sending = Waiting(connection.deliver(outgoing("a@x.example", "b@x.example")))
        transport.deliver(b"250 ok\r\n550 no\r\n503 no\r\n")
        transport.deliver(b"500 What?\r\n")
        self.assertEqual([(0, FAILED, "5.1.0"), (1, DEFERRED, "4.5.0")], outcomes(sending.result))
        self.assertEqual("", sending.result[1].diagnostic)

    def test_after_a_reset(self) -> None:
        """
        The next message waits for the reply to RSET, which is not worth a long wait.
        """
        connection, transport, sending = self.send()
        transport.deliver(b"250 ok\r\n550 no\r\n503 no\r\n")
        self.assertEqual([(0, FAILED, "5.1.0")], outcomes(sending.result))
        self.assertTrue(connection.is_usable)
        transport.take()
        again = Waiting(connection.deliver(outgoing()))
        self.assertEqual(b"", transport.take())
        self.clock.advance(limits.RELAY_RESET_TIMEOUT)
        self.assertEqual([(0, DEFERRED, "4.4.2")], outcomes(again.result))
        self.assertIn("(waiting for the reply to RSET)", again.result[0].detail)

    def test_after_an_answered_reset(self) -> None:
        """
        A RSET that was answered while nobody waited does not make the next message's content go before it is wanted.
        """
        for keywords, replies in (
            (("PIPELINING",), b"250 ok\r\n450 Later.\r\n503 no\r\n"),
            (("PIPELINING", "CHUNKING"), b"250 ok\r\n450 Later.\r\n"),
        ):
            connection, transport = self.open(*keywords)
            for _ in range(3):
                sending = Waiting(connection.deliver(outgoing()))
                self.assertNotIn(CONTENT, transport.take())
                self.assertFalse(sending.is_done)
                transport.deliver(replies)
                self.assertEqual([(0, DEFERRED, "4.2.0")], outcomes(sending.result))
                self.assertEqual(b"RSET\r\n", transport.take())
                transport.deliver(b"250 ok\r\n")

    def test_refused_here(self) -> None:
        """
        What the server cannot have is not sent, and the connection stays.
        """
        connection, transport, sending = self.send("SIZE 5")
        self.assertEqual([(0, FAILED, "5.3.4")], outcomes(sending.result))
        self.assertEqual(b"", transport.take())
        self.assertTrue(connection.is_usable)


class LeavingTests(ConnectionCase, SynchronousTestCase):
    """
    The end of a session.
    """

    def test_close(self) -> None:
        """
        QUIT, its reply, and the end.
        """
        connection, transport = self.open()
        closing = Waiting(connection.close())
        self.assertEqual(b"QUIT\r\n", transport.take())
        self.assertFalse(connection.is_usable)
        transport.deliver(b"221 Bye.\r\n")
        self.assertTrue(transport.disconnecting)
        self.assertFalse(closing.is_done)
        transport.lose()
        self.assertTrue(closing.is_done)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_closed_by_the_server(self) -> None:
        """
        Some servers answer QUIT by going.
        """
        connection, transport = self.open()
        closing = Waiting(connection.close())
        again = Waiting(connection.close())
        self.assertTrue(again.is_done)
        transport.lose()
        self.assertTrue(closing.is_done)
        self.assertTrue(Waiting(connection.close()).is_done)
        connection.abort()
        self.assertFalse(is_cut(transport))

    def test_close_is_bounded(self) -> None:
        """
        Who does not answer QUIT is left soon.
        """
        connection, transport = self.open()
        closing = Waiting(connection.close())
        self.clock.advance(limits.RELAY_QUIT_TIMEOUT)
        self.assertTrue(is_cut(transport))
        transport.lose()
        self.assertTrue(closing.is_done)

    def test_close_cancelled(self) -> None:
        """
        Cancelled, it lets go at once.
        """
        connection, transport = self.open()
        closing = Waiting(connection.close())
        closing.cancel()
        self.assertIsInstance(closing.problem, CancelledError)
        self.assertTrue(is_cut(transport))

    def test_close_in_between(self) -> None:
        """
        While a RSET is not answered, there is no QUIT.
        """
        connection, transport = self.open("PIPELINING")
        Waiting(connection.deliver(outgoing()))
        transport.deliver(b"250 ok\r\n550 no\r\n503 no\r\n")
        transport.take()
        closing = Waiting(connection.close())
        self.assertEqual(b"", transport.take())
        self.assertTrue(transport.disconnecting)
        transport.deliver(b"250 ok\r\n")
        transport.lose()
        self.assertTrue(closing.is_done)

    def test_idle_farewell(self) -> None:
        """
        A server that takes leave while nothing is under way is let go; one that goes is gone.
        """
        connection, transport = self.open()
        transport.deliver(b"421 4.4.2 Idle.\r\n")
        self.assertFalse(connection.is_usable)
        self.assertTrue(transport.disconnecting)
        connection, transport = self.open()
        transport.lose()
        self.assertFalse(connection.is_usable)

    def test_log(self) -> None:
        """
        One line for each session.
        """
        events = collect_events(self)
        connection, transport = self.open("PIPELINING")
        Waiting(connection.deliver(outgoing()))
        transport.deliver(TAKEN)
        transport.deliver(b"250 2.0.0 Queued.\r\n")
        self.clock.advance(2)
        transport.lose()
        (event,) = [event for event in events if "relay session" in event.get("log_format", "")]
        self.assertEqual(("mx.example.net [192.0.2.1]", 25, 1), (event["remote"], event["port"], event["messages"]))
        self.assertEqual(("", "250 2.0.0 Queued.", 2.0), (event["tls"], event["reply"], event["duration"]))
        _, transport = self.dial()
        transport.lose()
        self.assertEqual("", events[-1]["reply"])

    def test_nothing_for_others(self) -> None:
        """
        Twisted's calls that mean nothing here.
        """
        connection, _ = self.open()
        connection.stopProducing()
        connection.handshakeCompleted()
        self.assertTrue(connection.is_usable)
        self.assertIsInstance(self.clock, Clock)
