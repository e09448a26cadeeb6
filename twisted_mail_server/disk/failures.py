"""
What the operating system and SQLite report, in the words of the mail server.

A full disk, a device that fails, too many open files: each becomes one of
L{twisted_mail_server.model.errors}, so that nobody above knows C{errno} or apsw.
What says something about names (no such file, it exists already, too many links,
another file system) stays the L{OSError} that Python knows.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import apsw

from twisted_mail_server.model.errors import DatabaseBusy, DiskFull, TemporaryFailure

_P = ParamSpec("_P")
_T = TypeVar("_T")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FAILED = frozenset({errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})

#: SQLite's failures that are the machine's, not a mistake in our SQL.
_STORAGE = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.NoLFSError,
)


class ConstraintFailed(Exception):
    """
    A statement broke a UNIQUE, CHECK, NOT NULL or foreign key constraint.

    A transaction function may catch it; what leaves one is a bug, so it is none of the
    expected failures.
    """


def from_system(problem: OSError) -> Exception:
    """
    The error to raise for C{problem}: itself when it speaks of names.
    """
    if problem.errno in _FULL:
        return DiskFull("No room on the disk.")
    if problem.errno in _FAILED:
        return TemporaryFailure("The disk failed.")
    return problem


def from_sqlite(problem: Exception) -> Exception:
    """
    The error to raise for C{problem}: itself when it is none of SQLite's, or a mistake
    in our SQL.
    """
    if isinstance(problem, apsw.ConstraintError):
        return ConstraintFailed(str(problem))
    if isinstance(problem, (apsw.BusyError, apsw.LockedError)):
        return DatabaseBusy("The database is busy.")
    if isinstance(problem, apsw.FullError):
        return DiskFull("No room on the disk.")
    if isinstance(problem, _STORAGE):
        return TemporaryFailure("The database failed.")
    if isinstance(problem, OSError):
        return from_system(problem)
    return problem


def translated(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """
    C{function}, raising the mail server's errors for what the machine cannot do.
    """

    @wraps(function)
    def in_our_words(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except OSError as problem:
            found = from_system(problem)
            if found is problem:
                raise
            raise found from problem

    return in_our_words
