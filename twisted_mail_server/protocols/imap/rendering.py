"""
ENVELOPE, BODY and BODYSTRUCTURE, in the octets that go out.

RFC 3501 section 7.4.2.  They are rendered once, when a message comes, kept by
the store and sent as they are.

How L{pack} writes them down: one octet with L{RENDERING_VERSION}, three
lengths of four octets, most significant first, then the three texts.  A
reader that finds another version, or lengths that do not add up, renders anew.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache

from ...message.addresslists import USUAL, Effort, Entry, GroupEnd, GroupStart, Mailbox, parse_address_list
from ...message.headers import collapse
from ...message.parameters import Parameters
from ...message.structure import Part, parse
from ...model.changes import Rendered
from ...model.limits import ADDRESS_LISTS_KEPT, ADDRESSES, ADDRESSES_KEPT, MIME_VALUE_KEPT, MIME_VALUES_KEPT

#: Goes up when the same message would be rendered otherwise than before.
RENDERING_VERSION = 1

_FORMAT = struct.Struct(">BIII")
_SIZE, _UNPACK = _FORMAT.size, _FORMAT.unpack_from
_LENGTH = struct.Struct(">I").unpack_from

# quoted = DQUOTE *QUOTED-CHAR DQUOTE; we quote what can be printed, no more.
_QUOTABLE = re.compile(rb"[ -~]*+").fullmatch
#: What can be quoted as it is.
_PLAIN = re.compile(rb"[ !#-\[\]-~]*+").fullmatch

#: Printable text with folds, and without quoted pairs; and how much of it needs no counting of its addresses.
_EASY = re.compile(rb"[\t\r\n -\[\]-~]*+").fullmatch
_FEW = 2 * ADDRESSES

#: RFC 2045 section 6.1: the default.
_SEVEN_BIT = b'"7bit"'
#: RFC 2046 section 4.1.2: the default of text parts without one.
_US_ASCII = b'"charset" "us-ascii"'


def render(content: bytes, effort: Effort | None = None) -> Rendered:
    """
    Render a whole message.

    @param effort: what may be spent on strange address lists; that of one message if not given.
    """
    root = parse(content)
    effort = effort or Effort()
    shown = envelope(root, effort)
    body, bodystructure = _body(root, content, effort)
    return Rendered(shown, body, bodystructure)


def pack(rendered: Rendered) -> bytes:
    """
    One string of octets for the store to keep.
    """
    texts = (rendered.envelope, rendered.body, rendered.bodystructure)
    return _FORMAT.pack(RENDERING_VERSION, *map(len, texts)) + b"".join(texts)


def is_current(packed: bytes) -> bool:
    """
    Whether L{pack} wrote it; else it has to be rendered anew.
    """
    if len(packed) < _SIZE:
        return False
    version, one, two, three = _UNPACK(packed)
    return bool(version == RENDERING_VERSION and len(packed) == _SIZE + one + two + three)


def envelopes(packed: Iterable[bytes]) -> list[bytes]:
    """
    ENVELOPE of each.
    """
    return [each[_SIZE : _SIZE + _LENGTH(each, 1)[0]] for each in packed]


def bodies(packed: Iterable[bytes]) -> list[bytes]:
    """
    BODY of each.
    """
    found = []
    for each in packed:
        _, envelope_length, length, _ = _UNPACK(each)
        start = _SIZE + envelope_length
        found.append(each[start : start + length])
    return found


def bodystructures(packed: Iterable[bytes]) -> list[bytes]:
    """
    BODYSTRUCTURE of each.
    """
    return [each[len(each) - _LENGTH(each, 9)[0] :] for each in packed]


def nstring(value: bytes | None) -> bytes:
    """
    C{nstring = string / nil}: quoted where every octet can be printed, else a
    literal.  NUL has no place in either and becomes octet 128.
    """
    if value is None:
        return b"NIL"
    if _PLAIN(value):
        return b'"%b"' % value
    if _QUOTABLE(value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(value), value.replace(b"\0", b"\x80"))


def envelope(root: Part, effort: Effort) -> bytes:
    """
    ENVELOPE of the message whose root that is; C{effort} is what may still be
    spent on strange address lists.

    Sender and Reply-To that are absent or empty are From's.  Fields that may
    be there once only and are there more often: the first counts, and of
    addresses all.
    """
    fields = root.fields
    from_ = _addresses(fields, b"from", effort)
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(root.text_of(b"date")),
        _for_humans(fields, b"subject"),
        from_,
        _addresses(fields, b"sender", effort, from_),
        _addresses(fields, b"reply-to", effort, from_),
        _addresses(fields, b"to", effort),
        _addresses(fields, b"cc", effort),
        _addresses(fields, b"bcc", effort),
        nstring(root.text_of(b"in-reply-to")),
        nstring(root.text_of(b"message-id")),
    )


def _for_humans(fields: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """
    Text for reading: white space made even; a literal where that changed it.
    """
    found = fields.get(name)
    if not found:
        return b"NIL"
    even = collapse(found[0])
    if not even or even == found[0].strip():
        return nstring(even)
    return b"{%d}\r\n%b" % (len(even), even.replace(b"\0", b"\x80"))


def _addresses(fields: dict[bytes, list[bytes]], name: bytes, effort: Effort, default: bytes = b"NIL") -> bytes:
    """
    The address list of all fields of that name; the default when nobody is
    named.
    """
    values = fields.get(name)
    if values is None:
        return default
    if len(values) == 1:
        value = values[0]
        shown = _short_addresses(value) if len(value) <= ADDRESSES_KEPT else _usual_addresses(value)
        if shown is not None:
            return shown or default
    written: list[bytes] = []
    for value in values:
        written += map(_address, parse_address_list(value, ADDRESSES - len(written), effort))
    return b"(%b)" % b"".join(written) if written else default


def _usual_addresses(value: bytes) -> bytes | None:
    """
    A list of a few addresses in the usual forms, all of it printable; empty when nobody is named, C{None} when it is another.
    """
    length = len(value)
    if length > _FEW or not _EASY(value):
        return None
    written: list[bytes] = []
    place = 0
    while place < length:
        found = USUAL(value, place)
        if found is None:
            return None
        quoted, plain, local, domain, bare, its_domain, comment = found.groups()
        if local is None:
            name, local, domain = (comment or b"").strip(), bare, its_domain
        else:
            name = plain.strip() if quoted is None else quoted
        # An atom needs no quoting.
        written.append(b'(%b NIL "%b" "%b")' % (nstring(collapse(name)) if name else b"NIL", local, domain))
        place = found.end()
    return b"(%b)" % b"".join(written) if written else b""


#: The owner of a mailbox and those who write to him are in many of its messages.
_short_addresses = lru_cache(ADDRESS_LISTS_KEPT)(_usual_addresses)


def _address(entry: Entry) -> bytes:
    """
    One address structure.  A missing host would make a group of a mailbox, so
    what is missing gets a name.
    """
    if isinstance(entry, Mailbox):
        local = b"MISSING_MAILBOX" if entry.local is None else entry.local
        domain = b"MISSING_DOMAIN" if entry.domain is None else entry.domain
        return b"(%b %b %b %b)" % (
            nstring(entry.name if entry.name is None else collapse(entry.name)),
            nstring(entry.route),
            nstring(local),
            nstring(domain),
        )
    if isinstance(entry, GroupStart):
        return b"(NIL NIL %b NIL)" % nstring(collapse(entry.name))
    assert isinstance(entry, GroupEnd)
    return b"(NIL NIL NIL NIL)"


def _body(part: Part, content: bytes, effort: Effort) -> tuple[bytes, bytes]:
    """
    BODY and BODYSTRUCTURE of one part and all in it.
    """
    if part.kind == "multipart":
        inner = [_body(child, content, effort) for child in part.children]
        subtype = nstring(part.subtype)
        return (
            b"(%b %b)" % (b"".join([body for body, _ in inner]), subtype),
            b"(%b %b %b %b)"
            % (
                b"".join([structure for _, structure in inner]),
                subtype,
                _parameters(part.parameters),
                _extension(part),
            ),
        )
    if part.kind == "message" and part.message is not None:
        body, structure = _body(part.message, content, effort)
        start = b'"message" "rfc822" %b' % _basic(part, _parameters(part.parameters))
        shown = envelope(part.message, effort)
        lines = part.lines(content)
        return (
            b"(%b %b %b %d)" % (start, shown, body, lines),
            b"(%b %b %b %d %b %b)" % (start, shown, structure, lines, nstring(part.md5), _extension(part)),
        )
    leaf = _leaf(part, content)
    return b"(%b)" % leaf, b"(%b %b %b)" % (leaf, nstring(part.md5), _extension(part))


def _leaf(part: Part, content: bytes) -> bytes:
    """
    C{body-type-text} or C{body-type-basic}, without parentheses.
    """
    if part.kind == "opaque":
        return b'"application" "octet-stream" %b' % _basic(part, b"NIL")
    found = part.fields.get(b"content-type")
    kind = _kind if found and len(found[0]) > MIME_VALUE_KEPT else _short_kind
    start, parameters = kind(part.type, part.subtype, part.parameters)
    if part.is_text:
        return b"%b %b %d" % (start, _basic(part, parameters), part.lines(content))
    return b"%b %b" % (start, _basic(part, parameters))


def _kind(main: bytes, subtype: bytes, parameters: Parameters) -> tuple[bytes, bytes]:
    """
    C{media-type} of a leaf, and its C{body-fld-param}.
    """
    shown = _text_parameters(parameters) if main.lower() == b"text" else _parameters(parameters)
    return b"%b %b" % (nstring(main), nstring(subtype)), shown


_short_kind = lru_cache(MIME_VALUES_KEPT)(_kind)


def _basic(part: Part, parameters: bytes) -> bytes:
    """
    C{body-fields}
    """
    return b"%b %b %b %b %d" % (
        parameters,
        nstring(part.identifier),
        nstring(part.description),
        _SEVEN_BIT if part.encoding is None else nstring(part.encoding),
        part.size,
    )


def _parameters(parameters: Parameters) -> bytes:
    """
    C{body-fld-param}
    """
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (nstring(name), nstring(value)) for name, value in parameters])


def _text_parameters(parameters: Parameters) -> bytes:
    """
    C{body-fld-param} of a text part, which has a charset in any case.
    """
    if not parameters:
        return b"(%b)" % _US_ASCII
    written = _parameters(parameters)
    if any(name.lower() == b"charset" for name, _ in parameters):
        return written
    return b"%b %b)" % (written[:-1], _US_ASCII)


def _extension(part: Part) -> bytes:
    """
    Disposition, language and location, as in C{body-ext-1part}.
    """
    fields = part.fields
    if not (b"content-disposition" in fields or b"content-language" in fields or b"content-location" in fields):
        return b"NIL NIL NIL"
    disposition, languages = part.disposition, part.languages
    return b"%b %b %b" % (
        b"NIL" if disposition is None else b"(%b %b)" % (nstring(disposition[0]), _parameters(disposition[1])),
        b"(%b)" % b" ".join(map(nstring, languages)) if languages else b"NIL",
        nstring(part.location),
    )
