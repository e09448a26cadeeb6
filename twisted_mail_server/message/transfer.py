"""
Undo base64 and quoted-printable, whatever their state (RFC 2045 section 6).

What cannot be decoded is passed over (base64) or kept as it stands
(quoted-printable), as RFC 2045 sections 6.7 and 6.8 ask of robust readers.
"""

from __future__ import annotations

import binascii
import re
from typing import Protocol

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OUTSIDE = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")

#: Signs of padding up to which each is looked at.
_MUCH_PADDING = 4096

#: White space at the end of a line; begun only where a run begins, so that a
#: long run in the middle of a line is looked at once.
_WHITE_ENDS = (b" \r\n", b" \n", b"\t\r\n", b"\t\n")
_TRAILING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")

#: A line as long as that is given away before its end is known, where plain text stands: that changes no more.
_LONG_LINE = 64 * 1024
_PLAIN = re.compile(rb"[^=\s]{3}")
#: And so much without any is cut where it happens to end: nobody encoded that.
_LONGEST_LINE = 1024 * 1024


def decode_base64(data: bytes) -> bytes:
    """
    Decode, passing over what is not in the alphabet; pieces that were padded
    and then joined are decoded one by one.
    """
    return b"".join(_decode_piece(piece) for piece in _padded_pieces(data.translate(None, _OUTSIDE)) if piece)


def decode_quoted_printable(data: bytes) -> bytes:
    """
    Decode; a C{=} that begins neither an octet nor a soft line break stays.
    """
    if data.endswith((b" ", b"\t")) or any(white in data for white in _WHITE_ENDS):
        data = _TRAILING.sub(b"", data)
    return binascii.a2b_qp(data)


def decode(data: bytes, encoding: bytes | None) -> bytes:
    """
    Decode by the name of Content-Transfer-Encoding (any case; none, or an
    unknown one, leaves the data as it is).
    """
    match encoding.lower() if encoding is not None else b"":
        case b"base64":
            return decode_base64(data)
        case b"quoted-printable":
            return decode_quoted_printable(data)
    return data


def _padded_pieces(kept: bytes) -> list[bytes]:
    """
    What padding separates.  Where there is more of it than anybody pads with, it means nothing, and costs no time.
    """
    padding = kept.count(b"=")
    if padding > _MUCH_PADDING and padding > len(kept) // 8:
        return [kept.replace(b"=", b"")]
    return kept.split(b"=")


def _decode_piece(piece: bytes) -> bytes:
    """
    Decode characters of the alphabet alone; a last lonely one says nothing.
    """
    rest = len(piece) % 4
    if rest == 1:
        piece = piece[:-1]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))


class Decoder(Protocol):
    """
    Undoes one encoding, in whatever pieces it comes; the result does not depend on how it is cut.  Use it once.
    """

    def add(self, data: bytes) -> bytes:
        """
        What is known of the result after the next piece.
        """

    def end(self) -> bytes:
        """
        The rest of it.
        """


class Base64Decoder:
    """
    As L{decode_base64}.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        #: Up to three characters that wait for a fourth.
        self._rest = b""

    def add(self, data: bytes) -> bytes:
        """
        All groups of four that are complete.
        """
        *padded, last = _padded_pieces(self._rest + data.translate(None, _OUTSIDE))
        whole = len(last) - len(last) % 4
        self._rest = last[whole:]
        decoded = binascii.a2b_base64(last[:whole])
        return b"".join([*map(_decode_piece, padded), decoded]) if padded else decoded

    def end(self) -> bytes:
        """
        A last group without its padding.
        """
        rest, self._rest = self._rest, b""
        return _decode_piece(rest)


class QuotedPrintableDecoder:
    """
    As L{decode_quoted_printable}.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        #: The beginning of a line.
        self._held = b""

    def add(self, data: bytes) -> bytes:
        """
        All lines that are complete; of one that is very long, its beginning.
        """
        data = self._held + data
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > _LONG_LINE:
            found = _PLAIN.search(data, max(cut, len(data) - _LONG_LINE))
            # Behind "=" and CR, all is passed over up to the next LF.
            if found is not None and data.find(b"=\r", cut) < 0:
                cut = found.end()
            elif len(data) - cut > _LONGEST_LINE:
                cut = len(data)
        self._held = data[cut:]
        return decode_quoted_printable(data[:cut]) if cut else b""

    def end(self) -> bytes:
        """
        A last line without its end.
        """
        held, self._held = self._held, b""
        return decode_quoted_printable(held)


class PlainDecoder:
    """
    What is not encoded.
    """

    __slots__ = ()

    def add(self, data: bytes) -> bytes:
        """
        It, as it is.
        """
        return data

    def end(self) -> bytes:
        """
        Nothing more.
        """
        return b""


_DECODERS: dict[bytes, type[Base64Decoder | QuotedPrintableDecoder | PlainDecoder]] = {
    b"base64": Base64Decoder,
    b"quoted-printable": QuotedPrintableDecoder,
    b"7bit": PlainDecoder,
    b"8bit": PlainDecoder,
    b"binary": PlainDecoder,
}


def decoder(encoding: bytes | None) -> Decoder | None:
    """
    What undoes the encoding of that name (any case; C{None}: there is none); C{None} if there is no such encoding.
    """
    found = PlainDecoder if encoding is None else _DECODERS.get(encoding.strip().lower())
    return None if found is None else found()
