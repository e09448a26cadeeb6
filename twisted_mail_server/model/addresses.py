"""
Mail addresses, read once at the door (RFC 5321 section 4.1.2).
"""

from __future__ import annotations

import ipaddress
import re

from attrs import frozen

from . import limits
from .errors import SyntaxProblem

# atext = ALPHA / DIGIT / "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "/" / "=" / "?" / "^" / "_" / "`" / "{" / "|" / "}" / "~"
# Dot-string = Atom *("." Atom)                                  ; RFC 5321 section 4.1.2
_ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE
# qtextSMTP = %d32-33 / %d35-91 / %d93-126 ; quoted-pairSMTP = %d92 %d32-126
_QUOTED_STRING = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# sub-domain = Let-dig [Ldh-str] ; an underscore is no letter, and yet there are such hosts
_DOMAIN = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?)*"
)
_LITERAL = re.compile(r"\[(?:(?P<six>IPv6:)(?P<address6>[0-9A-Fa-f:.]+)|(?P<address4>[0-9.]+))\]", re.IGNORECASE)


@frozen
class Address:
    """
    Who: a local part without its quotes, and a lower-case domain or address literal.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        Read a C{Mailbox} of RFC 5321 section 4.1.2.

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
        return f"{self.local.lower()}@{self.domain}"

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
    if len(text.encode("utf-8", "surrogatepass")) > limits.LOCAL_PART + 2 * text.startswith('"'):
        raise SyntaxProblem(f"A local part has at most {limits.LOCAL_PART} octets.")
    if _DOT_STRING.fullmatch(text):
        return text
    if len(text) > 2 and _QUOTED_STRING.fullmatch(text):
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    raise SyntaxProblem("The local part of the address is malformed.")


def parse_domain(text: str) -> str:
    """
    Read a C{Domain} or an C{address-literal}, and put it in lower case.

    @raise SyntaxProblem: it is neither.
    """
    if len(text) > limits.DOMAIN:
        raise SyntaxProblem(f"A domain has at most {limits.DOMAIN} octets.")
    if text.startswith("["):
        return _parse_literal(text)
    if not _DOMAIN.fullmatch(text):
        raise SyntaxProblem("The domain is malformed.")
    return text.lower()


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
    if not local.isascii() and '"' not in local and "\\" not in local and " " not in local:
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
