"""
Values of the MIME fields: a word or two, then parameters.

RFC 2045 section 5.1, RFC 2183 section 2, and the continuations of RFC 2231,
which are joined.  Reading is tolerant: what is no parameter is passed over up
to the next semicolon, and an unquoted value may hold what a token must not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from ..model.limits import MIME_PARAMETERS, MIME_VALUE_KEPT, MIME_VALUES_KEPT
from .comments import without_comments

#: C{name}, C{value} pairs in order, as written except for joined continuations.
Parameters = tuple[tuple[bytes, bytes], ...]

_LINE_ENDS = re.compile(rb"[\r\n]+")
_PAIR = re.compile(rb"\\(.)", re.DOTALL)

# type "/" subtype              ; RFC 2045 section 5.1
_TYPE = re.compile(rb"[\s\0]*+([^\s\0-\x1f()<>@,;:\\\"/\[\]?=]++)\s*+/\s*+([^\s\0-\x1f()<>@,;:\\\"/\[\]?=]++)")
_TOKEN = re.compile(rb"[\s\0]*+([^\s\0-\x1f()<>@,;:\\\"/\[\]?=]++)")
_CLEAN_TOKEN = re.compile(rb"[\s\0]*+([^\s\0-\x1f()<>@,;:\\\"/\[\]?=]++)\s*+\Z")

# parameter = attribute "=" value ; value = token / quoted-string
_PARAMETER = re.compile(
    rb";\s*+([^\s\0-\x1f()<>@,;:\\\"/\[\]?=]++)\s*+=\s*+"
    rb"(?:\"((?:[^\"\\]++|\\.)*+)(?:\"|\\?\Z)|([^\s;\"(]*+))",
    re.DOTALL,
)

# RFC 2231 section 7: attribute [section] ["*"]
_SECTION = re.compile(rb"([^*]+)(?:\*(0|[1-9][0-9]{0,4}))?(\*?)")

_LANGUAGES = re.compile(rb"[^\s,\0-\x20()<>@;:\\\"/\[\]?=]+")


def parse_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """
    Type, subtype and parameters of Content-Type; C{None} where there is no
    type and subtype to be seen, so that the default applies (RFC 2045 section
    5.2).
    """
    return _short_type(value) if len(value) <= MIME_VALUE_KEPT else _type(value)


def _type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    value = without_comments(value)
    found = _TYPE.match(value)
    if found is None:
        return None
    return found[1], found[2], parse_parameters(value, found.end())


#: The same few are in all mail.
_short_type = lru_cache(MIME_VALUES_KEPT)(_type)


def parse_disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """
    Word and parameters of Content-Disposition (RFC 2183).
    """
    value = without_comments(value)
    found = _TOKEN.match(value)
    return None if found is None else (found[1], parse_parameters(value, found.end()))


def parse_token(value: bytes) -> bytes | None:
    """
    The one word of Content-Transfer-Encoding (RFC 2045 section 6.1).
    """
    found = _CLEAN_TOKEN.match(without_comments(value))
    return None if found is None else found[1]


def parse_languages(value: bytes) -> tuple[bytes, ...]:
    """
    The tags of Content-Language (RFC 3282 section 2).
    """
    return tuple(_LANGUAGES.findall(without_comments(value)))


def parse_parameters(value: bytes, start: int = 0) -> Parameters:
    """
    The parameters from that place on, L{MIME_PARAMETERS} at most;
    continuations come joined, at the end.
    """
    found = [_read(each) for each in islice(_PARAMETER.finditer(value, start), MIME_PARAMETERS)]
    if any(b"*" in name for name, _ in found):
        return _joined(found)
    return tuple(found)


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """
    The first parameter of that name (given in small letters).
    """
    return next((value for key, value in parameters if key.lower() == name), None)


def _read(found: re.Match[bytes]) -> tuple[bytes, bytes]:
    """
    Name and value, the value without quotes, quoted pairs and folds.
    """
    name, quoted, plain = found.groups()
    if quoted is None:
        return name, plain
    if b"\n" in quoted or b"\r" in quoted:
        quoted = _LINE_ENDS.sub(b"", quoted)
    if b"\\" in quoted:
        quoted = _PAIR.sub(rb"\1", quoted)
    return name, quoted


def _joined(found: list[tuple[bytes, bytes]]) -> Parameters:
    """
    Join C{name*0=}, C{name*1=}... to C{name=}, or to C{name*=} when any of
    them is extended.

    RFC 2231 sections 3, 4 and 4.1.  A set with missing numbers stays as it is.
    """
    result: list[tuple[bytes, bytes]] = []
    sections: dict[bytes, list[tuple[int, bool, bytes, bytes, bytes]]] = {}
    for name, value in found:
        section = _SECTION.fullmatch(name) if b"*" in name else None
        if section is None:
            result.append((name, value))
        else:
            entry = (int(section[2] or 0), bool(section[3]), section[1], name, value)
            sections.setdefault(section[1].lower(), []).append(entry)
    for _, entries in sorted(sections.items()):
        entries.sort(key=lambda entry: entry[0])
        if [entry[0] for entry in entries] == list(range(len(entries))):
            result.append(_one(entries))
        else:
            result += [(name, value) for *_, name, value in entries]
    return tuple(result)


def _one(entries: list[tuple[int, bool, bytes, bytes, bytes]]) -> tuple[bytes, bytes]:
    """
    One parameter out of its sections, in order.
    """
    base = entries[0][2]
    if not any(extended for _, extended, *_ in entries):
        return base, b"".join(value for *_, value in entries)
    # Charset and language stand in the first section, if it is extended.
    start = b"" if entries[0][1] else b"''"
    values = (value if extended else value.replace(b"%", b"%25") for _, extended, *_, value in entries)
    return base + b"*", start + b"".join(values)
