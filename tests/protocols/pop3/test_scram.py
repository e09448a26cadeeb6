"""
L{twisted_mail_server.protocols.pop3.extensions.sasl}: logins that need keys
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tests.support.pop3 import PRIVATE, Peer, Pop3Case
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.protocols.sasl.registry import BY_NAME
from twisted_mail_server.protocols.sasl.vocabulary import Means, decode_base64, encode_base64


class ScramTests(Pop3Case):
    """
    A login that needs keys (RFC 5034, RFC 5802).
    """

    surroundings = evolve(PRIVATE, mechanisms=("SCRAM-SHA-256", "PLAIN"))

    def log_in(self, peer: Peer, password: bytes = b"secret", *, cut: int = 0) -> bytes:
        """
        The last answer; each line is sent in two pieces.
        """
        client = BY_NAME["SCRAM-SHA-256"].client(PlainSecret("mrose", password), Means(bytes, peer.bindings))
        line = b"AUTH SCRAM-SHA-256 " + encode_base64(client.start() or b"") + b"\r\n"
        answer = peer.talk(line[:cut], line[cut:])
        while answer.startswith(b"+ "):
            line = encode_base64(client.step(decode_base64(answer[2:].strip()))) + b"\r\n"
            answer = peer.talk(line[:cut], line[cut:])
        return answer

    def begin(self, **options: Any) -> Peer:
        """
        A new conversation, greeted.
        """
        peer = Peer(self.surroundings, **options)
        peer.talk()
        return peer

    def test_right(self) -> None:
        """
        Whoever knows the password comes in, wherever the lines are cut.
        """
        for cut in range(0, 60, 7):
            self.assertEqual(b"+OK Maildrop has 2 messages (320 octets).\r\n", self.log_in(self.begin(), cut=cut))

    def test_wrong(self) -> None:
        """
        A wrong proof is a wrong password, and three are too many.
        """
        peer = self.begin()
        for _ in range(3):
            self.assertTrue(self.log_in(peer, b"guess").startswith(b"-ERR [AUTH]"))
        self.assertTrue(peer.engine.is_closed)

    def test_no_keys(self) -> None:
        """
        If the keys cannot be had, the client may try again.
        """
        peer = self.begin(problem=TemporaryFailure("Not now."))
        self.assertEqual(b"-ERR [SYS/TEMP] Not now.\r\n", self.log_in(peer))
        peer.problem = None
        self.assertTrue(self.log_in(peer).startswith(b"+OK"))

    def test_downgraded(self) -> None:
        """
        A client that could bind and was not offered to is told; then it may try again.
        """
        peer = self.begin(bindings={"tls-exporter": b"x"})
        self.assertTrue(self.log_in(peer).startswith(b"-ERR [AUTH] This server does bind"))
        peer.bindings = {}
        self.assertTrue(self.log_in(peer).startswith(b"+OK"))
