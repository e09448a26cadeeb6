"""
CAPA: what this server can do (RFC 2449 section 5).  It is not announced itself.
"""

from __future__ import annotations

from ..responses import listing
from ..vocabulary import ANYTIME, Answer, Command, Conversation, Extension, nothing


def tell_capabilities(conversation: Conversation, _: None) -> Answer:
    """
    One capability a line.
    """
    lines = [line.encode("ascii") for line in conversation.registry.capabilities(conversation)]
    return listing("Capability list follows.", lines)


EXTENSION = Extension(
    rfc="RFC 2449",
    announce=lambda _: None,
    commands=(Command(b"CAPA", ANYTIME, nothing, tell_capabilities),),
)
