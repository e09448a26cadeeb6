"""
SCRAM whole, in every protocol: L{twisted_mail_server.protocols.sasl.scram} under TLS, against accounts.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import House
from tests.support.disks import seeded
from tests.support.drive import now
from tests.support.transports import MemoryTransport, ThrowAwayCertificates, TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.protocols.sasl.bindings import channel_bindings
from twisted_mail_server.protocols.sasl.registry import BY_NAME
from twisted_mail_server.protocols.sasl.vocabulary import Means, decode_base64, encode_base64
from twisted_mail_server.servers.base import Session, SessionFactory, Terms, TlsUse
from twisted_mail_server.servers.imap import ImapFactory
from twisted_mail_server.servers.pop3 import Pop3Factory
from twisted_mail_server.servers.smtp import SmtpFactory

SECRET = PlainSecret("alice", b"secret")


class Dialogue:
    """
    The client's end of one connection under TLS.
    """

    #: How a login begins, without its initial response; whether that may come with it; what a challenge begins with.
    command = b""
    prompt = b"+ "
    #: How success and failure begin.
    success = b"+OK"
    failure = b"-ERR [AUTH]"
    wait = b"-ERR [LOGIN-DELAY]"

    def __init__(self, house: House) -> None:
        self.house = house
        transport = self.transport = MemoryTransport()
        session = self.factory().buildProtocol(None)
        assert isinstance(session, Session)
        self.session: Session = session
        transport.connect(session)
        self.client: TlsClient = TlsClient(transport)
        self.client.talk()
        self.greet()

    def terms(self, service: str) -> Terms:
        """
        Implicit TLS.
        """
        return Terms(
            service,
            "mail.example.org",
            self.house.clock,
            seeded(9),
            tls=ThrowAwayCertificates(),
            tls_use=TlsUse.IMPLICIT,
        )

    def factory(self) -> SessionFactory:
        """
        Of the protocol.
        """
        raise NotImplementedError

    def greet(self) -> None:
        """
        What must be said first.
        """

    def offered(self) -> bytes:
        """
        What the server says that there is.
        """
        raise NotImplementedError

    @property
    def bindings(self) -> dict[str, bytes]:
        """
        As the client sees them.
        """
        connection = self.client._tls.getHandle()
        return channel_bindings(connection, connection.get_peer_certificate(as_cryptography=True))

    def log_in(
        self,
        mechanism: str,
        secret: PlainSecret = SECRET,
        bindings: dict[str, bytes] | None = None,
        *,
        is_initial: bool = True,
        spoil: Any = None,
    ) -> bytes:
        """
        The last answer to a login.
        """
        exchange = BY_NAME[mechanism].client(secret, Means(seeded(4), bindings or {}))
        command = self.command % mechanism.encode()
        if is_initial:
            command += b" " + encode_base64(exchange.start() or b"")
        answer = self.client.talk(command + b"\r\n")
        while answer.startswith(self.prompt):
            response = exchange.step(decode_base64(answer[len(self.prompt) :].strip()))
            answer = self.client.talk(encode_base64(spoil(response) if spoil else response) + b"\r\n")
        self.is_satisfied = exchange.is_satisfied
        return answer


class SmtpDialogue(Dialogue):
    """
    Submission (RFC 4954).
    """

    command = b"AUTH %b"
    prompt = b"334 "
    success, failure, wait = b"235 2.7.0", b"535 5.7.8", b"454 4.7.0"

    def factory(self) -> SessionFactory:
        """
        Nothing is sent, so there is no intake.
        """
        nothing: Any = None
        return SmtpFactory(
            self.terms("submission"),
            service=Service.SUBMISSION,
            intake=nothing,
            authenticator=self.house.authenticator,
        )

    def greet(self) -> None:
        """
        EHLO.
        """
        self.client.talk(b"EHLO client.example\r\n")

    def offered(self) -> bytes:
        """
        The line of AUTH.
        """
        said = self.client.talk(b"EHLO client.example\r\n")
        return next(line for line in said.split(b"\r\n") if b"AUTH " in line)


class ImapDialogue(Dialogue):
    """
    IMAP (RFC 3501 section 6.2.2, RFC 4959).
    """

    command = b"a AUTHENTICATE %b"
    success, failure, wait = b"a OK", b"a NO [AUTHENTICATIONFAILED]", b"a NO [LIMIT]"

    def factory(self) -> SessionFactory:
        """
        IMAP.
        """
        return ImapFactory(self.terms("imap"), authenticator=self.house.authenticator)

    def offered(self) -> bytes:
        """
        The capabilities.
        """
        return self.client.talk(b"x CAPABILITY\r\n").replace(b"AUTH=", b"").partition(b"\r\n")[0]


class Pop3Dialogue(Dialogue):
    """
    POP3 (RFC 5034).
    """

    command = b"AUTH %b"

    def factory(self) -> SessionFactory:
        """
        POP3.
        """
        return Pop3Factory(self.terms("pop3"), authenticator=self.house.authenticator)

    def offered(self) -> bytes:
        """
        The line of SASL.
        """
        return next(line for line in self.client.talk(b"CAPA\r\n").split(b"\r\n") if line.startswith(b"SASL"))


class ScramTests:
    """
    To be mixed into a test case for each protocol.
    """

    dialogue: type[Dialogue]
    last: Dialogue | None = None
    assertIn: Any
    assertNotIn: Any
    assertTrue: Any
    assertEqual: Any

    def setUp(self) -> None:
        """
        One account.
        """
        self.house = House()
        self.alice = self.house.add("alice@example.org")

    def begin(self) -> Dialogue:
        """
        A new connection; the one before, which may hold the maildrop, is over.
        """
        if self.last is not None:
            self.last.transport.lose()
        self.last = self.dialogue(self.house)
        return self.last

    def assertAnswer(self, expected: bytes, answer: bytes) -> None:
        """
        The answer begins so.
        """
        self.assertEqual(expected, answer[: len(expected)], answer)

    def test_offered(self) -> None:
        """
        The strongest first.
        """
        names = b"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN"
        self.assertIn(names, self.begin().offered())

    def test_every_mechanism(self) -> None:
        """
        Each lets in who knows the password, with an initial response and without, bound by each type if it binds.
        """
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
            for is_initial in (True, False):
                talk = self.begin()
                self.assertAnswer(talk.success, talk.log_in(mechanism, is_initial=is_initial))
                self.assertTrue(talk.is_satisfied)
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            for kind in ("tls-exporter", "tls-server-end-point"):
                talk = self.begin()
                answer = talk.log_in(mechanism, SECRET, {kind: talk.bindings[kind]})
                self.assertAnswer(talk.success, answer)
                self.assertTrue(talk.is_satisfied)

    def test_wrong_password(self) -> None:
        """
        A wrong password and a name that is nobody's get the same answer, and the server proves nothing.
        """
        for secret in (PlainSecret("alice", b"guess"), PlainSecret("nobody", b"guess")):
            talk = self.begin()
            self.assertAnswer(talk.failure, talk.log_in("SCRAM-SHA-256", secret))
            self.assertEqual(False, talk.is_satisfied)
            self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256"))

    def test_tampered(self) -> None:
        """
        A last message with another nonce, or another proof, is refused.
        """

        def another_nonce(response: bytes) -> bytes:
            return response.replace(b",p=", b"x,p=")

        def another_proof(response: bytes) -> bytes:
            bare, separator, proof = response.rpartition(b",p=")
            return bare + separator + encode_base64(bytes(len(decode_base64(proof)))) if separator else response

        for spoil in (another_nonce, another_proof):
            talk = self.begin()
            self.assertAnswer(talk.failure, talk.log_in("SCRAM-SHA-256", spoil=spoil))

    def test_replay(self) -> None:
        """
        What somebody else said on another connection opens nothing on this one.
        """
        heard: list[bytes] = []

        def listen(response: bytes) -> bytes:
            heard.append(response)
            return response

        talk = self.begin()
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256", is_initial=False, spoil=listen))
        for _ in range(2):
            again = self.begin()
            said = iter(heard)
            answer = again.client.talk(again.command % b"SCRAM-SHA-256" + b"\r\n")
            while answer.startswith(again.prompt):
                answer = again.client.talk(encode_base64(next(said)) + b"\r\n")
            self.assertAnswer(again.failure, answer)

    def test_bound_elsewhere(self) -> None:
        """
        A login that was bound to another connection is refused, whoever passes it on.
        """
        elsewhere = self.begin().bindings
        talk = self.begin()
        only = {"tls-exporter": elsewhere["tls-exporter"]}
        self.assertAnswer(talk.failure, talk.log_in("SCRAM-SHA-256-PLUS", SECRET, only))

    def test_downgraded(self) -> None:
        """
        A client that believes that we cannot bind was lied to, and is told so.
        """
        talk = self.begin()
        answer = talk.log_in("SCRAM-SHA-256", SECRET, talk.bindings)
        self.assertIn(b"did not arrive as it was sent", answer)
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256-PLUS", SECRET, talk.bindings))

    def test_authzid(self) -> None:
        """
        One acts for oneself only.
        """
        talk = self.begin()
        other = PlainSecret("alice", b"secret", "bob@example.org")
        self.assertAnswer(talk.failure, talk.log_in("SCRAM-SHA-256", other))
        own = PlainSecret("alice", b"secret", "alice@example.org")
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256", own))

    def test_throttled(self) -> None:
        """
        Many wrong proofs make the next wait, before it is told any keys; afterwards the client may try on the same connection.
        """
        guess = PlainSecret("alice", b"guess")
        for _ in range(limits.FAILURES_PER_ACCOUNT):
            talk = self.begin()
            talk.log_in("SCRAM-SHA-1", guess)
        talk = self.begin()
        self.assertAnswer(talk.wait, talk.log_in("SCRAM-SHA-256"))
        self.house.clock.advance(2)
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256"))

    def test_cancelled(self) -> None:
        """
        A client may give up at each step, and try again.
        """
        talk = self.begin()
        for steps in range(3):
            exchange = BY_NAME["SCRAM-SHA-256"].client(SECRET, Means(seeded(4)))
            answer = talk.client.talk(talk.command % b"SCRAM-SHA-256" + b"\r\n")
            for _ in range(steps):
                challenge = decode_base64(answer[len(talk.prompt) :].strip())
                answer = talk.client.talk(encode_base64(exchange.step(challenge)) + b"\r\n")
            self.assertTrue(answer.startswith(talk.prompt))
            self.assertEqual(False, talk.client.talk(b"*\r\n").startswith(talk.success))
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256"))

    def test_session_ends(self) -> None:
        """
        A session that began so ends when its account is shut.
        """
        talk = self.begin()
        self.assertAnswer(talk.success, talk.log_in("SCRAM-SHA-256-PLUS", SECRET, talk.bindings))
        now(self.house.directory.set_disabled(self.alice.id, True))
        self.assertTrue(talk.session.is_closing)


class SmtpScramTests(ScramTests, SynchronousTestCase):
    """
    In SMTP.
    """

    dialogue = SmtpDialogue


class ImapScramTests(ScramTests, SynchronousTestCase):
    """
    In IMAP.
    """

    dialogue = ImapDialogue


class Pop3ScramTests(ScramTests, SynchronousTestCase):
    """
    In POP3.
    """

    dialogue = Pop3Dialogue
