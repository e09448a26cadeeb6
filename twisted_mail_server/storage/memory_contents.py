"""
Contents in memory.
"""

from __future__ import annotations

import hashlib

from attrs import define, field
from zope.interface import implementer

from twisted_mail_server.interfaces import IContent, IStagedContent


@implementer(IContent)
@define(eq=False)
class MemoryContent:
    """
    The octets of one message.
    """

    _octets: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """
        Octets.
        """
        return len(self._octets)

    async def read(self, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece, or all of the rest.
        """
        return self._octets[offset : offset + length] if length >= 0 else self._octets[offset:]

    def close(self) -> None:
        """
        Done with it.
        """


@implementer(IStagedContent)
@define(eq=False)
class MemoryStagedContent:
    """
    Content being received, in memory whatever its size.
    """

    size: int = 0
    digest: bytes = b""
    inline: bytes | None = None
    path: str | None = None
    _pieces: list[bytes] = field(factory=list)

    def write(self, data: bytes) -> None:
        """
        Add to the end.
        """
        self._pieces.append(data)
        self.size += len(data)

    async def finish(self) -> None:
        """
        All is written.
        """
        self.inline = b"".join(self._pieces)
        self.digest = hashlib.sha256(self.inline).digest()

    async def read(self, offset: int, length: int) -> bytes:
        """
        A piece of what was written.
        """
        return (self.inline or b"")[offset : offset + length]

    def sync(self) -> None:
        """
        There is no file.
        """

    async def discard(self) -> None:
        """
        Forget it.
        """
        self._pieces.clear()
        self.inline = None
