"""
Render once and keep: ENVELOPE, BODYSTRUCTURE and the header block of a message.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Rendered
from twisted_mail_server.protocols.imap.rendering import pack, render


@frozen
class Shape:
    """
    What was found out about one content.
    """

    content: int
    content_id: bytes
    rendered: Rendered = field(repr=False)
    header: bytes = field(repr=False)


def shape_of(content: int, content_id: bytes, octets: bytes) -> Shape:
    """
    Find it out.
    """
    return Shape(content, content_id, render(octets), octets[: header_end(octets)])


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
            [
                (
                    pack(shape.rendered),
                    shape.header if len(shape.header) <= limits.HEADER_KEPT else None,
                    shape.content,
                    shape.content_id,
                )
                for shape in self.shapes
            ],
        )
