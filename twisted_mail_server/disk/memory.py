"""
Content being received, in memory: for the stores and spools that keep nothing on disk.
"""

from __future__ import annotations

import hashlib

from attrs import define, field
from zope.interface import implementer

from twisted_mail_server.interfaces import IStagedContent


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
        if self.inline is None:
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
