"""
AUTH: log in by a SASL mechanism (RFC 5034).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ....model.accounts import ScramStart
from ....model.errors import PrivacyRequired, Refused, SyntaxProblem
from ...sasl.registry import BY_NAME
from ...sasl.vocabulary import (
    Challenge,
    KeysAsked,
    Mechanism,
    Outcome,
    ServerExchange,
    decode_base64,
    decode_initial_response,
    encode_base64,
)
from ..events import LoginAsked
from ..vocabulary import LOGGED_OUT, Answer, Command, Conversation, Extension


def read_authenticate(argument: bytes | None) -> tuple[str, bytes | None]:
    """
    C{sasl-mech [SP initial-response]}; the response is decoded.

    @raise SyntaxProblem: there is no mechanism, or the response is not base64.
    """
    name, _, initial = (argument or b"").partition(b" ")
    if not name:
        raise SyntaxProblem("Expected a mechanism.")
    return name.upper().decode("latin-1"), decode_initial_response(initial) if initial else None


def authenticate(conversation: Conversation, wanted: tuple[str, bytes | None]) -> Answer:
    """
    Begin an exchange (section 4).
    """
    name, initial = wanted
    mechanism = BY_NAME.get(name)
    surroundings = conversation.surroundings
    if mechanism is None or name not in surroundings.mechanisms:
        if mechanism is not None and not surroundings.is_private:
            raise PrivacyRequired("Passwords are taken under TLS only.")
        raise Refused("There is no such mechanism here.")
    if initial is not None and not mechanism.is_client_first:
        raise SyntaxProblem("This mechanism has no initial response.")
    exchange = mechanism.server()
    return _go_on(mechanism, exchange, conversation, exchange.start(initial))


def respond(mechanism: Mechanism, exchange: ServerExchange, conversation: Conversation, line: bytes) -> Answer:
    """
    One line of an exchange: base64, or C{*} to cancel it.
    """
    if line == b"*":
        raise Refused("The login is cancelled.")
    return _go_on(mechanism, exchange, conversation, exchange.step(decode_base64(line)))


def resume(
    mechanism: Mechanism,
    exchange: ServerExchange,
    asked: KeysAsked,
    conversation: Conversation,
    start: ScramStart,
    bindings: Mapping[str, bytes],
) -> Answer:
    """
    The keys are there.
    """
    return _go_on(mechanism, exchange, conversation, asked.answer(start, bindings))


def _go_on(mechanism: Mechanism, exchange: ServerExchange, conversation: Conversation, outcome: Outcome) -> Answer:
    if isinstance(outcome, Challenge):
        conversation.continuation = partial(respond, mechanism, exchange)
        return b"+ %b\r\n" % encode_base64(outcome.data)
    if isinstance(outcome, KeysAsked):
        conversation.resumption = partial(resume, mechanism, exchange, outcome)
        return outcome
    return LoginAsked(outcome, mechanism.name)


def announce(conversation: Conversation) -> str | None:
    """
    The mechanisms, if there are any; after the login, too (section 3).
    """
    mechanisms = conversation.surroundings.mechanisms
    return " ".join(("SASL", *mechanisms)) if mechanisms else None


EXTENSION = Extension(
    rfc="RFC 5034",
    announce=announce,
    commands=(Command(b"AUTH", LOGGED_OUT, read_authenticate, authenticate),),
)
