"""
Forwarded mail goes on in our name: the Sender Rewriting Scheme.

SPF (RFC 7208) lets a domain name the hosts that send for it, and we are none
of them when we forward its mail.  So the reverse-path becomes one of ours,
from which the old one can be had again when a bounce comes.  There is no RFC;
the forms, as Shevek described them in 2004 and as libsrs2 and postsrsd write
them, are::

    SRS0=HHHH=TT=example.com=ann@forwarder.example
    SRS1=HHHH=forwarder.example==HHHH=TT=example.com=ann@second.example

C{HHHH} are the first four letters of the base64 form of an HMAC-SHA1 over what
follows, in small letters, so that nobody has bounces carried through us who
was not forwarded; C{TT} is the day in two letters of base32, modulo 1024.  An
address that was rewritten by somebody else is not wrapped once more but gets a
C{SRS1} that leads back to its first forwarder, so that it stays short.

Everything is compared without regard to case, for some hosts on the way back
write addresses in capitals.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from ..model.addresses import Address, quote_local_part
from ..model.errors import SyntaxProblem
from ..model.limits import LOCAL_PART, PATH, SRS_DAYS

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DAYS = len(_BASE32) ** 2
_HASH_LETTERS = 4

_FLAGS = re.IGNORECASE | re.DOTALL | re.ASCII

# The separator behind the tag is ours as we write it; others may be set to write + or -.
_FIRST = re.compile(r"SRS0[=+-].+", _FLAGS)
_LATER = re.compile(r"SRS1[=+-][^=]*=(?P<host>[^=]+)=(?P<rest>.+)", _FLAGS)
_OURS_FIRST = re.compile(r"SRS0[=+-](?P<hash>[^=]{4})=(?P<day>[A-Z2-7]{2})=(?P<domain>[^=]+)=(?P<local>.+)", _FLAGS)
_OURS_LATER = re.compile(r"SRS1[=+-](?P<hash>[^=]{4})=(?P<host>[^=]+)=(?P<rest>[=+-].+)", _FLAGS)


def rewrite(sender: Address, domain: str, secret: bytes, day: int) -> Address | None:
    """
    The reverse-path under which mail from C{sender} is forwarded.

    @param domain: ours; a sender in it stays as it is.
    @param day: days since 1970.
    @return: C{None} where the rewritten local part would be longer than the
        64 octets that every server has to take (RFC 5321 section 4.5.3.1.1):
        others might refuse it, and we do ourselves.  Such mail goes on under
        an address of our own, and its bounces end there.
    """
    if sender.domain == domain:
        return sender
    if (later := _LATER.fullmatch(sender.local)) is not None:
        local = _later(later["host"], later["rest"], secret)
    elif _FIRST.fullmatch(sender.local) is not None:
        # The separator that its forwarder wrote stays with what follows.
        local = _later(sender.domain, sender.local[len("SRS0") :], secret)
    else:
        stamp = _BASE32[day % _DAYS >> 5] + _BASE32[day & 31]
        signed = _signature(secret, stamp, sender.domain, sender.local)
        local = f"SRS0={signed}={stamp}={sender.domain}={sender.local}"
    rewritten = Address(local, domain)
    is_long = (
        len(quote_local_part(local).encode("utf-8")) > LOCAL_PART or len(str(rewritten).encode("utf-8")) > PATH - 2
    )
    return None if is_long else rewritten


def is_rewritten(address: Address) -> bool:
    """
    Whether it has the form of an address that L{rewrite} makes: where its
    domain is ours, it leads elsewhere or nowhere.
    """
    return _OURS_FIRST.fullmatch(address.local) is not None or _OURS_LATER.fullmatch(address.local) is not None


def recover(address: Address, secret: bytes, day: int) -> Address | None:
    """
    Where a bounce to a rewritten address goes.

    @return: C{None} if we never wrote that address, or more than L{SRS_DAYS}
        ago.
    """
    if (found := _OURS_FIRST.fullmatch(address.local)) is not None:
        signed = _signature(secret, found["day"], found["domain"], found["local"])
        local, domain = found["local"], found["domain"]
        is_good = _is_recent(found["day"].upper(), day)
    elif (found := _OURS_LATER.fullmatch(address.local)) is not None:
        signed = _signature(secret, found["host"], found["rest"])
        local, domain = "SRS0" + found["rest"], found["host"]
        # The first forwarder looks at the day.
        is_good = True
    else:
        return None
    if (
        not hmac.compare_digest(signed.lower().encode(), found["hash"].lower().encode("utf-8", "replace"))
        or not is_good
    ):
        return None
    try:
        return Address.parse(f"{quote_local_part(local)}@{domain}")
    except SyntaxProblem:
        return None


def _later(host: str, rest: str, secret: bytes) -> str:
    return f"SRS1={_signature(secret, host, rest)}={host}={rest}"


def _signature(secret: bytes, *signed: str) -> str:
    """
    The letters that only we can know.
    """
    # A to Z only are made small, as tolower does in the C locale.
    text = "".join(signed).encode("utf-8", "replace").lower()
    digest = hmac.new(secret, text, hashlib.sha1).digest()
    return base64.b64encode(digest)[:_HASH_LETTERS].decode("ascii")


def _is_recent(stamp: str, day: int) -> bool:
    """
    Whether those two letters name one of the last days, today included.
    """
    then = _BASE32.index(stamp[0]) << 5 | _BASE32.index(stamp[1])
    return (day - then) % _DAYS <= SRS_DAYS
