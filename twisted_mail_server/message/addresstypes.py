"""
Addresses and other values with their types, in ASCII and in UTF-8.

RFC 3464 section 2.1.2, and RFC 6533 section 3: an address of type C{utf-8} is
written as it is where UTF-8 may stand, and elsewhere with C{\\x{FC}} for what
is not ASCII, as C{ORCPT} has it too.
"""

from __future__ import annotations

import re

#: C{address-type ";" generic-address}, and so for hosts and diagnostics; a type is an atom.
TYPED = re.compile(r"\s*([A-Za-z0-9-]{1,40})\s*;\s*(.*)", re.DOTALL)

# original-recipient-address = addr-type ";" xtext      ; RFC 3461 section 4.2
_ORIGINAL = re.compile(r"([A-Za-z0-9-]{1,40});(.*)", re.DOTALL)
# utf-8-addr-unitext = 1*(QUCHAR / EmbeddedUnicodeChar) ; RFC 6533 section 3
_UNITEXT = re.compile(r"(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|\\x\{[0-9A-Fa-f]{2,6}\})+")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
# QCHAR = %x21-2a / %x2c-3c / %x3e-5b / %x5d-7e
_NO_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def original_recipient(orcpt: str, is_wide: bool) -> str:
    """
    ORCPT as C{Original-Recipient} has it: as the sender wrote it, but for the
    form of UTF-8 (RFC 3461 section 6.3 d, RFC 6533 section 3).

    @param orcpt: without its xtext.
    @param is_wide: whether UTF-8 may stand there.
    """
    found = _ORIGINAL.fullmatch(orcpt)
    if found is None:
        # RFC 3464 section 2.3.1: C{unknown} where the type cannot be determined.
        return typed_address("unknown", orcpt, is_wide)
    if found[1].lower() != "utf-8":
        return typed_address(found[1], found[2], is_wide)
    return _utf8_address(plain_address(found[2]), is_wide)


def typed_address(address_type: str, text: str, is_wide: bool) -> str:
    """
    An address with its type, which is C{utf-8} for what is not ASCII.
    """
    return f"{address_type};{text}" if text.isascii() else _utf8_address(text, is_wide)


def plain_address(text: str) -> str:
    """
    C{utf-8-enc-addr} made C{utf-8-address}; what is none stays as it is.
    """
    if not _UNITEXT.fullmatch(text):
        return text
    return _EMBEDDED.sub(lambda found: _letter(int(found[1], 16)) or found[0], text)


def embed(text: str) -> str:
    """
    Text in ASCII: everything else becomes C{EmbeddedUnicodeChar}.
    """
    return text if text.isascii() else _NOT_ASCII.sub(_embedded, text)


def _utf8_address(text: str, is_wide: bool) -> str:
    # C{utf-8-address}, or C{utf-8-addr-xtext}.
    return f"utf-8;{text}" if is_wide else f"utf-8;{_NO_QCHAR.sub(_embedded, text)}"


def _embedded(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def _letter(point: int) -> str:
    """
    The character of that number; empty if there is none that a field may hold.
    """
    letter = chr(point) if point <= 0x10FFFF else ""
    return letter if letter.isprintable() else ""
