"""
IMAP sessions on transports: time, TLS, back-pressure, and every end.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.support.imap import ImapServerCase
from tests.support.transports import MemoryTransport, TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.servers.base import Ending, TlsUse
from twisted_mail_server.servers.imap import ImapFactory, ImapSession

ONE = b"Subject: one\r\n\r\nBody.\r\n"


class ConversationTests(ImapServerCase):
    """
    A conversation, start to end.
    """

    def test_conversation(self) -> None:
        """
        The server greets, answers what comes in whatever pieces, and closes after LOGOUT.
        """
        self.add(ONE)
        _, transport = self.connect()
        self.assertEqual(
            b"* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN] mail.example.org is ready.\r\n",
            transport.take(),
        )
        for octet in b"a LOGIN {4}\r\nfred {6+}\r\nsecret\r\nb EXAMINE INBOX\r\nc FETCH 1 BODY[TEXT]\r\nd LOGOUT\r\n":
            transport.deliver(bytes([octet]))
        said = transport.take()
        self.assertIn(b"+ Go ahead.\r\na OK [CAPABILITY ", said)
        self.assertTrue(
            said.endswith(
                b"b OK [READ-ONLY] Open.\r\n* 1 FETCH (BODY[TEXT] {7}\r\nBody.\r\n)\r\nc OK Fetched.\r\n"
                b"* BYE Until next time.\r\nd OK Logged out.\r\n"
            ),
            said,
        )
        self.assertTrue(transport.disconnecting)

    def test_stranger_in_the_clear(self) -> None:
        """
        From elsewhere no password is taken without TLS, whatever the settings allow on loopback.
        """
        _, transport = self.connect("192.0.2.1")
        self.assertIn(b"LOGINDISABLED", transport.take())
        transport.deliver(b"a LOGIN fred secret\r\n")
        self.assertEqual(b"a NO [PRIVACYREQUIRED] Not without TLS.\r\n", transport.take())

    def test_one_write(self) -> None:
        """
        The answers to commands that came together go out together, however many there are.
        """
        session, transport = self.enter()
        writes: list[bytes] = []
        self.patch(session, "send", writes.append)
        transport.deliver(b"a NOOP\r\n" * 10)
        self.assertEqual([b"a OK Nothing done.\r\n" * 10], writes)

    def test_facts(self) -> None:
        """
        The log gets what the client said it was, and who logged in.
        """
        session, transport = self.enter(b'x ID ("version" NIL "name" "mutt" "os" "plan9")')
        self.assertEqual({"client": "mutt"}, session.facts())
        self.assertEqual("fred@example.org", session.account)
        transport.lose()

    def test_nothing_before_tls(self) -> None:
        """
        A connection that is lost before it could be greeted has nothing to close.
        """
        session = ImapSession()
        self.assertEqual({"client": ""}, session.facts())
        self.assertEqual(0, session.unread())
        self.assertTrue(session.may_leave())
        session.about_to_wait()
        session.closed()


class SettingsTests(ImapServerCase):
    """
    What a listener's factory is told.
    """

    def test_unasked_literal(self) -> None:
        """
        With a limit for literals that come unasked, LITERAL- is offered instead of LITERAL+ (RFC 7888 section 5).
        """
        terms = self.factory.terms
        for limit, word in ((None, b" LITERAL+ "), (limits.UNASKED_LITERAL, b" LITERAL- ")):
            self.factory = ImapFactory(terms, authenticator=self.passwords, unasked_literal=limit)
            _, transport = self.connect()
            self.assertIn(word, transport.take())


class TimeTests(ImapServerCase):
    """
    Silence.
    """

    silence = b"* BYE You were silent for too long.\r\n"

    def test_before_login(self) -> None:
        """
        Who has not logged in after a while is sent away, however much they talk.
        """
        _, transport = self.connect()
        transport.take()
        for _ in range(6):
            self.clock.advance(limits.LOGIN_TIMEOUT / 6 - 0.01)
            transport.deliver(b"a NOOP\r\n")
        self.assertNotIn(b"BYE", transport.take())
        self.clock.advance(1)
        self.assertEqual(self.silence, transport.take())
        self.assertTrue(transport.disconnecting)

    def test_before_login_in_the_middle(self) -> None:
        """
        So it is in the middle of a command.
        """
        _, transport = self.connect()
        transport.deliver(b"a AUTHENTICATE PLAIN\r\n")
        transport.take()
        self.clock.advance(limits.LOGIN_TIMEOUT + 1)
        self.assertEqual(self.silence, transport.take())

    def test_after_login(self) -> None:
        """
        After login thirty minutes of silence are allowed, counted from the last word.
        """
        _, transport = self.enter()
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT - 1)
        transport.deliver(b"a NOOP\r\n")
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT - 1)
        self.assertEqual(b"a OK Nothing done.\r\n", transport.take())
        self.clock.advance(2)
        self.assertEqual(self.silence, transport.take())
        self.assertTrue(transport.disconnecting)

    def test_idle(self) -> None:
        """
        IDLE gives no more time, and news that the client gets do not count as its words.
        """
        _, transport = self.enter(b"x SELECT INBOX", b"x IDLE")
        transport.take()
        for _ in range(3):
            self.clock.advance(limits.IMAP_IDLE_TIMEOUT / 4)
            self.add(ONE)
            self.assertIn(b"EXISTS", transport.take())
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT / 4 - 1)
        self.assertEqual(b"", transport.take())
        self.clock.advance(2)
        self.assertEqual(self.silence, transport.take())
        self.assertTrue(transport.disconnecting)

    def test_idle_and_back(self) -> None:
        """
        DONE is a word.
        """
        _, transport = self.enter(b"x IDLE")
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT - 1)
        transport.deliver(b"DONE\r\n")
        transport.take()
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT - 1)
        self.assertEqual(b"", transport.take())

    def test_literal(self) -> None:
        """
        Who announces a literal and does not send it is sent away in the end.
        """
        session, transport = self.enter(b"x APPEND INBOX {100}")
        transport.deliver(b"Subject: ")
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT + 1)
        self.assertTrue(transport.take().endswith(self.silence))
        self.assertFalse(session.is_busy)

    def test_own_slowness(self) -> None:
        """
        While the disk is waited for, the client may be silent.
        """
        session, transport = self.enter(b"x SELECT INBOX")
        assert session._conversation is not None
        disk: Deferred[None] = Deferred()

        async def slow(*args: Any, **facts: Any) -> None:
            await disk

        view = session._conversation.session.mailbox.view
        session._conversation.session.mailbox.view = Slow(view, slow)  # type: ignore[assignment]
        transport.deliver(b"a NOOP\r\nb EXPUNGE\r\n")
        self.assertEqual(b"a OK Nothing done.\r\n", transport.take())
        self.clock.advance(limits.IMAP_IDLE_TIMEOUT * 2)
        self.assertEqual(b"", transport.take())
        disk.callback(None)
        self.assertEqual(b"b OK Expunged.\r\n", transport.take())


class Slow:
    """
    A view that expunges as slowly as a test wants.
    """

    def __init__(self, view: Any, expunge: Any, open_content: Any = None) -> None:
        self._view = view
        self.expunge = expunge
        self.open_content = open_content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


class Torn:
    """
    Content of which only the beginning can be read.
    """

    def __init__(self, content: Any) -> None:
        self._content = content
        self.size = content.size

    async def read(self, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece, of the first half.
        """
        if offset > self.size // 2:
            raise TemporaryFailure("Gone.")
        return await self._content.read(offset, length)  # type: ignore[no-any-return]

    def close(self) -> None:
        """
        Done.
        """


class NewsTests(ImapServerCase):
    """
    News for who idles.
    """

    def test_from_another_session(self) -> None:
        """
        What one session does, another hears while it idles, and only then.
        """
        self.add(ONE)
        _, idling = self.enter(b"x SELECT INBOX", b"x IDLE")
        _, other = self.enter(b"x SELECT INBOX", b"x STORE 1 +FLAGS.SILENT (\\Seen)")
        self.assertEqual(b"* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n", idling.take())
        idling.deliver(b"DONE\r\n")
        self.assertEqual(b"x OK No longer idling.\r\n", idling.take())
        other.deliver(b"y STORE 1 -FLAGS.SILENT (\\Seen)\r\n")
        self.assertEqual(b"", idling.take())

    def test_while_news_is_told(self) -> None:
        """
        News that comes while news is being told is told as well.
        """
        session, transport = self.enter(b"x SELECT INBOX", b"x IDLE")
        transport.take()
        session.ring()
        session.ring()
        self.add(ONE, ONE)
        self.assertIn(b"* 2 EXISTS", transport.take())

    def test_ring_before_waiting(self) -> None:
        """
        A ring that nobody waited for is not forgotten.
        """
        session, _ = self.enter()
        session.ring()
        waited = session.wait()
        assert isinstance(waited, Deferred)
        self.successResultOf(waited)

    def test_search_lets_others_run(self) -> None:
        """
        Long work comes back when the reactor came round.
        """
        session, _ = self.enter()
        turn = session.breathe()
        assert isinstance(turn, Deferred)
        self.assertNoResult(turn)
        self.clock.advance(0)
        self.successResultOf(turn)


class EndTests(ImapServerCase):
    """
    Every end but LOGOUT.
    """

    bye = b"* BYE [UNAVAILABLE] The server is closing; please connect again.\r\n"

    def drain(self) -> Deferred[None]:
        """
        Have the server stop.
        """
        return Deferred.fromCoroutine(self.factory.drain())

    def test_drain(self) -> None:
        """
        When the server stops, who says nothing gets BYE, before login, after it, and in IDLE.
        """
        transports = [self.connect()[1], self.enter()[1], self.enter(b"x SELECT INBOX", b"x IDLE")[1]]
        for transport in transports:
            transport.take()
        stopped = self.drain()
        for transport in transports:
            self.assertEqual(self.bye, transport.take())
            self.assertTrue(transport.disconnecting)
            self.assertNoResult(stopped)
            transport.lose()
        self.successResultOf(stopped)

    def test_drain_in_the_middle(self) -> None:
        """
        A message on its way may arrive; commands behind it are not begun.
        """
        _, transport = self.enter(b"x APPEND INBOX {9}")
        transport.take()
        self.drain()
        self.assertEqual(b"", transport.take())
        transport.deliver(b"a: b\r\n\r\nc\r\ny NOOP\r\n")
        self.assertEqual(b"x OK [APPENDUID 1700000000 1] Appended.\r\n" + self.bye, transport.take())
        self.assertTrue(transport.disconnecting)

    def test_drain_of_a_slow_reader(self) -> None:
        """
        Who idles, and was too slow to take the news when the server stopped, gets BYE once it has taken them.
        """
        self.add(ONE)
        session, transport = self.enter(b"x SELECT INBOX", b"x IDLE")
        transport.take()
        session.pauseProducing()
        self.patch(limits, "PENDING_OUTPUT", 10)
        self.add(ONE)
        self.assertIn(b"* 2 EXISTS", transport.take())
        self.drain()
        self.assertEqual(b"", transport.take())
        session.resumeProducing()
        self.assertEqual(self.bye, transport.take())
        self.assertTrue(transport.disconnecting)
        transport.lose()
        self.assertFalse(session.is_busy)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_news_after_the_end(self) -> None:
        """
        News that comes after BYE does not keep the connection.
        """
        session, transport = self.enter(b"x SELECT INBOX", b"x IDLE")
        transport.take()
        session.pauseProducing()
        self.patch(limits, "PENDING_OUTPUT", 10)
        self.add(ONE)
        transport.take()
        session.revoke("The password changed.")
        session.resumeProducing()
        self.assertEqual(b"* BYE This login is no longer good.\r\n", transport.take())
        self.add(ONE)
        self.assertEqual(b"", transport.take())
        self.assertFalse(transport.disconnected)
        self.clock.advance(limits.CLOSE_TIMEOUT + 1)
        self.assertTrue(transport.disconnected)
        transport.lose()
        self.assertFalse(session.is_busy)

    def test_half_closed(self) -> None:
        """
        Who sends nothing more gets the answers to what it has sent; nobody waits for what will not come.
        """
        for commands, last in (
            ((b"x NOOP",), b""),
            ((b"x IDLE",), b""),
            ((b"x APPEND INBOX {9}",), b""),
            ((b"x SELECT INBOX",), b"a OK Expunged.\r\n"),
            ((b"x SELECT INBOX",), b"a OK Expunged.\r\n+ idling\r\n"),
        ):
            self.setUp()
            session, transport = self.enter(*commands)
            disk: Deferred[None] = Deferred()
            if last:
                self.make_slow(session, disk)
                transport.deliver(b"a EXPUNGE\r\n" + b"b IDLE\r\n" * (b"idling" in last))
            transport.take()
            session.readConnectionLost()
            self.assertEqual(bool(last), not transport.disconnecting)
            disk.callback(None)
            self.assertEqual(last, transport.take())
            self.assertTrue(transport.disconnecting)
            transport.lose()
            self.assertFalse(session.is_busy)

    def make_slow(self, session: ImapSession, disk: Deferred[None]) -> None:
        """
        Have EXPUNGE wait for C{disk}.
        """
        assert session._conversation is not None

        async def slow(*args: Any, **facts: Any) -> None:
            await disk

        selected = session._conversation.session.mailbox
        selected.view = Slow(selected.view, slow)  # type: ignore[assignment]

    def test_revoked(self) -> None:
        """
        Whose login is revoked gets BYE, in the middle of a message too.
        """
        for command in (b"x NOOP", b"x IDLE", b"x APPEND INBOX {9}"):
            self.setUp()
            session, transport = self.enter(command)
            transport.take()
            self.passwords.logins[0].revoked("The password changed.")
            self.assertEqual(b"* BYE This login is no longer good.\r\n", transport.take())
            self.assertTrue(transport.disconnecting)
            self.assertFalse(session.is_busy)
            transport.lose()

    def test_lost(self) -> None:
        """
        A lost connection ends the command, the login, and the view of the mailbox.
        """
        for command in (b"x NOOP", b"x IDLE", b"x APPEND INBOX {9}"):
            self.setUp()
            session, transport = self.enter(b"x SELECT INBOX", command)
            assert session._conversation is not None
            view = session._conversation.session.mailbox.view
            transport.lose()
            self.assertTrue(self.passwords.logins[0].is_over)
            self.assertFalse(view.is_listening)  # type: ignore[attr-defined]
            self.assertEqual(set(), self.factory.sessions)
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_lost_while_the_disk_works(self) -> None:
        """
        A connection lost in the middle of a command is no bug.
        """
        session, transport = self.enter(b"x SELECT INBOX")
        self.make_slow(session, Deferred())
        transport.deliver(b"a EXPUNGE\r\n")
        transport.lose()
        self.assertFalse(session.is_busy)
        self.assertEqual([], self.flushLoggedErrors())

    def test_bug(self) -> None:
        """
        A bug is in the log, and the session goes on.
        """
        session, transport = self.enter(b"x SELECT INBOX")
        assert session._conversation is not None

        async def fails(*args: Any, **facts: Any) -> None:
            raise ZeroDivisionError

        selected = session._conversation.session.mailbox
        selected.view = Slow(selected.view, fails)  # type: ignore[assignment]
        transport.deliver(b"a EXPUNGE\r\nb NOOP\r\n")
        self.assertIn(b"a NO [SERVERBUG] ", transport.take())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_message_breaks_off(self) -> None:
        """
        When content cannot be read to its end, the connection ends, for nothing else can be said; the log knows why.
        """
        self.add(b"Subject: x\r\n\r\n" + b"y" * 1_000_000)
        session, transport = self.enter(b"x SELECT INBOX")
        assert session._conversation is not None
        opened = session._conversation.session.mailbox.view.open_content

        async def torn(uid: int) -> Torn:
            return Torn(await opened(uid))

        selected = session._conversation.session.mailbox
        selected.view = Slow(selected.view, None, torn)  # type: ignore[assignment]
        with capturedLogs() as events:
            transport.deliver(b"a FETCH 1 BODY[]\r\nb NOOP\r\n")
        said = transport.take()
        self.assertTrue(said.startswith(b"* 1 FETCH (BODY[] {1000014}\r\nSubject: x"))
        self.assertNotIn(b"OK", said)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(["Gone."], [event["reason"] for event in events if "reason" in event])

    def test_bug_at_the_end(self) -> None:
        """
        A view that cannot be closed is in the log.
        """
        session, transport = self.enter(b"x SELECT INBOX")
        assert session._conversation is not None

        class Stuck:
            async def close(self) -> None:
                raise ZeroDivisionError

        session._conversation.session.mailbox.view = Stuck()  # type: ignore[assignment]
        transport.lose()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_deleted_mailbox(self) -> None:
        """
        Who idles in a mailbox that is deleted gets BYE.
        """
        session, transport = self.enter(b"x CREATE Work", b"x SELECT Work", b"x IDLE")
        transport.take()
        self.enter(b"x DELETE Work")
        self.assertEqual(b"* BYE The selected mailbox was deleted.\r\n", transport.take())
        self.assertTrue(transport.disconnecting)
        self.assertIsNone(session.ending)

    def test_expelled(self) -> None:
        """
        Who only makes mistakes is sent away, and the log says so.
        """
        session, transport = self.enter(*[b"x XYZZY"] * limits.ERRORS_PER_SESSION)
        self.assertTrue(transport.disconnecting)
        self.assertIs(Ending.EXPELLED, session.ending)


class PressureTests(ImapServerCase):
    """
    Clients that do not read, and clients that do not stop.
    """

    def test_output(self) -> None:
        """
        Who does not read gets a bounded amount, and no further command is done until it was taken.
        """
        self.add(b"Subject: x\r\n\r\n" + b"y" * 100_000)
        session, transport = self.enter(b"x SELECT INBOX")
        session.pauseProducing()
        transport.deliver(b"a FETCH 1 BODY[]\r\n" * 50)
        waiting = len(transport.take())
        self.assertTrue(limits.PENDING_OUTPUT < waiting < limits.PENDING_OUTPUT + 200_000, waiting)
        self.assertTrue(session.is_busy)
        total = waiting
        while session.is_busy:
            session.resumeProducing()
            session.pauseProducing()
            total += len(transport.take())
        self.assertTrue(total > 5_000_000)

    def test_reads_nothing(self) -> None:
        """
        Who reads nothing at all is dropped in the end.
        """
        self.add(b"Subject: x\r\n\r\n" + b"y" * 400_000)
        session, transport = self.enter(b"x SELECT INBOX")
        session.pauseProducing()
        transport.deliver(b"a FETCH 1 BODY[]\r\n")
        self.clock.advance(limits.SEND_TIMEOUT + 1)
        self.assertIs(Ending.TIMED_OUT, session.ending)
        self.assertTrue(session.is_closing)

    def test_input(self) -> None:
        """
        While a command is at work, what comes behind it is read to a bound, and read on afterwards.
        """
        session, transport = self.enter(b"x SELECT INBOX")
        assert session._conversation is not None
        disk: Deferred[None] = Deferred()

        async def slow(*args: Any, **facts: Any) -> None:
            await disk

        selected = session._conversation.session.mailbox
        selected.view = Slow(selected.view, slow)  # type: ignore[assignment]
        transport.deliver(b"a EXPUNGE\r\n")
        while transport.producerState == "producing":
            transport.deliver(b"b NOOP\r\n" * 1000)
            self.assertTrue(session.unread() < 2 * limits.PIPELINE)
        transport.take()
        disk.callback(None)
        self.assertEqual("producing", transport.producerState)
        self.assertIn(b"a OK Expunged.\r\nb OK ", transport.take())
        self.assertEqual(0, session.unread())

    def test_large_message(self) -> None:
        """
        A large message is read on while it is received.
        """
        session, transport = self.enter(b"x APPEND INBOX {300000}")
        for _ in range(3):
            transport.deliver(b"y" * 100_000)
            self.assertEqual("producing", transport.producerState)
        transport.deliver(b"\r\n")
        self.assertIn(b"x OK [APPENDUID", transport.take())
        self.assertFalse(session.is_busy)


class TlsTests(ImapServerCase):
    """
    STARTTLS and implicit TLS.
    """

    def test_starttls(self) -> None:
        """
        After STARTTLS there is a way in, and the time until login begins anew.
        """
        self.factory = self.make_factory(tls_use=TlsUse.STARTTLS, allow_plaintext=False)
        session, transport = self.connect()
        self.assertIn(b"LOGINDISABLED STARTTLS]", transport.take())
        transport.deliver(b"a STARTTLS\r\n")
        self.assertEqual(b"a OK Begin TLS now.\r\n", transport.take())
        client = TlsClient(transport)
        self.assertEqual(
            b"* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN\r\nb OK That is what we speak.\r\n",
            client.talk(b"b CAPABILITY\r\n"),
        )
        self.assertIn(b"c BAD", client.talk(b"c STARTTLS\r\n"))
        self.assertIn(b"d OK", client.talk(b"d LOGIN fred secret\r\n"))
        self.clock.advance(limits.LOGIN_TIMEOUT * 2)
        self.assertIn(b"e OK", client.talk(b"e NOOP\r\n"))
        self.assertFalse(session.is_closing)

    def test_login_time_after_starttls(self) -> None:
        """
        A handshake is no login.
        """
        self.factory = self.make_factory(tls_use=TlsUse.STARTTLS, allow_plaintext=False)
        session, transport = self.connect()
        transport.deliver(b"a STARTTLS\r\n")
        transport.take()
        client = TlsClient(transport)
        client.talk(b"b NOOP\r\n")
        self.clock.advance(limits.LOGIN_TIMEOUT + 1)
        self.assertIn(b"* BYE", client.talk())
        self.assertTrue(session.is_closing)

    def test_implicit(self) -> None:
        """
        Under implicit TLS the greeting is private already.
        """
        self.factory = self.make_factory(tls_use=TlsUse.IMPLICIT, allow_plaintext=False)
        _, transport = self.connect("192.0.2.1")
        self.assertEqual(b"", transport.take())
        client = TlsClient(transport)
        self.assertIn(b"AUTH=PLAIN", client.talk())
        self.assertIn(b"a OK", client.talk(b"a LOGIN fred secret\r\n"))

    def test_crowd(self) -> None:
        """
        Beyond the bound of connections there is BYE.
        """
        self.factory = self.make_factory(connections=1)
        self.connect()
        _, transport = self.connect()
        self.assertEqual(b"* BYE [LIMIT] There are too many connections; please try later.\r\n", transport.take())
        self.assertIsInstance(transport, MemoryTransport)
