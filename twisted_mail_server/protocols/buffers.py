"""
Bounded lines out of arbitrary chunks.

Only CRLF ends a line (RFC 5321 section 2.3.8); a lone CR or LF is an octet like any other, for the reader of the line to
refuse.  A line beyond its limit is swallowed, and told of once it has ended.
"""

from __future__ import annotations

from attrs import define, field

from ..model.errors import TooLong

CRLF = b"\r\n"


@define(eq=False)
class LineBuffer:
    """
    What was received and not yet used.
    """

    _data: bytes = b""
    #: Where the unused part of C{_data} begins.
    _at: int = 0
    #: Chunks that came after C{_data}; joined only when somebody looks.
    _chunks: list[bytes] = field(factory=list)
    _unread: int = 0
    #: Whether what comes up to the next CRLF is the rest of a line that is too long.
    _is_swallowing: bool = False

    def __len__(self) -> int:
        return self._unread

    def receive(self, data: bytes) -> None:
        """
        Add to the end.
        """
        if self._unread:
            self._chunks.append(data)
            self._unread += len(data)
        else:
            self._data, self._at, self._unread = data, 0, len(data)

    def line(self, limit: int) -> bytes | None:
        """
        The next line without its CRLF, or C{None} if it has not ended yet.

        @raise TooLong: a line of more than C{limit} octets has ended; it is gone.
        """
        if self._chunks:
            self._gather()
        start = self._at
        end = self._data.find(CRLF, start)
        if end < 0:
            if self._unread > limit + 1:
                # A CR at the end may be half of the CRLF that ends it all.
                self._is_swallowing = True
                self._keep(1 if self._data.endswith(b"\r") else 0)
            return None
        self._at = end + 2
        self._unread -= end + 2 - start
        if self._is_swallowing or end - start > limit:
            self._is_swallowing = False
            raise TooLong("The line is too long.")
        return self._data[start:end]

    def peek(self, count: int) -> bytes:
        """
        Up to C{count} octets from the front, left where they are.
        """
        if self._chunks:
            self._gather()
        return self._data[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        """
        Up to C{count} octets from the front.
        """
        taken = self.peek(count)
        self._at += len(taken)
        self._unread -= len(taken)
        return taken

    def take_all(self) -> bytes:
        """
        Everything.
        """
        if self._chunks:
            self._gather()
        taken = self._data[self._at :] if self._at else self._data
        self.discard()
        return taken

    def discard(self) -> None:
        """
        Forget everything, as where a plaintext buffer ends before TLS (RFC 3207 section 4.2).
        """
        self._chunks.clear()
        self._keep(0)

    def _keep(self, count: int) -> None:
        self._data = self._data[len(self._data) - count :]
        self._at = 0
        self._unread = count

    def _gather(self) -> None:
        if self._at < len(self._data):
            self._chunks.insert(0, self._data[self._at :])
        self._data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._at = 0
