"""
LOGIN-DELAY: how many seconds have to pass between two logins of one account (RFC 2449 section 6.5), where the settings say so.

Whoever logs in for an engine keeps the time, and refuses with the response code LOGIN-DELAY (section 8.1.1).
"""

from __future__ import annotations

from ..vocabulary import Conversation, Extension


def announce(conversation: Conversation) -> str | None:
    """
    The same for everybody.
    """
    delay = conversation.surroundings.login_delay
    return f"LOGIN-DELAY {delay}" if delay else None


EXTENSION = Extension(rfc="RFC 2449", announce=announce)
