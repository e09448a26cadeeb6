"""
Written conversations with the client's side of SMTP, and messages for it to send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from textwrap import dedent
from typing import Any

from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Recipient, RecipientOptions
from twisted_mail_server.model.queue import Outcome, Result
from twisted_mail_server.protocols.smtp.client import ClientSide
from twisted_mail_server.protocols.smtp.client_conversation import Wishes
from twisted_mail_server.protocols.smtp.client_events import (
    ContentWanted,
    Event,
    HandshakeDue,
    MailFinished,
    SessionOver,
    SessionReady,
)
from twisted_mail_server.protocols.smtp.vocabulary import OutgoingMail

HELLO = "client.example.org"
CONTENT = b"Subject: Hi\r\n\r\nHello.\r\n"


def address(text: str) -> Address:
    """
    An address, also one that nobody would be let in with.
    """
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def to(*texts: str, options: RecipientOptions | None = None) -> list[tuple[int, Recipient]]:
    """
    Recipients, numbered from 0.
    """
    return [(number, Recipient(address(text), "", options or RecipientOptions())) for number, text in enumerate(texts)]


def mail(
    *recipients: str, content: bytes = CONTENT, sender: str | None = "ann@example.org", **options: Any
) -> OutgoingMail:
    """
    A message to be sent.
    """
    return OutgoingMail(
        sender=None if sender is None else address(sender),
        recipients=to(*(recipients or ("bob@example.net",))),
        options=options.pop("options", MailOptions()),
        size=len(content),
        is_eight_bit=options.pop("is_eight_bit", not content.isascii()),
        **options,
    )


def outcomes(results: Sequence[Result]) -> list[tuple[int, Outcome, str]]:
    """
    What counts of some results.
    """
    return [(one.number, one.outcome, one.status) for one in results]


def read_turns(script: str) -> Iterator[tuple[bytes, bytes]]:
    """
    A written conversation as turns: what the server says, and what the client then says, each with its line ends.
    """
    server: list[str] = []
    client: list[str] = []
    for line in filter(str.strip, dedent(script).splitlines()):
        who, text = line.strip()[:2], line.strip()[3:]
        if who == "S:":
            if client:
                yield _encode(server), _encode(client)
                server, client = [], []
            server.append(text)
        elif who == "C:":
            client.append(text)
        else:
            raise AssertionError(f"Who says {line!r}?")
    yield _encode(server), _encode(client)


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


class ClientDriver:
    """
    Drives a L{ClientSide}: sends C{mails} one after the other, each with its content, then takes leave.
    """

    def __init__(
        self,
        wishes: Wishes,
        mails: Sequence[tuple[OutgoingMail, bytes]],
        *,
        piece: int = 10_000,
        quits: bool = True,
        is_private: bool = False,
    ) -> None:
        self.smtp = ClientSide(wishes, is_private)
        self.events: list[Event] = []
        self.output = b""
        self._mails = deque(mails)
        self._content = b""
        self._piece = piece
        self._quits = quits
        self._owes_handshake = False

    def receive(self, data: bytes) -> bytes:
        """
        Give octets, do what is wanted, and return what is said.
        """
        if self._owes_handshake:
            self._owes_handshake = False
            self.smtp.tls_started()
        self.smtp.receive(data)
        while (event := self.smtp.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, ContentWanted):
                piece, self._content = self._content[: self._piece], self._content[self._piece :]
                self.smtp.write(piece, is_last=not self._content)
            elif isinstance(event, SessionReady | MailFinished):
                self._go_on()
            elif isinstance(event, HandshakeDue):
                self._owes_handshake = True
        said = self.smtp.take_output()
        self.output += said
        return said

    def finish_handshake(self) -> bytes:
        """
        TLS is there.
        """
        return self.receive(b"")

    def _go_on(self) -> None:
        if not self.smtp.is_ready:
            return
        if self._mails:
            message, self._content = self._mails.popleft()
            self.smtp.begin(message)
        elif self._quits:
            self.smtp.quit()

    @property
    def finished(self) -> list[MailFinished]:
        """
        What came of each message.
        """
        return [event for event in self.events if isinstance(event, MailFinished)]

    @property
    def results(self) -> list[Result]:
        """
        Of all messages.
        """
        return [result for one in self.finished for result in one.results]

    @property
    def over(self) -> SessionOver:
        """
        The end of the session.
        """
        (over,) = [event for event in self.events if isinstance(event, SessionOver)]
        return over


class ClientCase:
    """
    To be mixed into a test case.
    """

    assertEqual: Callable[..., None]

    def plays(
        self,
        script: str,
        *mails: OutgoingMail | tuple[OutgoingMail, bytes],
        wishes: dict[str, Any] | None = None,
        **options: Any,
    ) -> ClientDriver:
        """
        Play a written conversation; then again with the server's words cut everywhere, with the same outcome.
        """
        ready = [one if isinstance(one, tuple) else (one, CONTENT) for one in mails]
        settled = Wishes(HELLO, "mx.example.net", "192.0.2.1", **(wishes or {}))
        driver = ClientDriver(settled, ready, **options)
        turns = list(read_turns(script))
        for said, expected in turns:
            self.assertEqual(expected, driver.receive(said), f"after {said!r}")
        for turn in range(len(turns)):
            for pieces in self._cuts(turns[turn][0]):
                other = ClientDriver(settled, ready, **options)
                for number, (said, expected) in enumerate(turns):
                    parts = pieces if number == turn else [said]
                    self.assertEqual(expected, b"".join(map(other.receive, parts)), f"{pieces} for {said!r}")
                self.assertEqual(driver.events, other.events)
        return driver

    @staticmethod
    def _cuts(data: bytes) -> Iterator[list[bytes]]:
        yield [data[at : at + 1] for at in range(len(data))]
        for at in range(1, len(data)):
            yield [data[:at], data[at:]]
