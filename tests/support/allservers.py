"""
Every server there is, in memory: MX, submission, LMTP, IMAP and POP3, with one mail house and one portal behind them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field

from tests.support.accounts import cheap_passwords
from tests.support.disks import InlinePool, seeded
from tests.support.drive import now
from tests.support.mailhouse import MailHouse, as_store
from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.auth.authenticator import Authenticator
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.auth.portals import build_authenticator
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.servers.base import SessionFactory, Terms, TlsUse
from twisted_mail_server.servers.imap import ImapFactory
from twisted_mail_server.servers.pop3 import Pop3Factory
from twisted_mail_server.servers.smtp import SmtpFactory

HOSTNAME = "mail.example.org"
SERVICES = ("smtp", "submission", "lmtp", "imap", "pop3")
#: Those where one logs in, and the beginning of a conversation up to that.
LOGINS = ("submission", "imap", "pop3")

#: Loopback, where a password may travel in clear here; guesses from it count by account only.
HERE = "127.0.0.1"
#: Anybody else.
THERE = "192.0.2.1"


class WatchedTransport(MemoryTransport):
    """
    A transport that notes whether it was given up.
    """

    is_aborted = False

    def abortConnection(self) -> None:
        """
        At once.
        """
        self.is_aborted = True
        super().abortConnection()

    @property
    def is_ended(self) -> bool:
        """
        Whether the server has had enough.
        """
        return self.is_aborted or self.disconnecting


class FullTransport(WatchedTransport):
    """
    A transport whose client reads nothing: like TCP's it asks for a pause once it holds some octets, and keeps them all.
    """

    #: As of L{twisted.internet.abstract.FileDescriptor}.
    bufferSize = 65536

    def write(self, data: bytes) -> None:
        """
        Keep.
        """
        super().write(data)
        producer: Any = self.producer
        if producer is not None and self.held > self.bufferSize:
            producer.pauseProducing()

    @property
    def held(self) -> int:
        """
        Octets that were written and not taken.
        """
        return self.io.tell()

    def read(self) -> int:
        """
        The client reads all of it; how much that was.
        """
        count = len(self.take())
        producer: Any = self.producer
        if producer is not None:
            producer.resumeProducing()
        return count


_T = TypeVar("_T", bound=MemoryTransport)


@define(eq=False)
class AllServers:
    """
    The factories, made at first use, and what is behind them.
    """

    tls_use: TlsUse = TlsUse.STARTTLS
    #: Changes to the L{Terms}.
    terms: dict[str, Any] = field(factory=dict)
    pool: Any = field(factory=InlinePool)
    house: MailHouse = field(factory=MailHouse)
    passwords: Argon2Passwords = field(init=False)
    authenticator: Authenticator = field(init=False)
    factories: dict[str, SessionFactory] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.passwords = cheap_passwords(self.clock, self.pool)
        self.authenticator = build_authenticator(
            self.house.directory, as_store(self.house.store), self.passwords, self.clock, seeded(6)
        )

    @property
    def clock(self) -> Any:
        """
        Everybody's.
        """
        return self.house.clock

    def add(self, address: str, password: bytes = b"secret") -> Account:
        """
        Somebody who lives here.
        """
        stored = now(self.passwords.store(password))
        return now(self.house.directory.add_account(Address.parse(address), stored))

    def factory(self, service: str) -> SessionFactory:
        """
        Of one service.
        """
        if service not in self.factories:
            self.factories[service] = _MADE[service](self, self._terms(service))
        return self.factories[service]

    def _terms(self, service: str) -> Terms:
        settled: dict[str, Any] = {
            "service": service,
            "hostname": HOSTNAME,
            "clock": self.clock,
            "random": seeded(9),
            "tls": ThrowAwayCertificates(),
            "tls_use": self.tls_use,
            "allow_plaintext": True,
            **self.terms,
        }
        return Terms(**settled)

    def connect(self, service: str, peer: str = HERE) -> WatchedTransport:
        """
        A new connection; the greeting is there to be taken.
        """
        return self._connected(service, WatchedTransport(peer))

    def connect_full(self, service: str, peer: str = HERE) -> FullTransport:
        """
        A new connection of a client that reads when it is told to.
        """
        return self._connected(service, FullTransport(peer))

    def _connected(self, service: str, transport: _T) -> _T:
        transport.connect(self.factory(service).buildProtocol(None))
        return transport

    def say(self, service: str, *said: bytes, peer: str = HERE) -> bytes:
        """
        What a conversation of its own brings, greeting included; then the connection is lost.
        """
        transport = self.connect(service, peer)
        for one in said:
            transport.deliver(one)
        heard = transport.take()
        transport.lose()
        return heard


def login(service: str, name: bytes = b"ana@example.org", password: bytes = b"secret") -> bytes:
    """
    All that is said to log in with a password.
    """
    if service == "imap":
        return b"a LOGIN {%d+}\r\n%b {%d+}\r\n%b\r\n" % (len(name), name, len(password), password)
    if service == "pop3":
        return b"USER %b\r\nPASS %b\r\n" % (name, password)
    return b"EHLO me\r\nAUTH PLAIN " + base64.b64encode(b"\0%b\0%b" % (name, password)) + b"\r\n"


def _mail_taker(service: Service) -> Callable[[AllServers, Terms], SessionFactory]:
    def make(servers: AllServers, terms: Terms) -> SessionFactory:
        authenticator = servers.authenticator if service is Service.SUBMISSION else None
        house = servers.house
        return SmtpFactory(
            terms, service=service, intake=house.intake, authenticator=authenticator, directory=house.directory
        )

    return make


_MADE: dict[str, Callable[[AllServers, Terms], SessionFactory]] = {
    "smtp": _mail_taker(Service.MX),
    "submission": _mail_taker(Service.SUBMISSION),
    "lmtp": _mail_taker(Service.LMTP),
    "imap": lambda servers, terms: ImapFactory(terms, authenticator=servers.authenticator),
    "pop3": lambda servers, terms: Pop3Factory(terms, authenticator=servers.authenticator),
}
