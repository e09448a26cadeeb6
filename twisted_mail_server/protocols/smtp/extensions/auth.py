"""
AUTH: who are you? (RFC 4954)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import define, field

from ....model.accounts import PlainSecret, ScramStart
from ....model.addresses import Address
from ....model.errors import MailError, PeerError, SyntaxProblem
from ....model.replies import Reply
from ...sasl.registry import BY_NAME, known
from ...sasl.vocabulary import (
    Challenge,
    ClientExchange,
    KeysAsked,
    Means,
    Outcome,
    decode_base64,
    decode_initial_response,
    encode_base64,
)
from ..conversation import Conversation
from ..events import AuthenticationAsked, Event
from ..grammar import decode_xtext
from ..states import State
from ..vocabulary import Extension, Offers, Parameter, Usage, Verb

NOT_OFFERED = Reply(502, "There is no login here.", "5.5.1")
#: Section 6, on what is historical there: it says more to a person than 504.
TLS_FIRST = Reply(538, "Passwords only under TLS: use STARTTLS first.", "5.7.11")
EHLO_FIRST = Reply(503, "Say EHLO first.", "5.5.1")
ALREADY = Reply(503, "You are logged in already.", "5.5.1")
UNKNOWN_MECHANISM = Reply(504, "There is no such mechanism here.", "5.5.4")
SERVER_BEGINS = Reply(501, "This mechanism has no initial response.", "5.7.0")
CANCELLED = Reply(501, "The login is cancelled.", "5.7.0")


def authenticate(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    C{AUTH mechanism [initial-response]} (section 4).
    """
    if conversation.is_authenticated:
        return ALREADY
    if not conversation.is_extended:
        return EHLO_FIRST
    if not conversation.mechanisms:
        return TLS_FIRST if conversation.offers_tls else NOT_OFFERED
    name, _, text = argument.partition(" ")
    mechanism = BY_NAME.get(name.upper())
    if mechanism is None or mechanism.name not in conversation.mechanisms:
        return UNKNOWN_MECHANISM
    text = text.strip()
    if text and not mechanism.is_client_first:
        return SERVER_BEGINS
    try:
        initial = decode_initial_response(text.encode("ascii")) if text else None
    except SyntaxProblem as problem:
        return Reply.of(problem)
    conversation.exchange, conversation.mechanism = mechanism.server(), mechanism.name
    try:
        return _go_on(conversation, conversation.exchange.start(initial))
    except PeerError as problem:
        return _end(conversation, Reply.of(problem))


def respond(conversation: Conversation, line: bytes) -> Event | Reply | None:
    """
    One line of an exchange: base64, or C{*} to cancel it.
    """
    exchange = conversation.exchange
    assert exchange is not None
    if line == b"*":
        return _end(conversation, CANCELLED)
    try:
        return _go_on(conversation, exchange.step(decode_base64(line)))
    except PeerError as problem:
        return _end(conversation, Reply.of(problem))


def resume(
    conversation: Conversation, asked: KeysAsked, start: ScramStart, bindings: Mapping[str, bytes]
) -> Event | Reply | None:
    """
    The keys are there that an exchange asked for.
    """
    try:
        return _go_on(conversation, asked.answer(start, bindings))
    except MailError as problem:
        return _end(conversation, Reply.of(problem))


def _go_on(conversation: Conversation, outcome: Outcome) -> Event | None:
    if isinstance(outcome, Challenge):
        conversation.state = State.SASL
        conversation.say(Reply(334, encode_base64(outcome.data).decode("ascii")))
        return None
    conversation.state = State.READY
    if isinstance(outcome, KeysAsked):
        return outcome
    conversation.exchange = None
    return AuthenticationAsked(conversation.mechanism, outcome)


def _end(conversation: Conversation, reply: Reply) -> Reply:
    conversation.exchange = None
    conversation.state = State.READY
    return reply


def parse_auth(value: str | None) -> Address | None:
    """
    The C{AUTH} parameter of MAIL: who submitted the message first, or C{<>} (section 5).  It is read and not believed.

    @raise SyntaxProblem: it is neither.
    """
    if value is None:
        raise SyntaxProblem("AUTH is an address or <>.")
    mailbox = decode_xtext(value)
    return None if mailbox == "<>" else Address.parse(mailbox)


def offer_login(conversation: Conversation) -> str | None:
    """
    The mechanisms, once there are any.
    """
    return " ".join(("AUTH", *conversation.mechanisms)) if conversation.mechanisms else None


# The client's side.

#: RFC 4954 section 4: a command with an initial response that is longer than this goes without it.
_COMMAND = 510


def learn_mechanisms(offers: Offers, argument: str) -> None:
    """
    Names are in upper case (RFC 4422 section 3.1), whatever the server makes of them.
    """
    offers.mechanisms = tuple(argument.upper().split())


def choose_mechanism(offers: Offers, means: Means, *, is_private: bool, tried: Collection[str] = ()) -> str | None:
    """
    The strongest that both sides can use; none that sends the password itself where others can read along.
    """
    for name in known(offers.mechanisms, has_binding=True):
        mechanism = BY_NAME[name]
        if name not in tried and means.suffice(mechanism) and (is_private or not mechanism.reveals_password):
            return name
    return None


@define(eq=False)
class ClientLogin:
    """
    One try to log in at another server.
    """

    mechanism: str
    _exchange: ClientExchange
    #: An initial response that waits for the server to ask for it.
    _initial: bytes | None = field(default=None, init=False)

    @classmethod
    def with_secret(cls, mechanism: str, secret: PlainSecret, means: Means) -> ClientLogin:
        """
        By a mechanism that we know.
        """
        return cls(mechanism, BY_NAME[mechanism].client(secret, means))

    @property
    def is_satisfied(self) -> bool:
        """
        Whether the server's yes is to be believed.
        """
        return self._exchange.is_satisfied

    def begin(self) -> bytes:
        """
        The command, with the initial response where there is one that is not too long.
        """
        command = f"AUTH {self.mechanism}".encode("ascii")
        initial = self._exchange.start()
        if initial is None:
            return command
        whole = b"%s %s" % (command, encode_base64(initial) or b"=")
        if len(whole) <= _COMMAND:
            return whole
        self._initial = initial
        return command

    def answer(self, challenge: str) -> bytes:
        """
        What to say to a 334 reply.

        @raise PeerError: it is not base64, or asks for what this mechanism does not say: cancel with C{*}.
        """
        data = decode_base64(challenge.strip().encode("ascii", "replace"))
        if self._initial is not None:
            response, self._initial = self._initial, None
        else:
            response = self._exchange.step(data)
        return encode_base64(response)


EXTENSION = Extension(
    keyword="AUTH",
    rfc="RFC 4954",
    offer=offer_login,
    mail_parameters=(Parameter("AUTH", parse_auth),),
    verbs=(Verb("AUTH", authenticate, moves={State.READY: State.READY}),),
    usage=Usage(learn_mechanisms),
)
