"""
What travels with a message: where it came from, from whom, to whom (RFC 5321 section 2.3.1).
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from .accounts import AccountId
from .addresses import Address


class BodyKind(Enum):
    """
    The C{BODY} parameter (RFC 6152 section 3).
    """

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


class Service(Enum):
    """
    Which configuration of the SMTP server a client met.
    """

    MX = "smtp"
    SUBMISSION = "submission"
    LMTP = "lmtp"


@frozen
class Origin:
    """
    Where a message came from; what C{Received} tells (RFC 5321 section 4.4).
    """

    service: Service
    #: The client's IP address, or empty for a Unix socket.
    peer: str
    #: What the client called itself.
    helo: str
    #: C{SMTP}, C{ESMTP}, C{ESMTPS}, C{ESMTPA}, C{ESMTPSA}, C{LMTP} ... (RFC 3848).
    protocol: str
    #: The TLS version and cipher, or empty.
    tls: str = ""
    #: Who logged in.
    account: AccountId | None = None
    #: The name under which they did.
    login: str = ""


@frozen
class Recipient:
    """
    One to whom a message goes.
    """

    address: Address
    #: Why this one cannot have the message although others can (a loop); empty for nothing of the kind.
    refusal: str = ""


@frozen
class Envelope:
    """
    Everything about a message that is not in it.
    """

    origin: Origin
    #: Nobody (C{<>}) for reports.
    sender: Address | None
    recipients: tuple[Recipient, ...]
    body: BodyKind = BodyKind.SEVEN_BIT
    #: What the client said the size would be (RFC 1870), or 0.
    declared_size: int = 0
    #: Seconds since 1970.
    received: int = field(default=0)
