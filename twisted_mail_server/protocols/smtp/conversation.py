"""
What verbs and extensions see of a session, and change: the facts, and the replies to be sent.

It knows no verb; L{twisted_mail_server.protocols.smtp.server} reads lines and finds the verb for each.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen

from ...model import limits
from ...model.replies import Reply
from ..buffers import LineBuffer
from ..sasl.vocabulary import ServerExchange
from . import replies
from .content import ChunkedContent, ContentReader
from .events import Event
from .states import Moves, State


@frozen
class Policy:
    """
    What this server grants; the same for all its sessions.
    """

    hostname: str
    #: Octets of a message (RFC 1870).
    message_size: int = limits.MESSAGE_SIZE
    #: Recipients of one transaction.
    recipients: int = limits.RECIPIENTS
    #: Whether mail is taken only from who has logged in (RFC 6409 section 4.3).
    is_submission: bool = False
    #: Whether it is LMTP that is spoken (RFC 2033).
    is_lmtp: bool = False


@define(eq=False)
class Chunk:
    """
    One chunk of content (RFC 3030), whose octets follow its command.
    """

    size: int
    is_last: bool
    #: Octets of it that are still to come.
    left: int
    #: Where the session stands after it, if it is not taken, and why it is not.
    back: State
    refusal: Reply | None = None


@define(eq=False)
class Conversation:
    """
    One session as far as it is known.
    """

    policy: Policy
    #: Whether STARTTLS is offered now.
    offers_tls: bool = False
    #: SASL mechanisms offered now, best first; none while passwords may not travel.
    mechanisms: tuple[str, ...] = ()
    #: Whether nothing may be sent without a login.
    needs_login: bool = False
    #: Whether VRFY and EXPN are really answered (RFC 5321 section 7.3).
    tells_names: bool = False
    state: State = field(default=State.START, init=False)
    #: What the client called itself: printable ASCII, and nothing more is promised.
    helo: str = field(default="", init=False)
    #: Whether it said EHLO, not HELO.
    is_extended: bool = field(default=False, init=False)
    is_authenticated: bool = field(default=False, init=False)
    #: Whether goodbye was said because the client went too far.
    is_expelled: bool = field(default=False, init=False)
    #: Transactions begun.
    transactions: int = field(default=0, init=False)
    #: Recipients of this transaction: taken, and asked for.
    recipients: int = field(default=0, init=False)
    recipients_asked: int = field(default=0, init=False)
    #: Whether this transaction's addresses may be UTF-8 (RFC 6531).
    is_utf8: bool = field(default=False, init=False)
    #: The content of this transaction, once it comes; and the chunk that is due.
    content: ContentReader | ChunkedContent | None = field(default=None, init=False)
    chunk: Chunk | None = field(default=None, init=False)
    #: Octets of chunks that were thrown away.
    skipped: int = field(default=0, init=False)
    #: Commands in a row that brought no mail forward.
    idle_commands: int = field(default=0, init=False)
    #: Refused commands since the last message was taken, and failed logins.
    errors: int = field(default=0, init=False)
    failed_logins: int = field(default=0, init=False)
    #: The SASL exchange under way, and the name of its mechanism.
    exchange: ServerExchange | None = field(default=None, init=False)
    mechanism: str = field(default="", init=False)
    #: What was received and not yet used, and how many octets of it are still taken without a login, where one is needed.
    input: LineBuffer = field(factory=LineBuffer, init=False)
    allowance: int = field(default=limits.UNAUTHENTICATED_BYTES, init=False)
    #: The commands there are, for HELP, and what may follow what.
    commands: tuple[str, ...] = field(default=(), init=False)
    moves: Moves = field(factory=dict, init=False)
    #: The event that waits for an answer, and the command it came from.
    asked: Event | None = field(default=None, init=False)
    asking: str = field(default="", init=False)
    #: Encoded replies that were not taken yet.
    said: list[bytes] = field(factory=list, init=False)

    @property
    def is_in_transaction(self) -> bool:
        """
        Whether MAIL was taken, and neither the message nor a reset has come.
        """
        return self.state in (State.SENDER, State.RECIPIENTS, State.CONTENT, State.CHUNKS)

    @property
    def is_closed(self) -> bool:
        """
        Whether goodbye was said.
        """
        return self.state is State.CLOSED

    def say(self, reply: Reply) -> None:
        """
        Add a reply; after 221 and 421 nothing more is read.
        """
        self.said.append(reply.encode())
        if reply.ends_session:
            self._close(is_expelled=reply.code == 421)

    def expel(self, reply: Reply) -> None:
        """
        Refuse, and read nothing more: what follows can be anything.
        """
        self.said.append(reply.encode())
        self._close(is_expelled=True)

    def _close(self, *, is_expelled: bool) -> None:
        self.state = State.CLOSED
        self.is_expelled = is_expelled
        self.input.discard()

    def take_output(self) -> bytes:
        """
        All that is to be sent, in one piece.
        """
        said = self.said
        if not said:
            return b""
        output = said[0] if len(said) == 1 else b"".join(said)
        said.clear()
        return output

    def say_error(self, reply: Reply) -> None:
        """
        Refuse; after L{limits.ERRORS_PER_SESSION} permanent refusals without a message taken the session ends.
        """
        if reply.code >= 500:
            self.errors += 1
            if self.errors >= limits.ERRORS_PER_SESSION:
                reply = replies.TOO_MANY_ERRORS
        self.say(reply)

    def move(self, command: str) -> None:
        """
        Go where an accepted command leads.
        """
        self.state = self.moves[self.state][command]

    def forget_transaction(self) -> None:
        """
        As after RSET (RFC 5321 section 4.1.1.5).
        """
        self.recipients = self.recipients_asked = 0
        self.is_utf8 = False
        self.content = None

    def say_outcome(self, reply: Reply) -> None:
        """
        Answer the end of content: in LMTP once for each recipient that was taken (RFC 2033 section 4.2).
        """
        if self.policy.is_lmtp:
            for _ in range(self.recipients - 1):
                self.said.append(reply.encode())
        self.say_error(reply)

    def end_transaction(self) -> None:
        """
        The message was taken, or refused.
        """
        self.forget_transaction()
        if self.state is not State.CLOSED:
            self.state = State.READY

    def ask(self, event: Event, command: str) -> None:
        """
        Hold the conversation until C{event} is answered.
        """
        self.asked, self.asking = event, command

    def await_tls(self) -> None:
        """
        Throw away what is there, and all that still comes in clear.
        """
        self.state = State.TLS
        self.input.discard()

    def facts(self) -> Mapping[str, object]:
        """
        What a log line tells of it.
        """
        return {"helo": self.helo, "transactions": self.transactions}
