"""
The MIME tree of a message, as offsets into its bytes.

RFC 2045, RFC 2046.  One pass goes from delimiter line to delimiter line; each
byte is looked at no more than once a level.  Delimiters are compared by their
beginning, the longest boundary winning and, among equal ones, the innermost:
RFC 2046 section 5.1.1 asks to compare "with the beginning of each candidate
line", and section 5.1.2 to see an outer delimiter "at any level of inner
nesting".  The line end before a delimiter belongs to the delimiter.

Deeper than L{MIME_NESTING}, a multipart or message is I{opaque}: it is there,
and nobody looks into it.  Behind L{MIME_PARTS} parts no more are found.
"""

from __future__ import annotations

from typing import Literal

from attrs import define, field

from ..model.limits import MIME_NESTING, MIME_PARTS
from .headers import header_end, pairs, unfold
from .parameters import (
    Parameters,
    parameter,
    parse_disposition,
    parse_languages,
    parse_token,
    parse_type,
)

Kind = Literal["leaf", "multipart", "message", "opaque"]

_TEXT_PLAIN = (b"text", b"plain", ())
_MESSAGE = (b"message", b"rfc822", ())


@define
class Part:
    """
    One part; the root is the message itself.  Read it, do not change it.

    @ivar start: where its header begins.
    @ivar body: where its body begins, behind the empty line.
    @ivar end: where its body ends.
    @ivar kind: C{"multipart"} has children, C{"message"} holds a message/rfc822,
        C{"opaque"} would have been one of them but lies too deep.
    @ivar fields: names in small letters, and the raw values of the fields.
    @ivar children: of a multipart, its parts: at least one, for a multipart
        without any gets one that is empty.
    @ivar message: the root of the message in a message/rfc822 part.
    """

    start: int
    body: int
    end: int
    kind: Kind = "leaf"
    type: bytes = b"text"
    subtype: bytes = b"plain"
    parameters: Parameters = ()
    encoding: bytes | None = None
    fields: dict[bytes, list[bytes]] = field(factory=dict, repr=False)
    children: list[Part] = field(factory=list)
    message: Part | None = None

    @property
    def size(self) -> int:
        """
        Octets of the body as it stands, transfer encoding included.
        """
        return self.end - self.body

    @property
    def is_text(self) -> bool:
        """
        It is a text part, whose lines are counted.
        """
        return self.kind == "leaf" and self.type.lower() == b"text"

    def lines(self, data: bytes) -> int:
        """
        Line ends in the body.
        """
        return data.count(b"\n", self.body, self.end)

    def text_of(self, name: bytes) -> bytes | None:
        """
        The unfolded value of the first field of that name (small letters).
        """
        found = self.fields.get(name)
        return unfold(found[0]) if found else None

    @property
    def identifier(self) -> bytes | None:
        """
        Content-ID (RFC 2045 section 7).
        """
        return self.text_of(b"content-id")

    @property
    def description(self) -> bytes | None:
        """
        Content-Description (RFC 2045 section 8).
        """
        return self.text_of(b"content-description")

    @property
    def md5(self) -> bytes | None:
        """
        Content-MD5 (RFC 1864).
        """
        return self.text_of(b"content-md5")

    @property
    def location(self) -> bytes | None:
        """
        Content-Location (RFC 2557 section 4).
        """
        return self.text_of(b"content-location")

    @property
    def disposition(self) -> tuple[bytes, Parameters] | None:
        """
        Content-Disposition (RFC 2183).
        """
        found = self.fields.get(b"content-disposition")
        return parse_disposition(found[0]) if found else None

    @property
    def languages(self) -> tuple[bytes, ...]:
        """
        Content-Language (RFC 3282).
        """
        found = self.fields.get(b"content-language")
        return parse_languages(found[0]) if found else ()


def parse(data: bytes) -> Part:
    """
    The tree of a whole message.
    """
    root = Part(0, 0, len(data))
    root.body = header_end(data)
    _describe(root, data, _TEXT_PLAIN)
    # Most messages are of one part.
    return root if root.kind == "leaf" else _Reading(data).read(root)


@define
class _Open:
    """
    A multipart or message that is being read.

    @ivar needle: LF and delimiter, for a multipart until it is closed.
    @ivar next: no needle stands between where we are and there; not known when
        it lies before where we are.
    """

    part: Part
    needle: bytes = b""
    next: int = -1


class _Reading:
    """
    The state of one pass.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[_Open] = []
        self._parts = 1

    def read(self, root: Part) -> Part:
        """
        Go from delimiter to delimiter in the root, whose header is read, and
        which is no leaf.
        """
        self._open.append(_Open(root))
        line, at = self._look_into(root)
        while at >= 0:
            line, at = self._cross(line, at)
        self._close(0, len(self._data))
        return root

    def _cross(self, line: int, at: int) -> tuple[int, int]:
        """
        Cross the delimiter line of the multipart that stands at C{at} on the
        stack; return the next delimiter line.
        """
        opened, data = self._open[at], self._data
        end = line - 1 if data.startswith(b"\r", line - 1) else line
        self._close(at + 1, end)
        after = line + len(opened.needle)
        start = data.find(b"\n", after) + 1 or len(data)
        parent = opened.part
        if data.startswith(b"--", after):
            # The epilogue lasts until a delimiter further out.
            opened.needle = b""
            if not parent.children:
                place = max(end, parent.body)
                parent.children.append(Part(place, place, place))
            return self._find(start)
        part = Part(start, start, start)
        parent.children.append(part)
        # RFC 2046 section 5.1.5: the default in a digest.
        return self._enter(part, _MESSAGE if parent.subtype.lower() == b"digest" else _TEXT_PLAIN)

    def _enter(self, part: Part, default: tuple[bytes, bytes, Parameters]) -> tuple[int, int]:
        """
        Read the header of a part, and of the message in it; return the next
        delimiter line.
        """
        data = self._data
        self._parts += 1
        line, at = self._find(part.start)
        # A header ends at a delimiter too, empty line or not.
        part.body = part.end = header_end(data, part.start, min(line + 1, len(data)))
        _describe(part, data, default)
        self._open.append(_Open(part))
        # What stands behind the header of a leaf stands behind its beginning.
        return (line, at) if part.kind == "leaf" else self._look_into(part)

    def _look_into(self, part: Part) -> tuple[int, int]:
        """
        Go into the part that was opened last; return the next delimiter line.
        """
        if len(self._open) > MIME_NESTING:
            part.kind = "opaque"
        elif part.kind == "multipart":
            boundary = parameter(part.parameters, b"boundary")
            if boundary:
                self._open[-1].needle = b"\n--" + boundary
        else:
            part.message = Part(part.body, part.body, part.body)
            return self._enter(part.message, _TEXT_PLAIN)
        return self._find(part.body)

    def _find(self, place: int) -> tuple[int, int]:
        """
        The next delimiter line at or behind C{place}: where the line feed
        before it is, and which of the open multiparts it belongs to.

        Outer ones first: what they find bounds the search for inner ones.
        """
        data = self._data
        nearest, hit = len(data), False
        if self._parts >= MIME_PARTS:
            return nearest, -1
        place = max(place - 1, 0)
        for opened in self._open:
            needle = opened.needle
            if not needle:
                continue
            if opened.next < place:
                # What begins exactly at the nearest so far must be seen.
                found = data.find(needle, place, nearest + len(needle))
                if found < 0:
                    opened.next = nearest
                    continue
                opened.next = found
            if opened.next <= nearest and data.startswith(needle, opened.next):
                nearest, hit = opened.next, True
        return (nearest, self._owner(nearest)) if hit else (nearest, -1)

    def _owner(self, line: int) -> int:
        """
        Whose delimiter line it is: an exact match at once, from the innermost
        outwards, else the longest.
        """
        data = self._data
        best, longest = -1, 0
        for at in range(len(self._open) - 1, -1, -1):
            needle = self._open[at].needle
            if len(needle) > longest and data.startswith(needle, line):
                best, longest = at, len(needle)
                after = line + longest
                if data.startswith(b"--", after):
                    after += 2
                if data.startswith((b"\r\n", b"\n"), after) or after == len(data):
                    break
        return best

    def _close(self, at: int, end: int) -> None:
        """
        All that is open from C{at} inwards ends there, and nothing of it lies
        behind that: not even its header, whose last line end may belong to
        the delimiter.
        """
        while len(self._open) > at:
            part = self._open.pop().part
            part.start = min(part.start, end)
            part.body = min(part.body, end)
            part.end = end
            if part.kind == "multipart" and not part.children:
                part.children.append(Part(end, end, end))


def _describe(part: Part, data: bytes, default: tuple[bytes, bytes, Parameters]) -> None:
    """
    Gather the fields of a part's header, and read what decides its nature.
    """
    fields = part.fields
    for name, value in pairs(data, part.start, part.body):
        name = name.lower()
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    found = fields.get(b"content-type")
    kind = default
    if found:
        # RFC 2045 section 5.2: text/plain is assumed for what cannot be read.
        kind = parse_type(found[0]) or _TEXT_PLAIN
    part.type, part.subtype, part.parameters = kind
    encoding = fields.get(b"content-transfer-encoding")
    if encoding:
        part.encoding = parse_token(encoding[0])
    main = part.type.lower()
    if main == b"multipart":
        part.kind = "multipart"
    elif main == b"message" and part.subtype.lower() == b"rfc822":
        part.kind = "message"
