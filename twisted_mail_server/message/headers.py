"""
Find, read, add and remove header fields without changing a byte of the others.

RFC 5322 section 2.2 says what a field is.  What arrives may differ: lines
without a colon, bare LF, no blank line, no header at all.  A line that is not
a field is kept where it stands and belongs to no field; continuation lines
belong to the line above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from attrs import frozen

from ..model.limits import HEADER_FIELDS, HEADER_SIZE, MESSAGE_ID

#: A header this small cannot hold more fields than L{HEADER_FIELDS} by much; no need to count them.
_SMALL = 4 * HEADER_FIELDS

#: The end of a line that is followed by an empty line.
_BLANK = re.compile(rb"\n\r?\n")

# field = field-name ":" unstructured CRLF ; field-name = 1*ftext
# ftext = %d33-57 / %d59-126               ; RFC 5322 section 3.6.8
# obs: *WSP before the colon               ; RFC 5322 section 4.5.8
#: One line with its continuation lines; the groups are set when it is a field.
_ENTRY = re.compile(rb"(?:([!-9;-~]++)[ \t]*+:|(?=[^\n]))([^\n]*(?:\n[ \t][^\n]*)*)\n?")

_BEGINNING = re.compile(rb"[!-9;-~]++[ \t]*+:")

#: All fields of a header block at once: name, value with its folds.
_FIELDS = re.compile(rb"^([!-9;-~]++)[ \t]*+:([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)

_LINE_ENDS = re.compile(rb"[\r\n]+")
_WHITE = re.compile(rb"[ \t\r\n]+")
_UNEVEN = re.compile(rb"[\t\r\n]|  ")


@frozen
class Field:
    """
    One header field and where it stands.

    @ivar name: the name as written.
    @ivar value: what follows the colon, folds included, without the line end.
    @ivar start: where the field begins in the block it was read from.
    @ivar end: where the next line begins.
    """

    name: bytes
    value: bytes
    start: int
    end: int

    @property
    def text(self) -> bytes:
        """
        The value, unfolded and without white space around it.
        """
        return unfold(self.value)


def header_end(data: bytes, start: int = 0, end: int | None = None) -> int:
    """
    Where the body begins: behind the first empty line, or at the end.

    RFC 5322 section 2.1: the body is separated from the header by an empty
    line.  A message may begin with it.
    """
    stop = len(data) if end is None else end
    if data.startswith(b"\r\n", start, stop):
        return start + 2
    if data.startswith(b"\n", start, stop):
        return start + 1
    found = _BLANK.search(data, start, stop)
    return stop if found is None else found.end()


def split(message: bytes) -> tuple[bytes, bytes]:
    """
    The header block, with the empty line that ends it, and the body.
    """
    end = header_end(message)
    return message[:end], message[end:]


def fields(block: bytes) -> Iterator[Field]:
    """
    The fields of a header block in their order; other lines are passed over.
    """
    for entry in _ENTRY.finditer(block, 0, _lines_end(block)):
        name = entry[1]
        if name is not None:
            value = entry[2]
            yield Field(name, value[:-1] if value.endswith(b"\r") else value, entry.start(), entry.end())


def pairs(data: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """
    Names and raw values of the fields between two offsets, in one quick pass.

    No more than L{HEADER_FIELDS} fields and L{HEADER_SIZE} octets are looked at.
    """
    if end - start <= _SMALL:
        return _FIELDS.findall(data, start, end)
    found = _FIELDS.finditer(data, start, min(end, start + HEADER_SIZE))
    return [(field[1], field[2]) for field in islice(found, HEADER_FIELDS)]


def every(block: bytes, name: bytes) -> list[Field]:
    """
    All fields of that name, in any case of letters (RFC 5322 section 1.2.2).
    """
    wanted = name.lower()
    return [field for field in fields(block) if field.name.lower() == wanted]


def first(block: bytes, name: bytes) -> Field | None:
    """
    The first field of that name, if there is one.
    """
    wanted = name.lower()
    return next((field for field in fields(block) if field.name.lower() == wanted), None)


def message_id_of(block: bytes) -> str:
    """
    The C{Message-ID} of a header block without its angle brackets (RFC 5322 section 3.6.4), for people who look for the message;
    empty where there is none, cut at L{MESSAGE_ID} characters.
    """
    # A plain search: this is done for every message.
    lowered = block.lower()
    start = 0 if lowered.startswith(b"message-id:") else lowered.find(b"\nmessage-id:") + 1
    found = _ENTRY.match(block, start)
    if found is None or not lowered.startswith(b"message-id:", start):
        return ""
    return unfold(found[2]).decode("utf-8", "replace").removeprefix("<").removesuffix(">")[:MESSAGE_ID]


def unfold(value: bytes) -> bytes:
    """
    Take out the line ends, keep the white space behind them, strip both ends.

    RFC 5322 section 2.2.3.
    """
    value = value.strip(b" \t\r\n")
    if b"\n" in value or b"\r" in value:
        value = _LINE_ENDS.sub(b"", value)
    return value


def collapse(value: bytes) -> bytes:
    """
    Make each run of white space, folds included, one space.
    """
    value = value.strip(b" \t\r\n")
    return _WHITE.sub(b" ", value) if _UNEVEN.search(value) else value


def select_fields(block: bytes, names: Iterable[bytes], negate: bool = False) -> bytes:
    """
    The exact bytes of the fields named, or of all the others, and the empty
    line.

    RFC 3501 section 6.4.5, HEADER.FIELDS and HEADER.FIELDS.NOT: the empty line
    is included, "except in the case of a message which has no body and no
    blank line".  A line that is no field counts among the others.
    """
    wanted = {name.lower() for name in names}
    end = _lines_end(block)
    chosen = [
        entry[0]
        for entry in _ENTRY.finditer(block, 0, end)
        if (entry[1] is not None and entry[1].lower() in wanted) is not negate
    ]
    chosen.append(block[end:])
    return b"".join(chosen)


def remove_fields(block: bytes, names: Iterable[bytes]) -> bytes:
    """
    The block without the fields named; every other byte stays.
    """
    return select_fields(block, names, negate=True)


def add_fields(message: bytes, *added: bytes) -> bytes:
    """
    Put whole fields, each with its CRLF, in front of a message or block, and
    an empty line between where L{gap_before} asks for it.
    """
    return b"".join([*added, gap_before(message) if added else b"", message])


def gap_before(beginning: bytes) -> bytes:
    """
    What has to stand between fields that are put in front and a message that
    begins like that (its first 1000 octets will do).

    Text that begins with no field would become header; a first line that
    begins with white space would even become part of the last field that we
    add.  An empty line keeps it apart.  A line that begins C{From }, left by
    programs that keep mail in mbox files, is followed by a header.
    """
    if not beginning or beginning.startswith((b"\r\n", b"\n", b"From ", b">From ")):
        return b""
    return b"" if _BEGINNING.match(beginning) else b"\r\n"


def _lines_end(block: bytes) -> int:
    """
    Where the header lines end and the empty line (if there is one) begins.
    """
    end = header_end(block)
    if block.endswith(b"\r\n", 0, end) and (end == 2 or block.endswith(b"\n", 0, end - 2)):
        return end - 2
    if block.endswith(b"\n", 0, end) and (end == 1 or block.endswith(b"\n", 0, end - 1)):
        return end - 1
    return end
