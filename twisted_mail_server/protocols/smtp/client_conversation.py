"""
What the parts of the client's side share: what is wished for, what is offered, what was said, and which replies are due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field, frozen

from ...model.accounts import PlainSecret
from ...model.queue import Outcome, Result
from ...model.replies import Reply
from ..sasl.vocabulary import Means
from .client_events import Event
from .client_replies import Stage, describe, status_of
from .registry import EXTENSIONS
from .vocabulary import Offers

#: What we use of what servers offer, by keyword.
USAGES = {extension.keyword: extension.usage for extension in EXTENSIONS if extension.usage is not None}


@frozen
class Wishes:
    """
    What a session is for.
    """

    #: What we call ourselves.
    hello: str
    #: Whom we talk to, for people: a name, and an IP address or nothing.
    host: str
    address: str = ""
    #: Whether to begin TLS where it is offered, and whether to give up where it is not.
    wants_tls: bool = False
    needs_tls: bool = False
    #: Who to log in as.
    secret: PlainSecret | None = field(default=None, repr=False)
    #: What there is to log in with besides (L{Means <twisted_mail_server.protocols.sasl.vocabulary.Means>}).
    means: Means = field(factory=Means)
    #: Whether a password may be sent without TLS.
    trusts_network: bool = False
    #: Whether the server speaks LMTP (RFC 2033): LHLO, and a reply for each recipient after the content.
    is_lmtp: bool = False

    @property
    def peer(self) -> str:
        """
        Whom we talk to, in one word or two: C{mx.example.org [192.0.2.1]}.
        """
        place = f"[{self.address}]" if self.address else ""
        return place if self.host == self.address else f"{self.host} {place}".rstrip()


@define(eq=False)
class ClientConversation:
    """
    One session as far as it is known.
    """

    wishes: Wishes
    #: Whether the connection is under TLS.
    is_private: bool = False
    offers: Offers = field(factory=Offers, init=False)
    #: The last reply, and how many there were.
    last_reply: Reply | None = field(default=None, init=False)
    replies: int = field(default=0, init=False)
    said: list[bytes] = field(factory=list, init=False)
    events: deque[Event] = field(factory=deque, init=False)
    #: The replies that are due, in order: what each answers, and who wants to know.
    expected: deque[tuple[Stage, Callable[[Reply], None]]] = field(factory=deque, init=False)

    @property
    def awaited(self) -> Stage | None:
        """
        What the next reply will answer; C{None} if none is due.
        """
        return self.expected[0][0] if self.expected else None

    def expect(self, stage: Stage, answered: Callable[[Reply], None]) -> None:
        """
        One more reply is due.
        """
        self.expected.append((stage, answered))

    def command(self, line: bytes, stage: Stage, answered: Callable[[Reply], None]) -> None:
        """
        Say a command; C{answered} gets its reply.
        """
        self.said.append(line + b"\r\n")
        self.expect(stage, answered)

    def report(self, number: int, outcome: Outcome, reply: Reply, stage: Stage) -> Result:
        """
        What the server said of a recipient.
        """
        said = describe(reply)
        where = "" if outcome is Outcome.RELAYED else f" (in reply to {stage.value})"
        return Result(
            number,
            outcome,
            f"{self.wishes.peer} said: {said}{where}",
            status_of(reply, stage),
            f"smtp; {said}",
            self.wishes.host,
            outcome is Outcome.RELAYED and self.offers.takes_over_reports,
        )

    def report_own(self, number: int, outcome: Outcome, text: str, status: str) -> Result:
        """
        What we say of a recipient ourselves.
        """
        return Result(number, outcome, f"{self.wishes.peer}: {text}", status)
