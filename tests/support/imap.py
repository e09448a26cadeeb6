"""
Play written conversations against the IMAP engine, several sessions on one store.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from attrs import define, field, frozen
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.drive import now
from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.interfaces import IAccountMail, IAuthenticator, ILogin, IMailStore, IMailUser
from twisted_mail_server.model.accounts import Account, AccountId, PlainSecret, ScramStart, Secret
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AuthenticationFailed
from twisted_mail_server.protocols.imap.registry import IMAP
from twisted_mail_server.protocols.imap.server import Conversation
from twisted_mail_server.protocols.imap.session import Settings
from twisted_mail_server.servers.base import Terms
from twisted_mail_server.servers.imap import ImapFactory, ImapSession
from twisted_mail_server.storage.memory import MemoryStore

#: When tests happen: Tue, 14 Nov 2023 22:13:20 +0000.
NOW = 1_700_000_000

_LINE = re.compile(r"(?P<side>[CS])(?P<number>[0-9]?):(?: (?P<text>.*))?")


def counting() -> Callable[[int], bytes]:
    """
    Octets that never repeat, and are the same in every run.
    """
    count = 0

    def octets(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size, "big")

    return octets


@implementer(IMailUser)
@frozen
class User:
    """
    Somebody who reads mail.
    """

    account: Account
    mail: IAccountMail


@implementer(ILogin)
@define(eq=False)
class Login:
    """
    A login.
    """

    avatar: User
    account: Account
    revoked: Callable[[str], None]
    is_over: bool = False

    def logout(self) -> None:
        """
        Remember that it is over.
        """
        self.is_over = True


@implementer(IAuthenticator)
class Passwords:
    """
    An authenticator with a password for each name.
    """

    def __init__(self, store: IMailStore, passwords: dict[str, bytes]) -> None:
        self._store = store
        self._passwords = passwords
        self.logins: list[Login] = []

    def mechanisms(self, *, is_private: bool) -> tuple[str, ...]:
        """
        PLAIN and LOGIN, in private.
        """
        return ("PLAIN", "LOGIN") if is_private else ()

    async def keys(self, name: str, hash_name: str, *, peer: str) -> ScramStart:
        """
        None fit.
        """
        raise AssertionError("SCRAM was not offered.")

    async def login(self, secret: Secret, avatar: type, *, peer: str, revoked: Callable[[str], None]) -> Login:
        """
        Check a password.

        @raise AuthenticationFailed: it is wrong.
        """
        assert isinstance(secret, PlainSecret)
        if self._passwords.get(secret.authcid) != secret.password:
            raise AuthenticationFailed("Wrong name or password.")
        account_id = account_id_of(secret.authcid)
        account = Account(account_id, Address(secret.authcid, "example.org"), 0)
        login = Login(User(account, await self._store.open(account_id)), account, revoked)
        self.logins.append(login)
        return login


def account_id_of(name: str) -> AccountId:
    """
    An id for each name.
    """
    return AccountId(name.encode().hex().rjust(32, "0")[:32])


class _Bell:
    """
    What a waiting conversation yields.
    """

    def __await__(self) -> Generator[_Bell, None, None]:
        yield self


@define(eq=False)
class Line:
    """
    A connection with nothing behind it.
    """

    peer: str = "192.0.2.1"
    is_private: bool = True
    can_start_tls: bool = False
    is_closing: bool = False
    is_leaving: bool = False
    #: Called by C{write}; what it returns is awaited.
    on_write: Callable[[bytes], Awaitable[None] | None] | None = None
    conversation: Conversation = field(init=False)
    sent: bytearray = field(factory=bytearray)
    failures: list[Exception] = field(factory=list)
    broken: list[str] = field(factory=list)
    revoked: list[str] = field(factory=list)
    entered_as: list[Account] = field(factory=list)
    tls_started: int = 0
    channel_bindings: dict[str, bytes] = field(factory=dict)
    breaths: int = 0
    _task: Coroutine[Any, Any, None] | None = None
    _is_rung: bool = False

    def begin(self, settings: Settings) -> None:
        """
        Connect.
        """
        self.conversation = Conversation(settings, self)
        self.sent += self.conversation.greeting

    def receive(self, data: bytes) -> None:
        """
        The client sends something.
        """
        self.conversation.receive(data)
        if self._task is not None:
            self._advance()
        elif self.conversation.has_command:
            self._task = self.conversation.run()
            self._advance()

    def ring(self) -> None:
        """
        There is news.
        """
        self._is_rung = True

    def hear(self) -> None:
        """
        Let a conversation that waits for news have it.
        """
        if self._is_rung and self._task is not None:
            self._advance()

    def _advance(self) -> None:
        assert self._task is not None
        try:
            self._task.send(None)
        except StopIteration:
            self._task = None

    def lose(self) -> None:
        """
        The connection breaks.
        """
        self.is_closing = True
        if self._task is not None:
            try:
                self._task.throw(ConnectionError())
            except ConnectionError:
                self._task = None
        now(self.conversation.close())

    def take(self) -> bytes:
        """
        What was sent since the last time.
        """
        octets = bytes(self.sent)
        self.sent.clear()
        return octets

    @property
    def is_waiting(self) -> bool:
        """
        Whether a command is in the middle of something.
        """
        return self._task is not None

    # What a conversation asks of its driver.

    def now(self) -> int:
        """
        The time of all tests.
        """
        return NOW

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Keep it for the test to see.
        """
        self.sent += data
        return None if self.on_write is None else self.on_write(data)

    async def wait(self) -> None:
        """
        Wait, unless there was news.
        """
        if not self._is_rung:
            await _Bell()
        self._is_rung = False

    async def breathe(self) -> None:
        """
        There is nobody else.
        """
        self.breaths += 1

    def start_tls(self) -> None:
        """
        It is private now.
        """
        self.tls_started += 1
        self.is_private, self.can_start_tls = True, False

    def entered(self, account: Account) -> None:
        """
        Remember who.
        """
        self.entered_as.append(account)

    def revoke(self, reason: str) -> None:
        """
        Remember why.
        """
        self.revoked.append(reason)

    def broke_off(self, reason: str) -> None:
        """
        Remember why.
        """
        self.broken.append(reason)

    def failed(self, problem: Exception, doing: str) -> None:
        """
        Remember what.
        """
        self.failures.append(problem)


class ImapTestCase(SynchronousTestCase):
    """
    Tests as conversations.

    C{C:} is what the client sends, C{S:} what the server says, to the last line; C{...} stands for anything.  C{C2:} and C{S2:}
    are another session, with the same mail; each session has logged in, unless C{enters} says no.
    """

    enters = True
    separator = "/"
    message_size = 100_000

    def setUp(self) -> None:
        """
        An empty store.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = self.make_store()
        self.passwords = Passwords(self.store, {"fred": b"secret", "mary": b"lamb"})
        self.mail = now(self.store.open(account_id_of("fred")))
        self.settings = self.make_settings()
        self.lines: dict[str, Line] = {}

    def make_store(self) -> IMailStore:
        """
        An empty store.
        """
        return MemoryStore(self.clock, counting())

    def make_settings(self, **changes: Any) -> Settings:
        """
        Settings, as the class and C{changes} want them.
        """
        facts: dict[str, Any] = {
            "hostname": "mail.example.org",
            "authenticator": self.passwords,
            "registry": IMAP,
            "separator": self.separator,
            "identity": ((b"name", b"twisted_mail_server"), (b"version", b"1.0")),
            "message_size": self.message_size,
            **changes,
        }
        return Settings(**facts)

    def connect(self, **facts: Any) -> Line:
        """
        A new connection, greeted, nobody logged in.
        """
        line = Line(**facts)
        line.begin(self.settings)
        line.take()
        return line

    def line(self, number: str = "") -> Line:
        """
        The session of that number; it begins when first asked for.
        """
        if number not in self.lines:
            line = self.lines[number] = self.connect()
            if self.enters:
                line.receive(b"x LOGIN fred secret\r\n")
                self.assertIn(b"x OK", line.take())
        return self.lines[number]

    def add(self, *messages: bytes, mailbox: str = "INBOX", flags: tuple[str, ...] = (), date: int = NOW) -> None:
        """
        Put messages into a mailbox; lines may end in LF.
        """
        staged = []
        for message in messages:
            content = self.mail.stage()
            content.write(message.replace(b"\n", b"\r\n"))
            now(content.finish())
            staged.append((content, flags, date))
        now(self.mail.append(mailbox, staged))

    def plays(self, script: str) -> None:
        """
        Play a conversation; every session must have said all that it should, and nothing else.
        """
        said: dict[str, list[str]] = {}
        for written in script.strip("\n").split("\n"):
            if not written.strip():
                continue
            found = _LINE.fullmatch(written.lstrip(" "))
            assert found is not None, written
            number, text = found["number"], found["text"] or ""
            if found["side"] == "C":
                self._check_silence(said)
                line = self.line(number)
                line.receive(text.encode("utf-8") + b"\r\n")
            else:
                line = self.line(number)
            for other_number, other in self.lines.items():
                other.hear()
                said.setdefault(other_number, []).extend(_lines(other.take()))
            if found["side"] == "S":
                heard = said[number]
                self.assertTrue(heard, f"Nothing was said, but should be: {text}")
                self.assertTrue(_fits(text, heard[0]), f"\nexpected {text!r}\nbut heard {heard}")
                del heard[0]
        self._check_silence(said)

    def _check_silence(self, said: dict[str, list[str]]) -> None:
        for number, heard in said.items():
            self.assertEqual([], heard, f"Session {number or 1} said more.")


def _lines(octets: bytes) -> list[str]:
    return octets.decode("utf-8").removesuffix("\r\n").split("\r\n") if octets else []


def _fits(expected: str, heard: str) -> bool:
    pattern = ".*".join(map(re.escape, expected.split("...")))
    return re.fullmatch(pattern, heard, re.DOTALL) is not None


class ImapServerCase(SynchronousTestCase):
    """
    Tests of whole sessions, on transports in memory.
    """

    def setUp(self) -> None:
        """
        An empty store.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = MemoryStore(self.clock, counting())
        self.passwords = Passwords(self.store, {"fred": b"secret"})
        self.mail = now(self.store.open(account_id_of("fred")))
        self.factory = self.make_factory()

    def make_factory(self, **facts: Any) -> ImapFactory:
        """
        A listener's factory; without TLS, and taking passwords from loopback.
        """
        terms: dict[str, Any] = {
            "service": "imap",
            "hostname": "mail.example.org",
            "clock": self.clock,
            "random": counting(),
            "tls": ThrowAwayCertificates(),
            "allow_plaintext": True,
            **facts,
        }
        return ImapFactory(Terms(**terms), authenticator=self.passwords)

    def connect(self, peer: str = "127.0.0.1") -> tuple[ImapSession, MemoryTransport]:
        """
        A new connection.
        """
        session = self.factory.buildProtocol(None)
        assert isinstance(session, ImapSession)
        transport = MemoryTransport(peer)
        transport.connect(session)
        return session, transport

    def enter(self, *commands: bytes) -> tuple[ImapSession, MemoryTransport]:
        """
        A connection that has logged in, and done C{commands}.
        """
        session, transport = self.connect()
        transport.deliver(b"x LOGIN fred secret\r\n" + b"".join(command + b"\r\n" for command in commands))
        self.assertIn(b"x OK", transport.take())
        return session, transport

    def add(self, *messages: bytes, mailbox: str = "INBOX") -> None:
        """
        Put messages into a mailbox.
        """
        for message in messages:
            content = self.mail.stage()
            content.write(message)
            now(content.finish())
            now(self.mail.append(mailbox, [(content, (), NOW)]))
