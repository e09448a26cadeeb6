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


class Notify(Enum):
    """
    When the sender wants a report on a recipient (RFC 3461 section 4.1); none of them is C{NEVER}.
    """

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Returned(Enum):
    """
    How much of the message a failure report brings back (RFC 3461 section 4.3).
    """

    FULL = "FULL"
    HEADERS = "HDRS"


@frozen
class MailOptions:
    """
    What MAIL said besides the sender.
    """

    body: BodyKind = BodyKind.SEVEN_BIT
    #: The size the client named (RFC 1870), or 0.
    size: int = 0
    #: Whether addresses or header may hold UTF-8 (RFC 6531).
    is_utf8: bool = False
    returned: Returned | None = None
    #: The sender's own name for the message, decoded (RFC 3461 section 4.4).
    envid: str = ""


@frozen
class RecipientOptions:
    """
    What RCPT said besides the recipient (RFC 3461 sections 4.1 and 4.2).
    """

    #: C{None}: nothing was said, which means failure, and delay if we like.
    notify: frozenset[Notify] | None = None
    #: The recipient as the sender first named it, with its type: C{rfc822;ann@example.org}, decoded.
    orcpt: str = ""


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
    #: The connection's id, as the log has it; empty for messages of our own.
    session: str = field(default="", eq=False)


@frozen
class Recipient:
    """
    One to whom a message goes.
    """

    address: Address
    #: Why this one cannot have the message although others can (a loop); empty for nothing of the kind.
    refusal: str = ""
    options: RecipientOptions = RecipientOptions()
    #: The address that RCPT named, where an alias led from it to C{address}.
    named: Address | None = None
    #: The reverse-path for this recipient alone: mail that is forwarded elsewhere goes on in our name (SRS).
    reverse_path: Address | None = None
    #: Why it goes to Junk, or is held where it goes elsewhere; empty if it does not.
    quarantine: str = ""


@frozen
class Envelope:
    """
    Everything about a message that is not in it.
    """

    origin: Origin
    #: Nobody (C{<>}) for reports.
    sender: Address | None
    recipients: tuple[Recipient, ...]
    options: MailOptions = MailOptions()
    #: Seconds since 1970.
    received: int = field(default=0)
    #: The header's C{Message-ID} without its angle brackets, for who looks for the message; may be empty, need not be unique.
    message_id: str = ""
