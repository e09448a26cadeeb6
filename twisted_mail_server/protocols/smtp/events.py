"""
What a server's side of a conversation tells whoever drives it.

Those that end in C{Asked}, and L{ContentEnded}, wait for an answer, C{accept} or C{refuse}; the others just tell.
L{KeysAsked} waits for C{keys_found}, or C{refuse}.
"""

from __future__ import annotations

from attrs import field, frozen

from ...model.accounts import Secret
from ...model.addresses import Address
from ...model.envelopes import MailOptions, RecipientOptions
from ...model.replies import Reply
from ..sasl.vocabulary import KeysAsked

__all__ = [
    "AuthenticationAsked",
    "Content",
    "ContentAsked",
    "ContentEnded",
    "ContentSpoiled",
    "Event",
    "KeysAsked",
    "MailAsked",
    "NamesAsked",
    "RecipientAsked",
    "Reset",
    "TlsAsked",
]


@frozen
class MailAsked:
    """
    MAIL (RFC 5321 section 4.1.1.2).
    """

    #: C{None} for C{<>}.
    sender: Address | None
    #: What the extensions read.
    options: MailOptions = field(factory=MailOptions)


@frozen
class RecipientAsked:
    """
    RCPT (RFC 5321 section 4.1.1.3).
    """

    address: Address
    options: RecipientOptions = field(factory=RecipientOptions)


@frozen
class ContentAsked:
    """
    DATA (RFC 5321 section 4.1.1.4), or the first BDAT (RFC 3030): may content come?
    """


@frozen
class Content:
    """
    A piece of content, as it was before dots were stuffed, never empty.
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
class NamesAsked:
    """
    VRFY or EXPN (RFC 5321 section 3.5), where the client may know: whether there is such a mailbox, or who is behind it.
    """

    address: Address
    #: Whether it was EXPN.
    is_list: bool
    #: Whether the answer may hold UTF-8 (RFC 6531 section 3.7.4.2).
    is_utf8: bool


@frozen
class AuthenticationAsked:
    """
    AUTH has come to a secret that is to be checked (RFC 4954).
    """

    mechanism: str
    secret: Secret


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
    | NamesAsked
    | AuthenticationAsked
    | KeysAsked
    | TlsAsked
)
