"""
Undo base64 and quoted-printable, whatever their state (RFC 2045 section 6).

What cannot be decoded is passed over (base64) or kept as it stands
(quoted-printable), as RFC 2045 sections 6.7 and 6.8 ask of robust readers.
"""

from __future__ import annotations

import binascii
import re

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OUTSIDE = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")

#: White space at the end of a line; begun only where a run begins, so that a
#: long run in the middle of a line is looked at once.
_TRAILING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")


def decode_base64(data: bytes) -> bytes:
    """
    Decode, passing over what is not in the alphabet; pieces that were padded
    and then joined are decoded one by one.
    """
    kept = data.translate(None, _OUTSIDE)
    return b"".join(_decode_piece(piece) for piece in kept.split(b"=") if piece)


def decode_quoted_printable(data: bytes) -> bytes:
    """
    Decode; a C{=} that begins neither an octet nor a soft line break stays.
    """
    return binascii.a2b_qp(_TRAILING.sub(b"", data))


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


def _decode_piece(piece: bytes) -> bytes:
    """
    Decode characters of the alphabet alone; a last lonely one says nothing.
    """
    rest = len(piece) % 4
    if rest == 1:
        piece = piece[:-1]
    return binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
