"""
Content with header fields in front of it: what was written as a stream has no room for them.
"""

from __future__ import annotations

from twisted_mail_server.interfaces import IReadable, IStagedContent
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure


async def copy_into(staged: IStagedContent, prefix: bytes, content: IReadable | IStagedContent) -> None:
    """
    Write C{prefix} and then C{content}; if that fails, C{staged} is discarded.

    @raise TemporaryFailure: the content cannot be read to its end.
    """
    try:
        pending, offset = staged.write(prefix), 0
        while offset < content.size:
            if pending is not None:
                await pending
            piece = await content.read(offset, limits.CONTENT_PIECE)
            if not piece:
                raise TemporaryFailure("The content is shorter than it was.")
            pending = staged.write(piece)
            offset += len(piece)
        if pending is not None:
            await pending
    except BaseException:
        await staged.discard()
        raise
