"""
SCRAM (RFC 5802, 7677): a proof that one knows a password, to somebody who does not, and a proof back.

Four messages: client-first, server-first, client-final, server-final.  No protocol here carries data with its success, so the
last one goes as a challenge that the client answers with nothing (RFC 4954 section 4, RFC 3501 section 6.2.2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import partial

from attrs import define, field

from ...model import limits
from ...model.accounts import PlainSecret, ScramKeys, ScramProof, ScramStart
from ...model.errors import AuthenticationFailed, SyntaxProblem
from .plain import read_name
from .saslprep import prepared
from .vocabulary import Challenge, KeysAsked, Means, Mechanism, Outcome, decode_base64, encode_base64

# printable = %x21-2B / %x2D-7E ; value-safe-char and saslname have no comma either   (RFC 5802 section 7)
_PRINTABLE = rb"[\x21-\x2b\x2d-\x7e]+"
_VALUE = rb"[^,\x00]+"
_EXTENSIONS = rb"(?:,[A-Za-z]=" + _VALUE + rb")*"
_BASE64 = rb"[A-Za-z0-9+/=]+"
# client-first-message = gs2-header client-first-message-bare
_CLIENT_FIRST = re.compile(
    rb"(?P<gs2>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.\-]+)),(?:a=(?P<authzid>" + _VALUE + rb"))?,)"
    rb"(?P<bare>n=(?P<name>" + _VALUE + rb"),r=(?P<nonce>" + _PRINTABLE + rb")" + _EXTENSIONS + rb")"
)
# client-final-message = channel-binding "," nonce ["," extensions] "," proof
_CLIENT_FINAL = re.compile(
    rb"(?P<bare>c=(?P<binding>" + _BASE64 + rb"),r=(?P<nonce>" + _PRINTABLE + rb")" + _EXTENSIONS + rb")"
    rb",p=(?P<proof>" + _BASE64 + rb")"
)
# server-first-message = nonce "," salt "," iteration-count ["," extensions]
_SERVER_FIRST = re.compile(
    rb"r=(?P<nonce>" + _PRINTABLE + rb"),s=(?P<salt>" + _BASE64 + rb"),i=(?P<count>[1-9][0-9]{0,9})" + _EXTENSIONS
)
_ESCAPE = re.compile("=(2C|3D)?")
_UNESCAPED = {"2C": ",", "3D": "="}
#: Octets of chance in a client's nonce.
_NONCE = 18
#: RFC 5802 section 5.1: with fewer, whoever sees the proof guesses the password too fast.
_FEWEST_ITERATIONS = 4096


def scram_keys(hash_name: str, password: bytes, salt: bytes, iterations: int) -> ScramKeys:
    """
    The two keys of a prepared password (RFC 5802 section 3).
    """
    salted = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    return _keys(hash_name, salted, salt, iterations)


def _keys(hash_name: str, salted: bytes, salt: bytes, iterations: int) -> ScramKeys:
    stored_key = hashlib.new(hash_name, _client_key(hash_name, salted)).digest()
    return ScramKeys(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_name))


def _client_key(hash_name: str, salted: bytes) -> bytes:
    return hmac.digest(salted, b"Client Key", hash_name)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


def _read_saslname(octets: bytes | None) -> str:
    """
    A name without its escapes (RFC 5802 section 5.1).

    @raise SyntaxProblem: an equals sign begins no escape; or it is no name.
    """

    def unescape(found: re.Match[str]) -> str:
        if found[1] is None:
            raise SyntaxProblem("An equals sign in a name is written =3D.")
        return _UNESCAPED[found[1]]

    return _ESCAPE.sub(unescape, read_name(octets or b""))


def _write_saslname(name: str) -> bytes:
    return name.replace("=", "=3D").replace(",", "=2C").encode()


@define(eq=False)
class ScramServer:
    """
    The server's side.
    """

    _hash_name: str
    #: Whether it is a C{-PLUS} mechanism, which binds to the channel.
    _is_bound: bool
    _first: re.Match[bytes] | None = field(default=None, init=False)
    _names: tuple[str, str] = field(default=("", ""), init=False)
    _keys: ScramKeys | None = field(default=None, init=False, repr=False)
    #: What the client's last message is compared with.
    _nonce: bytes = field(default=b"", init=False)
    _binding: bytes = field(default=b"", init=False)
    _server_first: bytes = field(default=b"", init=False)
    _proof: ScramProof | None = field(default=None, init=False)

    def start(self, initial: bytes | None) -> Outcome:
        """
        Without an initial response, ask with an empty challenge (RFC 4422 section 5.1).
        """
        return Challenge() if initial is None else self.step(initial)

    def step(self, response: bytes) -> Outcome:
        """
        One of the client's messages.

        @raise SyntaxProblem: it cannot be read.
        """
        if self._first is None:
            return self._read_first(response)
        if self._proof is None:
            return self._read_final(self._first, response)
        if response:
            raise SyntaxProblem("There is nothing more to say.")
        return self._proof

    def _read_first(self, message: bytes) -> Outcome:
        first = _CLIENT_FIRST.fullmatch(message)
        if first is None:
            raise SyntaxProblem(
                "This is no first message of SCRAM, or it asks for an extension that is not known here."
            )
        if self._is_bound is not (first["binding"] is not None):
            raise SyntaxProblem("The channel is bound by the mechanisms whose names end in -PLUS, and by no others.")
        self._first = first
        self._names = name, _ = _read_saslname(first["name"]), _read_saslname(first["authzid"])
        return KeysAsked(name, self._hash_name, self._begin)

    def _begin(self, start: ScramStart, bindings: Mapping[str, bytes]) -> Outcome:
        """
        The keys are there: server-first.

        @raise SyntaxProblem: the channel cannot be bound as the client wants it.
        @raise AuthenticationFailed: the client could bind the channel, and was made to believe that we cannot.
        """
        first = self._first
        assert first is not None
        data = b""
        if self._is_bound:
            found = bindings.get(first["binding"].decode("ascii"))
            if found is None:
                raise SyntaxProblem("There is no channel binding of that type here.")
            data = found
        elif first["flag"] == b"y" and bindings:
            # RFC 5802 section 6: somebody took the -PLUS mechanisms out of what we offered.
            raise AuthenticationFailed(
                "This server does bind the channel: what it offers did not arrive as it was sent."
            )
        keys = self._keys = start.keys
        self._nonce = first["nonce"] + start.nonce
        self._binding = first["gs2"] + data
        self._server_first = b"r=%b,s=%b,i=%d" % (self._nonce, encode_base64(keys.salt), keys.iterations)
        return Challenge(self._server_first)

    def _read_final(self, first: re.Match[bytes], message: bytes) -> Outcome:
        final = _CLIENT_FINAL.fullmatch(message)
        keys = self._keys
        if final is None or keys is None:
            raise SyntaxProblem("This is no last message of SCRAM.")
        proof, binding = decode_base64(final["proof"]), decode_base64(final["binding"])
        text = b"%b,%b,%b" % (first["bare"], self._server_first, final["bare"])
        signature = hmac.digest(keys.stored_key, text, self._hash_name)
        is_right = (
            final["nonce"] == self._nonce
            and hmac.compare_digest(binding, self._binding)
            and len(proof) == len(signature)
            and hmac.compare_digest(hashlib.new(self._hash_name, _xor(proof, signature)).digest(), keys.stored_key)
        )
        name, authzid = self._names
        self._proof = ScramProof(name, self._hash_name, keys, is_right, authzid)
        if not is_right:
            # The server's proof would let whoever gets it guess at home.
            return self._proof
        return Challenge(b"v=" + encode_base64(hmac.digest(keys.server_key, text, self._hash_name)))


@define(eq=False)
class ScramClient:
    """
    The client's side.
    """

    _hash_name: str
    _is_bound: bool
    _secret: PlainSecret
    _means: Means
    _gs2: bytes = field(default=b"", init=False)
    _bare: bytes = field(default=b"", init=False)
    _nonce: bytes = field(default=b"", init=False)
    _binding: bytes = field(default=b"", init=False)
    _verifier: bytes | None = field(default=None, init=False, repr=False)
    #: Whether the server has proved that it knows the password, or what is made from it.
    is_satisfied: bool = field(default=False, init=False)

    def start(self) -> bytes | None:
        """
        client-first.
        """
        secret, bindings = self._secret, self._means.bindings
        flag = b"n"
        if self._is_bound:
            kind = next(iter(bindings))
            flag, self._binding = b"p=" + kind.encode("ascii"), bindings[kind]
        elif bindings:
            # We could, and believe that the server cannot: if it can, it will know that somebody meddles.
            flag = b"y"
        authzid = b"a=" + _write_saslname(secret.authzid) if secret.authzid else b""
        self._gs2 = b"%b,%b," % (flag, authzid)
        self._nonce = base64.b64encode(self._means.random(_NONCE))
        name = prepared(secret.authcid.encode()).decode()
        self._bare = b"n=%b,r=%b" % (_write_saslname(name), self._nonce)
        return self._gs2 + self._bare

    def step(self, challenge: bytes) -> bytes:
        """
        The response to one of the server's messages.

        @raise SyntaxProblem: it cannot be read, or comes out of turn.
        @raise AuthenticationFailed: the server does not know the password, nor what is made from it.
        """
        if not self._bare:
            return self.start() or b""
        if self._verifier is None:
            return self._answer_first(challenge)
        if self.is_satisfied or not challenge.startswith(b"v="):
            raise SyntaxProblem("This is no last message of SCRAM.")
        if not hmac.compare_digest(challenge.partition(b",")[0], self._verifier):
            raise AuthenticationFailed("The server could not prove that it knows the password.")
        self.is_satisfied = True
        return b""

    def _answer_first(self, message: bytes) -> bytes:
        first = _SERVER_FIRST.fullmatch(message)
        if first is None or not first["nonce"].startswith(self._nonce) or first["nonce"] == self._nonce:
            raise SyntaxProblem("This is no first message of SCRAM, or not for us.")
        iterations, salt = int(first["count"]), decode_base64(first["salt"])
        if not _FEWEST_ITERATIONS <= iterations <= limits.SCRAM_ITERATIONS:
            raise SyntaxProblem(f"SCRAM with {iterations} iterations is not for us.")
        salted = hashlib.pbkdf2_hmac(self._hash_name, prepared(self._secret.password), salt, iterations)
        keys = _keys(self._hash_name, salted, salt, iterations)
        bare = b"c=%b,r=%b" % (encode_base64(self._gs2 + self._binding), first["nonce"])
        text = b"%b,%b,%b" % (self._bare, message, bare)
        signature = hmac.digest(keys.stored_key, text, self._hash_name)
        self._verifier = b"v=" + encode_base64(hmac.digest(keys.server_key, text, self._hash_name))
        return b"%b,p=%b" % (bare, encode_base64(_xor(_client_key(self._hash_name, salted), signature)))


def _mechanism(name: str, rfc: str, hash_name: str, *, is_bound: bool) -> Mechanism:
    return Mechanism(
        name,
        rfc,
        partial(ScramServer, hash_name, is_bound),
        partial(ScramClient, hash_name, is_bound),
        reveals_password=False,
        is_bound=is_bound,
        needs_chance=True,
    )


SHA_256_PLUS = _mechanism("SCRAM-SHA-256-PLUS", "RFC 7677", "sha256", is_bound=True)
SHA_1_PLUS = _mechanism("SCRAM-SHA-1-PLUS", "RFC 5802", "sha1", is_bound=True)
SHA_256 = _mechanism("SCRAM-SHA-256", "RFC 7677", "sha256", is_bound=False)
SHA_1 = _mechanism("SCRAM-SHA-1", "RFC 5802", "sha1", is_bound=False)
