"""
Opening SQLite as the promise needs it.

WAL, C{synchronous=FULL}, no waiting inside SQLite (its busy wait sleeps up to seconds),
and no checkpoint inside a commit: L{twisted_mail_server.disk.transactions.Writer} does
it afterwards.  Everything here blocks, and is called in a thread under the database's
C{flock}.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from twisted_mail_server.disk import schema
from twisted_mail_server.disk.schema import SchemaStep, run
from twisted_mail_server.disk.system import System
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import BadSetting, TemporaryFailure

#: Older libraries can corrupt a database when a write-ahead log is reset (https://sqlite.org/wal.html).
OLDEST_SQLITE = (3, 51, 3)

#: Statements that a connection keeps compiled.
_STATEMENTS = 200

_PAGE_SIZE = 4096


def check_library(version: str | None = None) -> None:
    """
    Refuse an SQLite that may lose data.

    @raise BadSetting: the library is too old.
    """
    found = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise BadSetting(f"apsw brings SQLite {found}, which can corrupt a database; {oldest} or newer is needed.")


def open_writer(path: str, vfs: str | None) -> apsw.Connection:
    """
    A connection that may write.  The file exists.

    @raise TemporaryFailure: the database cannot keep a write-ahead log here.
    """
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs, statementcachesize=_STATEMENTS)
    try:
        mode = connection.pragma("journal_mode", "wal")
        if mode != "wal":
            raise TemporaryFailure("The database cannot keep a write-ahead log.")
        for sql in (
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA trusted_schema = OFF",
            f"PRAGMA journal_size_limit = {limits.WAL_OVERGROWN_PAGES * _PAGE_SIZE:d}",
            "PRAGMA wal_autocheckpoint = 0",
        ):
            run(connection, sql)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: str, vfs: str | None) -> apsw.Connection:
    """
    A connection that only reads, after its first read.
    """
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs, statementcachesize=_STATEMENTS)
    try:
        run(connection, "PRAGMA temp_store = MEMORY")
        run(connection, "SELECT count(*) FROM sqlite_schema")
    except BaseException:
        connection.close()
        raise
    return connection


def open_both(path: str, steps: Sequence[SchemaStep], vfs: str | None) -> tuple[apsw.Connection, apsw.Connection]:
    """
    The writing and the reading connection of a database whose schema is then the newest.

    @raise SchemaTooNew: a newer version of this program wrote the database.
    """
    writer = open_writer(path, vfs)
    try:
        schema.bring_up(writer, path, steps)
        return writer, open_reader(path, vfs)
    except BaseException:
        writer.close()
        raise


def copy(source: apsw.Connection, target: str, vfs: str | None, system: System) -> None:
    """
    Copy a database through SQLite's backup API: the only way to copy a live one.

    @raise FileExistsError: there is something at C{target}.
    """
    system.close(system.open_new(target, 0o600))
    connection = apsw.Connection(target, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        with connection.backup("main", source, "main") as backup:
            # All pages in one step: one read of the log's snapshot, which stops no writer.
            while not backup.done:
                backup.step(-1)
    finally:
        connection.close()
