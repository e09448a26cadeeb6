"""
Render once and keep: ENVELOPE, BODYSTRUCTURE and the header block of a message.

APPEND renders what it has in memory before its transaction, a checkpoint what was delivered, and FETCH what is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen
from twisted.logger import Logger

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.message.addresslists import Effort
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.model import limits
from twisted_mail_server.protocols.imap.rendering import pack, render

_log = Logger()

#: What a row of C{rendered} holds besides its key.
Kept = tuple[bytes, bytes | None]

KEEP = "REPLACE INTO rendered VALUES (?, ?, ?)"


@frozen
class Shape:
    """
    What was found out about one content.
    """

    content: int
    content_id: bytes
    #: ENVELOPE, BODY and BODYSTRUCTURE.
    packed: bytes = field(repr=False)
    header: bytes = field(repr=False)

    @property
    def kept(self) -> Kept:
        """
        What is kept of it.
        """
        return self.packed, self.header if len(self.header) <= limits.HEADER_KEPT else None


def shape_of(content: int, content_id: bytes, octets: bytes, effort: Effort | None = None) -> Shape:
    """
    Find it out.
    """
    return Shape(content, content_id, pack(render(octets, effort)), octets[: header_end(octets)])


def shape_ahead(content: int, content_id: bytes, octets: bytes, effort: Effort) -> Shape | None:
    """
    Find it out before anybody asks.  What makes trouble, or more work than all of them may make, is left to who asks for it.
    """
    if not effort.tokens:
        return None
    try:
        shape = shape_of(content, content_id, octets, effort)
    except Exception:  # noqa: BLE001 (whoever brings a message must not suffer)
        _log.failure("cannot render a message", content=content_id.hex())
        return None
    # An address list that was cut short here would not be if the message were the only one.
    return shape if effort.tokens else None


def kept_ahead(contents: Sequence[bytes | None]) -> list[Kept | None]:
    """
    What to keep of contents that are about to be added, those that are in memory.
    """
    effort = Effort()
    shapes = [None if octets is None else shape_ahead(0, b"", octets, effort) for octets in contents]
    return [None if shape is None else shape.kept for shape in shapes]


@frozen
class Keep:
    """
    The transaction that writes it down.
    """

    shapes: Sequence[Shape]

    def __call__(self, transaction: ITransaction) -> None:
        """
        Contents that went away meanwhile are passed over; row ids are given again, content ids are not.
        """
        transaction.execute_many(
            "REPLACE INTO rendered SELECT id, ?, ? FROM content WHERE id = ? AND content_id = ?",
            [(*shape.kept, shape.content, shape.content_id) for shape in self.shapes],
        )
