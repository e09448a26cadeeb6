"""
L{twisted_mail_server.servers.pop3}
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.fetching import BadContent
from tests.support.pop3 import LOGIN, ONE, TWO, Post
from tests.support.transports import MemoryTransport, TlsClient
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DiskFull, TemporaryFailure
from twisted_mail_server.model.flags import SEEN
from twisted_mail_server.servers.base import TlsUse
from twisted_mail_server.storage.memory import MemoryAccount, MemoryView

LARGE = b"Subject: large\r\n\r\n" + (b"x" * 78 + b"\r\n") * 20_000


class ServerCase(SynchronousTestCase):
    """
    A server with an account, and what the log says.
    """

    def setUp(self) -> None:
        """
        Two messages, and an ear to the log.
        """
        self.post = Post()
        self.post.put(ONE, TWO)
        self.events: list[dict[str, Any]] = []
        hear: Any = self.events.append
        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def inbox(self) -> IMailboxView:
        """
        What is in the maildrop now.
        """
        view: IMailboxView = now(self.post.mail.select("INBOX", claim_recent=False))
        return view

    def uids(self) -> list[int]:
        """
        Which messages are.
        """
        return list(self.inbox().snapshot.uids)

    def is_free(self) -> bool:
        """
        Whether nobody holds the maildrop, or a view of it, or a login.
        """
        sessions = self.post.factory.sessions
        return not self.post.mail.is_maildrop_locked and all(
            held is None
            for each in sessions
            for held in (each._login, each._lock, each._view)  # type: ignore[attr-defined]
        )


class SessionTests(ServerCase):
    """
    A session from its greeting to its end.
    """

    def test_session(self) -> None:
        """
        Greeting, login, reading and removing; the next session sees what is left, with new numbers and old unique-ids.
        """
        transport = self.post.connect()
        self.assertEqual(b"+OK dewey POP3 server ready.\r\n", transport.take())
        transport.deliver(LOGIN)
        self.assertEqual(b"+OK Now the password.\r\n+OK Maildrop has 2 messages (320 octets).\r\n", transport.take())
        transport.deliver(b"RETR 2\r\nTOP 2 0\r\nUIDL 2\r\nDELE 1\r\n")
        validity = self.inbox().uidvalidity
        self.assertEqual(
            b"+OK 200 octets\r\n%b.\r\n+OK 200 octets\r\nSubject: two\r\n\r\n.\r\n+OK 2 %08x00000002\r\n+OK Message 1 deleted.\r\n"
            % (TWO, validity),
            transport.take(),
        )
        self.assertEqual([1, 2], self.uids())
        transport.deliver(b"QUIT\r\n")
        self.assertEqual(b"+OK dewey POP3 server signing off.\r\n", transport.take())
        self.assertTrue(transport.disconnecting)
        self.assertEqual([2], self.uids())
        transport.lose()
        self.assertTrue(self.is_free())
        again = self.post.enter()
        again.deliver(b"UIDL\r\n")
        self.assertEqual(b"+OK Unique-id listing follows.\r\n1 %08x00000002\r\n.\r\n" % validity, again.take())

    def test_burst(self) -> None:
        """
        A burst of commands is answered in one write.
        """
        transport = self.post.enter()
        writes: list[bytes] = []
        self.patch(transport, "write", writes.append)
        transport.deliver(b"STAT\r\n" * 50 + b"RETR 1\r\n" * 50)
        self.assertEqual(1, len(writes))
        self.assertEqual(50, writes[0].count(b"+OK 120 octets\r\n"))

    def test_much(self) -> None:
        """
        Much output is sent as it comes.
        """
        self.post.put(*[b"x\r\n"] * 600)
        transport = self.post.enter()
        transport.deliver(b"UIDL\r\n" * 40)
        self.assertEqual(40, transport.take().count(b"+OK"))

    def test_unread_answers(self) -> None:
        """
        While a client does not read its answers, its further commands wait.
        """
        self.post.put(*[b"x\r\n"] * 8000)
        transport = self.post.enter()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        for _ in range(5):
            transport.deliver(b"UIDL\r\n")
        first = transport.take()
        self.assertEqual(2, first.count(b"+OK"))
        transport.producer.resumeProducing()
        self.assertEqual(5, (first + transport.take()).count(b"+OK"))

    def test_leaves_no_trace(self) -> None:
        """
        Reading changes no flag, and what is recent stays so for IMAP.
        """
        transport = self.post.enter()
        transport.deliver(b"RETR 1\r\nQUIT\r\n")
        view = now(self.post.mail.select("INBOX", claim_recent=True))
        self.assertEqual(frozenset([1, 2]), view.recent)
        self.assertFalse(any(mask & SEEN for mask in view.snapshot.masks))

    def test_snapshot(self) -> None:
        """
        What arrives or vanishes during a session changes neither numbers nor listing.
        """
        transport = self.post.enter()
        self.post.put(ONE)
        view = self.inbox()
        now(view.expunge([1], only_deleted=False))
        transport.deliver(b"STAT\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n")
        self.assertIn(b"+OK 2 320\r\n", transport.take())
        self.assertEqual([3], self.uids())

    def test_log(self) -> None:
        """
        The log tells who it was and how much was read and removed, and never a password.
        """
        transport = self.post.connect()
        transport.deliver(b"USER mrose\r\nPASS wr0ng\r\n" + LOGIN + b"RETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n")
        transport.lose()
        self.assertEqual(
            [("mrose@example.org", 2, 1)],
            [(event["account"], event["retrieved"], event["removed"]) for event in self.events if "retrieved" in event],
        )
        self.assertEqual(["mrose"], [event["login"] for event in self.events if event.get("command") == "PASS"])
        self.assertNotIn("wr0ng", repr(self.events))
        self.assertNotIn("secret", repr(self.events))


class EndTests(ServerCase):
    """
    Every way in which a session can end lets go of the maildrop, and only QUIT removes anything.
    """

    def setUp(self) -> None:
        """
        A session that has marked everything.
        """
        super().setUp()
        self.transport = self.post.enter()
        self.transport.deliver(b"DELE 1\r\nDELE 2\r\n")
        self.transport.take()

    def assert_nothing_removed(self) -> None:
        """
        All is there, and free.
        """
        self.assertTrue(self.is_free())
        self.assertEqual([1, 2], self.uids())
        self.post.enter()

    def test_lost(self) -> None:
        """
        The connection is lost.
        """
        self.transport.lose()
        self.assert_nothing_removed()

    def test_silence(self) -> None:
        """
        After ten minutes of silence the connection is closed without a word (RFC 1939 section 3).
        """
        self.post.house.clock.advance(limits.POP3_IDLE_TIMEOUT - 1)
        self.assertFalse(self.transport.disconnecting)
        self.post.house.clock.advance(1)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(b"", self.transport.take())
        self.transport.lose()
        self.assert_nothing_removed()

    def test_drained(self) -> None:
        """
        The server stops.
        """
        done: list[None] = []
        Deferred.fromCoroutine(self.post.factory.drain()).addCallback(done.append)
        self.assertEqual(b"-ERR [SYS/TEMP] The server is closing; please connect again.\r\n", self.transport.take())
        self.transport.lose()
        self.assertEqual([None], done)
        self.assertTrue(self.is_free())
        self.assertEqual([1, 2], self.uids())

    def test_revoked(self) -> None:
        """
        The login ends.
        """
        (session,) = self.post.factory.sessions
        session.revoke("the password changed")
        self.assertEqual(b"-ERR [SYS/TEMP] This login has ended; please log in again.\r\n", self.transport.take())
        self.transport.lose()
        self.assert_nothing_removed()

    def test_expelled(self) -> None:
        """
        The client made too many errors.
        """
        self.transport.deliver(b"X\r\n" * (limits.ERRORS_PER_SESSION + 1) + b"QUIT\r\n")
        self.assertTrue(self.transport.take().endswith(b"-ERR Too many errors.\r\n"))
        self.assertTrue(self.transport.disconnecting)
        self.transport.lose()
        self.assert_nothing_removed()

    def test_bug(self) -> None:
        """
        A fault of ours.
        """
        self.patch(MemoryView, "open_content", lambda view, uid: 1 / 0)
        self.transport.deliver(b"RSET\r\nRETR 1\r\n")
        self.assertTrue(
            self.transport.take().endswith(b"-ERR [SYS/TEMP] The server has a fault; please try later.\r\n")
        )
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.transport.lose()
        self.assert_nothing_removed()

    def test_full_disk(self) -> None:
        """
        What cannot be removed stays, and the client hears so.
        """

        async def expunge(view: MemoryView, uids: object, only_deleted: bool) -> tuple[int, ...]:
            raise DiskFull("Nothing was removed.")

        self.patch(MemoryView, "expunge", expunge)
        self.transport.deliver(b"QUIT\r\n")
        self.assertEqual(b"-ERR [SYS/TEMP] Nothing was removed.\r\n", self.transport.take())
        self.assertTrue(self.transport.disconnecting)
        self.transport.lose()
        self.assert_nothing_removed()

    def test_lost_in_update(self) -> None:
        """
        A connection lost after QUIT changes nothing: the lock stays until all is removed.
        """
        waiting: Deferred[None] = Deferred()
        expunge = MemoryView.expunge

        async def slowly(view: MemoryView, uids: tuple[int, ...], only_deleted: bool) -> tuple[int, ...]:
            await waiting
            return await expunge(view, uids, only_deleted=only_deleted)

        self.patch(MemoryView, "expunge", slowly)
        self.transport.deliver(b"QUIT\r\n")
        self.transport.lose()
        self.assertTrue(self.post.mail.is_maildrop_locked)
        waiting.callback(None)
        self.assertTrue(self.is_free())
        self.assertEqual([], self.uids())

    def test_drained_in_update(self) -> None:
        """
        What was begun is finished before the server stops, and its answer is the last word.
        """
        waiting: Deferred[None] = Deferred()
        expunge = MemoryView.expunge

        async def slowly(view: MemoryView, uids: tuple[int, ...], only_deleted: bool) -> tuple[int, ...]:
            await waiting
            return await expunge(view, uids, only_deleted=only_deleted)

        self.patch(MemoryView, "expunge", slowly)
        self.transport.deliver(b"QUIT\r\n")
        Deferred.fromCoroutine(self.post.factory.drain())
        self.assertEqual(b"", self.transport.take())
        waiting.callback(None)
        self.assertEqual(b"+OK dewey POP3 server signing off.\r\n", self.transport.take())
        self.transport.lose()
        self.assertEqual([], self.uids())

    def test_view_does_not_close(self) -> None:
        """
        If the view cannot be closed the lock is free all the same, and the log tells.
        """

        async def close(view: MemoryView) -> None:
            raise RuntimeError("A bug.")

        self.patch(MemoryView, "close", close)
        self.transport.lose()
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.assertTrue(self.is_free())


class LoginTests(ServerCase):
    """
    Getting in.
    """

    def test_in_use(self) -> None:
        """
        One session at a time; the second hears IN-USE, and gets in when the first is gone (RFC 1939 section 4).
        """
        first = self.post.enter()
        second = self.post.connect()
        second.take()
        second.deliver(LOGIN)
        self.assertEqual(b"+OK Now the password.\r\n-ERR [IN-USE] Another session has the maildrop.\r\n", second.take())
        first.deliver(b"QUIT\r\n")
        second.deliver(LOGIN)
        self.assertIn(b"+OK Maildrop has", second.take())

    def test_delay(self) -> None:
        """
        Where logins have to be so many seconds apart, an earlier one is refused, for that account only; one that failed is none
        (RFC 2449 section 6.5).
        """
        other = self.post.house.add("other@example.org", b"secret")
        self.post.factory.login_delay = 60
        first = self.post.connect()
        first.deliver(b"USER mrose\r\nPASS wrong\r\n")
        first.deliver(b"CAPA\r\n" + LOGIN + b"QUIT\r\n")
        said = first.take()
        self.assertIn(b"\r\nLOGIN-DELAY 60\r\n", said)
        self.assertIn(b"+OK Maildrop has", said)
        self.post.house.clock.advance(59)
        self.assertIn(b"-ERR [LOGIN-DELAY] There have to be 60 seconds", self.post_says(LOGIN))
        self.assertTrue(self.is_free())
        self.assertIn(b"+OK Maildrop has", self.post_says(LOGIN.replace(b"mrose", b"other@example.org") + b"QUIT\r\n"))
        self.post.house.clock.advance(1)
        self.assertIn(b"+OK Maildrop has", self.post_says(LOGIN))
        self.post.house.clock.advance(60)
        self.assertIn(b"+OK Maildrop has", self.post_says(LOGIN.replace(b"mrose", b"other@example.org")))
        self.assertEqual([other.id], list(self.post.factory._entered))

    def post_says(self, commands: bytes) -> bytes:
        """
        What a new connection hears.
        """
        transport = self.post.connect()
        transport.deliver(commands)
        return transport.take()

    def test_wrong(self) -> None:
        """
        Who is refused holds nothing.
        """
        transport = self.post.connect()
        transport.deliver(b"USER mrose\r\nPASS wrong\r\n")
        self.assertIn(b"-ERR [AUTH] ", transport.take())
        self.assertTrue(self.is_free())

    def test_unreadable(self) -> None:
        """
        If the maildrop cannot be opened after it was locked, it is free again before the client hears so (RFC 1939 section 4).
        """

        async def select(mail: MemoryAccount, name: str, *, claim_recent: bool) -> MemoryView:
            raise TemporaryFailure("Not now.")

        with_lock = self.patch(MemoryAccount, "select", select)
        transport = self.post.connect()
        transport.take()
        transport.deliver(LOGIN)
        self.assertEqual(b"+OK Now the password.\r\n-ERR [SYS/TEMP] Not now.\r\n", transport.take())
        self.assertTrue(self.is_free())
        with_lock.restore()
        transport.deliver(LOGIN)
        self.assertIn(b"+OK Maildrop has", transport.take())

    def test_lost_while_waiting(self) -> None:
        """
        A connection lost while the maildrop is being opened leaves nothing behind.
        """
        waiting: Deferred[Any] = Deferred()
        self.patch(MemoryView, "fetch", lambda view, uids: waiting)
        transport = self.post.connect()
        transport.deliver(LOGIN)
        self.assertTrue(self.post.mail.is_maildrop_locked)
        transport.lose()
        self.assertTrue(self.is_free())

    def test_silence(self) -> None:
        """
        Who does not log in is sent away, busy or not.
        """
        transport = self.post.connect()
        transport.take()
        for _ in range(limits.LOGIN_TIMEOUT // 10):
            self.assertFalse(transport.disconnecting)
            transport.deliver(b"CAPA\r\n")
            transport.take()
            self.post.house.clock.advance(10)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(b"", transport.take())

    def test_elsewhere(self) -> None:
        """
        From another machine and without TLS no password is taken, whatever the settings say of loopback.
        """
        transport = self.post.connect("192.0.2.7")
        transport.take()
        transport.deliver(b"CAPA\r\n" + LOGIN + b"AUTH PLAIN\r\n")
        said = transport.take()
        self.assertNotIn(b"SASL", said)
        self.assertNotIn(b"\r\nUSER\r\n", said)
        self.assertEqual(3, said.count(b"-ERR Passwords are taken under TLS only"))

    def test_crowded(self) -> None:
        """
        Too many connections are told so, and closed.
        """
        self.post.factory.terms = type(self.post.factory.terms)(
            "pop3", "dewey", self.post.house.clock, self.post.factory.terms.random, connections=0
        )
        transport = self.post.connect()
        self.assertEqual(b"-ERR [SYS/TEMP] There are too many connections; please try later.\r\n", transport.take())


class MessageTests(ServerCase):
    """
    Sending messages.
    """

    def test_back_pressure(self) -> None:
        """
        A client that does not read is not sent more than a bounded amount, and gets the rest when it reads on.
        """
        self.post.put(LARGE)
        transport = self.post.enter()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        transport.deliver(b"RETR 3\r\nNOOP\r\n")
        first = transport.take()
        self.assertLess(len(first), limits.PENDING_OUTPUT + limits.CONTENT_PIECE + 100)
        transport.producer.resumeProducing()
        self.assertEqual(b"+OK %d octets\r\n%b.\r\n+OK\r\n" % (len(LARGE), LARGE), first + transport.take())

    def test_input_waits(self) -> None:
        """
        What comes meanwhile waits, and is answered in its order.
        """
        self.post.put(LARGE)
        transport = self.post.enter()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        transport.deliver(b"RETR 3\r\n")
        transport.deliver(b"NOOP\r\n" * (limits.PIPELINE // 5))
        self.assertEqual("paused", transport.producerState)
        transport.take()
        transport.producer.resumeProducing()
        self.assertTrue(transport.take().endswith(b".\r\n" + b"+OK\r\n" * (limits.PIPELINE // 5)))
        self.assertEqual("producing", transport.producerState)

    def test_lost_while_sending(self) -> None:
        """
        A connection lost in the midst of a message closes the message, and lets go.
        """
        self.post.put(LARGE)
        transport = self.post.enter()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        transport.deliver(b"RETR 3\r\n")
        transport.lose()
        self.assertTrue(self.is_free())

    def test_stopped_while_sending(self) -> None:
        """
        In the midst of a message nothing is said; it is sent to its end first.
        """
        self.post.put(LARGE)
        transport = self.post.enter()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        transport.deliver(b"RETR 3\r\nNOOP\r\n")
        Deferred.fromCoroutine(self.post.factory.drain())
        first = transport.take()
        transport.producer.resumeProducing()
        said = first + transport.take()
        self.assertTrue(said.endswith(b"x\r\n.\r\n-ERR [SYS/TEMP] The server is closing; please connect again.\r\n"))

    def test_fault_while_sending(self) -> None:
        """
        A fault of ours in the midst of a message is not told inside it.
        """
        said = self._retrieve(BadContent(LARGE, limits.CONTENT_PIECE, RuntimeError("A bug.")))  # type: ignore[arg-type]
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.assertNotIn(b"-ERR", said)

    def _retrieve(self, content: BadContent) -> bytes:
        async def open_content(view: MemoryView, uid: int) -> BadContent:
            return content

        self.patch(MemoryView, "open_content", open_content)
        self.transport = self.post.enter()
        self.transport.deliver(b"RETR 1\r\nNOOP\r\n")
        return self.transport.take()

    def test_unreadable(self) -> None:
        """
        A message that cannot be read, or opened, is refused, and the session goes on.
        """
        content = BadContent(ONE, 0, TemporaryFailure("Not now."))
        self.assertEqual(b"-ERR [SYS/TEMP] Not now.\r\n+OK\r\n", self._retrieve(content))
        self.assertTrue(content.is_closed)

        async def open_content(view: MemoryView, uid: int) -> BadContent:
            raise TemporaryFailure("Not at all.")

        self.patch(MemoryView, "open_content", open_content)
        self.transport.deliver(b"TOP 1 1\r\nNOOP\r\n")
        self.assertEqual(b"-ERR [SYS/TEMP] Not at all.\r\n+OK\r\n", self.transport.take())

    def test_breaks_off(self) -> None:
        """
        Once it is begun, only the end of the connection tells that the message is not whole: there is no final dot.
        """
        for problem in (TemporaryFailure("Not now."), None):
            content = BadContent(LARGE, limits.CONTENT_PIECE, problem)
            said = self._retrieve(content)
            self.assertEqual(b"+OK %d octets\r\n%b" % (len(LARGE), LARGE[: limits.CONTENT_PIECE]), said)
            self.assertTrue(self.transport.disconnected or self.transport.disconnecting)
            self.assertTrue(content.is_closed)
            self.transport.lose()
            self.assertTrue(self.is_free())

    def test_top_of_large(self) -> None:
        """
        TOP reads no more than it needs.
        """
        content = BadContent(LARGE, limits.CONTENT_PIECE, TemporaryFailure("Too far."))

        async def open_content(view: MemoryView, uid: int) -> BadContent:
            return content

        self.patch(MemoryView, "open_content", open_content)
        transport = self.post.enter()
        transport.deliver(b"TOP 1 2\r\n")
        self.assertEqual(b"+OK %d octets\r\n%b.\r\n" % (len(LARGE), LARGE[: 18 + 160]), transport.take())


class TlsTests(ServerCase):
    """
    STLS, and TLS from the beginning.
    """

    def make(self, tls_use: TlsUse) -> MemoryTransport:
        """
        A connection from elsewhere to a server that uses TLS so.
        """
        self.post = Post(tls_use)
        self.post.put(ONE)
        return self.post.connect("192.0.2.7")

    def test_stls(self) -> None:
        """
        The upgrade makes the way free for passwords, and is not offered again.
        """
        transport = self.make(TlsUse.STARTTLS)
        transport.take()
        transport.deliver(b"CAPA\r\n")
        self.assertIn(b"\r\nSTLS\r\n", transport.take())
        transport.deliver(b"STLS\r\n")
        self.assertEqual(b"+OK Begin TLS negotiation now.\r\n", transport.take())
        client = TlsClient(transport)
        client.talk()
        said = client.talk(b"CAPA\r\n" + LOGIN)
        self.assertNotIn(b"STLS", said)
        self.assertIn(b"\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\r\n", said)
        self.assertIn(b"+OK Maildrop has 1 message (120 octets).\r\n", said)

    def test_login_timeout_again(self) -> None:
        """
        The time to log in begins anew under TLS, and ends.
        """
        transport = self.make(TlsUse.STARTTLS)
        transport.deliver(b"STLS\r\n")
        transport.take()
        TlsClient(transport).talk()
        self.post.house.clock.advance(limits.LOGIN_TIMEOUT)
        self.assertTrue(transport.disconnecting)

    def test_implicit(self) -> None:
        """
        The greeting comes under TLS.
        """
        transport = self.make(TlsUse.IMPLICIT)
        self.assertEqual(b"", transport.take())
        client = TlsClient(transport)
        self.assertEqual(b"+OK dewey POP3 server ready.\r\n", client.talk())
        self.assertIn(b"+OK Maildrop has 1 message (120 octets).\r\n", client.talk(LOGIN))
