"""
What goes out: responses, strings, names (RFC 3501 sections 7 and 9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...model.changes import AppendResult, CopyResult
from ...model.mailboxes import encode_modified_utf7, swap_separator
from ...model.numbers import format_set

# atom = 1*ATOM-CHAR ; an astring may hold "]" too, but some clients know only atoms
_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
# text = 1*TEXT-CHAR ; TEXT-CHAR = <any CHAR except CR and LF>
_NOT_TEXT = re.compile(r"[^\x20-\x7e]")
# QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials
_NOT_QUOTED = re.compile(rb"[^\x01-\x09\x0b\x0c\x0e-\x7f]")


def text(public: str) -> bytes:
    """
    C{text}: nothing in it can forge a line, and it does not begin like a response code.
    """
    clean = _NOT_TEXT.sub("?", public)
    return (clean.lstrip("[") or "-").encode("ascii")


def condition(status: bytes, public: str, code: bytes = b"", *, tag: bytes = b"*") -> bytes:
    """
    C{resp-cond-state}, tagged or not: C{tag OK [CODE] text}.
    """
    coded = b"[%b] " % code if code else b""
    return b"%b %b %b%b\r\n" % (tag, status, coded, text(public))


def quoted(octets: bytes) -> bytes:
    """
    C{quoted}, of octets that it can hold.
    """
    return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def string(octets: bytes) -> bytes:
    """
    C{string}: quoted where that can be, else a literal.
    """
    if len(octets) <= 1000 and not _NOT_QUOTED.search(octets):
        return quoted(octets)
    return b"{%d}\r\n%b" % (len(octets), octets)


def astring(octets: bytes) -> bytes:
    """
    C{astring}: an atom where that can be; never one that reads as NIL.
    """
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets)


def mailbox(name: str, separator: str, *, is_utf8: bool = False) -> bytes:
    """
    C{mailbox}, from the inner form of a name: in modified UTF-7 (RFC 3501 section 5.1.3), or in UTF-8 for who has asked for it.
    """
    if is_utf8 and (not name.isascii() or "&" in name):
        return quoted(swap_separator(name, separator).encode("utf-8"))
    return astring(encode_modified_utf7(swap_separator(name, separator)))


def delimiter(separator: str) -> bytes:
    """
    The hierarchy delimiter of LIST and NAMESPACE.
    """
    return quoted(separator.encode("ascii"))


def numbers(found: Sequence[int]) -> bytes:
    """
    Each with a space before it.
    """
    # All by one format: less than half of what it costs one by one.
    return (b" %d" * len(found)) % tuple(found)


def parenthesised(words: Iterable[bytes]) -> bytes:
    """
    A list.
    """
    return b"(%b)" % b" ".join(words)


def flag_list(names: Iterable[str]) -> bytes:
    """
    C{flag-list}
    """
    return parenthesised(name.encode("ascii") for name in names)


def appended(result: AppendResult) -> bytes:
    """
    The response code APPENDUID (RFC 4315 section 3).
    """
    return b"APPENDUID %d %b" % (result.uidvalidity, format_set(result.uids))


def copied(result: CopyResult) -> bytes:
    """
    The response code COPYUID (RFC 4315 section 3); none where nothing was copied.
    """
    if not result.uids:
        return b""
    return b"COPYUID %d %b %b" % (result.uidvalidity, format_set(result.uids), format_set(result.copies))
