"""
What the engine leaves to others.  Each event is to be answered before the next is asked for: L{KeysAsked} with C{keys_found}, or
C{refuse_login}.
"""

from __future__ import annotations

from attrs import frozen

from ...model.accounts import Secret
from ..sasl.vocabulary import KeysAsked

__all__ = ["Event", "KeysAsked", "LoginAsked", "MessageAsked", "OutputFilled", "RemovalAsked", "TlsAsked"]


@frozen
class LoginAsked:
    """
    Check it, lock the maildrop, list it; then C{enter}, or C{refuse_login}.
    """

    secret: Secret
    #: C{PASS}, or the SASL mechanism.
    method: str


@frozen
class MessageAsked:
    """
    RETR or TOP: C{begin_message}, C{add_to_message}, C{end_message}; or C{refuse}.
    """

    uid: int
    #: Lines of the body, for TOP; C{None} for all of it.
    lines: int | None = None


@frozen
class RemovalAsked:
    """
    QUIT: remove these for ever, all or none; then C{finish}, or C{refuse}.
    """

    uids: tuple[int, ...]


@frozen
class TlsAsked:
    """
    STLS was granted: send the output, begin the handshake, then C{tls_started}.  All that came before it is forgotten already.
    """


@frozen
class OutputFilled:
    """
    Much was said: send it before asking on.  There is nothing to answer.
    """


Event = LoginAsked | KeysAsked | MessageAsked | RemovalAsked | TlsAsked | OutputFilled
