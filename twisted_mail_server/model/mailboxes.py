"""
Mailbox names and their forms (RFC 3501 sections 5.1 and 5.1.3, RFC 6154).

Inside the server a name is a string with C{/} between its levels; INBOX is upper case.  The wire's separator and
modified UTF-7 are met only at the edge.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum

from attrs import frozen

from . import limits
from .errors import CannotDo, OverLimit, SyntaxProblem

SEPARATOR = "/"
INBOX = "INBOX"
#: Where mail goes that is not trusted.
JUNK = "Junk"

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_NON_PRINTABLE = re.compile(r"[^\x20-\x7e]+|&")


class SpecialUse(Enum):
    """
    What a mailbox is for (RFC 6154 section 2).
    """

    ARCHIVE = "\\Archive"
    DRAFTS = "\\Drafts"
    JUNK = "\\Junk"
    SENT = "\\Sent"
    TRASH = "\\Trash"


@frozen
class DefaultMailbox:
    """
    A mailbox that every new account begins with.
    """

    name: str
    special_use: SpecialUse | None = None
    subscribed: bool = True


#: Every account's first mailboxes, unless the settings say otherwise.
DEFAULT_MAILBOXES = (
    DefaultMailbox(INBOX),
    DefaultMailbox("Drafts", SpecialUse.DRAFTS),
    DefaultMailbox("Sent", SpecialUse.SENT),
    DefaultMailbox(JUNK, SpecialUse.JUNK),
    DefaultMailbox("Trash", SpecialUse.TRASH),
    DefaultMailbox("Archive", SpecialUse.ARCHIVE),
)


def check_name(name: str) -> str:
    """
    A name in the inner form: no empty level, no control character, within the limits; INBOX in upper case.

    @raise CannotDo: it is not a name a mailbox may have.
    @raise OverLimit: it is too long or too deep.
    """
    if len(name.encode("utf-8", "replace")) > limits.MAILBOX_NAME:
        raise OverLimit(f"A mailbox name has at most {limits.MAILBOX_NAME} octets.")
    levels = name.split(SEPARATOR)
    if len(levels) > limits.MAILBOX_DEPTH:
        raise OverLimit(f"Mailboxes nest at most {limits.MAILBOX_DEPTH} levels deep.")
    if not all(levels) or _CONTROL.search(name):
        raise CannotDo("A mailbox name has no empty level and no control character.")
    return canonical(name)


def canonical(name: str) -> str:
    """
    INBOX is one mailbox, however it is written, and so is the first level of what is below it.
    """
    first, slash, rest = name.partition(SEPARATOR)
    return INBOX + slash + rest if first.upper() == INBOX else name


def parents(name: str) -> list[str]:
    """
    The superior names of C{a/b/c}: C{a}, C{a/b}.
    """
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]


def encode_modified_utf7(name: str) -> bytes:
    """
    Write a name as RFC 3501 section 5.1.3 wants it.
    """
    return _NON_PRINTABLE.sub(_shift, name).encode("ascii")


def _shift(found: re.Match[str]) -> str:
    text = found[0]
    if text == "&":
        return "&-"
    packed = base64.b64encode(text.encode("utf-16-be", "surrogatepass")).rstrip(b"=")
    return f"&{packed.replace(b'/', b',').decode('ascii')}-"


def decode_modified_utf7(text: bytes) -> str:
    """
    Read a name in modified UTF-7.

    @raise SyntaxProblem: it is not well formed, or not in its one canonical form.
    """
    try:
        name = _unshift(text)
    except (binascii.Error, UnicodeDecodeError):
        raise SyntaxProblem("The mailbox name is not modified UTF-7.") from None
    if encode_modified_utf7(name) != text:
        raise SyntaxProblem("The mailbox name is not modified UTF-7 in its canonical form.")
    return name


def _unshift(text: bytes) -> str:
    pieces: list[str] = []
    position = 0
    for found in _SHIFTED.finditer(text):
        pieces.append(text[position : found.start()].decode("ascii"))
        packed = found[1].replace(b",", b"/")
        if packed:
            pieces.append(base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True).decode("utf-16-be"))
        else:
            pieces.append("&")
        position = found.end()
    pieces.append(text[position:].decode("ascii"))
    return "".join(pieces)


def swap_separator(name: str, separator: str) -> str:
    """
    Between the inner form and a wire whose separator is not C{/}: the two characters change places, so nothing is lost.
    """
    if separator == SEPARATOR:
        return name
    return name.translate({ord(separator): SEPARATOR, ord(SEPARATOR): separator})
