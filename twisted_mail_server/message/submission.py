"""
What a submission server mends in a header, and nothing else.

RFC 6409 section 8: it may add Date (8.2) and Message-ID (8.3) where they are
missing.  Blind copies are taken out (RFC 5322 section 3.6.3).  Every other
byte stays, so that signatures hold.
"""

from __future__ import annotations

from attrs import frozen

from .headers import fields, gap_before, remove_fields

#: The fields that only their writer may see.
BLIND = (b"Bcc", b"Resent-Bcc")

_BLIND = frozenset(name.lower() for name in BLIND)


@frozen
class Findings:
    """
    What a submitted header lacks, and where blind copies stand in it.
    """

    lacks_date: bool
    lacks_message_id: bool
    lacks_from: bool
    blind: tuple[tuple[int, int], ...]

    @property
    def is_complete(self) -> bool:
        """
        Nothing has to be added or taken out.
        """
        return not (self.lacks_date or self.lacks_message_id or self.blind)


def examine(block: bytes) -> Findings:
    """
    Look a header block over, once.
    """
    names: set[bytes] = set()
    blind: list[tuple[int, int]] = []
    for field in fields(block):
        name = field.name.lower()
        names.add(name)
        if name in _BLIND:
            blind.append((field.start, field.end))
    return Findings(b"date" not in names, b"message-id" not in names, b"from" not in names, tuple(blind))


def mend(block: bytes, *, date: bytes, message_id: bytes) -> bytes:
    """
    The header block with what it lacks in front and without blind copies.

    @param date: the value for Date, as L{format_date
        <twisted_mail_server.message.dates.format_date>} writes it.
    @param message_id: the value for Message-ID, angle brackets included.
    """
    findings = examine(block)
    if findings.blind:
        block = remove_fields(block, BLIND)
    if not (findings.lacks_message_id or findings.lacks_date):
        return block
    # Behind a gap nothing is header any more, so that all that it had is missing.
    gap = gap_before(block)
    added = b""
    if findings.lacks_message_id or gap:
        added = b"Message-ID: %b\r\n" % message_id
    if findings.lacks_date or gap:
        added = b"Date: %b\r\n%b" % (date, added)
    return added + gap + block
