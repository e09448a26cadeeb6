"""
PLAIN (RFC 4616), and LOGIN, which is no standard and which old clients insist on (draft-murchison-sasl-login).

Both carry a name and a password as they are: they belong under TLS.
"""

from __future__ import annotations

import re

from attrs import define, field

from ...model import limits
from ...model.accounts import PlainSecret
from ...model.errors import SyntaxProblem, TooLong
from .vocabulary import Challenge, Means, Mechanism, Outcome

# What SASLprep (RFC 4013 section 2.3) forbids in any name: control characters, and what is no character.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def make_secret(authcid: bytes, password: bytes, authzid: bytes = b"") -> PlainSecret:
    """
    Check and keep what a client sent.

    @raise SyntaxProblem: a part is missing, is not UTF-8, or holds what may not be in it.
    @raise TooLong: a part is longer than any name or password here.
    """
    if not authcid or not password:
        raise SyntaxProblem("A name and a password, please.")
    if len(password) > limits.PASSWORD:
        raise TooLong(f"A password has at most {limits.PASSWORD} octets.")
    if b"\x00" in password or not _is_utf8(password):
        raise SyntaxProblem("The password is not in UTF-8.")
    return PlainSecret(read_name(authcid), password, read_name(authzid))


def read_name(octets: bytes) -> str:
    """
    A login name, or the name of whom to act for; empty for none.

    @raise SyntaxProblem: it is not UTF-8, or holds what may not be in it.
    @raise TooLong: it is longer than any name here.
    """
    if len(octets) > limits.LOGIN_NAME:
        raise TooLong(f"A login name has at most {limits.LOGIN_NAME} octets.")
    if not _is_utf8(octets):
        raise SyntaxProblem("The name is not in UTF-8.")
    name = octets.decode()
    if _FORBIDDEN.search(name):
        raise SyntaxProblem("A name has no control characters.")
    return name


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


class PlainServer:
    """
    The server's side of PLAIN: everything is in one message.
    """

    def start(self, initial: bytes | None) -> Outcome:
        """
        Without an initial response, ask with an empty challenge (RFC 4422 section 5.1).
        """
        return Challenge() if initial is None else self.step(initial)

    def step(self, response: bytes) -> Outcome:
        """
        Read the message.

        @raise SyntaxProblem: it has not three parts, or one of them will not do.
        """
        # message = [authzid] UTF8NUL authcid UTF8NUL passwd       ; RFC 4616 section 2
        parts = response.split(b"\x00")
        if len(parts) != 3:
            raise SyntaxProblem("PLAIN has three parts, with a NUL between them.")
        authzid, authcid, password = parts
        return make_secret(authcid, password, authzid)


@define
class PlainClient:
    """
    The client's side of PLAIN.
    """

    _secret: PlainSecret
    _means: Means = field(factory=Means)
    is_satisfied: bool = field(default=True, init=False)

    def start(self) -> bytes | None:
        """
        The whole message.
        """
        secret = self._secret
        return b"\x00".join((secret.authzid.encode(), secret.authcid.encode(), secret.password))

    def step(self, challenge: bytes) -> bytes:
        """
        The whole message again, where the server did not take it at once.
        """
        return self.start() or b""


@define
class LoginServer:
    """
    The server's side of LOGIN: the name, then the password.
    """

    _name: bytes | None = field(default=None, init=False)

    def start(self, initial: bytes | None) -> Outcome:
        """
        Some clients send the name at once.
        """
        return Challenge(b"Username:") if initial is None else self.step(initial)

    def step(self, response: bytes) -> Outcome:
        """
        The first response is the name, the second the password.
        """
        if self._name is None:
            self._name = response
            return Challenge(b"Password:")
        return make_secret(self._name, response)


@define
class LoginClient:
    """
    The client's side of LOGIN.
    """

    _secret: PlainSecret
    _means: Means = field(factory=Means)
    is_satisfied: bool = field(default=True, init=False)
    _said: int = field(default=0, init=False)

    def start(self) -> bytes | None:
        """
        Nothing: the server begins.
        """
        return None

    def step(self, challenge: bytes) -> bytes:
        """
        The name, then the password, whatever the challenges say: servers word them as they like.

        @raise SyntaxProblem: the server asks a third time.
        """
        self._said += 1
        if self._said > 2:
            raise SyntaxProblem("LOGIN asks for two things only.")
        return self._secret.authcid.encode() if self._said == 1 else self._secret.password


PLAIN = Mechanism("PLAIN", "RFC 4616", PlainServer, PlainClient)
LOGIN = Mechanism("LOGIN", "draft-murchison-sasl-login", LoginServer, LoginClient)
