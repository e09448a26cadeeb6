"""
What SEARCH looks for, and the text it looks in: header fields and parts of messages, decoded and case folded (RFC 3501 section
6.4.4).

Most messages do not hold what is looked for.  L{Contents} sees that of most of them by the octets as they are, before it takes
any apart: see L{Contents.lacks}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import field, frozen

from ...message.headers import header_end, pairs
from ...message.parameters import parameter
from ...message.structure import Part, parse
from ...message.transfer import PlainDecoder, decode, decoder
from ...message.words import decode_text, decode_words
from ...model import limits

__all__ = ["Contents", "Header", "Needle", "OpenText"]

#: Text of a message that is kept while several keys look at it.
_KEPT = 1 * limits.MIB

_FOLD = re.compile(r"\r?\n(?=[ \t])")
#: Charsets whose text cannot be cut at an octet 10.
_NO_LINES = (b"utf-16", b"utf16", b"utf-32", b"utf32", b"utf-7", b"utf7", b"ucs")

#: ASCII characters that come from nothing but their own octet, whatever is decoded and case folded, as long as no encoding and
#: no charset of another kind is named.  Not among them: letters that case folding makes of others (the Kelvin sign is a C{k}),
#: white space, which may be a fold, and the colon, which is written anew behind a field's name.
_PLAIN_RUN = re.compile(r"[^\x00-\x20:afhijklnstwy\x7f-\U0010ffff]+")

#: What may turn octets into other text: encoded words, transfer encodings, charsets.
_ENCODED_WORD = re.compile(rb"=\?[^?\s*=]{1,40}(?:\*[^?\s]{0,40})?\?[bq]\?")
#: Charsets in which each character of ASCII is its octet, and that octet nothing else.
_CHARSET = re.compile(
    rb"charset[ \t]*=[ \t]*\"?(?:us-ascii|utf-8|iso-8859-1?[0-9]|windows-125[0-8]|koi8-[ru])(?![a-z0-9._:+\-*'\\(])"
)
_LONE_CR = re.compile(rb"\r(?!\n)")
#: A Content-Type of what is not text.
_NOT_TEXT = re.compile(rb"content-type:[ \t]*(?:application|image|audio|video|font)/[a-z0-9][a-z0-9.+-]*[ \t\r\n;]")


@frozen
class Needle:
    """
    A string to be found: a substring, without regard to case (RFC 3501 section 6.4.4).
    """

    #: Case folded.
    text: str
    #: As octets, where a header that is plain can be searched for them before it is taken apart.
    octets: bytes | None = field(init=False)
    #: Octets without which no text holds it, unless something encodes them; the longest there are, or C{None}.
    run: bytes | None = field(init=False)

    @octets.default
    def _octets(self) -> bytes | None:
        # White space may be a fold there.
        return self.text.encode("ascii") if self.text.isascii() and not re.search(r"\s", self.text) else None

    @run.default
    def _run(self) -> bytes | None:
        runs = _PLAIN_RUN.findall(self.text)
        return max(runs, key=len).encode("ascii") if runs else None

    @classmethod
    def of(cls, text: str) -> Needle:
        """
        For a string as the client sent it.
        """
        return cls(text.casefold())


class Header:
    """
    The header of one message, for searching.
    """

    __slots__ = ("_block", "_fields", "_is_plain", "_lowered", "_text")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._lowered = block.lower()
        self._is_plain = block.isascii() and b"=?" not in block
        self._fields: dict[bytes, list[bytes]] | None = None
        self._text: str | None = None

    def lacks(self, needle: Needle) -> bool:
        """
        Whether a quick look already tells that it is nowhere in there.
        """
        return self._is_plain and needle.octets is not None and needle.octets not in self._lowered

    def has(self, needle: Needle) -> bool:
        """
        Whether it is anywhere in there.
        """
        return not self.lacks(needle) and needle.text in self.text

    def raw(self, name: bytes) -> list[bytes]:
        """
        The raw values of all fields of that name (small letters).
        """
        if self._fields is None:
            self._fields = {}
            for each, value in pairs(self._block, 0, len(self._block)):
                self._fields.setdefault(each.lower(), []).append(value)
        return self._fields.get(name, [])

    def values(self, name: bytes) -> list[str]:
        """
        The values of all fields of that name (small letters), decoded and case folded.
        """
        return [decode_words(value).casefold() for value in self.raw(name)]

    @property
    def text(self) -> str:
        """
        All of it, decoded and case folded.
        """
        if self._text is None:
            if self._is_plain:
                self._text = _FOLD.sub("", self._lowered.decode("ascii"))
            else:
                self._text = "\n".join(
                    f"{name.decode('ascii')}: {decode_words(value)}"
                    for name, value in pairs(self._block, 0, len(self._block))
                ).casefold()
        return self._text


class OpenText:
    """
    The text of one message: what is text in it, decoded and case folded, one run for each part.

    RFC 3501 section 6.4.4: body parts of other types than TEXT and MESSAGE may be left out.
    """

    __slots__ = ("_kept", "_octets", "_root")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._root = parse(octets)
        self._kept: list[tuple[int, str]] | None = None

    def has(self, needle: Needle) -> bool:
        """
        Whether it is in the text, across pieces but not across runs.
        """
        overlap = len(needle.text) - 1
        run, tail = -1, ""
        for number, piece in self.pieces():
            text = tail + piece if number == run else piece
            if needle.text in text:
                return True
            run, tail = number, text[-overlap:] if overlap > 0 else ""
        return False

    def pieces(self) -> Iterator[tuple[int, str]]:
        """
        Pieces of text with the number of the run they belong to.
        """
        if self._kept is None and len(self._octets) <= _KEPT:
            self._kept = list(self._walk())
        return self._walk() if self._kept is None else iter(self._kept)

    def _walk(self) -> Iterator[tuple[int, str]]:
        for number, text in enumerate(self._runs(self._root)):
            for piece in text:
                yield number, piece

    def _runs(self, part: Part) -> Iterator[Iterator[str]]:
        for child in part.children:
            yield from self._runs(child)
        if part.message is not None:
            yield iter((Header(self._octets[part.message.start : part.message.body]).text,))
            yield from self._runs(part.message)
        elif part.kind == "leaf" and part.type.lower() in (b"text", b"message"):
            yield self._decoded(part)

    def _decoded(self, part: Part) -> Iterator[str]:
        charset = parameter(part.parameters, b"charset") or b"utf-8"
        for piece in self._pieces_of(part, charset):
            yield decode_text(piece, charset).casefold()

    def _pieces_of(self, part: Part, charset: bytes) -> Iterator[bytes]:
        """
        The body without its transfer encoding; what is large is cut behind the ends of lines, where that can be done.
        """
        size = limits.CONTENT_PIECE
        if part.size <= size or charset.lower().startswith(_NO_LINES):
            yield decode(self._octets[part.body : part.end], part.encoding)
            return
        decoding = decoder(part.encoding) or PlainDecoder()
        waiting: list[bytes] = []
        for start in range(part.body, part.end, size):
            fresh = decoding.add(self._octets[start : min(start + size, part.end)])
            cut = fresh.rfind(b"\n") + 1
            if cut:
                yield b"".join([*waiting, fresh[:cut]])
                waiting.clear()
            waiting.append(fresh[cut:])
        yield b"".join([*waiting, decoding.end()])


class Contents:
    """
    All of one message, for searching.
    """

    __slots__ = ("_has_no_code", "_header", "_lowered", "_octets", "_text")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._lowered = octets.lower()
        self._has_no_code: bool | None = None
        self._header: Header | None = None
        self._text: OpenText | None = None

    def has(self, needle: Needle, *, in_header: bool) -> bool:
        """
        Whether it is in the text, or in the header if that counts too.
        """
        if not needle.text:
            return True
        if self.lacks(needle, in_header=in_header):
            return False
        if in_header:
            if self._header is None:
                self._header = Header(self._octets[: header_end(self._octets)])
            if self._header.has(needle):
                return True
        if self._text is None:
            self._text = OpenText(self._octets)
        return self._text.has(needle)

    def lacks(self, needle: Needle, *, in_header: bool) -> bool:
        """
        Whether the octets alone tell that it is nowhere in there.

        That is so if some part of it is not among them, in any case of letters, and nothing says that other octets mean it.
        """
        if needle.run is not None:
            place = self._lowered.find(needle.run)
            if place >= 0 and not in_header:
                place = self._lowered.find(needle.run, header_end(self._lowered))
            if place < 0:
                return self._is_uncoded()
        return not needle.text.isascii() and self._octets.isascii() and self._is_uncoded()

    def _is_uncoded(self) -> bool:
        """
        Whether each character of ASCII in the text is an octet of the message, and those that follow one another there do so here.
        """
        if self._has_no_code is None:
            self._has_no_code = is_uncoded(self._lowered)
        return self._has_no_code


def is_uncoded(lowered: bytes) -> bool:
    """
    Whether nothing in a message, in small letters, may turn octets into characters of ASCII that they are not: no encoded word, no
    transfer encoding of text, no charset but those that are known to be harmless; nor joins two of them, as a CR by itself does
    that is left out when a header is decoded.
    """
    if b"quoted-printable" in lowered or not all(_are_no_text(lowered)):
        return False
    has_questions = b"?" in lowered and b"=?" in lowered
    if has_questions and _ENCODED_WORD.search(lowered):
        return False
    place = lowered.find(b"charset")
    while place >= 0:
        found = _CHARSET.match(lowered, place)
        if found is None:
            return False
        place = lowered.find(b"charset", found.end())
    return (lowered.isascii() and not has_questions) or _LONE_CR.search(lowered) is None


def _are_no_text(lowered: bytes) -> Iterator[bool]:
    """
    Of each stretch between empty lines where base64 is named: whether it can only be the encoding of a part that is not text.
    """
    end = 0
    place = lowered.find(b"base64")
    while place >= 0:
        # The LF before the stretch.
        start = max(lowered.rfind(b"\n\r\n", end, place), lowered.rfind(b"\n\n", end, place), end - 1, 0)
        end = header_end(lowered, place)
        yield _is_no_text(lowered, start, place, end)
        place = lowered.find(b"base64", end)


def _is_no_text(lowered: bytes, start: int, place: int, end: int) -> bool:
    """
    There stand the end of another part, perhaps, then one line that may be a delimiter, and behind it one Content-Type, which names
    something else than text.  So, whether that line is a delimiter or not, this is the only Content-Type of the header that
    C{place}, and what follows up to the end, is in.
    """
    delimiter = lowered.find(b"\n--", start, end)
    if delimiter > place or (delimiter >= 0 and lowered.find(b"\n--", delimiter + 1, end) >= 0):
        return False
    named = lowered.find(b"\ncontent-type", max(delimiter, start), end)
    if named < 0 or lowered.count(b"content-type", start, end) != 1:
        return False
    return _NOT_TEXT.match(lowered, named + 1, end) is not None
