"""
BINARY: body parts without their transfer encoding (RFC 3516, and RFC 9051 section 6.4.5).

The decoded content is a literal, or a C{literal8} if it holds NUL.  A C{literal8} in APPEND is taken like any literal, so long as
there is no NUL in it: no mailbox here keeps such a message, and section 4.4 has a response code to say so.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....message.lines import canonical
from ....message.structure import Part
from ....message.transfer import decoder
from ....model import limits
from ....model.errors import Refused, SyntaxProblem
from ..fetch_vocabulary import FetchItem, OpenMessage, Span
from ..fetching import read_partial, read_section, write_section
from ..sections import Section, find_part
from ..vocabulary import Cursor, Extension


class UnknownEncoding(Refused):
    """
    Nobody here can undo that Content-Transfer-Encoding (section 4.3).
    """

    imap_code = "UNKNOWN-CTE"


def decoded(message: OpenMessage, numbers: tuple[int, ...], wanted: int | None = None) -> bytes | None:
    """
    The decoded content of a part, or at least its first C{wanted} octets; C{None} if there is no such part.

    A whole message, a multipart, and a message in it are as they are: their encoding says nothing but which octets to expect
    (RFC 2045 section 6.4).

    @raise UnknownEncoding: it cannot be decoded.
    """
    if not numbers:
        return message.whole
    part = find_part(message.structure, numbers)
    if part is None:
        return None
    if part.kind == "multipart" or part.message is not None:
        return message.whole[part.body : part.end]
    pieces: list[bytes] = []
    size = 0
    for piece in _pieces(message.whole, part):
        pieces.append(piece)
        size += len(piece)
        if wanted is not None and size >= wanted:
            break
    octets = b"".join(pieces)
    return canonical(octets) if _has_lines(part) else octets


def _pieces(octets: bytes, part: Part) -> Iterator[bytes]:
    undoing = decoder(part.encoding)
    if undoing is None:
        raise UnknownEncoding("The encoding of that part is not known here.")
    for start in range(part.body, part.end, limits.CONTENT_PIECE):
        yield undoing.add(octets[start : min(start + limits.CONTENT_PIECE, part.end)])
    yield undoing.end()


def _has_lines(part: Part) -> bool:
    """
    Whether it is text in lines, which are sent with CRLF however they are kept (section 6).  What is in base64 keeps its octets.
    """
    return part.is_text and (part.encoding or b"").strip().lower() != b"base64"


def literal8(octets: bytes | None) -> bytes:
    """
    C{nstring}, or a C{literal8} where NUL makes one necessary.
    """
    # literal8 = "~{" number "}" CRLF *OCTET
    if octets is None:
        return b"NIL"
    return b"%b{%d}\r\n%b" % (b"~" if b"\0" in octets else b"", len(octets), octets)


def _number(octets: bytes | None) -> bytes:
    return octets or b"0"


def _read_part(cursor: Cursor) -> tuple[int, ...]:
    # section-binary = "[" [section-part] "]"
    section = read_section(cursor)
    if section.text:
        raise SyntaxProblem("BINARY takes the number of a part, and nothing else.")
    return section.part


def _read(cursor: Cursor, *, marks_seen: bool) -> FetchItem:
    numbers = _read_part(cursor)
    partial = read_partial(cursor)
    wanted = None if partial is None else partial.start + partial.length

    def cut(message: OpenMessage) -> bytes | None:
        octets = decoded(message, numbers, wanted)
        return octets if octets is None or partial is None else octets[partial.start : wanted]

    origin = b"" if partial is None else b"<%d>" % partial.start
    name = b"BINARY" + write_section(Section(numbers)) + origin
    return FetchItem(name, cut=cut, shown=literal8, needs_whole=True, marks_seen=marks_seen)


def read_binary(cursor: Cursor) -> FetchItem:
    """
    What follows C{BINARY}.
    """
    return _read(cursor, marks_seen=True)


def read_peek(cursor: Cursor) -> FetchItem:
    """
    What follows C{BINARY.PEEK}.
    """
    return _read(cursor, marks_seen=False)


def read_size(cursor: Cursor) -> FetchItem:
    """
    What follows C{BINARY.SIZE}.
    """
    numbers = _read_part(cursor)

    def cut(message: OpenMessage) -> bytes | Span | None:
        octets = decoded(message, numbers)
        return None if octets is None else b"%d" % len(octets)

    name = b"BINARY.SIZE" + write_section(Section(numbers))
    return FetchItem(name, cut=cut, shown=_number, needs_whole=True)


EXTENSION = Extension(
    rfc="RFC 3516",
    capabilities=(b"BINARY",),
    fetch_items={b"BINARY": read_binary, b"BINARY.PEEK": read_peek, b"BINARY.SIZE": read_size},
)
