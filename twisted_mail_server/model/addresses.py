"""
Mail addresses, read once at the door (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

A domain has one form here, whatever form it came in: lower case, A-labels (RFC 5890).  So it can be compared, asked for in DNS
and said to any server as it stands, and a local part alone decides whether an address needs SMTPUTF8.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

import idna
from attrs import frozen

from . import limits
from .errors import SyntaxProblem

# UTF8-non-ascii, without what only deceives: spaces, controls, what is not seen or turns the direction of text, and halves of
# characters.  The two joiners stay: several scripts are written with them.
_UNICODE = (
    r"\xa1-\xac\xae-\u167f\u1681-\u1fff\u200c\u200d\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\ue000-\ufdcf"
    r"\ufdf0-\ufefe\uff00-\uffef\U00010000-\U000dffff\U000e0100-\U0010ffff"
)
# atext = ALPHA / DIGIT / "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "/" / "=" / "?" / "^" / "_" / "`" / "{" / "|" / "}" / "~"
# atext =/ UTF8-non-ascii                                        ; RFC 6531 section 3.3
# Dot-string = Atom *("." Atom)                                  ; RFC 5321 section 4.1.2
_ATEXT = rf"[A-Za-z0-9!#$%&'*+\-/=?^_`{{|}}~{_UNICODE}]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
#: The same for nearly all there are; a small class of characters is matched in half the time.
_ASCII_DOT_STRING = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE
# qtextSMTP = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii ; quoted-pairSMTP = %d92 %d32-126
_QUOTED_STRING = re.compile(rf'"(?:[\x20\x21\x23-\x5b\x5d-\x7e{_UNICODE}]|\\[\x20-\x7e])*"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# sub-domain = Let-dig [Ldh-str] ; an underscore is no letter, and yet there are such hosts
_DOMAIN = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?)*"
)
_LITERAL = re.compile(r"\[(?:(?P<six>IPv6:)(?P<address6>[0-9A-Fa-f:.]+)|(?P<address4>[0-9.]+))\]", re.IGNORECASE)


@frozen
class Address:
    """
    Who: a local part without its quotes, and a domain or address literal in lower case and ASCII.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        Read a C{Mailbox} of RFC 5321 section 4.1.2, or of RFC 6531 section 3.3.

        @raise SyntaxProblem: C{text} is not one.
        """
        local, at, domain = text.rpartition("@")
        if not at:
            raise SyntaxProblem("An address has a local part, an @ and a domain.")
        return cls(parse_local_part(local), parse_domain(domain))

    @property
    def key(self) -> str:
        """
        The form by which addresses are compared here: case folded, local part too.
        """
        local = self.local
        if not local.isascii():
            # One letter may be written in several ways (RFC 6532 section 3.1).
            local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
        return f"{local.lower()}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """
        Whether it can travel without SMTPUTF8.
        """
        return self.local.isascii() and self.domain.isascii()

    def __str__(self) -> str:
        return f"{quote_local_part(self.local)}@{self.domain}"


def parse_local_part(text: str) -> str:
    """
    Read a C{Local-part}, and take its quotes off.

    @raise SyntaxProblem: it is none.
    """
    if len(text) <= limits.LOCAL_PART and _ASCII_DOT_STRING.fullmatch(text):
        return text
    if len(text.encode("utf-8", "surrogatepass")) > limits.LOCAL_PART + 2 * text.startswith('"'):
        raise SyntaxProblem(f"A local part has at most {limits.LOCAL_PART} octets.")
    if _DOT_STRING.fullmatch(text):
        return text
    if len(text) > 2 and _QUOTED_STRING.fullmatch(text):
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    raise SyntaxProblem("The local part of the address is malformed.")


def parse_domain(text: str) -> str:
    """
    Read a C{Domain} or an C{address-literal}, and put it in lower case; U-labels become A-labels.

    @raise SyntaxProblem: it is neither.
    """
    if not text.isascii() and len(text) <= limits.DOMAIN:
        text = _a_labels(text)
    if len(text) > limits.DOMAIN:
        raise SyntaxProblem(f"A domain has at most {limits.DOMAIN} octets.")
    if text.startswith("["):
        return _parse_literal(text)
    if not _DOMAIN.fullmatch(text):
        raise SyntaxProblem("The domain is malformed.")
    return text.lower()


def _a_labels(text: str) -> str:
    """
    RFC 5891, with the mapping of UTS 46: capitals, and letters written in more than one way.
    """
    try:
        labels = idna.uts46_remap(text, std3_rules=False, transitional=False).split(".")
        return ".".join(one if one.isascii() else idna.alabel(one).decode("ascii") for one in labels)
    except UnicodeError:
        raise SyntaxProblem("The domain is malformed.") from None


def _parse_literal(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    if found is None:
        raise SyntaxProblem("The address literal is malformed.")
    try:
        if found["six"]:
            return f"[ipv6:{ipaddress.IPv6Address(found['address6']).compressed}]"
        return f"[{ipaddress.IPv4Address(found['address4'])}]"
    except ValueError:
        raise SyntaxProblem("The address literal is no IP address.") from None


def quote_local_part(local: str) -> str:
    """
    Write a local part, quoted where it must be.
    """
    if _DOT_STRING.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
