"""
TOP: the header and some lines of a message (RFC 1939 section 7, RFC 2449 section 6.1).
"""

from __future__ import annotations

from ..events import MessageAsked
from ..vocabulary import LOGGED_IN, Answer, Command, Conversation, Extension, two_numbers


def top(conversation: Conversation, wanted: tuple[int, int]) -> Answer:
    """
    Header, empty line, and so many lines of the body; all of it, if there are fewer.
    """
    number, lines = wanted
    maildrop = conversation.maildrop
    return MessageAsked(maildrop.uids[maildrop.find(number)], lines)


EXTENSION = Extension(
    rfc="RFC 1939",
    announce=lambda _: "TOP",
    commands=(Command(b"TOP", LOGGED_IN, two_numbers, top),),
)
