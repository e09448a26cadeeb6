"""
Paths and parameters of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531 section 3.3), and xtext (RFC 3461 section 4).
"""

from __future__ import annotations

import re
from functools import lru_cache

from ...model import limits
from ...model.addresses import Address
from ...model.errors import SyntaxProblem

# Reverse-path   = Path / "<>"
# Forward-path   = Path
# Path           = "<" [ A-d-l ":" ] Mailbox ">"
# A-d-l          = At-domain *( "," At-domain )    ; MUST be accepted, SHOULD be ignored
# Mailbox        = Local-part "@" ( Domain / address-literal )
# What is between the brackets is looked at more closely by Address.  Spaces before the path are against the grammar, and
# so common that nobody refuses them.
_DOMAIN = r"(?:\[[^\s<>\[\]]*\]|[^\s<>,:@\[\]\"]+)"
_PATH = re.compile(
    r" *<"
    rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
    r"(?P<mailbox>(?:\"(?:[^\"\\]|\\.)*\"|[^\s<>\"]+)?(?:@[^\s<>@\"]*)?)"
    r">(?: +(?P<parameters>\S.*?)?)? *"
)

# esmtp-param    = esmtp-keyword ["=" esmtp-value]
# esmtp-keyword  = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
# esmtp-value    = 1*(%d33-60 / %d62-126)
# esmtp-value    =/ UTF8-non-ascii                                                                ; RFC 6531 section 3.3
_PARAMETER = re.compile(r"(?P<keyword>[A-Za-z0-9][A-Za-z0-9\-]*)(?:=(?P<value>[^\x00-\x20=\x7f-\xa0]+))?")

_SPACES = re.compile(r"[ \t]+")

# xtext = *( xchar / hexchar ) ; hexchar = "+" followed by two upper-case hexadecimal digits
_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")


def split_path(argument: str, keyword: str) -> tuple[str, str]:
    """
    What follows C{MAIL} or C{RCPT}: the mailbox inside the brackets, and the parameters as they stand.

    @raise SyntaxProblem: there is no C{FROM:} or C{TO:}, or no path.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise SyntaxProblem(f"{keyword}<address>, please.")
    found = _PATH.fullmatch(argument, len(keyword))
    if found is None:
        raise SyntaxProblem(f"{keyword}<address>, please, the address in angle brackets.")
    return found["mailbox"], found["parameters"] or ""


def parse_reverse_path(mailbox: str) -> Address | None:
    """
    Whose message it is; nobody's if C{mailbox} is empty.

    @raise SyntaxProblem: not an address.
    """
    return _parse_mailbox(mailbox) if mailbox else None


def parse_forward_path(mailbox: str) -> Address:
    """
    Whom a message is for.  C{<Postmaster>} is the one address that has no domain (RFC 5321 section 4.1.1.3).

    @raise SyntaxProblem: not an address.
    """
    if mailbox.lower() == "postmaster":
        return Address("postmaster", "")
    return _parse_mailbox(mailbox)


@lru_cache(limits.PATHS_KNOWN)
def _parse_mailbox(mailbox: str) -> Address:
    if len(mailbox.encode("utf-8")) > limits.PATH:
        raise SyntaxProblem(f"A path has at most {limits.PATH} octets.")
    return Address.parse(mailbox)


def split_parameters(text: str) -> dict[str, str | None]:
    """
    Parameters by their keywords in upper case.

    @raise SyntaxProblem: one is malformed, or there twice.
    """
    found: dict[str, str | None] = {}
    for word in filter(None, _SPACES.split(text)):
        parts = _PARAMETER.fullmatch(word)
        if parts is None:
            raise SyntaxProblem("A parameter is malformed.")
        keyword = parts["keyword"].upper()
        if keyword in found:
            raise SyntaxProblem("A parameter is there twice.")
        found[keyword] = parts["value"]
    return found


def decode_xtext(text: str) -> str:
    """
    Read C{xtext}.

    @raise SyntaxProblem: it is not that, or hides what is not printable ASCII.
    """
    plain = decode_xtext_utf8(text)
    if not plain.isascii():
        raise SyntaxProblem("That xtext hides other characters than those of ASCII.")
    return plain


def decode_xtext_utf8(text: str) -> str:
    """
    Read C{xtext} whose octets may be UTF-8: RFC 3461 knows only ASCII, but Postfix writes internationalized addresses so.

    @raise SyntaxProblem: it is not that, or hides what cannot be printed.
    """
    if not _XTEXT.fullmatch(text):
        raise SyntaxProblem("That is not xtext.")
    octets = _HEXCHAR.sub(lambda digits: chr(int(digits[1], 16)), text).encode("latin-1")
    try:
        plain = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise SyntaxProblem("That xtext hides octets that are no UTF-8.") from None
    if plain and not plain.isprintable():
        raise SyntaxProblem("That xtext hides control characters.")
    return plain
