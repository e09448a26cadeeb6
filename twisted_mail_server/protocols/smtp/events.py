"""
What a server's side of a conversation tells whoever drives it.

Those that end in C{Asked}, and L{ContentEnded}, wait for an answer, C{accept} or C{refuse}; the others just tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from ...model.accounts import PlainSecret
from ...model.addresses import Address
from ...model.replies import Reply


@frozen
class MailAsked:
    """
    MAIL (RFC 5321 section 4.1.1.2).
    """

    #: C{None} for C{<>}.
    sender: Address | None
    #: What the extensions read, by the parameter's name in upper case.
    parameters: Mapping[str, Any] = field(factory=dict)


@frozen
class RecipientAsked:
    """
    RCPT (RFC 5321 section 4.1.1.3).
    """

    address: Address
    parameters: Mapping[str, Any] = field(factory=dict)


@frozen
class ContentAsked:
    """
    DATA (RFC 5321 section 4.1.1.4): may content come?
    """


@frozen
class Content:
    """
    A piece of content, dots unstuffed, never empty.
    """

    data: bytes = field(repr=False)


@frozen
class ContentSpoiled:
    """
    Nothing of this content will be taken; the rest of it is swallowed, and its end refused with C{reply}.
    """

    reply: Reply


@frozen
class ContentEnded:
    """
    The content is whole: take the message or refuse it.
    """


@frozen
class Reset:
    """
    The transaction is over, and came to nothing.
    """


@frozen
class AuthenticationAsked:
    """
    AUTH has come to a secret that is to be checked (RFC 4954).
    """

    mechanism: str
    secret: PlainSecret


@frozen
class TlsAsked:
    """
    STARTTLS was answered with 220: send the output, then begin the handshake (RFC 3207).
    """


Event = (
    MailAsked
    | RecipientAsked
    | ContentAsked
    | Content
    | ContentSpoiled
    | ContentEnded
    | Reset
    | AuthenticationAsked
    | TlsAsked
)
