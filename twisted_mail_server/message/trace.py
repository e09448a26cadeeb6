"""
Trace fields: written, and counted.

RFC 5321 section 4.4 for Received and Return-Path; Delivered-To is a habit of
all mail servers, kept in RFC 9228.  Whatever the client said of itself goes in
only after L{harmless}: no line end, control or non-ASCII octet can come
through, so that nobody writes a field but we.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from attrs import frozen

from ..model import limits
from .dates import format_date
from .headers import fields

#: RFC 5322 section 2.1.1: no line SHOULD be longer.
_WIDTH = 78

_NOT_IN_WORD = re.compile(r"[^!#-'*+\-./0-9:=?@A-Z\[\]^_`a-z{|}~]")
_NOT_IN_PATH = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_])?\.?")


@frozen
class Hop:
    """
    What Received tells of one message's coming.

    @ivar helo: what the client called itself; empty when it did not.
    @ivar address: its IP address as text; empty for a local program.
    @ivar name: its name, if its address and name agree.
    @ivar host: our name.
    @ivar protocol: as RFC 3848 registers it: C{ESMTPSA}.
    @ivar queue_id: what we call the message.
    @ivar recipient: for whom, if there is one recipient only.
    @ivar tls: protocol and cipher, as a remark.
    """

    helo: str
    address: str
    host: str
    protocol: str
    queue_id: str
    received: datetime
    name: str | None = None
    recipient: str | None = None
    tls: str | None = None


def received(hop: Hop) -> bytes:
    """
    The Received field, folded.
    """
    words = [*_way(hop.helo, hop.address, hop.name, hop.tls, hop.host, hop.protocol), "id", harmless(hop.queue_id)]
    if hop.recipient is not None and hop.recipient.isascii():
        words += ["for", f"<{_path(hop.recipient)}>"]
    words[-1] += ";"
    words += format_date(hop.received).decode("ascii").split()
    return _folded("Received:", words)


# One client mostly sends several messages.
@lru_cache(limits.LATELY)
def _way(helo: str, address: str, name: str | None, tls: str | None, host: str, protocol: str) -> tuple[str, ...]:
    """
    The words before C{id}.
    """
    literal = _literal(address)
    words = ["from", harmless(helo) or literal or "localhost"]
    if literal:
        known = name if name is not None and _HOST_NAME.fullmatch(name) else None
        words.append(f"({known} {literal})" if known else f"({literal})")
    if tls:
        words += f"(using {harmless(tls, keep_spaces=True)})".split()
    return (*words, "by", harmless(host), "with", harmless(protocol))


def return_path(sender: str) -> bytes:
    """
    The Return-Path field that final delivery adds; empty for a null sender.
    """
    return f"Return-Path: <{_path(sender)}>\r\n".encode("utf-8", "replace")


def delivered_to(recipient: str) -> bytes:
    """
    The Delivered-To field: the mark by which a loop is known.
    """
    return f"Delivered-To: {_path(recipient)}\r\n".encode("utf-8", "replace")


def count_received(block: bytes) -> int:
    """
    How many hosts the message came through (RFC 5321 section 6.3).
    """
    return sum(field.name.lower() == b"received" for field in fields(block))


def deliveries(block: bytes) -> frozenset[str]:
    """
    The addresses in Delivered-To fields, in small letters: who of them is to
    get the message again is in a loop.
    """
    return frozenset(
        field.text.strip(b"<>").decode("utf-8", "replace").lower()
        for field in fields(block)
        if field.name.lower() == b"delivered-to"
    )


def harmless(text: str, keep_spaces: bool = False) -> str:
    """
    The text with a question mark for all that has no place in a word of a
    trace field: line ends, controls, spaces, parentheses, quotes, non-ASCII.
    """
    if keep_spaces:
        return " ".join(_NOT_IN_WORD.sub("?", word) for word in text.split())
    return _NOT_IN_WORD.sub("?", text)


@lru_cache(limits.LATELY)
def _path(address: str) -> str:
    """
    An address that cannot leave its line.  A quoted local part keeps its
    spaces, for it would be another one without them.
    """
    quoted = _QUOTED.match(address)
    local, rest = (address[: quoted.end()], address[quoted.end() :]) if quoted else ("", address)
    kept = "".join("?" if ord(letter) != 0x20 and _NOT_IN_PATH.match(letter) else letter for letter in local)
    return kept + _NOT_IN_PATH.sub("?", rest).replace("<", "?").replace(">", "?")


def _literal(address: str) -> str:
    """
    C{address-literal} of RFC 5321 section 4.1.3.
    """
    if not address:
        return ""
    return f"[IPv6:{harmless(address)}]" if ":" in address else f"[{harmless(address)}]"


def _folded(name: str, words: Iterable[str]) -> bytes:
    """
    The field with a line end before each word that would be too far right.
    """
    lines: list[str] = []
    line = name
    for word in words:
        if len(line) + 1 + len(word) > _WIDTH and line not in (name, "\t"):
            lines.append(line)
            line = "\t" + word
        else:
            line = f"{line} {word}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")
