"""
A message with 8-bit bodies into one without, for servers that lack 8BITMIME (RFC 6152 section 3, RFC 2045 section 6).

Only bodies are encoded anew and only the field that says so changes; all other octets stay.  Text becomes quoted-printable and
everything else base64.  What cannot be converted without lying is not: see L{seven_bit}.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from .headers import gap_before, header_end, remove_fields
from .lines import find_bare
from .structure import Part, parse

_ENCODING, _VERSION = b"content-transfer-encoding", b"mime-version"
_DELIMITER = b"\r\n--"
#: RFC 2045 section 6.2: with those the octets are what they are.
_IDENTITIES = (None, b"7bit", b"8bit", b"binary")
#: Octets of a line in base64 (RFC 2045 section 6.8: 76 characters).
_LINE = 57
#: Text of which at most this part is not ASCII is still read by people in quoted-printable.
_READABLE_PART = 3
_HIGH = bytes(range(128, 256))
_QUESTION_MARKS = bytes(range(128)) + b"?" * 128


class CannotConvert(ValueError):
    """
    The message cannot be sent in 7 bits; the text says why.
    """


def seven_bit(message: bytes) -> bytes:
    """
    The same message in 7 bits.

    A DKIM signature over a converted body is broken by that, and counts as if it were not there (RFC 6376 section 6.1): that is
    better than no mail.  A part of C{multipart/signed} is not converted, for its reader would be told of a forgery (RFC 1847
    section 2.1 demands 7 bits of whoever signs).

    @raise CannotConvert: a header is not ASCII; or an 8-bit body is signed, or of a kind that may not be encoded
        (RFC 2046 section 5.2); or it is 8-bit although its encoding says otherwise.
    """
    if message.isascii():
        return message
    root = parse(message)
    # RFC 2045 section 4: without it nobody would decode what is encoded here.
    version = b"" if _VERSION in root.fields else b"MIME-Version: 1.0\r\n"
    return version + b"".join(_converted(message, root))


def is_seven_bit_header(message: bytes) -> bool:
    """
    Whether the header of a message, or of its beginning, is ASCII, so that it needs no SMTPUTF8 (RFC 6532).
    """
    return message[: header_end(message)].isascii()


def _converted(data: bytes, part: Part) -> Iterator[bytes]:
    """
    A part from its start to its end, in pieces.
    """
    if data[part.start : part.end].isascii():
        yield data[part.start : part.end]
        return
    header = data[part.start : part.body]
    if not header.isascii():
        raise CannotConvert("A header field holds 8-bit characters.")
    encoding = part.encoding.lower() if part.encoding is not None else None
    if encoding not in _IDENTITIES:
        raise CannotConvert("A part holds 8-bit characters although its encoding has none.")
    match part.kind:
        case "leaf":
            yield from _encoded_leaf(header, data[part.body : part.end], part)
        case "opaque":
            raise CannotConvert("Its parts nest too deep.")
        case "message" if part.message is not None:
            yield header if encoding is None else _with_encoding(header, b"7bit")
            yield from _converted(data, part.message)
        case _:
            yield from _converted_parts(data, header, part, is_declared=encoding is not None)


def _converted_parts(data: bytes, header: bytes, part: Part, *, is_declared: bool) -> Iterator[bytes]:
    """
    A multipart: what stands between its parts stays.
    """
    if part.subtype.lower() == b"signed":
        raise CannotConvert("It is signed as it is.")
    yield _with_encoding(header, b"7bit") if is_declared else header
    place = part.body
    for child in part.children:
        yield _plain(data[place : child.start])
        yield from _converted(data, child)
        place = child.end
    yield _plain(data[place : part.end])


def _encoded_leaf(header: bytes, body: bytes, part: Part) -> Iterator[bytes]:
    kind = part.type.lower()
    if kind == b"message" and part.subtype.lower() != b"global":
        # RFC 2046 section 5.2; RFC 6532 section 3.7 has the exception.
        raise CannotConvert("It holds a message of a kind that must not be encoded.")
    quoted = _quoted_printable(body) if kind == b"text" and find_bare(body) < 0 and _is_readable(body) else None
    # A line broken in front of two hyphens could end the part.
    if quoted is not None and quoted.count(_DELIMITER) <= body.count(_DELIMITER):
        yield _with_encoding(header, b"quoted-printable")
        yield quoted
    else:
        yield _with_encoding(header, b"base64")
        yield _base64(body)


def _quoted_printable(body: bytes) -> bytes:
    # The library breaks lines as the first one in the text ends, and with a bare LF if none does.
    return binascii.b2a_qp(body + b"\r\n", istext=True)[:-2]


def _is_readable(body: bytes) -> bool:
    """
    Whether people could still read it; base64 is the shorter one where they could not.
    """
    return len(body) - len(body.translate(None, _HIGH)) <= len(body) // _READABLE_PART


def _base64(body: bytes) -> bytes:
    whole = binascii.b2a_base64(body, newline=False)
    width = _LINE * 4 // 3
    return b"".join(whole[at : at + width] + b"\r\n" for at in range(0, len(whole), width))


def _with_encoding(header: bytes, encoding: bytes) -> bytes:
    """
    A header block with another Content-Transfer-Encoding, which stands in front.
    """
    rest = remove_fields(header, [_ENCODING])
    if gap_before(rest):
        raise CannotConvert("The header of a part is malformed.")
    return b"Content-Transfer-Encoding: " + encoding + b"\r\n" + rest


def _plain(between: bytes) -> bytes:
    """
    What stands between parts, which no reader shows (RFC 2046 section 5.1.1).
    """
    return between.translate(_QUESTION_MARKS)
