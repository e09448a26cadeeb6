"""
STLS: go on under TLS (RFC 2595 section 4).
"""

from __future__ import annotations

from ....model.errors import CannotDo
from ..events import TlsAsked
from ..states import State
from ..vocabulary import LOGGED_OUT, Answer, Command, Conversation, Extension, nothing


def start_tls(conversation: Conversation, _: None) -> Answer:
    """
    Grant it, if there is TLS here and none yet.
    """
    if conversation.surroundings.has_tls:
        raise CannotDo("Command not permitted when TLS active.")
    if not conversation.surroundings.offers_tls:
        raise CannotDo("There is no TLS here.")
    return TlsAsked()


def announce(conversation: Conversation) -> str | None:
    """
    "The capability name 'STLS' indicates this command is present and permitted in the current state."
    """
    is_permitted = conversation.surroundings.offers_tls and conversation.state is State.AUTHORIZATION
    return "STLS" if is_permitted else None


EXTENSION = Extension(
    rfc="RFC 2595",
    announce=announce,
    commands=(Command(b"STLS", LOGGED_OUT, nothing, start_tls),),
)
