"""
USER and PASS: name and password as they are, so only where nobody listens (RFC 1939 section 7, RFC 2449 section 6.2).
"""

from __future__ import annotations

from ....model.errors import OutOfTurn, PrivacyRequired, SyntaxProblem
from ...sasl.plain import make_secret
from ..events import LoginAsked
from ..responses import ok
from ..vocabulary import LOGGED_OUT, Answer, Command, Conversation, Extension


def text(argument: bytes | None) -> bytes:
    """
    All that follows; "a POP3 server may treat spaces in the argument as part of the password".

    @raise SyntaxProblem: nothing does.
    """
    if not argument:
        raise SyntaxProblem("Expected an argument.")
    return argument


def user(conversation: Conversation, name: bytes) -> Answer:
    """
    Keep the name.  Whether there is such a mailbox is nobody's business.
    """
    _need_privacy(conversation)
    conversation.user = name
    return ok("Now the password.")


def password(conversation: Conversation, secret: bytes) -> Answer:
    """
    With the name from the command before, ask for a login.
    """
    _need_privacy(conversation)
    if conversation.named is None:
        raise OutOfTurn("Say USER first.")
    return LoginAsked(make_secret(conversation.named, secret), "PASS")


def _need_privacy(conversation: Conversation) -> None:
    if not conversation.surroundings.is_private:
        how = "say STLS first" if conversation.surroundings.offers_tls else "connect by TLS"
        raise PrivacyRequired(f"Passwords are taken under TLS only: {how}.")


def announce(conversation: Conversation) -> str | None:
    """
    Where it is allowed.
    """
    return "USER" if conversation.surroundings.is_private else None


EXTENSION = Extension(
    rfc="RFC 1939",
    announce=announce,
    commands=(Command(b"USER", LOGGED_OUT, text, user), Command(b"PASS", LOGGED_OUT, text, password)),
)
