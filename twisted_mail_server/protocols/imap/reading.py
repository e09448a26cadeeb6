"""
Lines and literals out of whatever chunks the network brings (RFC 3501 sections 2.2.1 and 4.3, RFC 7888).

Memory is bounded: a line by its limit, a literal by whoever takes it, and what waits behind it by the pause in reading.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from attrs import define

from ...model import limits
from ...model.errors import PeerError, SyntaxProblem, TooLong

# literal = "{" number "}" CRLF *CHAR8
# literal = "{" number ["+"] "}" CRLF *CHAR8        ; RFC 7888 section 8
# literal8 = "~{" number ["+"] "}" CRLF *OCTET      ; RFC 4466 section 3
_ANNOUNCED = re.compile(rb"(?P<binary>~?)\{(?P<size>[0-9]{1,19})(?P<plus>\+?)\}\Z")
#: Octets of a refused line that are kept, so that it can be answered with its tag.
_BEGINNING = 300


class Ended(Exception):
    """
    The conversation ends now; the text is what BYE says.

    @ivar code: the response code of BYE (RFC 5530); empty for none.
    @ivar is_expulsion: whether the client has brought that on itself.
    """

    def __init__(self, public: str, code: bytes = b"", *, is_expulsion: bool = True) -> None:
        super().__init__(public)
        self.public = public
        self.code = code
        self.is_expulsion = is_expulsion


@define
class Literal:
    """
    A literal that a line has announced.
    """

    size: int
    #: Whether the client waits for a continuation request before it sends the octets.
    is_synchronising: bool
    #: Octets that are still to come.
    left: int
    is_accepted: bool = False
    #: Whether it may hold NUL.
    is_binary: bool = False


class Incoming:
    """
    What the client sends.

    @param wait: returns when more may have come.
    @param ask: asks for a literal.
    """

    __slots__ = ("_ask", "_buffer", "_scanned", "_wait", "literal", "may_skip", "refused")

    def __init__(self, wait: Callable[[], Awaitable[None]], ask: Callable[[], None]) -> None:
        self._wait = wait
        self._ask = ask
        self._buffer = bytearray()
        self._scanned = 0
        #: What the last line announced, until the line behind it is read.
        self.literal: Literal | None = None
        #: How the last line that was refused began.
        self.refused = b""
        #: Octets of refused literals that are taken and thrown away before the connection is ended instead.
        self.may_skip = limits.UNAUTHENTICATED_BYTES

    @property
    def size(self) -> int:
        """
        Octets waiting.
        """
        return len(self._buffer)

    def has_line(self, limit: int) -> bool:
        """
        Whether a line is there, or what is too long for one.
        """
        return len(self._buffer) > limit + 1 or self._buffer.find(b"\n", self._scanned) >= 0

    def receive(self, data: bytes) -> None:
        """
        Take what came.
        """
        self._buffer += data

    def discard(self) -> None:
        """
        Throw away what waits: it came before TLS (RFC 3501 section 6.2.1).
        """
        self._buffer.clear()
        self._scanned = 0

    async def line(self, limit: int) -> bytes:
        """
        The next line, without its end.

        @raise SyntaxProblem: it does not end in CRLF.
        @raise TooLong: it has more than C{limit} octets; all of it was thrown away.
        """
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > limit + 1:
                self.refused = bytes(self._buffer[:_BEGINNING])
                await self._skip_line()
                raise TooLong(f"A line has at most {limit} octets.")
            await self._wait()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        if not line.endswith(b"\r"):
            self.refused = line[:_BEGINNING]
            self._announce(line)
            raise SyntaxProblem("A line ends in CRLF.")
        if end > limit + 1:
            self.refused = line[:_BEGINNING]
            self._announce(line[:-1])
            raise TooLong(f"A line has at most {limit} octets.")
        return line[:-1]

    async def _skip_line(self) -> None:
        tail = b""
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            tail = (tail + self._buffer[-32:])[-32:]
            self._spend(len(self._buffer))
            self.discard()
            await self._wait()
        tail += self._buffer[:end]
        del self._buffer[: end + 1]
        self._scanned = 0
        self._announce(tail[-32:].removesuffix(b"\r"))

    async def text(self, limit: int) -> bytes:
        """
        The next line, with the announcement of a literal taken off; C{literal} tells of it.

        @raise SyntaxProblem: it does not end in CRLF.
        @raise TooLong: it has more than C{limit} octets.
        """
        self.literal = None
        line = await self.line(limit)
        return self._announce(line) if line.endswith(b"}") else line

    def _announce(self, line: bytes) -> bytes:
        found = _ANNOUNCED.search(line)
        if found is None:
            self.literal = None
            return line
        size = int(found["size"])
        self.literal = Literal(size, not found["plus"], size, is_binary=bool(found["binary"]))
        return line[: found.start()]

    async def piece(self) -> bytes:
        """
        The next octets of the literal, as they come; nothing at its end.  It is asked for first, if the client waits for that.
        """
        literal = self.literal
        assert literal is not None
        if not literal.is_accepted:
            literal.is_accepted = True
            if literal.is_synchronising:
                self._ask()
        if not literal.left:
            return b""
        while not self._buffer:
            await self._wait()
        octets = bytes(self._buffer[: literal.left])
        del self._buffer[: literal.left]
        literal.left -= len(octets)
        return octets

    async def octets(self) -> bytes:
        """
        The whole literal.
        """
        pieces = [await self.piece()]
        while pieces[-1]:
            pieces.append(await self.piece())
        return b"".join(pieces)

    async def abandon(self) -> None:
        """
        Throw away what is still to come of a command that failed.

        Of a literal that was not asked for, the client sends nothing (RFC 3501 section 7.5); one that it sends without being
        asked comes whatever we say (RFC 7888 section 4).

        @raise Ended: it is too much.
        """
        while (literal := self.literal) is not None:
            if literal.is_synchronising and not literal.is_accepted:
                break
            literal.is_accepted = True
            self._spend(literal.left)
            while literal.left:
                await self.piece()
            # A line that cannot be read is thrown away all the same, and what it announces is known.
            with suppress(PeerError):
                await self.text(limits.IMAP_COMMAND_LINE)
        self.literal = None

    def _spend(self, size: int) -> None:
        if size > self.may_skip:
            raise Ended("That was too much to throw away.", b"TOOBIG")
        self.may_skip -= size
