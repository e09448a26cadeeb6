"""
A header in UTF-8 for those who know only ASCII: a surrogate, for reading (RFC 6858, RFC 6855 section 7).

What people read becomes encoded words.  An address that is not ASCII cannot be answered by such a client, so what stands for it
is a group that says so.  Of everything else the characters that cannot be shown become question marks.  A field that is not in
UTF-8 at all is no field of RFC 6532; it stays as it came, as it ever did.
"""

from __future__ import annotations

import base64
import re

from .addresslists import Entry, GroupEnd, GroupStart, Mailbox, parse_address_list
from .headers import Field, fields, unfold
from .words import decode_words

#: Fields with addresses (RFC 5322 sections 3.6.2, 3.6.3 and 3.6.6).
_ADDRESSES = frozenset(
    {b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"}
    | {b"resent-from", b"resent-sender", b"resent-reply-to", b"resent-to", b"resent-cc", b"resent-bcc"}
)
#: Fields whose value has a grammar in which no encoded word may stand (RFC 2047 section 5).
_STRUCTURED = re.compile(
    rb"content-(?!description\Z)|received\Z|return-path\Z|delivered-to\Z|message-id\Z|in-reply-to\Z|references\Z|(?:resent-)?date\Z"
    rb"|dkim-|arc-|authentication-results\Z|list-|mime-version\Z",
    re.IGNORECASE,
)
#: Octets of an encoded word's text: with the rest of it 75 characters (RFC 2047 section 2).
_WORD = 45
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]++"
_DOT_ATOM = re.compile(rb"%b(?:\.%b)*+" % (_ATOM, _ATOM))
_ATOMS = re.compile(rb"%b(?: %b)*+" % (_ATOM, _ATOM))


def ascii_header(block: bytes) -> bytes:
    """
    The same header, with every field in UTF-8 replaced; all others stay octet for octet.
    """
    if block.isascii():
        return block
    pieces: list[bytes] = []
    place = 0
    for field in fields(block):
        if not field.value.isascii() and _is_utf8(field.value):
            pieces += block[place : field.start], field.name, b": ", _replaced(field), b"\r\n"
            place = field.end
    pieces.append(block[place:])
    return b"".join(pieces)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _replaced(field: Field) -> bytes:
    if field.name.lower() in _ADDRESSES:
        return _addresses(parse_address_list(field.value))
    if _STRUCTURED.match(field.name):
        return _NOT_ASCII.sub("?", unfold(field.value).decode("utf-8")).encode("ascii")
    return encoded_words(decode_words(field.value))


def encoded_words(text: str) -> bytes:
    """
    Text as encoded words, each on a line of its own; no character is cut (RFC 2047 section 5).
    """
    words: list[bytes] = []
    chunk = b""
    for octets in (character.encode("utf-8", "replace") for character in text):
        if len(chunk) + len(octets) > _WORD:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return b"\r\n ".join(b"=?utf-8?b?%b?=" % base64.b64encode(word) for word in words)


def _addresses(entries: list[Entry]) -> bytes:
    """
    An address list.
    """
    written: list[bytes] = []
    is_open = False
    for entry in entries:
        if isinstance(entry, GroupEnd):
            written[-1] += b";"
            is_open = False
        elif isinstance(entry, GroupStart):
            written.append(_phrase(entry.name) + b":")
            is_open = True
        else:
            shown = _mailbox(entry, is_in_group=is_open)
            if written and written[-1].endswith(b":"):
                written[-1] += b" " + shown
            else:
                written.append(shown)
    return b",\r\n ".join(written)


def _mailbox(mailbox: Mailbox, *, is_in_group: bool) -> bytes:
    local, domain = mailbox.local or b"", mailbox.domain or b""
    name = b"" if mailbox.name is None else _phrase(mailbox.name)
    if local.isascii() and domain.isascii():
        address = b"%b@%b" % (local if _DOT_ATOM.fullmatch(local) else _quoted(local), domain)
        return b"%b <%b>" % (name, address) if name else address
    said = encoded_words(decode_words(b"%b <%b@%b>" % (mailbox.name or b"", local, domain)).strip())
    if is_in_group:
        # There are no groups in groups; a name for nobody says as much.
        return b"%b <invalid@internationalized-address.invalid>" % said
    return b"Internationalized Address\r\n %b Removed:;" % said


def _phrase(name: bytes) -> bytes:
    if not name.isascii():
        return encoded_words(decode_words(name))
    return name if _ATOMS.fullmatch(name) or b"=?" in name else _quoted(name)


def _quoted(octets: bytes) -> bytes:
    return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
