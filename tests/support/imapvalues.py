"""
Read what an IMAP server sends as values, strictly.
"""

from __future__ import annotations

import re

#: NIL, a string, a number or atom, a list.
Value = None | bytes | int | list["Value"]

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(0|[1-9][0-9]*)\}\r\n")
_NUMBER = re.compile(rb"0|[1-9][0-9]*")


def read_value(data: bytes) -> Value:
    """
    The one value that the octets are; an AssertionError tells where they are not.
    """
    value, place = _read(data, 0)
    assert place == len(data), f"left over at {place}: {data[place : place + 40]!r}"
    return value


def _read(data: bytes, place: int) -> tuple[Value, int]:
    if data.startswith(b"(", place):
        return _read_list(data, place + 1)
    if data.startswith(b"NIL", place):
        return None, place + 3
    if found := _QUOTED.match(data, place):
        return re.sub(rb"\\(.)", rb"\1", found[1]), found.end()
    if found := _LITERAL.match(data, place):
        end = found.end() + int(found[1])
        octets = data[found.end() : end]
        assert len(octets) == int(found[1]) and b"\0" not in octets, f"literal at {place}"
        return octets, end
    found = _NUMBER.match(data, place)
    assert found, f"no value at {place}: {data[place : place + 40]!r}"
    return int(found[0]), found.end()


def _read_list(data: bytes, place: int) -> tuple[list[Value], int]:
    """
    Values up to the closing parenthesis: one space between, but none between two lists.
    """
    values: list[Value] = []
    while not data.startswith(b")", place):
        if values and not (data.startswith(b"(", place) and isinstance(values[-1], list)):
            assert data.startswith(b" ", place), f"no space at {place}: {data[place : place + 40]!r}"
            place += 1
        value, place = _read(data, place)
        values.append(value)
    return values, place + 1
