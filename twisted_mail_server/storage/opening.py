"""
Which accounts' databases are open: those in use, and the last few that were.

An idle session holds no open database: when others need the room its account's is closed, and opened again when the session
asks for something.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDisk, IFileLock, ITransaction
from twisted_mail_server.model.errors import DatabaseBusy, NoSuchAccount, TemporaryFailure
from twisted_mail_server.storage.finishing import finished

_log = Logger()
_T = TypeVar("_T")

STEPS = load_steps(__package__)

DATABASE = "account.sqlite"
OPEN_LOCK = "open.lock"
MESSAGES = "messages"


@define(eq=False)
class OpenDatabases:
    """
    The open ones, those used last at the end.
    """

    clock: IReactorTime
    _most: int
    _order: OrderedDict[AccountDatabase, None] = field(factory=OrderedDict)
    #: The store was closed: none is opened any more.
    is_ended: bool = False

    def used(self, database: AccountDatabase) -> None:
        """
        It was used just now.
        """
        self._order[database] = None
        self._order.move_to_end(database)

    def opened(self, database: AccountDatabase) -> None:
        """
        It was opened: those that nobody uses make room.
        """
        self.used(database)
        surplus = len(self._order) - self._most
        if surplus > 0:
            idle = [one for one in self._order if one.is_idle and one is not database]
            for one in idle[:surplus]:
                one.close_soon()

    def closed(self, database: AccountDatabase) -> None:
        """
        It was closed.
        """
        self._order.pop(database, None)

    def close_idle(self, seconds: float) -> None:
        """
        Close those that nobody has used for so long.
        """
        before = self.clock.seconds() - seconds
        for one in [one for one in self._order if one.is_idle and one.last_used <= before]:
            one.close_soon()

    @property
    def all(self) -> list[AccountDatabase]:
        """
        Every open one.
        """
        return list(self._order)


@define(eq=False)
class AccountDatabase:
    """
    One account's database; open when it is needed.
    """

    _disk: IDisk
    directory: str
    _others: OpenDatabases
    #: Called when it was closed.
    _forget: Callable[[], None]
    last_used: float = 0.0
    _database: IDatabase | None = None
    _lock: IFileLock | None = None
    _users: int = 0
    _is_closing: bool = False
    _gate: DeferredLock = field(factory=DeferredLock)
    _unused: list[Deferred[None]] = field(factory=list)

    @property
    def is_idle(self) -> bool:
        """
        Whether it can be closed without anybody waiting.
        """
        return self._users == 0 and not self._is_closing

    @property
    def is_open(self) -> bool:
        """
        Whether it is open now.
        """
        return self._database is not None

    def exists(self) -> bool:
        """
        Whether there is one.
        """
        return self._disk.exists(f"{self.directory}/{DATABASE}")

    async def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Rows: at once if that can be.

        @raise NoSuchAccount: the account was removed.
        """
        database = self._database
        if database is not None and not self._is_closing:
            self._used()
            try:
                return database.read(sql, args)
            except DatabaseBusy:
                pass
        database = await self._begin(False)
        try:
            return await database.query(sql, args)
        finally:
            self._end()

    async def transact(self, function: Callable[[ITransaction], _T], *, is_brief: bool = False) -> _T:
        """
        The result of C{function}, when it is durable.

        @raise NoSuchAccount: the account was removed.
        """
        database = await self._begin(False)
        try:
            return await database.transact(function, is_brief=is_brief)
        finally:
            self._end()

    async def backup(self, path: str) -> None:
        """
        Copy the live database into a new file.
        """
        database = await self._begin(False)
        try:
            await database.backup(path)
        finally:
            self._end()

    async def make(self, function: Callable[[ITransaction], None]) -> None:
        """
        Make the folder and the database where there is none, and run C{function} in it.
        """
        database = await self._begin(True)
        try:
            await database.transact(function)
        finally:
            self._end()

    async def close(self) -> None:
        """
        Close it when nobody uses it any more; harmless when it is closed.
        """
        await self._gate.acquire()
        self._is_closing = True
        try:
            while self._users:
                waiting: Deferred[None] = Deferred()
                self._unused.append(waiting)
                await waiting
            await self._close()
        finally:
            self._is_closing = False
            self._gate.release()

    def close_soon(self) -> None:
        """
        Close it, and wait for nothing.
        """
        closing = Deferred.fromCoroutine(self.close())
        closing.addErrback(lambda failure: _log.failure("closing {path} failed", failure, path=self.directory))

    def _used(self) -> None:
        self.last_used = self._others.clock.seconds()
        self._others.used(self)

    async def _begin(self, is_new: bool) -> IDatabase:
        """
        The open database, which is not closed before C{_end}.
        """
        while True:
            database = self._database
            if database is not None and not self._is_closing:
                self._users += 1
                self._used()
                return database
            # Opening goes on to its end, though who asked for it be gone: an open database must not be forgotten.
            await finished(self._be_open(is_new))

    async def _be_open(self, is_new: bool) -> None:
        await self._gate.acquire()
        try:
            if self._others.is_ended:
                raise TemporaryFailure("The store is closed.")
            if self._database is None:
                await self._open(is_new)
                self.last_used = self._others.clock.seconds()
                self._others.opened(self)
        finally:
            self._gate.release()

    def _end(self) -> None:
        self._users -= 1
        if not self._users:
            waiting, self._unused[:] = self._unused[:], ()
            for one in waiting:
                one.callback(None)

    async def _open(self, is_new: bool) -> None:
        if not is_new and not self.exists():
            raise NoSuchAccount("The account was removed.")
        try:
            if is_new:
                await self._disk.run(self._disk.make_directory, f"{self.directory}/{MESSAGES}")
            lock = await self._disk.wait_for_lock(f"{self.directory}/{OPEN_LOCK}", shared=True)
        except FileNotFoundError:
            raise NoSuchAccount("The account was removed.") from None
        except OSError as problem:
            raise TemporaryFailure("The account cannot be opened now.") from problem
        try:
            self._database = await self._disk.open_database(f"{self.directory}/{DATABASE}", STEPS)
        except OSError as problem:
            lock.release()
            raise TemporaryFailure("The account cannot be opened now.") from problem
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    async def _close(self) -> None:
        database, self._database = self._database, None
        lock, self._lock = self._lock, None
        self._others.closed(self)
        try:
            if database is not None:
                await database.close()
        finally:
            if lock is not None:
                lock.release()
            self._forget()
