"""
STARTTLS: from here on under TLS (RFC 3207).
"""

from __future__ import annotations

from ....model.replies import Reply
from ..conversation import Conversation
from ..events import Event, TlsAsked
from ..states import State
from ..vocabulary import Extension, Offers, Usage, Verb

#: RFC 3207 section 4.
READY = Reply(220, "Ready to start TLS.", "2.0.0")
NOT_OFFERED = Reply(502, "TLS is not offered here, or already there.", "5.5.1")


def start_tls(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    Promise a handshake.  All that was pipelined behind the command is thrown away: it came in clear, and an attacker may
    have put it there for the server to take as if it had come under TLS (section 4.2 and CVE-2011-0411).
    """
    if not conversation.offers_tls:
        return NOT_OFFERED
    conversation.say(READY)
    conversation.await_tls()
    return TlsAsked()


def learn_tls(offers: Offers, argument: str) -> None:
    """
    As a client we may begin a handshake.
    """
    offers.has_tls = True


EXTENSION = Extension(
    keyword="STARTTLS",
    rfc="RFC 3207",
    offer=lambda conversation: "STARTTLS" if conversation.offers_tls else None,
    verbs=(Verb("STARTTLS", start_tls, is_bare=True, moves={State.READY: State.START}),),
    usage=Usage(learn_tls),
)
