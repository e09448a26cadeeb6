"""
The server's side of a POP3 conversation: octets in, octets and events out (RFC 1939).

::

    receive(data); while event := next_event(): ... enter(), refuse(), begin_message() ...; send(take_output())
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model import limits
from ...model.accounts import ScramStart
from ...model.errors import MailError, OutOfTurn, Refused, SyntaxProblem
from ..buffers import LineBuffer
from .commands import sign_off
from .content import Outgoing
from .conversation import Answer, Conversation, Surroundings
from .events import Event, KeysAsked, LoginAsked, MessageAsked, OutputFilled, RemovalAsked, TlsAsked
from .maildrop import Maildrop
from .registry import REGISTRY
from .responses import error, ok, refusal
from .states import State, Step
from .vocabulary import Registry


class ServerSide:
    """
    One conversation.

    @ivar is_closed: after the output that there is, close the connection.
    """

    def __init__(self, hostname: str, surroundings: Surroundings, *, registry: Registry = REGISTRY) -> None:
        self._conversation = Conversation(hostname, registry, surroundings)
        self._input = LineBuffer()
        self._output: list[bytes] = []
        self._output_size = 0
        self._received = 0
        self._errors = 0
        self._failed_logins = 0
        #: What somebody else is seeing to.
        self._asked: Event | None = None
        self._message: Outgoing | None = None

    @property
    def state(self) -> State:
        """
        Where the session is.
        """
        return self._conversation.state

    @property
    def is_closed(self) -> bool:
        """
        Whether to close the connection once the output is sent.
        """
        return self._conversation.state is State.CLOSED

    @property
    def unread(self) -> int:
        """
        Octets that wait.
        """
        return len(self._input)

    @property
    def is_sending_message(self) -> bool:
        """
        Whether a message has been begun and not ended, so that nothing else may be said.
        """
        return self._message is not None

    def greet(self) -> None:
        """
        Say that we are ready; without a timestamp, for there is no APOP (RFC 1939 section 7).
        """
        self._say(ok(f"{self._conversation.hostname} POP3 server ready."))

    def receive(self, data: bytes) -> None:
        """
        Take what came.
        """
        self._input.receive(data)
        if self.state is State.AUTHORIZATION:
            self._received += len(data)

    def take_output(self) -> bytes:
        """
        What is to be sent; it is taken from here.
        """
        output = b"".join(self._output)
        self._output.clear()
        self._output_size = 0
        return output

    def next_event(self) -> Event | None:
        """
        Answer commands until there are no more, or one needs somebody else.
        """
        if isinstance(self._asked, TlsAsked):
            # The handshake is under way.
            return None
        assert self._asked is None, "The last event is not answered."
        while not self.is_closed:
            if self._output_size > limits.PENDING_OUTPUT:
                return OutputFilled()
            try:
                answer = self._answer_next()
            except MailError as problem:
                self._refuse(problem)
                continue
            if answer is None:
                self._starve()
                return None
            if isinstance(answer, bytes):
                self._say(answer)
                continue
            if isinstance(answer, TlsAsked):
                # What came before the handshake must not be taken for what came after it (RFC 2595 section 4).
                self._input.discard()
                self._say(ok("Begin TLS negotiation now."))
            self._asked = answer
            return answer
        self._input.discard()
        return None

    def _answer_next(self) -> Answer | None:
        """
        What the next line comes to, if there is one.

        @raise MailError: it is refused.
        """
        conversation = self._conversation
        continuation = conversation.continuation
        line = self._input.line(limits.POP3_COMMAND_LINE if continuation is None else limits.SASL_LINE)
        if line is None:
            return None
        if continuation is not None:
            conversation.continuation = None
            return continuation(conversation, line)
        name, space, argument = line.partition(b" ")
        command = conversation.registry.commands.get(name.upper())
        if command is None:
            raise SyntaxProblem("There is no such command.")
        if conversation.state not in command.states:
            raise OutOfTurn(f"Not in the {conversation.state.name} state.")
        # Section 7: PASS may come "immediately after a successful USER command" only.
        conversation.named, conversation.user = conversation.user, None
        return command.act(conversation, command.read(argument if space else None))

    def _starve(self) -> None:
        """
        There is no whole line.  Who has not logged in may not go on for ever.
        """
        if self.state is State.AUTHORIZATION and self._received > limits.UNAUTHENTICATED_BYTES:
            self._expel("That was too much without a login.")

    # Answers to events.

    def enter(self, maildrop: Maildrop) -> None:
        """
        The login succeeded, and the maildrop is locked.
        """
        self._answered(LoginAsked)
        self._conversation.enter(maildrop)
        self._errors = 0
        self._say(ok(f"Maildrop has {maildrop.summary}."))

    def keys_found(self, start: ScramStart, bindings: Mapping[str, bytes]) -> None:
        """
        The exchange goes on, on a connection with those channel bindings.
        """
        self._answered(KeysAsked)
        conversation = self._conversation
        resumption, conversation.resumption = conversation.resumption, None
        assert resumption is not None
        try:
            answer = resumption(conversation, start, bindings)
        except MailError as problem:
            self._refuse(problem)
        else:
            assert isinstance(answer, bytes), "Keys lead to a challenge."
            self._say(answer)

    def refuse_login(self, problem: MailError) -> None:
        """
        It did not, or it could not be locked.  A client that guesses gets few guesses.
        """
        self._answered(LoginAsked, KeysAsked)
        self._say(refusal(problem))
        if isinstance(problem, Refused):
            self._failed_logins += 1
            if self._failed_logins >= limits.LOGINS_PER_SESSION:
                self._conversation.move(Step.EXPEL)

    def begin_message(self, size: int) -> None:
        """
        The message can be read, and has C{size} octets.
        """
        asked = self._answered(MessageAsked)
        assert isinstance(asked, MessageAsked)
        self._message = Outgoing(asked.lines, is_ascii=not self._conversation.is_utf8)
        self._say(ok(f"{size} octets"))

    def add_to_message(self, piece: bytes) -> bool:
        """
        The next piece of it; whether more is wanted.
        """
        assert self._message is not None
        self._say(self._message.add(piece))
        return not self._message.is_complete

    def end_message(self) -> None:
        """
        That was all of it, or all that was wanted.
        """
        assert self._message is not None
        self._say(self._message.end())
        self._message = None

    def finish(self) -> None:
        """
        UPDATE is done.
        """
        self._answered(RemovalAsked)
        self._conversation.move(Step.FINISH)
        self._say(sign_off(self._conversation))

    def refuse(self, problem: MailError) -> None:
        """
        RETR and TOP: the message cannot be had.  QUIT: what was marked is not removed; the session ends all the same (section 6).
        """
        if isinstance(self._answered(MessageAsked, RemovalAsked), RemovalAsked):
            self._conversation.move(Step.FINISH)
        self._say(refusal(problem))

    def tls_started(self, surroundings: Surroundings) -> None:
        """
        The handshake is finished: what was known of the client is forgotten.
        """
        self._answered(TlsAsked)
        self._conversation.surroundings = surroundings
        self._conversation.user = None
        self._conversation.is_utf8 = False

    # Inside.

    def _answered(self, *kinds: type[Event]) -> Event:
        asked, self._asked = self._asked, None
        assert asked is not None and isinstance(asked, kinds), "That was not asked."
        return asked

    def _say(self, octets: bytes) -> None:
        self._output.append(octets)
        self._output_size += len(octets)

    def _refuse(self, problem: MailError) -> None:
        """
        A command is refused; too many are too many.
        """
        self._errors += 1
        if self._errors > limits.ERRORS_PER_SESSION:
            self._expel("Too many errors.")
            return
        self._say(refusal(problem))
        # If it was a line of an exchange that was too long, that is over.
        self._conversation.continuation = None

    def _expel(self, text: str) -> None:
        self._conversation.move(Step.EXPEL)
        self._say(error(text))
