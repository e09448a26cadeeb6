"""
The server's side of an ESMTP or LMTP session: octets in, events and octets out.

Give it what comes in with L{ServerSide.receive}, then pull L{ServerSide.next_event} until there is none, answering each
question with L{ServerSide.accept} or L{ServerSide.refuse} as soon as its answer is known; then send
L{ServerSide.take_output}.  What needs no decision is answered inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import define, field

from ...model import limits
from ...model.accounts import ScramStart
from ...model.errors import MailError, PeerError, TooLong
from ...model.replies import Reply
from . import replies
from .content import ContentReader
from .conversation import Conversation, Policy
from .events import (
    AuthenticationAsked,
    ContentAsked,
    ContentEnded,
    Event,
    KeysAsked,
    MailAsked,
    NamesAsked,
    RecipientAsked,
)
from .extensions.auth import respond, resume
from .extensions.chunking import BDAT, read_chunk, refuse_first_chunk, take_first_chunk
from .registry import LMTP, SMTP
from .states import END_OF_CONTENT, OUT_OF_TURN, State
from .vocabulary import Dialect, Verb

#: A command is printable ASCII; a tab is tolerated where a space may be.  Bare CR and LF are not (RFC 5321 section 2.3.8).
_COMMAND = re.compile(rb"[\x20-\x7e\t]*")
#: In an argument that may hold UTF-8, controls are refused all the same.
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
#: What a web browser says that was talked into talking to a mail server.
_WEB = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS"))
#: What is said when a question is accepted and the answer brings no words of its own.
_ACCEPTED: dict[type[Event], bytes] = {
    MailAsked: replies.SENDER_OK.encode(),
    RecipientAsked: replies.RECIPIENT_OK.encode(),
    ContentAsked: replies.GO_AHEAD.encode(),
    NamesAsked: replies.CANNOT_VERIFY.encode(),
    AuthenticationAsked: replies.LOGGED_IN.encode(),
}

_QUESTIONS = (*_ACCEPTED, ContentEnded, KeysAsked)
#: States that are asked for with each line; as attributes of their enumeration they are slow to get.
_START, _CONTENT, _SASL, _TLS, _CLOSED, _CHUNK = (
    State.START,
    State.CONTENT,
    State.SASL,
    State.TLS,
    State.CLOSED,
    State.CHUNK,
)
_CONTENT_VERBS = ("DATA", BDAT)

__all__ = ["Policy", "ServerSide"]


@define(eq=False)
class ServerSide(Conversation):
    """
    One session.
    """

    #: What is spoken.
    dialect: Dialect = field(init=False)
    #: Whether the end of content was read, and is to be told next.
    _content_has_ended: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.dialect = LMTP if self.policy.is_lmtp else SMTP
        self.commands = self.dialect.commands
        self.moves = self.dialect.moves

    def greet(self) -> None:
        """
        The greeting (RFC 5321 section 4.3.1).
        """
        self.say(Reply(220, f"{self.policy.hostname} {self.dialect.name}"))

    @property
    def is_receiving_content(self) -> bool:
        """
        Whether content is under way.
        """
        return self.state in (State.CONTENT, State.CHUNKS, State.CHUNK)

    def receive(self, data: bytes) -> None:
        """
        Octets have come in.
        """
        if self.state is not _CLOSED and self.state is not _TLS:
            self.input.receive(data)

    def next_event(self) -> Event | None:
        """
        What happens next; C{None} while a question is open, or until there is more input.
        """
        if self.asked is not None:
            return None
        while (state := self.state) is not _CLOSED and state is not _TLS:
            if self.allowance < 0 and self.needs_login:
                self.say(replies.TOO_MUCH_WITHOUT_LOGIN)
                break
            if state is _CONTENT or state is _CHUNK:
                event = self._read_content() if state is _CONTENT else read_chunk(self)
                if event is not None or self.state is state:
                    return event
                continue
            if not self.input:
                return None
            try:
                line = self._take_line()
            except TooLong as problem:
                self._refuse_long_line(problem)
                continue
            if line is None:
                return None
            event = self._read_line(line)
            if event is not None:
                return event
        return None

    def accept(self, reply: Reply | None = None) -> None:
        """
        Yes to the open question.
        """
        asked, self.asked = self.asked, None
        assert asked is not None, "Nothing was asked."
        if isinstance(asked, ContentEnded):
            self.say_outcome(reply or replies.OK)
        elif reply is not None:
            self.say(reply)
        elif self.asking != BDAT:
            # A chunk is answered when it has come (RFC 3030 section 2).
            self.said.append(_ACCEPTED[type(asked)])
        if self.state is not _CLOSED:
            self.move(self.asking)
            self._accepted(asked)

    def keys_found(self, start: ScramStart, bindings: Mapping[str, bytes]) -> None:
        """
        What a login asked for, and the channel bindings of the connection: the exchange goes on.
        """
        asked, self.asked = self.asked, None
        assert isinstance(asked, KeysAsked), "No keys were asked for."
        self._settle(resume(self, asked, start, bindings), "AUTH")

    def refuse(self, problem: MailError | Reply) -> None:
        """
        No to the open question.
        """
        asked, self.asked = self.asked, None
        assert asked is not None, "Nothing was asked."
        reply = problem if isinstance(problem, Reply) else Reply.of(problem)
        if isinstance(asked, AuthenticationAsked) and reply.code >= 500:
            self.failed_logins += 1
            if self.failed_logins >= limits.LOGINS_PER_SESSION:
                reply = replies.TOO_MANY_LOGINS
        if isinstance(asked, ContentEnded):
            self.say_outcome(reply)
            self.end_transaction()
        elif isinstance(asked, ContentAsked):
            if self.asking == BDAT:
                refuse_first_chunk(self, reply)
            else:
                self.say_error(reply)
                self.end_transaction()
        else:
            self.say_error(reply)

    def refuse_content(self, problem: MailError) -> None:
        """
        Take no more of the content under way: swallow the rest, and say why when it has ended.
        """
        assert self.content is not None, "No content is under way."
        if self.content.problem is None:
            self.content.problem = Reply.of(problem)

    def tls_started(self, mechanisms: tuple[str, ...]) -> None:
        """
        The handshake is finished.  Whatever the client said before is forgotten (RFC 3207 section 4.2).
        """
        self.state = State.START
        self.helo, self.is_extended, self.offers_tls, self.mechanisms = "", False, False, mechanisms
        self.forget_transaction()

    # Inside.

    def _accepted(self, asked: Event) -> None:
        if isinstance(asked, RecipientAsked):
            self.recipients += 1
        elif isinstance(asked, MailAsked):
            self.transactions += 1
            self.forget_transaction()
            self.is_utf8 = asked.options.is_utf8
        elif isinstance(asked, ContentAsked):
            if self.asking == BDAT:
                take_first_chunk(self)
            else:
                self.content = ContentReader(self.policy.message_size)
        elif isinstance(asked, ContentEnded):
            self.errors = 0
            self.end_transaction()
        elif isinstance(asked, AuthenticationAsked):
            self.is_authenticated, self.needs_login = True, False

    def _read_content(self) -> Event | None:
        content = self.content
        assert isinstance(content, ContentReader)
        if not self._content_has_ended:
            if not self.input:
                return None
            event, rest = content.receive(self.input.take_all())
            if rest is None:
                return event
            if rest:
                self.input.receive(rest)
            self._content_has_ended = True
            if event is not None:
                return event
        self._content_has_ended = False
        if content.problem is None:
            ended = ContentEnded()
            self.ask(ended, END_OF_CONTENT)
            return ended
        self.say_outcome(content.problem)
        self.end_transaction()
        return None

    def _take_line(self) -> bytes | None:
        limit, unread = limits.SMTP_COMMAND_LINE, len(self.input)
        # What is there has to be long before it can be too long.
        if unread > limit and (self.state is _SASL or self.input.peek(5).upper() == b"AUTH "):
            limit = limits.SASL_LINE
        if not self.needs_login:
            return self.input.line(limit)
        try:
            return self.input.line(limit)
        finally:
            self.allowance -= unread - len(self.input)

    def _refuse_long_line(self, problem: TooLong) -> None:
        if self.state is State.SASL:
            self.exchange = None
            self.state = State.READY
        self.say_error(Reply.of(problem))

    def _read_line(self, line: bytes) -> Event | None:
        if self.state is _SASL:
            return self._settle(respond(self, line), "AUTH")
        name, _, rest = line.partition(b" ")
        name = name.upper()
        verb = self.dialect.verbs.get(name)
        if verb is not None and line.isascii() and (text := line.decode("ascii")).isprintable():
            return self._settle(self._obey(verb, text[len(name) + 1 :].strip()), verb.name)
        if not _COMMAND.fullmatch(line) and (verb is None or not verb.takes_utf8 or _CONTROLS.search(line)):
            return self._settle(replies.BAD_OCTETS, "")
        if verb is None:
            return self._settle(replies.NOT_MAIL if name in _WEB else replies.UNKNOWN_COMMAND, "")
        try:
            argument = rest.decode("utf-8").strip(" \t")
        except UnicodeDecodeError:
            return self._settle(replies.BAD_UTF8, "")
        return self._settle(self._obey(verb, argument), verb.name)

    def _obey(self, verb: Verb, argument: str) -> Event | Reply | None:
        refusal = self._find_refusal(verb, argument)
        if refusal is not None:
            if verb.when_refused is None:
                return refusal
            verb.when_refused(self, argument, refusal)
            return None
        try:
            return verb.run(self, argument)
        except PeerError as problem:
            return Reply.of(problem)

    def _find_refusal(self, verb: Verb, argument: str) -> Reply | None:
        state = self.state
        is_in_turn = verb.name in self.moves[state]
        self.idle_commands = self.idle_commands + 1 if verb.is_idle else 0
        if self.idle_commands > limits.IDLE_COMMANDS:
            return replies.TOO_IDLE
        if verb.needs_login and self.needs_login and (is_in_turn or state is not _START):
            return replies.LOGIN_FIRST if self.mechanisms or not self.offers_tls else replies.TLS_FIRST
        if not is_in_turn:
            if verb.name in _CONTENT_VERBS and state is State.SENDER and self.recipients_asked:
                # RFC 2920 section 3.1: a client may well send DATA before it knows that no recipient was taken.
                return replies.NO_LMTP_RECIPIENTS if self.policy.is_lmtp else replies.NO_VALID_RECIPIENTS
            return Reply(503, OUT_OF_TURN[state].format(hello=self.dialect.hello), "5.5.1")
        if verb.is_bare and argument:
            return replies.NO_ARGUMENT
        return None

    def _settle(self, result: Event | Reply | None, command: str) -> Event | None:
        if result is None:
            return None
        if isinstance(result, Reply):
            self.say_error(result)
            return None
        if isinstance(result, _QUESTIONS):
            self.ask(result, command)
        return result
