"""
The words a SASL mechanism is written in (RFC 4422 section 3).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import field, frozen

from ...model.accounts import PlainSecret, ScramProof, ScramStart
from ...model.errors import SyntaxProblem

# base64 = base64-terminal / ( 1*(4base64-char) [base64-terminal] ) ; RFC 4954 section 8
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@frozen
class Challenge:
    """
    What the server says next; not yet in base64.
    """

    data: bytes = b""


@frozen
class KeysAsked:
    """
    The exchange goes on once somebody who knows the accounts has found what it starts from
    (L{IAuthenticator.keys <twisted_mail_server.interfaces.IAuthenticator.keys>}).
    """

    #: Who wants to log in.
    name: str
    #: As L{hashlib} calls it.
    hash_name: str
    #: Goes on, with that and with the connection's channel bindings by type.
    answer: Callable[[ScramStart, Mapping[str, bytes]], Outcome] = field(repr=False, eq=False)


#: What an exchange comes to: one more round, something to find first, or something to check.
Outcome = Challenge | KeysAsked | PlainSecret | ScramProof


def _no_chance(count: int) -> bytes:
    raise AssertionError("There is no chance to be had.")


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

    @property
    def is_satisfied(self) -> bool:
        """
        Whether the server has proved what the mechanism makes it prove: else its yes is not to be believed.
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
class Means:
    """
    What a client has besides a secret.
    """

    #: C{random(count)} gives so many random octets.
    random: Callable[[int], bytes] = field(default=_no_chance, repr=False)
    #: Channel bindings of the connection by type, best first; empty without TLS.
    bindings: Mapping[str, bytes] = field(factory=dict, repr=False)

    @property
    def has_chance(self) -> bool:
        """
        Whether it can make up what nobody can guess.
        """
        return self.random is not _no_chance

    def suffice(self, mechanism: Mechanism) -> bool:
        """
        Whether a client with these means can use C{mechanism}.
        """
        return (self.has_chance or not mechanism.needs_chance) and (bool(self.bindings) or not mechanism.is_bound)


@frozen
class Mechanism:
    """
    One way to log in.
    """

    #: As registered with IANA.
    name: str
    rfc: str
    server: Callable[[], ServerExchange] = field(repr=False)
    client: Callable[[PlainSecret, Means], ClientExchange] = field(repr=False)
    #: Whether the client speaks first, so that an initial response makes sense (RFC 4422 section 5).
    is_client_first: bool = True
    #: Whether the password itself travels, so that only a private connection may carry it.
    reveals_password: bool = True
    #: Whether it binds to the TLS connection, so that it needs one.
    is_bound: bool = False
    #: Whether its client needs random octets.
    needs_chance: bool = False


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
