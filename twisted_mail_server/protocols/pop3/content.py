"""
A message on its way to the client: dots stuffed, every line ended with CRLF, cut short for TOP.

RFC 1939 section 3: a multi-line response is made of lines "terminated by a CRLF pair", and ends with a dot on a line of its own.
A message is sent octet for octet as it is kept, with three exceptions.  If its last line has no end it gets one, because the dot
must stand alone.  A header in UTF-8 becomes ASCII for those who did not say that they understand UTF-8 (RFC 6856 section 2.1).
And a bare CR or LF, which only IMAP's APPEND can have brought, becomes CRLF: there is no place for it in that section, and
clients that take a bare LF for a line end would see a response end at C{LF . LF} in the midst of a message.
"""

from __future__ import annotations

from attrs import define, field

from ...message.headers import header_end
from ...message.lines import Stuffing, canonical
from ...message.surrogates import ascii_header
from ...model import limits

_CRLF = b"\r\n"
_BLANK = b"\r\n\r\n"


@define(eq=False)
class Outgoing:
    """
    One message, in whatever pieces it comes.

    @ivar lines: how many lines of the body are wanted, after header and empty line; C{None} for all.
    @ivar is_ascii: the header is to be in ASCII.
    @ivar is_complete: nothing of what follows is wanted.
    """

    lines: int | None = None
    is_ascii: bool = field(default=False, kw_only=True)
    is_complete: bool = field(default=False, init=False)
    _stuffing: Stuffing = field(factory=Stuffing, init=False)
    #: A CR at the end of a piece: half a line end, perhaps.
    _held: bytes = field(default=b"", init=False)
    #: The beginning of a header that has to be whole before it is sent.
    _header: bytes = field(default=b"", init=False)
    _is_in_header: bool = field(default=True, init=False)
    _is_at_line_start: bool = field(default=True, init=False)

    def add(self, piece: bytes) -> bytes:
        """
        What to send for the next piece.
        """
        if self.is_ascii:
            piece = self._in_ascii(piece)
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""
        if self._held:
            piece = piece[:-1]
        return self._pass(canonical(piece))

    def end(self) -> bytes:
        """
        What to send at the end of the message, or once it is complete.
        """
        rest = b""
        if self._header:
            header, self._header, self.is_ascii = ascii_header(self._header), b"", False
            rest = self.add(header)
        rest += self._pass(_CRLF) if self._held else b""
        return rest + self._stuffing.end()

    def _in_ascii(self, piece: bytes) -> bytes:
        """
        Nothing until the header is whole, then it in ASCII, and what came behind it.  One that is beyond all measure stays.
        """
        beginning = self._header + piece
        end = header_end(beginning)
        if end == len(beginning) <= limits.HEADER_SIZE:
            self._header = beginning
            return b""
        self._header, self.is_ascii = b"", False
        return beginning if end == len(beginning) else ascii_header(beginning[:end]) + beginning[end:]

    def _pass(self, octets: bytes) -> bytes:
        if self.lines is not None:
            octets = self._cut(octets)
        return self._stuffing.add(octets)

    def _cut(self, octets: bytes) -> bytes:
        """
        The part of it that TOP wants; line ends are whole here.
        """
        if self.is_complete or not octets:
            return b""
        start = 0
        if self._is_in_header:
            start = self._header_end(octets)
            if start < 0:
                self._is_at_line_start = octets.endswith(_CRLF)
                return octets
            self._is_in_header = False
        return octets[: self._body_end(octets, start)]

    def _header_end(self, octets: bytes) -> int:
        if self._is_at_line_start and octets.startswith(_CRLF):
            return len(_CRLF)
        found = octets.find(_BLANK)
        return found + len(_BLANK) if found >= 0 else -1

    def _body_end(self, octets: bytes, start: int) -> int:
        assert self.lines is not None
        there = octets.count(_CRLF, start)
        if there < self.lines:
            self.lines -= there
            return len(octets)
        end = start
        for _ in range(self.lines):
            end = octets.index(_CRLF, end) + len(_CRLF)
        self.is_complete = True
        return end
