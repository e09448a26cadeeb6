"""
Line ends and dots: CRLF discipline, dot-stuffing, and its reverse.

RFC 5321 sections 2.3.8 and 4.5.2, RFC 1939 section 3.  A line ends with CRLF
and with nothing else; a dot is doubled, or halved, only behind a CRLF.  All
work is done on whole chunks.
"""

from __future__ import annotations

import re

from attrs import define

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ANY_END = re.compile(rb"\r?\n|\r")


def find_bare(data: bytes) -> int:
    """
    Where the first CR without LF, or LF without CR, stands; -1 if nowhere.

    RFC 5321 section 2.3.8: CR and LF must not be sent except together.
    """
    crs, lfs = data.count(b"\r"), data.count(b"\n")
    if crs == lfs == data.count(b"\r\n"):
        return -1
    found = _BARE.search(data)
    return -1 if found is None else found.start()


def canonical(data: bytes) -> bytes:
    """
    The same lines, each ended by CRLF: for messages kept with bare line ends
    that must travel by a protocol which has no place for them.
    """
    return data if find_bare(data) < 0 else _ANY_END.sub(b"\r\n", data)


def stuff(data: bytes) -> bytes:
    """
    Double the dot at the beginning of each line of a whole message.
    """
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def unstuff(data: bytes) -> bytes:
    """
    Take one dot from the beginning of each line of a whole message.
    """
    plain = data.replace(b"\r\n.", b"\r\n")
    return plain[1:] if data.startswith(b".") else plain


def ending(data: bytes) -> bytes:
    """
    What ends a message that was sent stuffed: the dot on a line of its own.
    """
    return b".\r\n" if not data or data.endswith(b"\r\n") else b"\r\n.\r\n"


@define
class Stuffing:
    """
    L{stuff} for a message that comes in chunks, however they are cut.
    """

    _tail: bytes = b"\r\n"

    def add(self, chunk: bytes) -> bytes:
        """
        The next chunk, stuffed.
        """
        tail = self._tail
        stuffed = (tail + chunk).replace(b"\r\n.", b"\r\n..")[len(tail) :]
        self._tail = _line_end_of(tail + chunk[-2:])
        return stuffed

    def end(self) -> bytes:
        """
        What ends the message.
        """
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


@define
class Unstuffing:
    """
    L{unstuff} for a message that comes in chunks, however they are cut.
    """

    _tail: bytes = b"\r\n"

    def add(self, chunk: bytes) -> bytes:
        """
        The next chunk, without its stuffing.
        """
        tail = self._tail
        plain = (tail + chunk).replace(b"\r\n.", b"\r\n")[len(tail) :]
        self._tail = _line_end_of(tail + chunk[-2:])
        return plain


def _line_end_of(recent: bytes) -> bytes:
    """
    The part of a line end that the bytes so far stop in.
    """
    if recent.endswith(b"\r\n"):
        return b"\r\n"
    return b"\r" if recent.endswith(b"\r") else b""
