"""
The client's side of an SMTP or LMTP session: octets in, events and octets out (RFC 5321, RFC 2033).

Give it what comes in with L{ClientSide.receive}, pull L{ClientSide.next_event} until there is none, and send
L{ClientSide.take_output}.  L{SessionReady <twisted_mail_server.protocols.smtp.client_events.SessionReady>} says that a
message may go: L{ClientSide.begin}; each C{ContentWanted} is answered with L{ClientSide.write}, until C{MailFinished}.

::

    greeting - EHLO (HELO) - [STARTTLS - EHLO] - [AUTH] - ready - (MAIL RCPT+ DATA content | ... RSET)* - QUIT

One message is L{twisted_mail_server.protocols.smtp.client_transfer}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from ...model import limits
from ...model.envelopes import Recipient
from ...model.errors import PeerError, SyntaxProblem
from ...model.queue import Outcome
from ...model.replies import Reply
from .client_conversation import USAGES, ClientConversation, Wishes
from .client_events import Cause, Event, HandshakeDue, SessionOver, SessionReady
from .client_replies import ReplyReader, Stage, describe, outcome_of, status_of
from .client_transfer import Transfer
from .extensions.auth import ClientLogin, choose_mechanism
from .vocabulary import Offers, OutgoingMail

__all__ = ["ClientSide", "Wishes"]

#: Challenges of one login: no mechanism has more than three.
_CHALLENGES = 10
#: Replies to AUTH that make another mechanism worth a try (RFC 4954 section 6).
_ANOTHER_MECHANISM = frozenset((504, 534))
#: What it means for the session that a stage of its beginning failed.
_CAUSES = {
    Stage.GREETING: Cause.GREETING,
    Stage.HELLO: Cause.HELLO,
    Stage.STARTTLS: Cause.TLS,
    Stage.AUTH: Cause.LOGIN,
}
#: Enhanced codes of what no reply says (RFC 3463, sections 3.5, 3.6 and 3.8).
_STATUS = {
    Cause.CONNECT: "4.4.1",
    Cause.TLS: "4.7.5",
    Cause.LOGIN: "4.7.8",
    Cause.PROTOCOL: "4.5.0",
    Cause.LOST: "4.4.2",
    Cause.TIMEOUT: "4.4.2",
    Cause.CONTENT: "4.3.0",
}


def status_of_cause(cause: Cause) -> str:
    """
    The enhanced code where no reply has one.
    """
    return _STATUS.get(cause, "4.0.0")


@define(eq=False)
class ClientSide(ClientConversation):
    """
    One session.
    """

    #: Transactions begun.
    transactions: int = field(default=0, init=False)
    #: Whether a message may be sent right now.
    is_ready: bool = field(default=False, init=False)
    #: Whether nothing more can be sent.
    is_over: bool = field(default=False, init=False)
    _is_awaiting_tls: bool = field(default=False, init=False)
    _reader: ReplyReader = field(factory=ReplyReader, init=False)
    _transfer: Transfer | None = field(default=None, init=False)
    _login: ClientLogin | None = field(default=None, init=False)
    _challenges: int = field(default=0, init=False)
    _mechanisms_tried: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.expect(Stage.GREETING, self._greeted)

    # For whoever drives it.

    @property
    def is_exhausted(self) -> bool:
        """
        Whether the server wants no further transaction on this connection (RFC 9422 section 4.1).
        """
        return bool(self.offers.transactions) and self.transactions >= self.offers.transactions

    def receive(self, data: bytes) -> None:
        """
        Octets have come in.  What comes in clear while a handshake is due is thrown away.
        """
        if self.is_over or self._is_awaiting_tls:
            return
        self._reader.receive(data)
        try:
            while not self.is_over and not self._is_awaiting_tls and (reply := self._reader.next_reply()) is not None:
                self._take(reply)
        except PeerError as problem:
            self.end(Cause.PROTOCOL, problem.public)

    def next_event(self) -> Event | None:
        """
        What happened next.
        """
        return self.events.popleft() if self.events else None

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

    def tls_started(self, bindings: Mapping[str, bytes] | None = None) -> None:
        """
        The handshake is finished: all over again, and nothing that was learnt in clear counts (RFC 3207 section 4.2).
        C{bindings} are the channel bindings of the connection by type, best first.
        """
        self._is_awaiting_tls = False
        self.secured(bindings)
        self._reader.discard()
        self._say_hello()

    def secured(self, bindings: Mapping[str, bytes] | None = None) -> None:
        """
        The connection is under TLS: already before the greeting, where that was agreed on.
        """
        self.is_private = True
        self.wishes = evolve(self.wishes, means=evolve(self.wishes.means, bindings=bindings or {}))

    def split(
        self, recipients: Sequence[tuple[int, Recipient]]
    ) -> tuple[Sequence[tuple[int, Recipient]], Sequence[tuple[int, Recipient]]]:
        """
        Those of C{recipients} that fit into the next transaction, and the others (RFC 9422 sections 4.2 and 4.3).
        """
        most = min(self.offers.recipients or limits.RELAY_RECIPIENTS, limits.RELAY_RECIPIENTS)
        if self.offers.recipient_domains:
            domains: set[str] = set()
            for place, (_, recipient) in enumerate(recipients[:most]):
                domains.add(recipient.address.domain)
                if len(domains) > self.offers.recipient_domains:
                    most = place
                    break
        return recipients[:most], recipients[most:]

    def begin(self, mail: OutgoingMail) -> None:
        """
        Send a message; the session is ready.
        """
        assert self.is_ready, "The session is not ready."
        self.is_ready = False
        self.transactions += 1
        self._transfer = Transfer(self, mail, self._transfer_done)
        self._transfer.start()

    def write(self, piece: bytes, *, is_last: bool) -> None:
        """
        The piece of content that was wanted; nothing happens if the message has come to its end meanwhile.
        """
        if self._transfer is not None:
            self._transfer.write(piece, is_last=is_last)

    def quit(self) -> None:
        """
        Take leave; the session is ready.
        """
        assert self.is_ready, "The session is not ready."
        self.is_ready = False
        self.command(b"QUIT", Stage.QUIT, lambda reply: self.end(Cause.CLOSED, "The session is over."))

    def end(
        self,
        cause: Cause,
        text: str,
        *,
        status: str = "",
        outcome: Outcome = Outcome.DEFERRED,
        reply: Reply | None = None,
    ) -> None:
        """
        Nothing more can be said: for a reason of the server, or one that whoever drives the session has found.  Harmless
        twice.
        """
        if self.is_over:
            return
        self.is_over, self.is_ready = True, False
        if self.awaited is not None and cause in (Cause.LOST, Cause.TIMEOUT):
            text = f"{text} (waiting for the reply to {self.awaited.value})"
        status = status or status_of_cause(cause)
        if self._transfer is not None:
            self._transfer.stop(outcome, text, status, reply)
        self.events.append(SessionOver(cause, f"{self.wishes.peer}: {text}", outcome, status, reply))
        self.expected.clear()
        self._reader.discard()

    # Replies.

    def _take(self, reply: Reply) -> None:
        self.last_reply = reply
        self.replies += 1
        if reply.code == 421:
            # RFC 5321 section 3.8: it may answer anything, asked or not.
            stage = self.awaited or Stage.CONTENT
            self._end_by(reply, stage, _CAUSES.get(stage, Cause.CLOSED))
        elif self.expected:
            self.expected.popleft()[1](reply)
        else:
            self._take_unasked(reply)

    def _take_unasked(self, reply: Reply) -> None:
        transfer = self._transfer
        if transfer is not None and transfer.is_sending and outcome_of(reply) is not None:
            transfer.answer_early(reply)
        self.end(Cause.PROTOCOL, f"The server spoke out of turn: {describe(reply)}")

    def _fail(self, stage: Stage, reply: Reply, outcome: Outcome | None = None) -> None:
        """
        A reply ends the session before it was ready; take leave without waiting for an answer.

        @raise SyntaxProblem: that reply makes no sense.
        """
        outcome = outcome or outcome_of(reply)
        if outcome is None:
            raise SyntaxProblem(f"{reply.code} is no answer to {stage.value}.")
        self.said.append(b"QUIT\r\n")
        self._end_by(reply, stage, _CAUSES[stage], outcome)

    def _end_by(self, reply: Reply, stage: Stage, cause: Cause, outcome: Outcome = Outcome.DEFERRED) -> None:
        text = f"it said {describe(reply)} (in reply to {stage.value})"
        self.end(cause, text, status=status_of(reply, stage), outcome=outcome, reply=reply)

    def _greeted(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._say_hello()
        else:
            self._fail(Stage.GREETING, reply)

    def _say_hello(self) -> None:
        self.offers = Offers()
        verb = "LHLO" if self.wishes.is_lmtp else "EHLO"
        self.command(f"{verb} {self.wishes.hello}".encode("ascii", "replace"), Stage.HELLO, self._ehlo_answered)

    def _ehlo_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 5 and not self.wishes.is_lmtp:
            # RFC 5321 section 3.2: perhaps it knows no extensions.
            self.command(f"HELO {self.wishes.hello}".encode("ascii", "replace"), Stage.HELLO, self._helo_answered)
            return
        if reply.code // 100 != 2:
            self._fail(Stage.HELLO, reply)
            return
        for line in reply.more:
            keyword, _, argument = line.strip().partition(" ")
            self.offers.keywords[keyword.upper()] = argument.strip()
        for keyword, usage in USAGES.items():
            if keyword in self.offers:
                usage.learn(self.offers, self.offers.keywords[keyword])
        if self.wishes.is_lmtp:
            # RFC 2033 section 4.3: after BDAT LAST each recipient would have a reply too; one way to send content is enough here.
            self.offers.takes_chunks = False
        self._introduced()

    def _helo_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._introduced()
        else:
            self._fail(Stage.HELLO, reply)

    def _introduced(self) -> None:
        wishes = self.wishes
        if self.is_private or not (wishes.wants_tls or wishes.needs_tls):
            self._log_in()
        elif self.offers.has_tls:
            self.command(b"STARTTLS", Stage.STARTTLS, self._tls_answered)
        elif wishes.needs_tls:
            self.end(Cause.TLS, "TLS is required, and not offered.", status="4.7.4")
        else:
            self._log_in()

    def _tls_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._is_awaiting_tls = True
            self._reader.discard()
            self.events.append(HandshakeDue())
        elif self.wishes.needs_tls:
            # Whatever it says, another day it may have its certificate again.
            self._fail(Stage.STARTTLS, reply, Outcome.DEFERRED)
        else:
            self._log_in()

    def _log_in(self) -> None:
        secret = self.wishes.secret
        if secret is None:
            self._get_ready()
            return
        wishes = self.wishes
        is_private = self.is_private or wishes.trusts_network
        mechanism = choose_mechanism(self.offers, wishes.means, is_private=is_private, tried=self._mechanisms_tried)
        if mechanism is None:
            self.end(Cause.LOGIN, "There is no way to log in that we know and may use here.", status="4.7.9")
            return
        self._mechanisms_tried.append(mechanism)
        self._login, self._challenges = ClientLogin.with_secret(mechanism, secret, wishes.means), 0
        self.command(self._login.begin(), Stage.AUTH, self._login_answered)

    def _login_answered(self, reply: Reply) -> None:
        login = self._login
        kind = reply.code // 100
        if kind == 3:
            if login is None:
                raise SyntaxProblem("A login was cancelled, and goes on.")
            self._answer_challenge(login, reply)
        elif kind == 2 and login is not None:
            self._login = None
            if login.is_satisfied:
                self._get_ready()
            else:
                self.end(Cause.LOGIN, "The server lets us in and does not prove that it is the one who may.")
        elif reply.code in _ANOTHER_MECHANISM:
            self._log_in()
        else:
            # A password that is wrong today is an error of somebody's settings, and no fault of the messages.
            self._fail(Stage.AUTH, reply, Outcome.DEFERRED)

    def _answer_challenge(self, login: ClientLogin, reply: Reply) -> None:
        self._challenges += 1
        try:
            if self._challenges > _CHALLENGES:
                raise SyntaxProblem("The login does not end.")
            line = login.answer(reply.text)
        except PeerError:
            # RFC 4954 section 4: the server answers with 501.
            self._login, line = None, b"*"
        self.command(line, Stage.AUTH, self._login_answered)

    def _get_ready(self) -> None:
        self.is_ready = True
        self.events.append(SessionReady())

    def _transfer_done(self, needs_reset: bool) -> None:
        self._transfer = None
        if self.is_over:
            return
        if needs_reset:
            self.command(b"RSET", Stage.RSET, self._reset_answered)
        else:
            self.is_ready = True

    def _reset_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._get_ready()
        else:
            self.end(Cause.PROTOCOL, f"The server does not take RSET: {describe(reply)}")
