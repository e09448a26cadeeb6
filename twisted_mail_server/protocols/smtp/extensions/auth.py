"""
AUTH: who are you? (RFC 4954)
"""

from __future__ import annotations

from ....model.addresses import Address
from ....model.errors import PeerError, SyntaxProblem
from ....model.replies import Reply
from ...sasl.registry import BY_NAME
from ...sasl.vocabulary import Challenge, Outcome, decode_base64, decode_initial_response, encode_base64
from ..conversation import Conversation
from ..events import AuthenticationAsked, Event
from ..grammar import decode_xtext
from ..states import State
from ..vocabulary import Extension, Parameter, Verb

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


def _go_on(conversation: Conversation, outcome: Outcome) -> Event | None:
    if isinstance(outcome, Challenge):
        conversation.state = State.SASL
        conversation.say(Reply(334, encode_base64(outcome.data).decode("ascii")))
        return None
    conversation.exchange = None
    conversation.state = State.READY
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


EXTENSION = Extension(
    keyword="AUTH",
    rfc="RFC 4954",
    offer=offer_login,
    mail_parameters=(Parameter("AUTH", parse_auth),),
    verbs=(Verb("AUTH", authenticate, moves={State.READY: State.READY}),),
)
