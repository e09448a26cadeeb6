"""
The octets of a message, from the database or its file.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen
from zope.interface import implementer

from twisted_mail_server.interfaces import IContent, IDisk
from twisted_mail_server.model.errors import MailError, TemporaryFailure
from twisted_mail_server.storage.messages import MessageFiles


@frozen
class Location:
    """
    Where a content's bytes are.
    """

    content: int
    content_id: bytes
    #: Prefix and content together.
    size: int
    prefix: bytes = field(repr=False)
    #: The content, where the database holds it.
    octets: bytes | None = field(repr=False)

    def read_now(self, files: MessageFiles) -> bytes:
        """
        All of it.  Blocks where it is in a file.

        @raise TemporaryFailure: the disk would not give it.
        """
        return self.prefix + (self.octets if self.octets is not None else read_file(files, self.content_id, 0, -1))


def read_file(files: MessageFiles, content_id: bytes, offset: int, length: int) -> bytes:
    """
    A piece of a message file.

    @raise TemporaryFailure: the disk would not give it.
    """
    try:
        return files.read(content_id, offset, length)
    except (OSError, MailError) as problem:
        raise TemporaryFailure("The message cannot be read now.") from problem


@implementer(IContent)
@define(eq=False)
class Content:
    """
    One open message.
    """

    location: Location
    _disk: IDisk
    _files: MessageFiles
    _closed: Callable[[int], None] | None

    @property
    def size(self) -> int:
        """
        Octets.
        """
        return self.location.size

    async def read(self, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece; all of the rest without C{length}.

        @raise TemporaryFailure: the disk would not give it.
        """
        location = self.location
        end = location.size if length < 0 else min(offset + length, location.size)
        if offset >= end:
            return b""
        prefix = location.prefix[offset:end]
        start, stop = max(offset - len(location.prefix), 0), end - len(location.prefix)
        if start >= stop:
            return prefix
        if location.octets is not None:
            return prefix + location.octets[start:stop]
        piece = await self._disk.run(read_file, self._files, location.content_id, start, stop - start)
        return prefix + piece

    def close(self) -> None:
        """
        Done with it; harmless twice.
        """
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(self.location.content)
