"""
DSN: the sender's wishes for reports on delivery (RFC 3461), with addresses in every script (RFC 6533 section 3).
"""

from __future__ import annotations

import re

from ....model import limits
from ....model.addresses import Address
from ....model.envelopes import Notify, Recipient, Returned
from ....model.errors import SyntaxProblem
from ..grammar import decode_xtext, decode_xtext_utf8
from ..vocabulary import Extension, Offers, OutgoingMail, Parameter, Usage

# original-recipient-address = addr-type ";" xtext                  ; RFC 3461 section 4.2
# addr-type                  = atom
_ORCPT = re.compile(r"(?P<type>[A-Za-z0-9!#$%&'*+\-/?^_`{|}~]+);(?P<address>.+)")
# utf-8-addr-unitext  = 1*(QUCHAR / EmbeddedUnicodeChar)            ; RFC 6533 section 3
# EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
#: What must be embedded: what an C{esmtp-value} cannot hold, and the backslash itself.
_SPECIAL = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e\x80-\U0010ffff]")
_NOT_QCHAR = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")
#: What xtext must write otherwise (RFC 3461 section 4).
_NOT_XCHAR = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")

_RETURNED = {one.value: one for one in Returned}
_NOTIFY = {one.value: one for one in Notify}
_NEVER = "NEVER"
_UTF8 = "utf-8"


def parse_ret(value: str | None) -> Returned:
    """
    RET: how much a failure report brings back (section 4.3).

    @raise SyntaxProblem: neither FULL nor HDRS.
    """
    returned = _RETURNED.get((value or "").upper())
    if returned is None:
        raise SyntaxProblem("RET is FULL or HDRS.")
    return returned


def parse_envid(value: str | None) -> str:
    """
    ENVID: the sender's own name for the transaction (section 4.4).

    @raise SyntaxProblem: it is too long, or no xtext of printable ASCII.
    """
    if value is None or len(value) > limits.ENVID:
        raise SyntaxProblem(f"ENVID has up to {limits.ENVID} characters.")
    return decode_xtext(value)


def parse_notify(value: str | None) -> frozenset[Notify]:
    """
    NOTIFY: when a report is wanted; never is the empty set (section 4.1).

    @raise SyntaxProblem: a word is unknown, or NEVER does not stand alone.
    """
    words = (value or "").upper().split(",")
    if words == [_NEVER]:
        return frozenset()
    if not all(word in _NOTIFY for word in words):
        raise SyntaxProblem("NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY with commas between.")
    return frozenset(_NOTIFY[word] for word in words)


def parse_orcpt(value: str | None) -> str:
    """
    ORCPT: whom the sender first named (section 4.2), decoded, its type before it as it stands.

    @raise SyntaxProblem: it is too long, or malformed.
    """
    found = _ORCPT.fullmatch(value or "")
    if found is None or len(value or "") > limits.ORCPT:
        raise SyntaxProblem(f"ORCPT is a type, a semicolon and an address, up to {limits.ORCPT} characters.")
    kind, address = found["type"], found["address"]
    if kind.lower() == _UTF8:
        return f"{kind};{_decode_unitext(address)}"
    plain = decode_xtext_utf8(address)
    # Postfix calls an internationalized address rfc822; what it is has a type of its own (RFC 6533 section 3).
    return f"{kind if plain.isascii() else _UTF8};{plain}"


def _decode_unitext(text: str) -> str:
    plain = _EMBEDDED.sub(lambda digits: _character(int(digits[1], 16)), text)
    if _SPECIAL.search(_EMBEDDED.sub("", text)) or not plain.isprintable():
        raise SyntaxProblem("That address is not written as RFC 6533 has it.")
    return plain


def _character(point: int) -> str:
    """
    What is no character, half a one, or a control, is refused with what cannot be printed.
    """
    return chr(point) if point <= 0x10FFFF else "\0"


# The client's side.


def encode_xtext(text: str) -> str:
    """
    Write ASCII as C{xtext} (section 4).
    """
    return _NOT_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _encode_unitext(text: str) -> str:
    """
    The form that every server takes, whatever it knows of UTF-8 (RFC 6533 section 3, C{utf-8-addr-xtext}).
    """
    return _NOT_QCHAR.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)


def write_mail(offers: Offers, mail: OutgoingMail) -> str:
    """
    RET and ENVID go on as they came, or not at all (section 5.2.1).
    """
    words = []
    if mail.options.returned is not None:
        words.append(f"RET={mail.options.returned.value}")
    if mail.options.envid:
        words.append(f"ENVID={encode_xtext(mail.options.envid)}")
    return " ".join(words)


def write_recipient(offers: Offers, mail: OutgoingMail, recipient: Recipient) -> str:
    """
    NOTIFY and ORCPT go on as they came; where an alias led elsewhere, the address that was named is told (section 5.2.1 d).
    """
    options, words = recipient.options, []
    if options.notify is not None:
        words.append("NOTIFY=" + (",".join(sorted(one.value for one in options.notify)) or _NEVER))
    orcpt = options.orcpt or (_first_named(recipient.named) if recipient.named is not None else "")
    if orcpt:
        words.append(f"ORCPT={_encode_orcpt(orcpt)}")
    return " ".join(words)


def _first_named(named: Address) -> str:
    return f"{'rfc822' if named.is_ascii else _UTF8};{named}"


def _encode_orcpt(orcpt: str) -> str:
    kind, _, address = orcpt.partition(";")
    if kind.lower() != _UTF8:
        return f"{kind};{encode_xtext(address)}"
    return f"{kind};{_encode_unitext(address)}"


def learn_reports(offers: Offers, argument: str) -> None:
    """
    The next server reports from then on (section 5.2.1).
    """
    offers.takes_over_reports = True


EXTENSION = Extension(
    keyword="DSN",
    rfc="RFC 3461",
    offer=lambda conversation: "DSN",
    mail_parameters=(Parameter("RET", parse_ret, option="returned"), Parameter("ENVID", parse_envid, option="envid")),
    recipient_parameters=(
        Parameter("NOTIFY", parse_notify, option="notify"),
        Parameter("ORCPT", parse_orcpt, takes_utf8=True, option="orcpt"),
    ),
    usage=Usage(learn_reports, mail=write_mail, recipient=write_recipient),
)
