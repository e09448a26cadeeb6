"""
Password hashes that were made elsewhere: argon2 of every kind, and what C{crypt(3)} of this system knows, such as bcrypt,
yescrypt and SHA-512-crypt.

They are checked until the next login with the right password, which keeps it in our own form.  The system's libcrypt does the
work (L{ctypes} lets go of the interpreter meanwhile): where a hash came from a machine like this one, it is known here.
"""

from __future__ import annotations

import binascii
import ctypes
import hmac
import re
from collections.abc import Callable
from functools import cache

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from nacl.pwhash import argon2id

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused, TemporaryFailure

#: What Dovecot writes before a hash that is one of these by itself.
_SCHEME = re.compile(
    r"\{(?:CRYPT|DES-CRYPT|MD5-CRYPT|SHA256-CRYPT|SHA512-CRYPT|BLF-CRYPT|ARGON2I|ARGON2ID)\}", re.IGNORECASE
)
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$[A-Za-z0-9+/=,$]+")
#: What the C library is given at all: C{$id$...} and, old as it is, DES.
_CRYPT = re.compile(r"\$(?:1|2[aby]|5|6|7|y|gy)\$[!-9;-~]{8,360}|[./0-9A-Za-z]{13}")
#: What nearly every argon2 hash is like, ours too: argon2id of version 1.3 in one lane, with a salt of 16 octets.
_USUAL = re.compile(
    r"\$argon2id\$v=19\$m=(?P<memory>[1-9][0-9]{2,6}),t=(?P<passes>[1-9][0-9]{0,2}),p=1"
    r"\$(?P<salt>[A-Za-z0-9+/]{22})\$(?P<digest>(?:[A-Za-z0-9+/]{4}){6,21}(?:[A-Za-z0-9+/]{2,3})?)"
)
_ROUNDS = re.compile(r"\$[56]\$rounds=(?P<rounds>[0-9]+)\$|\$2[aby]\$(?P<cost>[0-9]+)\$")
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)
#: C{struct crypt_data} of glibc's old libcrypt, the largest there is, rounded up.
_SCRATCH = 256 * 1024

#: C{CRYPT_MAX_PASSPHRASE_SIZE}: longer ones have no hash there.
_LONGEST = 511
_TOO_MUCH = "To check this hash would take too much memory or time."

Crypt = Callable[[bytes, bytes], bytes | None]


def accepted(text: str, crypt: Crypt | None = None) -> str:
    """
    A hash without what other servers write around it, if it can be checked here at a bearable cost.  Takes as long as a check.

    @raise Refused: it cannot.
    """
    found = _SCHEME.sub("", text.strip(), count=1)
    if _ARGON2.fullmatch(found):
        _look_at_argon2(found)
    elif _CRYPT.fullmatch(found):
        _look_at_crypt(found, crypt or system_crypt())
    else:
        raise Refused("This is no hash that is known here: argon2, bcrypt, or what crypt(3) writes.")
    return found


def is_right(password: bytes, password_hash: str, crypt: Crypt | None = None) -> bool:
    """
    Whether a password fits a hash of L{accepted}.

    @raise TemporaryFailure: the hash cannot be checked, though it could once.
    """
    usual = _USUAL.fullmatch(password_hash)
    if usual is not None:
        return _is_usual_right(password, usual)
    if password_hash.startswith("$argon2"):
        try:
            return PasswordHasher().verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as problem:
            raise TemporaryFailure("The password of this account cannot be checked.") from problem
    if b"\0" in password or len(password) > _LONGEST:
        return False
    made = (crypt or system_crypt())(password, password_hash.encode("ascii", "replace")) if password_hash else None
    if made is None:
        raise TemporaryFailure("The password of this account cannot be checked.")
    return hmac.compare_digest(made, password_hash.encode("ascii", "replace"))


def _is_usual_right(password: bytes, parts: re.Match[str]) -> bool:
    """
    The same by libsodium, which takes three fifths of the time.  Its own check would take a lack of memory for a wrong password.
    """
    salt, digest = (binascii.a2b_base64(parts[name] + "=" * (-len(parts[name]) % 4)) for name in ("salt", "digest"))
    try:
        made = argon2id.kdf(len(digest), password, salt, int(parts["passes"]), int(parts["memory"]) * limits.KIB)
    except RuntimeError as problem:
        raise TemporaryFailure("The password of this account cannot be checked.") from problem
    return hmac.compare_digest(made, digest)


def _look_at_argon2(text: str) -> None:
    try:
        parameters = extract_parameters(text)
        if parameters.memory_cost > limits.ARGON2_MEMORY or parameters.time_cost > limits.ARGON2_PASSES:
            raise Refused(_TOO_MUCH)
        PasswordHasher().verify(text, b"any password")
    except VerifyMismatchError:
        return
    except (VerificationError, InvalidHashError, ValueError):
        raise Refused("This looks like argon2, and is not.") from None


def _look_at_crypt(text: str, crypt: Crypt) -> None:
    work = _ROUNDS.match(text)
    if work is not None and (
        int(work["rounds"] or 0) > limits.CRYPT_ROUNDS or int(work["cost"] or 0) > limits.BCRYPT_COST
    ):
        raise Refused(_TOO_MUCH)
    made = crypt(b"any password", text.encode("ascii"))
    # With a setting that it knows it makes a hash of the same form.
    if made is None or len(made) != len(text):
        raise Refused("This system's crypt(3) does not know this hash.")


@cache
def system_crypt() -> Crypt:
    """
    C{crypt_r} of the system: given a password and a hash or setting, the hash; C{None} where it knows no such setting.
    """
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        function.restype = ctypes.c_char_p
        return lambda password, setting: _call(function, password, setting)
    return lambda password, setting: None


def _call(function: Callable[..., bytes | None], password: bytes, setting: bytes) -> bytes | None:
    made = function(password, setting, ctypes.create_string_buffer(_SCRATCH))
    # A failure token, where the system writes one (crypt(5)).
    return None if made is None or made.startswith(b"*") else made
