"""
POP3 conversations: with the engine alone, and with the server on a transport in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import House
from tests.support.disks import seeded
from tests.support.drive import now
from tests.support.stores import append
from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.interfaces import IAccountMail, IMailStore
from twisted_mail_server.model.accounts import ScramProof, ScramStart
from twisted_mail_server.model.errors import AuthenticationFailed, MailError
from twisted_mail_server.protocols.pop3.conversation import Surroundings
from twisted_mail_server.protocols.pop3.events import (
    Event,
    KeysAsked,
    LoginAsked,
    MessageAsked,
    OutputFilled,
    RemovalAsked,
    TlsAsked,
)
from twisted_mail_server.protocols.pop3.maildrop import Maildrop
from twisted_mail_server.protocols.pop3.server import ServerSide
from twisted_mail_server.protocols.sasl.scram import scram_keys
from twisted_mail_server.servers.base import Terms, TlsUse
from twisted_mail_server.servers.pop3 import Pop3Factory

PRIVATE = Surroundings(is_private=True, offers_tls=False, has_tls=True, mechanisms=("PLAIN", "LOGIN"))
PUBLIC = Surroundings(is_private=False, offers_tls=True)

#: 120 and 200 octets, as in the examples of RFC 1939.
ONE = b"Subject: one\r\n\r\n" + b"x" * 48 + b"\r\n.dot\r\n" + b"y" * 46 + b"\r\n"
TWO = b"Subject: two\r\n\r\n" + (b"z" * 90 + b"\r\n") * 2

LOGIN = b"USER mrose\r\nPASS secret\r\n"


@define(eq=False)
class Peer:
    """
    The engine, with somebody behind it who has one account, C{mrose} with the password C{secret}.
    """

    surroundings: Surroundings = PRIVATE
    messages: Sequence[bytes] = (ONE, TWO)
    #: How many octets of a message are handed over at a time.
    piece: int = 1 << 30
    #: What logging in, a message, or the removal comes to, if not to success.
    problem: MailError | None = None
    #: Channel bindings of the connection.
    bindings: dict[str, bytes] = field(factory=dict)
    events: list[Event] = field(factory=list)
    engine: ServerSide = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.engine = ServerSide("dewey", self.surroundings)
        self.engine.greet()

    def again(self) -> Peer:
        """
        Another one, that has heard nothing yet.
        """
        return Peer(self.surroundings, self.messages, self.piece, self.problem, self.bindings)

    def talk(self, *chunks: bytes) -> bytes:
        """
        What the client hears for what it sends.
        """
        heard: list[bytes] = []
        for chunk in chunks:
            self.engine.receive(chunk)
            while True:
                event = self.engine.next_event()
                heard.append(self.engine.take_output())
                if event is None:
                    break
                self.events.append(event)
                self._answer(event)
        heard.append(self.engine.take_output())
        return b"".join(heard)

    def _answer(self, event: Event) -> None:
        engine = self.engine
        match event:
            case LoginAsked(secret):
                problem = self.problem
                if isinstance(secret, ScramProof):
                    is_right = secret.is_right
                else:
                    is_right = (secret.authcid, secret.password) == ("mrose", b"secret")
                if not is_right:
                    problem = AuthenticationFailed("Wrong name or password.")
                if problem is not None:
                    engine.refuse_login(problem)
                else:
                    engine.enter(Maildrop(10, range(1, len(self.messages) + 1), list(map(len, self.messages))))
            case KeysAsked() if self.problem is None:
                keys = scram_keys(event.hash_name, b"secret", b"salt", 4096)
                engine.keys_found(ScramStart(keys, b"nonce"), self.bindings)
            case KeysAsked():
                assert self.problem is not None
                engine.refuse_login(self.problem)
            case MessageAsked(uid) if self.problem is None:
                message = self.messages[uid - 1]
                engine.begin_message(len(message))
                for start in range(0, len(message), self.piece):
                    if not engine.add_to_message(message[start : start + self.piece]):
                        break
                engine.end_message()
            case RemovalAsked() if self.problem is None:
                engine.finish()
            case TlsAsked():
                engine.tls_started(PRIVATE)
            case OutputFilled():
                pass
            case _:
                assert self.problem is not None
                engine.refuse(self.problem)


class Pop3Case(SynchronousTestCase):
    """
    Plays conversations as the RFCs print them.
    """

    def plays(self, text: str, peer: Peer | None = None) -> Peer:
        """
        What the client says (C{C:}) is answered just so (C{S:}), however it is cut.  The greeting comes first.
        """
        lines = dedent(text).strip().split("\n")
        said = b"".join(line[3:].encode("latin-1") + b"\r\n" for line in lines if line.startswith("C:"))
        expected = b"".join(line[3:].encode("latin-1") + b"\r\n" for line in lines if line.startswith("S:"))
        peer = Peer() if peer is None else peer
        for cut in range(len(said) if b"STLS" not in said else 0):
            self.assertEqual(expected, peer.again().talk(said[:cut], said[cut:]), f"cut at {cut}")
        one_by_one = [octet.to_bytes(1, "big") for octet in said]
        self.assertEqual(expected, peer.talk(*one_by_one))
        return peer


@define(eq=False)
class Post:
    """
    A POP3 server in memory, with one account: C{mrose@example.org}, password C{secret}.
    """

    tls_use: TlsUse = TlsUse.OFF
    allow_plaintext: bool = True
    house: House = field(factory=House)
    factory: Pop3Factory = field(init=False)
    mail: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        account = self.house.add("mrose@example.org", b"secret")
        store: IMailStore = self.house.store
        self.mail: IAccountMail = now(store.open(account.id))
        terms = Terms(
            "pop3",
            "dewey",
            self.house.clock,
            seeded(9),
            tls=ThrowAwayCertificates(),
            tls_use=self.tls_use,
            allow_plaintext=self.allow_plaintext,
        )
        self.factory = Pop3Factory(terms, authenticator=self.house.authenticator)

    def put(self, *messages: bytes) -> None:
        """
        Mail in the maildrop.
        """
        append(self.mail, "INBOX", *messages)

    def connect(self, peer: str = "127.0.0.1") -> MemoryTransport:
        """
        A connection.
        """
        transport = MemoryTransport(peer)
        transport.connect(self.factory.buildProtocol(None))
        return transport

    def enter(self) -> MemoryTransport:
        """
        A connection that has logged in.
        """
        transport = self.connect()
        transport.deliver(LOGIN)
        assert b"+OK Maildrop has" in transport.take()
        return transport
