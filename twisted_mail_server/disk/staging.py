"""
Content while it is received, before anything is promised.

Up to a limit it stays in memory; beyond that it streams to a file in a thread, and who
sends it waits when the disk is behind.  The file is fsynced on the descriptor that
wrote it, when what holds it is committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_mail_server.interfaces import IOutputFile, IStagedContent, IStaging
from twisted_mail_server.model import limits

_T = TypeVar("_T")


class Place(Protocol):
    """
    What staging needs of its disk.
    """

    def new_file(self, directory: str) -> IOutputFile:
        """
        A new file in C{directory} under a random name.  Blocks.
        """

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a file.  Blocks.
        """

    def in_thread(self, function: Callable[[], _T]) -> Deferred[_T]:
        """
        Call C{function} in a thread.
        """


@implementer(IStaging)
@frozen
class Staging:
    """
    A directory where content is staged.  It exists.
    """

    _place: Place
    _directory: str

    def begin(self, *, inline_limit: int = limits.INLINE_CONTENT) -> StagedContent:
        """
        New, empty content that is kept in memory up to C{inline_limit} octets.
        """
        return StagedContent(self._place, self._directory, inline_limit)


@implementer(IStagedContent)
@define(eq=False)
class StagedContent:
    """
    Content being received.

    @ivar size: octets written so far.
    @ivar digest: SHA-256 of all of them, after L{finish}.
    @ivar inline: the content when it is small, after L{finish}.
    @ivar path: its file when it is not.
    """

    _place: Place
    _directory: str
    _inline_limit: int
    size: int = field(default=0, init=False)
    digest: bytes = field(default=b"", init=False)
    inline: bytes | None = field(default=None, init=False)
    path: str | None = field(default=None, init=False)
    _pending: list[bytes] = field(factory=list, init=False)
    _pending_size: int = field(default=0, init=False)
    _hash: hashlib._Hash = field(factory=hashlib.sha256, init=False)
    _file: IOutputFile | None = field(default=None, init=False)
    _spilled: bool = field(default=False, init=False)
    _discarded: bool = field(default=False, init=False)
    _flushes: bool = field(default=False, init=False)
    _problem: Exception | None = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def write(self, data: bytes) -> Deferred[None] | None:
        """
        Add to the end.  A Deferred means: wait for it before the next write.

        What the disk refuses is told by L{finish}; until then the content is taken and dropped,
        so that the conversation goes on to where it can be answered.
        """
        self.size += len(data)
        if self._problem is not None or self._discarded:
            return None
        self._pending.append(data)
        self._pending_size += len(data)
        if self.size <= self._inline_limit:
            return None
        self._spilled = True
        if self._pending_size >= limits.STAGED_PIECE:
            self._begin_flush()
        if self._pending_size <= limits.STAGED_PENDING:
            return None
        return self._until_flushed()

    async def finish(self) -> None:
        """
        All is written; not yet durable.

        @raise DiskFull: no room for it.
        @raise TemporaryFailure: the disk failed.
        """
        if self._spilled:
            self._begin_flush()
        while self._flushes:
            await self._until_flushed()
        if self._problem is not None:
            raise self._problem
        if not self._spilled and self.inline is None:
            self.inline = b"".join(self._pending)
            self._pending.clear()
            self._hash.update(self.inline)
        self.digest = self._hash.digest()

    async def read(self, offset: int, length: int) -> bytes:
        """
        A piece of what was written; after L{finish}.
        """
        if self.inline is not None:
            return self.inline[offset : offset + length]
        path = self.path
        assert path is not None
        return await self._place.in_thread(lambda: self._place.read(path, offset, length))

    def sync(self) -> None:
        """
        Its file survives a power cut, but for its name.  Blocks; nothing to do when inline.

        @raise TemporaryFailure: the disk failed, and what was written may be lost.
        """
        if self._file is not None:
            self._file.sync()

    async def discard(self) -> None:
        """
        Forget it; harmless twice, and when its file was renamed.
        """
        if self._discarded:
            return
        self._discarded = True
        while self._flushes:
            await self._until_flushed()
        self._pending.clear()
        file, self._file = self._file, None
        if file is not None:
            await self._place.in_thread(file.discard)

    def _begin_flush(self) -> None:
        if not self._flushes:
            self._flushes = True
            Deferred.fromCoroutine(self._flush())

    async def _flush(self) -> None:
        """
        Move what is pending to the file, one trip to a thread at a time.
        """
        while self._pending:
            pieces, self._pending, self._pending_size = self._pending, [], 0
            try:
                await self._place.in_thread(lambda pieces=pieces: self._store(pieces))  # type: ignore[misc]
            except Exception as problem:  # noqa: BLE001 (finish tells it)
                self._problem = problem
                self._pending.clear()
                self._pending_size = 0
            self._flushed()
        self._flushes = False
        self._flushed()

    def _store(self, pieces: list[bytes]) -> None:
        """
        In a thread: add to the file, made when there is none.
        """
        file = self._file
        if file is None:
            file = self._file = self._place.new_file(self._directory)
            self.path = file.path
        data = b"".join(pieces)
        self._hash.update(data)
        file.write(data)

    def _until_flushed(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _flushed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:
                one.callback(None)
