"""
Delivery reports of others, and our own: what they say, for programs.

RFC 3464 with RFC 6522 and RFC 6533.  Reading is tolerant: real reports have
fields in any order, without types, with comments, and parts where they please.
L{twisted_mail_server.message.reports} writes them.
"""

from __future__ import annotations

import re
from datetime import datetime

from attrs import frozen

from ..model.addresses import Address
from ..model.errors import SyntaxProblem
from ..model.limits import HEADER_SIZE, RECIPIENTS
from .addresstypes import TYPED, plain_address
from .comments import without_comments
from .dates import parse_date
from .headers import collapse, pairs, unfold
from .reports import STATUS_CODE, Kind
from .structure import Part, parse
from .transfer import decode

#: Between two groups of fields (RFC 3464 section 2.1).
_BLANK_LINES = re.compile(rb"\n(?:[ \t]*\r?\n)+")


@frozen
class Typed:
    """
    A value with its type, in small letters (RFC 3464 section 2.1.2); the type
    is empty where none was given.
    """

    type: str
    text: str


@frozen
class RecipientReport:
    """
    What a report says of one recipient.

    @ivar final: the recipient as the reporting server knew it.
    @ivar original: as the sender first named it.
    @ivar action: C{None} if it is none that RFC 3464 knows.
    @ivar status: the status code; empty if there is none.
    """

    final: Typed | None
    original: Typed | None
    action: Kind | None
    status: str
    remote: Typed | None
    diagnostic: Typed | None
    attempted: datetime | None
    retry_until: datetime | None

    @property
    def address(self) -> Address | None:
        """
        The final recipient, if it is an Internet address.
        """
        if self.final is None or self.final.type not in ("rfc822", "utf-8"):
            return None
        try:
            return Address.parse(self.final.text.strip("<>"))
        except SyntaxProblem:
            return None


@frozen
class DeliveryReport:
    """
    A report as it was read.

    @ivar envid: the sender's name for the transaction; empty if there is none.
    @ivar returned: the message, or its header; C{None} if nothing came back.
    @ivar is_returned_whole: whether C{returned} is the whole message.
    """

    reporting: Typed | None
    envid: str
    arrived: datetime | None
    recipients: tuple[RecipientReport, ...]
    returned: bytes | None
    is_returned_whole: bool


_STATUS_TYPES = (b"delivery-status", b"global-delivery-status")
_RETURNED_TYPES = {
    (b"message", b"rfc822"): True,
    (b"message", b"global"): True,
    (b"text", b"rfc822-headers"): False,
    (b"message", b"global-headers"): False,
}


def read_report(content: bytes) -> DeliveryReport | None:
    """
    What a message tells about deliveries; C{None} if it is no report.

    Anybody can write a report: what it says is not proven.  The parts are
    known by their types, wherever they stand (RFC 6533 section 4.4), for
    writers differ; L{RECIPIENTS} recipients are read.
    """
    parts = parse(content).children
    status = next((part for part in parts if _kind(part)[0] == b"message" and _kind(part)[1] in _STATUS_TYPES), None)
    if status is None:
        return None
    body = decode(content[status.body : status.end], status.encoding)[:HEADER_SIZE]
    groups = [group for group in map(_named, _BLANK_LINES.split(b"\n" + body, RECIPIENTS + 2)) if group]
    message, recipients = (groups[0], groups[1:]) if groups else ({}, [])
    if b"reporting-mta" not in message and b"final-recipient" in message:
        # Somebody left out the fields of the message.
        message, recipients = {}, groups
    returned = next((part for part in parts if _kind(part) in _RETURNED_TYPES), None)
    return DeliveryReport(
        reporting=_typed(message, b"reporting-mta"),
        envid=_text(message, b"original-envelope-id"),
        arrived=_moment(message, b"arrival-date"),
        recipients=tuple(_recipient(group) for group in recipients[:RECIPIENTS]),
        returned=None if returned is None else decode(content[returned.body : returned.end], returned.encoding),
        is_returned_whole=returned is not None and _RETURNED_TYPES[_kind(returned)],
    )


def _kind(part: Part) -> tuple[bytes, bytes]:
    return part.type.lower(), part.subtype.lower()


def _named(block: bytes) -> dict[bytes, bytes]:
    """
    Fields by their names in small letters; of several the first.
    """
    return {name.lower(): value for name, value in reversed(pairs(block, 0, len(block)))}


def _recipient(group: dict[bytes, bytes]) -> RecipientReport:
    """
    One group of C{per-recipient-fields}.
    """
    action = collapse(without_comments(group.get(b"action", b""))).lower()
    status = collapse(without_comments(group.get(b"status", b""))).decode("utf-8", "replace")
    return RecipientReport(
        final=_typed(group, b"final-recipient"),
        original=_typed(group, b"original-recipient"),
        action=next((kind for kind in Kind if kind.value.encode("ascii") == action), None),
        status=status if STATUS_CODE.fullmatch(status) else "",
        remote=_typed(group, b"remote-mta"),
        diagnostic=_typed(group, b"diagnostic-code"),
        attempted=_moment(group, b"last-attempt-date"),
        retry_until=_moment(group, b"will-retry-until"),
    )


def _text(group: dict[bytes, bytes], name: bytes) -> str:
    return unfold(group.get(name, b"")).decode("utf-8", "replace")


def _typed(group: dict[bytes, bytes], name: bytes) -> Typed | None:
    """
    C{type ";" text}; comments stay in it, for addresses and diagnostics may
    hold parentheses of their own.
    """
    if name not in group:
        return None
    text = _text(group, name)
    found = TYPED.fullmatch(text)
    if found is None:
        return Typed("", text)
    kind = found[1].lower()
    return Typed(kind, plain_address(found[2]) if kind == "utf-8" else found[2])


def _moment(group: dict[bytes, bytes], name: bytes) -> datetime | None:
    return parse_date(group[name]) if name in group else None
