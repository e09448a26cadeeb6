"""
Written SMTP conversations, and an intake and an authenticator that do as they are told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from textwrap import dedent
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer, provider

from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.interfaces import IAuthenticator, IIntake, ILogin, IMailTransaction, ISubmitter
from twisted_mail_server.model.accounts import Account, AccountId, PlainSecret, ScramKeys, ScramStart, Secret
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Origin, RecipientOptions, Service
from twisted_mail_server.model.errors import AuthenticationFailed, MailError
from twisted_mail_server.model.queue import QueueId
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import (
    AuthenticationAsked,
    Content,
    ContentSpoiled,
    Event,
    MailAsked,
    RecipientAsked,
    TlsAsked,
)
from twisted_mail_server.protocols.smtp.server import ServerSide
from twisted_mail_server.servers.base import Terms, TlsUse
from twisted_mail_server.servers.smtp import SmtpFactory, SmtpSession

HOSTNAME = "mail.example.org"
EVERYONE = Account(AccountId("0" * 32), Address("someone", "example.org"), 0)
PASSWORD = b"correct horse"


def collect_events(case: SynchronousTestCase) -> list[dict[str, Any]]:
    """
    What is logged from now on, until the end of the test.
    """
    events: list[dict[str, Any]] = []

    @provider(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    case.addCleanup(globalLogPublisher.removeObserver, observe)
    return events


def read_script(script: str) -> list[tuple[str, list[str]]]:
    """
    A written conversation as turns: what the client says, and the lines it then gets.  A first turn without C{C:} is what
    the server says by itself.  C{C+} lines are sent together with the line after them; a reply that ends in C{...} is
    compared up to there, and C{250-*} stands for any number of lines that begin with C{250-}.
    """
    turns: list[tuple[str, list[str]]] = [("", [])]
    for line in filter(str.strip, dedent(script).splitlines()):
        who, text = line.strip()[:2], line.strip()[3:]
        if who == "C:":
            turns.append((text + "\r\n", []))
        elif who == "C+":
            turns.append((text + "\r\n", ["+"]))
        elif who == "S:":
            turns[-1][1].append(text)
        else:
            raise AssertionError(f"Who says {line!r}?")
    joined: list[tuple[str, list[str]]] = []
    pending = ""
    for said, answers in turns:
        pending += said
        if answers != ["+"]:
            joined.append((pending, answers))
            pending = ""
    return joined


def compare_lines(expected: list[str], output: bytes) -> str:
    """
    What differs between the expected lines and what was said; empty if nothing does.
    """
    lines = output.decode("utf-8").split("\r\n")
    if lines.pop() != "":
        return f"The output does not end with CRLF: {output!r}"
    rest = list(lines)
    fits = True
    for pattern in expected:
        if pattern.endswith("-*"):
            while rest and rest[0].startswith(pattern[:-1]):
                del rest[0]
        else:
            line = rest.pop(0) if rest else ""
            fits = fits and (
                line.startswith(pattern[:-3]) if pattern.endswith("...") else line.rstrip() == pattern.rstrip()
            )
    fits = fits and not rest
    return "" if fits else f"expected {expected}\n     got {lines}"


class Driver:
    """
    Answers a L{ServerSide}'s questions at once: C{refusals} by address, login name or command; all else is accepted.
    """

    def __init__(self, smtp: ServerSide, refusals: dict[str, MailError] | None = None) -> None:
        self.smtp = smtp
        self.refusals = refusals or {}
        self.events: list[Event] = []
        self.output = b""

    def receive(self, data: bytes) -> bytes:
        """
        Give octets, answer what is asked, and return what is said.
        """
        self.smtp.receive(data)
        while (event := self.smtp.next_event()) is not None:
            self._note(event)
            problem = self.refusals.get(self._key(event))
            if isinstance(event, TlsAsked):
                said = self.smtp.take_output()
                self.smtp.tls_started(("PLAIN", "LOGIN"))
                self.output += said
                return said
            if isinstance(event, Content):
                if problem is not None:
                    self.smtp.refuse_content(problem)
            elif self.smtp.asked is None:
                continue
            elif problem is not None:
                self.smtp.refuse(problem)
            else:
                self.smtp.accept()
        said = self.smtp.take_output()
        self.output += said
        return said

    def _note(self, event: Event) -> None:
        """
        Join what is content of one message; forget the pieces that came before it was spoiled.
        """
        if isinstance(event, Content) and self.events and isinstance(self.events[-1], Content):
            event = Content(self.events.pop().data + event.data)  # type: ignore[union-attr]
        elif isinstance(event, ContentSpoiled) and self.events and isinstance(self.events[-1], Content):
            self.events.pop()
        self.events.append(event)

    @staticmethod
    def _key(event: Event) -> str:
        if isinstance(event, MailAsked):
            return str(event.sender)
        if isinstance(event, RecipientAsked):
            return str(event.address)
        if isinstance(event, AuthenticationAsked):
            return event.secret.authcid
        return type(event).__name__


class SmtpCase:
    """
    To be mixed into a test case: conversations with the engine alone.
    """

    refusals: dict[str, MailError] = {}
    assertEqual: Callable[..., None]

    def make(self, policy: Policy | None = None, **options: Any) -> Driver:
        """
        A session that was greeted.
        """
        smtp = ServerSide(policy or Policy(HOSTNAME), **options)
        smtp.greet()
        driver = Driver(smtp, dict(self.refusals))
        driver.output = smtp.take_output()
        return driver

    def plays(self, script: str, policy: Policy | None = None, **options: Any) -> Driver:
        """
        Play a written conversation, turn by turn; then once more, cut into single octets, with the same outcome.
        """
        driver = self.make(policy, **options)
        turns = read_script(script)
        said, expected = turns[0]
        if expected:
            self.assertEqual("", compare_lines(expected, driver.output))
        for said, expected in turns[1:]:
            difference = compare_lines(expected, driver.receive(said.encode("utf-8")))
            self.assertEqual("", difference, f"after {said!r}: {difference}")
        if not any(isinstance(event, TlsAsked) for event in driver.events):
            whole = "".join(said for said, _ in turns).encode("utf-8")
            self.same_however_cut(
                whole, [[whole], [whole[at : at + 1] for at in range(len(whole))]], driver, policy, **options
            )
        return driver

    def same_however_cut(
        self, whole: bytes, cuts: Iterable[list[bytes]], expected: Driver, policy: Policy | None = None, **options: Any
    ) -> None:
        """
        The input in pieces makes the same events, the same output and the same state.
        """
        for pieces in cuts:
            self.assertEqual(whole, b"".join(pieces))
            other = self.make(policy, **options)
            for piece in pieces:
                other.receive(piece)
            self.assertEqual(expected.output, other.output)
            self.assertEqual(expected.events, other.events)
            self.assertEqual(expected.smtp.state, other.smtp.state)


# A server with all that is behind it.


@implementer(IMailTransaction)
@define(eq=False)
class MadeUpTransaction:
    """
    One message that goes to a list.
    """

    intake: MadeUpIntake
    origin: Origin
    sender: Address | None
    options: MailOptions
    submitter: ISubmitter | None
    queue_id: QueueId
    recipients: list[str] = field(factory=list)
    wishes: list[RecipientOptions] = field(factory=list)
    content: list[bytes] = field(factory=list)
    #: C{open}, C{finished}, C{abandoned}.
    fate: str = "open"

    async def recipient(self, address: Address, options: RecipientOptions) -> None:
        """
        Take it, unless the intake was told otherwise.
        """
        await self.intake.step(str(address))
        self.recipients.append(str(address))
        self.wishes.append(options)

    async def begin_content(self) -> None:
        """
        As told.
        """
        await self.intake.step("DATA")

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Keep it.
        """
        self.content.append(data)
        told = self.intake.told.get("content")
        if isinstance(told, MailError):
            raise told
        return told

    async def finish(self) -> QueueId:
        """
        As told.
        """
        await self.intake.step("finish")
        self.fate = "finished"
        return self.queue_id

    async def abandon(self) -> None:
        """
        As told.
        """
        self.fate = "abandoned"
        await self.intake.step("abandon")


@implementer(IIntake)
class MadeUpIntake:
    """
    Takes everything, but for what C{told} says: a L{MailError} to raise or a L{Deferred} to wait for, by address or step.
    """

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.transactions: list[MadeUpTransaction] = []

    async def step(self, name: str) -> None:
        """
        Wait, or fail, as told.
        """
        told = self.told.get(name)
        if isinstance(told, Exception):
            raise told
        if told is not None:
            await told

    async def begin(
        self, origin: Origin, sender: Address | None, options: MailOptions, submitter: ISubmitter | None
    ) -> IMailTransaction:
        """
        One more.
        """
        await self.step(str(sender))
        queue_id = QueueId(len(self.transactions).to_bytes(16, "big"))
        transaction = MadeUpTransaction(self, origin, sender, options, submitter, queue_id)
        self.transactions.append(transaction)
        return transaction

    @property
    def taken(self) -> list[tuple[str, list[str], bytes]]:
        """
        Sender, recipients and content of each message that was finished.
        """
        return [
            ("" if one.sender is None else str(one.sender), one.recipients, b"".join(one.content))
            for one in self.transactions
            if one.fate == "finished"
        ]


@implementer(ISubmitter)
@define(eq=False)
class MadeUpSubmitter:
    """
    May send as anybody.
    """

    account: Account = EVERYONE

    async def may_send_as(self, address: Address) -> bool:
        """
        Yes.
        """
        return True


@implementer(ILogin)
@define(eq=False)
class MadeUpLogin:
    """
    A login that counts its ends.
    """

    revoked: Callable[[str], None]
    avatar: Any = field(factory=MadeUpSubmitter)
    account: Account = EVERYONE
    logouts: int = 0

    def logout(self) -> None:
        """
        Counted.
        """
        self.logouts += 1


@implementer(IAuthenticator)
class MadeUpAuthenticator:
    """
    Knows one password, for whatever name.
    """

    def __init__(self) -> None:
        self.logins: list[MadeUpLogin] = []
        self.asked: list[tuple[str, str]] = []
        self.waiting: Deferred[None] | None = None
        self.problem: MailError | None = None

    def mechanisms(self, *, is_private: bool) -> tuple[str, ...]:
        """
        One that nobody knows, too.
        """
        return ("LOGIN", "PLAIN", "SPHINX") if is_private else ()

    async def keys(self, name: str, hash_name: str, *, peer: str) -> ScramStart:
        """
        Nobody's.
        """
        return ScramStart(ScramKeys(b"salt", 4096, bytes(32), bytes(32)), b"nonce")

    async def login(self, secret: Secret, avatar: type, *, peer: str, revoked: Callable[[str], None]) -> ILogin:
        """
        Check.
        """
        self.asked.append((secret.authcid, peer))
        if self.waiting is not None:
            await self.waiting
        if self.problem is not None:
            raise self.problem
        if not isinstance(secret, PlainSecret) or secret.password != PASSWORD:
            raise AuthenticationFailed("Wrong name or password.")
        login = MadeUpLogin(revoked)
        self.logins.append(login)
        return login


class ServerCase:
    """
    To be mixed into a test case: a whole SMTP server on a clock and transports in memory.
    """

    service = Service.MX
    assertEqual: Callable[..., None]

    def setUp(self) -> None:
        """
        What is behind the server.
        """
        self.clock = Clock()
        self.intake = MadeUpIntake()
        self.authenticator = MadeUpAuthenticator()
        self.factory: SmtpFactory | None = None

    def make_factory(
        self, *, tls_use: TlsUse = TlsUse.STARTTLS, terms: dict[str, Any] | None = None, **options: Any
    ) -> SmtpFactory:
        """
        A factory of the service under test.
        """
        settled = {
            "service": self.service.value,
            "hostname": HOSTNAME,
            "clock": self.clock,
            "random": bytes,
            "tls": ThrowAwayCertificates(),
            "tls_use": tls_use,
            **(terms or {}),
        }
        return SmtpFactory(
            Terms(**settled),
            **{"service": self.service, "intake": self.intake, "authenticator": self.authenticator, **options},
        )

    def connect(self, peer: str = "192.0.2.1", **options: Any) -> tuple[SmtpSession, MemoryTransport]:
        """
        A new connection, greeted; the first makes the factory.
        """
        if self.factory is None or options:
            self.factory = self.make_factory(**options)
        session = self.factory.buildProtocol(None)
        assert isinstance(session, SmtpSession)
        transport = MemoryTransport(peer)
        transport.connect(session)
        return session, transport

    def talk(self, say: Callable[[bytes], bytes], script: str) -> None:
        """
        Play a written conversation.
        """
        for said, expected in read_script(script):
            if said or expected:
                difference = compare_lines(expected, say(said.encode("utf-8")))
                self.assertEqual("", difference, f"after {said!r}: {difference}")

    def plays(self, script: str, peer: str = "192.0.2.1", **options: Any) -> tuple[SmtpSession, MemoryTransport]:
        """
        Play a written conversation on a new connection; its first turn is the greeting.
        """
        session, transport = self.connect(peer, **options)
        transport.take()
        self.goes_on(transport, script)
        return session, transport

    def goes_on(self, transport: MemoryTransport, script: str) -> None:
        """
        Play on, on a connection that is there.
        """

        def say(data: bytes) -> bytes:
            if data:
                transport.deliver(data)
            return transport.take()

        self.talk(say, script)
