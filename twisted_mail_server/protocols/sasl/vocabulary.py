"""
The words a SASL mechanism is written in (RFC 4422 section 3).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen

from ...model.accounts import PlainSecret
from ...model.errors import SyntaxProblem

# base64 = base64-terminal / ( 1*(4base64-char) [base64-terminal] ) ; RFC 4954 section 8
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@frozen
class Challenge:
    """
    What the server says next; not yet in base64.
    """

    data: bytes = b""


#: What an exchange comes to: one more round, or something to check.
Outcome = Challenge | PlainSecret


class ServerExchange(Protocol):
    """
    The server's side of one exchange.  What the client sends wrong is a L{PeerError <twisted_mail_server.model.errors.PeerError>}.
    """

    def start(self, initial: bytes | None) -> Outcome:
        """
        Begin, with the client's initial response or without.
        """

    def step(self, response: bytes) -> Outcome:
        """
        Go on with what the client answered to a challenge.
        """


class ClientExchange(Protocol):
    """
    The client's side of one exchange.
    """

    def start(self) -> bytes | None:
        """
        The initial response, if the mechanism has one.
        """

    def step(self, challenge: bytes) -> bytes:
        """
        The response to a challenge.

        @raise SyntaxProblem: the server asks for what this mechanism does not say.
        """


@frozen
class Mechanism:
    """
    One way to log in.
    """

    #: As registered with IANA.
    name: str
    rfc: str
    server: Callable[[], ServerExchange] = field(repr=False)
    client: Callable[[PlainSecret], ClientExchange] = field(repr=False)
    #: Whether the client speaks first, so that an initial response makes sense (RFC 4422 section 5).
    is_client_first: bool = True
    #: Whether the password itself travels, so that only a private connection may carry it.
    reveals_password: bool = True


def decode_base64(text: bytes) -> bytes:
    """
    Read base64 as RFC 4648 section 4 has it: nothing outside the alphabet, padding where it belongs and nowhere else.

    @raise SyntaxProblem: it is not base64.
    """
    if not _BASE64.fullmatch(text):
        raise SyntaxProblem("That is not base64.")
    return binascii.a2b_base64(text)


def decode_initial_response(text: bytes) -> bytes:
    """
    Read an initial response: base64, or C{=} for an empty one (RFC 4954 section 4, RFC 4959 section 3, RFC 5034 section 4).

    @raise SyntaxProblem: it is neither.
    """
    return b"" if text == b"=" else decode_base64(text)


def encode_base64(data: bytes) -> bytes:
    """
    Write base64 on one line.
    """
    return binascii.b2a_base64(data, newline=False)
