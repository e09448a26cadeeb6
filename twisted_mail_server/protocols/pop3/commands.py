"""
The commands that every server must know (RFC 1939 sections 4 to 6); USER and PASS are a capability.
"""

from __future__ import annotations

from .events import MessageAsked, RemovalAsked
from .responses import OK, listing, ok
from .states import State, Step
from .vocabulary import ANYTIME, LOGGED_IN, Answer, Command, Conversation, nothing, number, number_or_nothing


def stat(conversation: Conversation, _: None) -> Answer:
    """
    Messages and octets; nothing else may stand there.
    """
    return ok(conversation.maildrop.drop_listing)


def list_sizes(conversation: Conversation, wanted: int | None) -> Answer:
    """
    The size of one message, or of all.
    """
    maildrop = conversation.maildrop
    if wanted is not None:
        return ok(maildrop.scan_listing(wanted))
    return listing(maildrop.summary, maildrop.scan_listings())


def retrieve(conversation: Conversation, wanted: int) -> Answer:
    """
    A whole message.
    """
    maildrop = conversation.maildrop
    return MessageAsked(maildrop.uids[maildrop.find(wanted)])


def delete(conversation: Conversation, wanted: int) -> Answer:
    """
    Mark a message; it is removed by QUIT and by nothing else.
    """
    conversation.maildrop.delete(wanted)
    return ok(f"Message {wanted} deleted.")


def do_nothing(conversation: Conversation, _: None) -> Answer:
    """
    Show that somebody is there.
    """
    return OK


def reset(conversation: Conversation, _: None) -> Answer:
    """
    Take all marks back.
    """
    conversation.maildrop.restore()
    return ok(f"Maildrop has {conversation.maildrop.summary}.")


def quit_session(conversation: Conversation, _: None) -> Answer:
    """
    Leave; after a login, enter UPDATE and have removed what is marked.
    """
    conversation.move(Step.QUIT)
    if conversation.state is State.CLOSED:
        return sign_off(conversation)
    return RemovalAsked(conversation.maildrop.deleted_uids)


def sign_off(conversation: Conversation) -> bytes:
    """
    The last response.
    """
    return ok(f"{conversation.hostname} POP3 server signing off.")


COMMANDS = (
    Command(b"STAT", LOGGED_IN, nothing, stat),
    Command(b"LIST", LOGGED_IN, number_or_nothing, list_sizes),
    Command(b"RETR", LOGGED_IN, number, retrieve),
    Command(b"DELE", LOGGED_IN, number, delete),
    Command(b"NOOP", LOGGED_IN, nothing, do_nothing),
    Command(b"RSET", LOGGED_IN, nothing, reset),
    Command(b"QUIT", ANYTIME, nothing, quit_session),
)
