"""
UIDL: names of messages that last (RFC 1939 section 7, RFC 2449 section 6.8).
"""

from __future__ import annotations

from ..responses import listing, ok
from ..vocabulary import LOGGED_IN, Answer, Command, Conversation, Extension, number_or_nothing


def unique_ids(conversation: Conversation, wanted: int | None) -> Answer:
    """
    The unique-id of one message, or of all.
    """
    maildrop = conversation.maildrop
    if wanted is not None:
        return ok(maildrop.unique_id(wanted))
    return listing("Unique-id listing follows.", maildrop.unique_ids())


EXTENSION = Extension(
    rfc="RFC 1939",
    announce=lambda _: "UIDL",
    commands=(Command(b"UIDL", LOGGED_IN, number_or_nothing, unique_ids),),
)
