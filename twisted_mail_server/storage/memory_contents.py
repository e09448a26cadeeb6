"""
Contents in memory.
"""

from __future__ import annotations

from attrs import define, field
from zope.interface import implementer

from twisted_mail_server.interfaces import IContent


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
