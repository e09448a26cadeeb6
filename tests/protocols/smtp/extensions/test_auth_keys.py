"""
L{twisted_mail_server.protocols.smtp.extensions.auth}: logins that need keys
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.accounts import PlainSecret, ScramProof, ScramStart
from twisted_mail_server.model.errors import AuthenticationFailed, Throttled
from twisted_mail_server.protocols.sasl.registry import BY_NAME
from twisted_mail_server.protocols.sasl.scram import scram_keys
from twisted_mail_server.protocols.sasl.vocabulary import Means, decode_base64, encode_base64
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import AuthenticationAsked, KeysAsked
from twisted_mail_server.protocols.smtp.server import ServerSide

BINDINGS = {"tls-exporter": b"b" * 32}


class KeysTests(SynchronousTestCase):
    """
    SCRAM in an ESMTP session (RFC 4954, RFC 5802).
    """

    def setUp(self) -> None:
        """
        A session that was greeted.
        """
        self.bindings: dict[str, bytes] = {}
        self.problem: Throttled | None = None
        self.asked: list[KeysAsked | AuthenticationAsked] = []
        self.begin()

    def begin(self) -> None:
        """
        A new one.
        """
        self.smtp = ServerSide(
            Policy("mail.example.org", is_submission=True), mechanisms=("SCRAM-SHA-256",), needs_login=True
        )
        self.say(b"EHLO client.example")

    def say(self, line: bytes, cut: int = 0) -> bytes:
        """
        What is answered to a line that comes in two pieces.
        """
        line += b"\r\n"
        for piece in (line[:cut], line[cut:]):
            self.smtp.receive(piece)
            while (event := self.smtp.next_event()) is not None:
                assert isinstance(event, KeysAsked | AuthenticationAsked)
                self.asked.append(event)
                self.answer(event)
        return self.smtp.take_output()

    def answer(self, event: KeysAsked | AuthenticationAsked) -> None:
        """
        As a server does.
        """
        if isinstance(event, AuthenticationAsked):
            assert isinstance(event.secret, ScramProof)
            if event.secret.is_right:
                self.smtp.accept()
            else:
                self.smtp.refuse(AuthenticationFailed("Wrong name or password."))
        elif self.problem is not None:
            self.smtp.refuse(self.problem)
        else:
            keys = scram_keys(event.hash_name, b"secret", b"salt", 4096)
            self.smtp.keys_found(ScramStart(keys, b"nonce"), self.bindings)

    def log_in(self, password: bytes = b"secret", *, is_initial: bool = True, cut: int = 0) -> bytes:
        """
        The last answer.
        """
        client = BY_NAME["SCRAM-SHA-256"].client(PlainSecret("tim", password), Means(bytes, self.bindings))
        line = b"AUTH SCRAM-SHA-256"
        if is_initial:
            line += b" " + encode_base64(client.start() or b"")
        answer = self.say(line, cut)
        while answer.startswith(b"334 "):
            answer = self.say(encode_base64(client.step(decode_base64(answer[4:].strip()))), cut)
        return answer

    def test_right(self) -> None:
        """
        Whoever knows the password comes in, with an initial response and without, wherever the lines are cut.
        """
        for is_initial in (True, False):
            for cut in range(0, 60, 7):
                self.begin()
                self.assertEqual(b"235 2.7.0", self.log_in(is_initial=is_initial, cut=cut)[:9])
                self.assertTrue(self.smtp.is_authenticated)
        self.assertEqual(("tim", "sha256"), (self.asked[0].name, self.asked[0].hash_name))  # type: ignore[union-attr]

    def test_commands_wait(self) -> None:
        """
        What comes while keys are looked for is not read before they are there.
        """
        self.smtp.receive(b"AUTH SCRAM-SHA-256 bixhPXRpbSxuPXRpbSxyPWFiYw==\r\n*\r\nNOOP\r\n")
        event = self.smtp.next_event()
        assert isinstance(event, KeysAsked)
        self.assertIsNone(self.smtp.next_event())
        self.assertEqual(b"", self.smtp.take_output())
        self.answer(event)
        self.assertIsNone(self.smtp.next_event())
        answers = self.smtp.take_output().split(b"\r\n")
        self.assertEqual([b"334", b"501", b"250", b""], [answer[:3] for answer in answers])

    def test_wrong(self) -> None:
        """
        A wrong proof is a wrong password, and three are too many.
        """
        for _ in range(2):
            self.assertEqual(b"535 5.7.8", self.log_in(b"guess")[:9])
        self.assertEqual(b"421 ", self.log_in(b"guess")[:4])

    def test_no_keys(self) -> None:
        """
        If the keys cannot be had, the client may try again.
        """
        self.problem = Throttled("Too many.")
        self.assertEqual(b"454 4.7.0 Too many.\r\n", self.log_in())
        self.assertEqual(b"250 ", self.say(b"NOOP")[:4])
        self.problem = None
        self.assertEqual(b"235 ", self.log_in()[:4])

    def test_downgraded(self) -> None:
        """
        A client that could bind and was not offered to is told; then it may try again.
        """
        self.bindings = BINDINGS
        self.assertIn(b"535 5.7.8 This server does bind", self.log_in())
        self.bindings = {}
        self.assertEqual(b"235 ", self.log_in(is_initial=False)[:4])
