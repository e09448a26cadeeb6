"""
The writing side of a database: many functions, one commit, which is in a thread.

Every function of a batch runs inside a savepoint of its own, so that its exception
takes back only what it did itself; a function that is alone needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw
from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.disk.connections import open_writer
from twisted_mail_server.disk.failures import from_sqlite
from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DatabaseBusy, MailError, TemporaryFailure

_log = Logger()


class TakenBack(Exception):
    """
    One function's failure made SQLite take back the whole batch; the cause is that failure.
    """


@implementer(ITransaction)
@define(eq=False)
class Transaction:
    """
    What a function sent to L{Database.transact} may do.  It is for one thread and ends
    with the function.
    """

    _connection: apsw.Connection
    _cursor: apsw.Cursor
    after: list[Callable[[], object]] = field(factory=list)

    def execute(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Run one statement to its end; its rows.

        @raise ConstraintFailed: it broke a constraint.
        """
        try:
            return self._cursor.execute(sql, args).fetchall()
        except Exception as problem:
            raise from_sqlite(problem) from problem

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """
        Run one statement once for each of C{rows}.

        @raise ConstraintFailed: it broke a constraint.
        """
        try:
            self._cursor.executemany(sql, rows).fetchall()
        except Exception as problem:
            raise from_sqlite(problem) from problem

    def changes(self) -> int:
        """
        Rows that the last INSERT, UPDATE or DELETE changed.
        """
        return self._connection.changes()

    def last_rowid(self) -> int:
        """
        The rowid of the last row inserted.
        """
        return self._connection.last_insert_rowid()

    def after_commit(self, function: Callable[[], object]) -> None:
        """
        Call C{function} on the reactor thread once the commit is durable, before its
        result is delivered.  A function that fails leaves nothing to call.
        """
        self.after.append(function)


@define(eq=False)
class Job:
    """
    A function that waits for its commit, and then its outcome.
    """

    function: Callable[[Any], Any]
    is_brief: bool = False
    waiting: Deferred[Any] = Factory(Deferred)
    result: Any = None
    failure: Failure | None = None
    after: Sequence[Callable[[], object]] = ()

    def run(self, transaction: Transaction) -> bool:
        """
        Call the function; whether it succeeded.
        """
        try:
            self.result = self.function(transaction)
        except Exception:  # noqa: BLE001 (it reaches its caller, and only him)
            self.failure = Failure()
            return False
        self.after = transaction.after
        return True

    @property
    def problem(self) -> BaseException | None:
        """
        What the function raised.
        """
        return None if self.failure is None else self.failure.value

    def fail(self, problem: Exception) -> None:
        """
        Nothing of what the function did was kept.
        """
        self.result, self.after = None, ()
        self.failure = Failure(problem)

    def deliver(self) -> None:
        """
        Hand the outcome to whoever waits, on the reactor thread.
        """
        for function in self.after:
            try:
                function()
            except Exception:  # noqa: BLE001 (the commit is done, and its caller must hear so)
                _log.failure("what was to follow a commit failed")
        if self.waiting.called:
            return
        if self.failure is None:
            self.waiting.callback(self.result)
        else:
            self.waiting.errback(self.failure)


@define(eq=False)
class Writer:
    """
    The writing connection of a database.  One thread at a time, under the C{flock}.
    """

    path: str
    _vfs: str | None
    _connection: apsw.Connection | None
    _pages: int = field(default=0, init=False)
    _due: int = field(default=limits.WAL_PAGES, init=False)

    def __attrs_post_init__(self) -> None:
        if self._connection is not None:
            self._connection.set_wal_hook(self._committed)

    @property
    def checkpoint_is_due(self) -> bool:
        """
        Whether the log has grown by enough pages since the last checkpoint.
        """
        return self._pages >= self._due

    @property
    def is_open(self) -> bool:
        """
        Whether the next transaction finds its connection open.
        """
        return self._connection is not None

    def commit(self, jobs: Sequence[Job]) -> None:
        """
        Run the jobs and make durable what they did; each then has its outcome.

        @raise DatabaseBusy: another program is writing; nothing has been run.
        """
        if self.begin(jobs):
            self.end(jobs)

    def begin(self, jobs: Sequence[Job]) -> bool:
        """
        Run the jobs in a transaction; whether it is open now and wants L{end}, or each job has its outcome already.

        @raise DatabaseBusy: another program is writing; nothing has been run.
        """
        try:
            connection = self._opened()
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE").fetchall()
        except apsw.BusyError as problem:
            raise from_sqlite(problem) from problem
        except Exception as problem:  # noqa: BLE001 (each caller gets it)
            self._give_up(jobs, problem)
            return False
        try:
            return self._run(connection, cursor, jobs)
        except Exception as problem:  # noqa: BLE001 (each caller gets it)
            self._give_up(jobs, problem)
            return False

    def end(self, jobs: Sequence[Job]) -> None:
        """
        Make durable what the jobs did; each then has its outcome.
        """
        try:
            self._opened().cursor().execute("COMMIT").fetchall()
        except Exception as problem:  # noqa: BLE001 (each caller gets it)
            self._give_up(jobs, problem)

    def checkpoint(self) -> None:
        """
        Copy the log into the database.  What fails is done next time: no promise rests on it.
        """
        overgrown = self._pages >= limits.WAL_OVERGROWN_PAGES
        self._due = self._pages + limits.WAL_PAGES
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if overgrown else apsw.SQLITE_CHECKPOINT_PASSIVE
        try:
            self._opened().wal_checkpoint(mode=mode)
        except apsw.BusyError:
            return
        except Exception as problem:  # noqa: BLE001 (logged; the log still has everything)
            _log.error("checkpoint of {path} failed: {problem}", path=self.path, problem=problem)
            self.close()
            return
        if overgrown:
            self._due = limits.WAL_PAGES

    def close(self) -> None:
        """
        Close the connection; the next commit opens another.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close(True)
        except Exception as problem:  # noqa: BLE001 (it is closed all the same)
            _log.error("closing {path} failed: {problem}", path=self.path, problem=problem)

    def _opened(self) -> apsw.Connection:
        connection = self._connection
        if connection is None:
            connection = open_writer(self.path, self._vfs)
            connection.set_wal_hook(self._committed)
            self._connection = connection
        return connection

    def _committed(self, connection: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._pages:
            # The log was begun anew.
            self._due = limits.WAL_PAGES
        self._pages = pages
        return apsw.SQLITE_OK

    def _run(self, connection: apsw.Connection, cursor: apsw.Cursor, jobs: Sequence[Job]) -> bool:
        if len(jobs) == 1:
            if not jobs[0].run(Transaction(connection, cursor)):
                if connection.in_transaction:
                    cursor.execute("ROLLBACK").fetchall()
                return False
        else:
            for job in jobs:
                cursor.execute("SAVEPOINT one").fetchall()
                if not job.run(Transaction(connection, cursor)):
                    if not connection.in_transaction:
                        # After some failures (a full disk) SQLite has taken everything back itself.
                        raise TakenBack from job.problem
                    cursor.execute("ROLLBACK TO one").fetchall()
                cursor.execute("RELEASE one").fetchall()
        return True

    def _give_up(self, jobs: Sequence[Job], problem: Exception) -> None:
        """
        Fail every job, and forget a connection of which nobody knows what it believes
        to be on disk: after an fsync that failed the kernel may call lost pages clean.
        """
        self.close()
        if isinstance(problem, TakenBack) and isinstance(problem.__cause__, Exception):
            problem = problem.__cause__
        public = from_sqlite(problem)
        if not isinstance(public, MailError) or isinstance(public, DatabaseBusy):
            public = TemporaryFailure("The database failed.")
        if public is not problem:
            public.__cause__ = problem
        _log.error(
            "commit of {count} transactions in {path} failed: {problem}",
            count=len(jobs),
            path=self.path,
            problem=problem,
        )
        for job in jobs:
            job.fail(public)
