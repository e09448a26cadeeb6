"""
Encoded words and encoded parameters, made text.

RFC 2047 and RFC 2231.  This is for people and for SEARCH; what is stored and
sent stays as it came.  Charsets that are unknown, or lie, are read as UTF-8
where that goes and as Latin-1 where not.
"""

from __future__ import annotations

import re
from itertools import groupby
from urllib.parse import unquote_to_bytes

from .headers import unfold
from .parameters import Parameters, parameter
from .transfer import decode_base64, decode_quoted_printable

# encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
_ENCODED = re.compile(rb"=\?([^?\s*=]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?\r\n]*)\?=")

_CHARSET = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}")

#: Python's codecs that are no charsets of mail: slow on long input, or another notation altogether.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})

# extended-initial-value = [charset] "'" [language] "'" extended-other-values ; RFC 2231 section 7
_EXTENDED = re.compile(rb"([^']*)'[^']*'(.*)", re.DOTALL)


def decode_words(value: bytes) -> str:
    """
    The text of an unstructured field or phrase, unfolded.

    White space between two encoded words is none (RFC 2047 section 6.2); a
    character that was cut between two of the same charset is made whole.
    """
    value = unfold(value)
    if b"=?" not in value:
        return decode_text(value, b"utf-8")
    pieces: list[tuple[bytes, bytes]] = []
    place = 0
    for found in _ENCODED.finditer(value):
        between = value[place : found.start()]
        if between and not (place and between.isspace()):
            pieces.append((b"", between))
        pieces.append((found[1].lower(), _decode_word(found[2], found[3])))
        place = found.end()
    if place < len(value):
        pieces.append((b"", value[place:]))
    return "".join(
        decode_text(b"".join(octets for _, octets in run), charset or b"utf-8")
        for charset, run in groupby(pieces, key=lambda piece: piece[0])
    )


def decode_text(octets: bytes, charset: bytes) -> str:
    """
    Octets as text; never fails.
    """
    if _CHARSET.fullmatch(charset):
        name = charset.decode("ascii")
        if name.lower().replace("-", "_") not in _NO_CHARSETS:
            try:
                return octets.decode(name)
            except (LookupError, ValueError):
                pass
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def decode_parameter(parameters: Parameters, name: bytes) -> str | None:
    """
    The text of a parameter, in RFC 2231's notation or, as many write it,
    with encoded words.

    @param name: in small letters, without an asterisk.
    """
    extended = parameter(parameters, name + b"*")
    if extended is not None:
        found = _EXTENDED.fullmatch(extended)
        charset, octets = (found[1], found[2]) if found else (b"", extended)
        return decode_text(unquote_to_bytes(octets), charset or b"utf-8")
    plain = parameter(parameters, name)
    return None if plain is None else decode_words(plain)


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    """
    The octets of one encoded word (RFC 2047 section 4).
    """
    if encoding in b"bB":
        return decode_base64(text)
    return decode_quoted_printable(text.replace(b"_", b"=20"))
