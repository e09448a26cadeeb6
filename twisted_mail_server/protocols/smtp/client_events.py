"""
What the client's side of a conversation tells whoever drives it.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from ...model.queue import Outcome, Result
from ...model.replies import Reply


class Cause(Enum):
    """
    What went wrong with a whole session.
    """

    #: There is no connection.
    CONNECT = "connect"
    #: The server wants none of us, or none of us now.
    GREETING = "greeting"
    HELLO = "hello"
    #: TLS is needed and not there, or its handshake failed.
    TLS = "tls"
    LOGIN = "login"
    #: What came is not SMTP, or not in turn.
    PROTOCOL = "protocol"
    LOST = "lost"
    TIMEOUT = "timeout"
    #: The server takes leave (421).
    CLOSED = "closed"
    #: The content could not be read.
    CONTENT = "content"


@frozen
class HandshakeDue:
    """
    STARTTLS was answered with 220: begin the handshake, then say so with C{tls_started}.
    """


@frozen
class SessionReady:
    """
    A message may be sent.
    """


@frozen
class SessionOver:
    """
    Nothing more can be sent.  If it comes before L{SessionReady}, nothing ever could.
    """

    cause: Cause
    #: For people.
    text: str
    #: C{DEFERRED} or C{FAILED}: whether it makes sense to try this server again.
    outcome: Outcome
    #: Enhanced status code (RFC 3463).
    status: str
    #: What the server said, if that is why.
    reply: Reply | None = None


@frozen
class ContentWanted:
    """
    One more piece of content may be sent.
    """


@frozen
class MailFinished:
    """
    A message has come to its end for these recipients.
    """

    results: tuple[Result, ...]
    #: Recipients, by number, that the server asks to have in another transaction (RFC 5321 section 4.5.3.1.10).
    postponed: tuple[int, ...] = ()


Event = HandshakeDue | SessionReady | SessionOver | ContentWanted | MailFinished
