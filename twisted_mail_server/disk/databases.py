"""
A database: reads at once on the reactor thread, transactions in groups.

Functions that arrive in one round of the reactor, or while a commit is under way, form
the next batch: one C{BEGIN IMMEDIATE} ... C{COMMIT} under the C{flock} of the C{-lock}
file, and then all results.  A batch runs in a thread; where all of it is brief it runs
on the reactor thread, and only its C{COMMIT}, which writes and syncs, in a thread.  No
batch waits for a time, and a lone transaction waits for nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import apsw
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.disk.connections import copy, open_both, open_writer
from twisted_mail_server.disk.failures import from_sqlite
from twisted_mail_server.disk.locks import FileLock, Patience
from twisted_mail_server.disk.schema import SchemaStep
from twisted_mail_server.disk.system import System
from twisted_mail_server.disk.threads import Threads
from twisted_mail_server.disk.transactions import Job, Transaction, Writer
from twisted_mail_server.interfaces import IDatabase, IMeters, Unmetered
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DatabaseBusy, MailError, TemporaryFailure

_T = TypeVar("_T")

_log = Logger()


@define(eq=False)
class Library:
    """
    What every database of one disk is opened with.

    @ivar vfs: the name of the SQLite VFS; L{None} for the operating system's.
    """

    threads: Threads
    patience: Patience
    system: System
    try_lock: Callable[[str], FileLock | None]
    vfs: str | None = None
    #: Has something done when what is at hand has been done: transactions that are sent in one round of the reactor share a commit.
    soon: Callable[[Callable[[], None]], object] = lambda function: function()
    meters: IMeters = field(factory=Unmetered)
    #: Take how many transactions shared a commit, and its seconds.
    shared: Callable[[float], object] = field(init=False)
    took: Callable[[float], object] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.shared = self.meters.histogram("mail_commit_transactions")
        self.took = self.meters.histogram("mail_commit_seconds")

    async def open(self, path: str, steps: Sequence[SchemaStep]) -> Database:
        """
        The database at C{path}, made when there is none, with the newest schema.

        @raise SchemaTooNew: a newer version of this program wrote it.
        @raise InUse: somebody else held its lock for L{limits.DISK_WAIT} seconds.
        @raise TemporaryFailure: it cannot be opened now.
        """
        lock = await self.wait_for_lock(path)
        try:
            writer, reader = await self.threads.run(self._open, path, steps)
        finally:
            lock.release()
        return Database(path, self, Writer(path, self.vfs, writer), reader)

    async def copy(self, path: str, new: str) -> None:
        """
        Copy the database at C{path} into the new file C{new}.

        @raise FileExistsError: there is something at C{new}.
        @raise InUse: somebody else held its lock for L{limits.DISK_WAIT} seconds.
        @raise TemporaryFailure: it cannot be copied now.
        """
        lock = await self.wait_for_lock(path)
        try:
            source = await self.threads.run(self._open_source, path)
        finally:
            lock.release()
        try:
            await self.threads.run(self._copy, source, new)
        finally:
            # Others may have closed it meanwhile, and the last to close removes its log.
            lock = await self.wait_for_lock(path)
            try:
                await self.threads.run(source.close)
            finally:
                lock.release()

    async def wait_for_lock(self, path: str) -> FileLock:
        """
        The C{flock} of the database at C{path}.
        """
        name = lock_path(path)
        return await self.patience.wait_for_lock(lambda: self.try_lock(name), name, limits.DISK_WAIT)

    def _open_source(self, path: str) -> apsw.Connection:
        try:
            # If it is the last to close, it has to clear the log away, which a reader cannot.
            return open_writer(path, self.vfs)
        except Exception as problem:
            raise _not_busy(problem) from problem

    def _copy(self, source: apsw.Connection, path: str) -> None:
        try:
            copy(source, path, self.vfs, self.system)
            self.system.sync_directory(os.path.dirname(path))
        except Exception as problem:
            raise _not_busy(problem) from problem

    def _open(self, path: str, steps: Sequence[SchemaStep]) -> tuple[apsw.Connection, apsw.Connection]:
        try:
            if not os.path.exists(path):
                self.system.close(self.system.open_new(path, 0o600))
                self.system.sync_directory(os.path.dirname(path))
            return open_both(path, steps, self.vfs)
        except Exception as problem:
            raise _not_busy(problem) from problem


def lock_path(path: str) -> str:
    """
    The file whose C{flock} guards the database at C{path}.
    """
    return path + "-lock"


@implementer(IDatabase)
@define(eq=False)
class Database:
    """
    An open database.
    """

    path: str
    _library: Library
    _writer: Writer
    _reader: apsw.Connection
    _cursor: apsw.Cursor = field(init=False)
    _queue: list[Job] = field(init=False, factory=list)
    _works: bool = field(init=False, default=False)
    _closing: bool = field(init=False, default=False)
    _closed: bool = field(init=False, default=False)
    _waiting: list[Deferred[None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._cursor = self._reader.cursor()

    def read(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        The rows of a query, at once.

        @raise DatabaseBusy: another process is opening, recovering or closing it: see L{query}.
        """
        if self._closing:
            raise _is_closed()
        try:
            return self._cursor.execute(sql, args).fetchall()
        except Exception as problem:
            raise from_sqlite(problem) from problem

    async def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        The rows of a query; when the database is busy, in turn with the transactions.

        @raise TemporaryFailure: it stayed busy for L{limits.DISK_WAIT} seconds.
        """
        try:
            return self.read(sql, args)
        except DatabaseBusy:
            return await self.transact(lambda transaction: transaction.execute(sql, args))

    async def transact(self, function: Callable[[Transaction], _T], *, is_brief: bool = False) -> _T:
        """
        The result of C{function}, once what it did would survive a power cut.

        The function runs in a thread and touches nothing but its transaction; one that
        C{is_brief} may run on the reactor thread.  Its exception takes back what it did
        and reaches its caller.

        @raise DiskFull: no room; nothing was kept.
        @raise TemporaryFailure: the database failed or stayed busy; nothing was promised.
        """
        if self._closing:
            raise _is_closed()
        job = Job(function, is_brief)
        self._queue.append(job)
        if not self._works:
            self._works = True
            Deferred.fromCoroutine(self._work())
        result: _T = await job.waiting
        return result

    async def close(self) -> None:
        """
        Close it, after what is queued, in a thread under the C{flock}; harmless twice.
        """
        if self._closed:
            return
        if self._closing:
            while not self._closed:
                await self._until_settled()
            return
        self._closing = True
        while self._works:
            await self._until_settled()
        lock: FileLock | None
        try:
            lock = await self._library.wait_for_lock(self.path)
        except (MailError, OSError):
            # Without the lock others may meet a busy database for a moment; a leak would be worse.
            lock = None
        try:
            await self._library.threads.run(self._close)
        finally:
            if lock is not None:
                lock.release()
            self._closed = True
            self._settled()

    def abandon(self) -> None:
        """
        Close the connections at once, as they are: for a process that was killed in a test.
        """
        self._closing = self._closed = True
        self._close()

    async def backup(self, path: str) -> None:
        """
        Write a copy of the database as it is now to the new file C{path}.

        @raise FileExistsError: there is something at C{path}.
        """
        await self._library.copy(self.path, path)

    async def _work(self) -> None:
        """
        Commit batches until nothing is queued.
        """
        try:
            while self._queue:
                await self._round_over()
                pauses = self._library.patience.pauses(limits.DISK_WAIT)
                while not await self._commit_next():
                    pause = next(pauses, None)
                    if pause is None:
                        self._fail_all(TemporaryFailure("The database is busy."))
                        break
                    await deferLater(self._library.patience.clock, pause)
        finally:
            self._works = False
            self._settled()

    def _round_over(self) -> Deferred[None]:
        """
        What is at hand has been done: there may be more to commit by then.
        """
        over: Deferred[None] = Deferred()
        self._library.soon(lambda: over.callback(None))
        return over

    async def _commit_next(self) -> bool:
        """
        Commit what is queued; whether the database was free.
        """
        try:
            lock = self._library.try_lock(lock_path(self.path))
        except Exception as problem:  # noqa: BLE001 (each caller gets it)
            self._fail_all(_not_busy(problem))
            return True
        if lock is None:
            return False
        jobs, is_brief = self._next_batch()
        began = self._library.patience.clock.seconds()
        try:
            if not is_brief:
                undelivered = await self._library.threads.run(self._commit, self._writer.commit, jobs, lock)
            elif self._begin(jobs, lock):
                undelivered = await self._library.threads.run(self._commit, self._writer.end, jobs, lock)
            else:
                undelivered = jobs
        except DatabaseBusy:
            self._queue[:0] = jobs
            return False
        except Exception as problem:  # noqa: BLE001 (the threads are gone: each caller gets it)
            lock.release()
            for job in jobs:
                job.fail(_not_busy(problem))
            undelivered = jobs
        self._library.shared(len(jobs))
        self._library.took(max(0.0, self._library.patience.clock.seconds() - began))
        _deliver(undelivered)
        return True

    def _next_batch(self) -> tuple[list[Job], bool]:
        """
        What is committed together, and whether all of it is brief.
        """
        jobs = self._queue[: limits.TRANSACTIONS_PER_COMMIT]
        is_brief = self._writer.is_open and all(job.is_brief for job in jobs)
        if is_brief:
            jobs = jobs[: limits.BRIEF_TRANSACTIONS]
        del self._queue[: len(jobs)]
        return jobs, is_brief

    def _begin(self, jobs: Sequence[Job], lock: FileLock) -> bool:
        """
        On the reactor thread: all but the commit.  A statement sent from a thread waits twice for the interpreter's lock, and
        costs more by that than by its work.

        @return: whether the commit is left to do.
        """
        try:
            is_open = self._writer.begin(jobs)
        except BaseException:
            lock.release()
            raise
        if not is_open:
            lock.release()
        return is_open

    def _commit(self, finish: Callable[[Sequence[Job]], None], jobs: Sequence[Job], lock: FileLock) -> Sequence[Job]:
        """
        In a thread: commit, and a checkpoint when one is due, for which nobody waits.

        @return: the jobs whose outcome has not been delivered.
        """
        try:
            finish(jobs)
            if not self._writer.checkpoint_is_due:
                return jobs
            self._library.threads.from_thread(_deliver, jobs)
            self._writer.checkpoint()
            return ()
        finally:
            lock.release()

    def _fail_all(self, problem: Exception) -> None:
        jobs, self._queue[:] = self._queue[:], ()
        for job in jobs:
            job.fail(problem)
        _deliver(jobs)

    def _close(self) -> None:
        """
        In a thread: the reader first, so that the writer empties and removes the log.
        """
        try:
            self._reader.close(True)
        except Exception as problem:  # noqa: BLE001 (it is closed all the same)
            _log.error("closing {path} failed: {problem}", path=self.path, problem=problem)
        self._writer.close()

    def _until_settled(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _settled(self) -> None:
        waiting, self._waiting[:] = self._waiting[:], ()
        for one in waiting:
            one.callback(None)


def _deliver(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.deliver()


def _is_closed() -> TemporaryFailure:
    return TemporaryFailure("The database is closed.")


def _not_busy(problem: Exception) -> Exception:
    """
    The error for C{problem} where nobody tries again.
    """
    found = from_sqlite(problem)
    return TemporaryFailure(found.public) if isinstance(found, DatabaseBusy) else found
