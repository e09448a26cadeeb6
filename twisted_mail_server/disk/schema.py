"""
Numbered schema steps: what brings a database from one version to the next, and back.

A step is a file C{NNNN_name.sql} in the folder C{schema} of the package that owns the
database.  Statements end with C{;} at the end of a line; below the line
C{-- reverse} stand those that undo the step.  The number of the last step applied is
kept in C{PRAGMA user_version}.  A step is never edited after release.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

import apsw
from attrs import frozen

from twisted_mail_server.model.errors import SchemaTooNew

#: The line between a step and its reverse.
REVERSE = "-- reverse"

_FILE_NAME = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql\Z")


@frozen
class SchemaStep:
    """
    One numbered step of a schema, with its reverse.
    """

    number: int
    name: str
    up: tuple[str, ...]
    down: tuple[str, ...]


def statements(text: str) -> tuple[str, ...]:
    """
    The SQL statements of C{text}; a trigger's body counts as part of its statement.

    @raise ValueError: what follows the last complete statement is neither empty nor a
        comment.
    """
    found: list[str] = []
    pending: list[str] = []
    for line in text.splitlines():
        if not pending and (not line.strip() or line.lstrip().startswith("--")):
            continue
        pending.append(line)
        statement = "\n".join(pending)
        if line.rstrip().endswith(";") and apsw.complete(statement):
            found.append(statement)
            pending = []
    if pending:
        raise ValueError(f"This statement does not end with a semicolon: {pending[0]!r}")
    return tuple(found)


def parse_step(file_name: str, text: str) -> SchemaStep:
    """
    The step that a schema file describes.

    @raise ValueError: the name is not C{NNNN_name.sql}, or the text is not a step.
    """
    match = _FILE_NAME.match(file_name)
    if match is None:
        raise ValueError(f"A schema step is named NNNN_name.sql, not {file_name!r}.")
    up, line, down = text.partition(f"\n{REVERSE}\n")
    if not line:
        raise ValueError(f"{file_name} has no line {REVERSE!r}.")
    return SchemaStep(int(match["number"]), match["name"], statements(up), statements(down))


def load_steps(package: str) -> tuple[SchemaStep, ...]:
    """
    The steps in the folder C{schema} of C{package}, in order.

    @raise ValueError: a file is not a step, or the numbers are not 1, 2, 3 ...
    """
    folder = files(package).joinpath("schema")
    steps = sorted(
        (parse_step(entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda step: step.number,
    )
    check_order(steps)
    return tuple(steps)


def check_order(steps: Sequence[SchemaStep]) -> None:
    """
    Steps are numbered from 1 without a gap.

    @raise ValueError: they are not.
    """
    numbers = [step.number for step in steps]
    if numbers != list(range(1, len(steps) + 1)):
        raise ValueError(f"Schema steps are numbered from 1 without a gap, not {numbers}.")


def bring_up(connection: apsw.Connection, path: str, steps: Sequence[SchemaStep]) -> int:
    """
    Apply the steps that the database has not seen, all in one transaction.

    @return: the number of steps applied.
    @raise SchemaTooNew: the database knows a step that is not among C{steps}.
    """
    check_order(steps)
    found = _version(connection)
    if found > len(steps):
        raise SchemaTooNew(
            f"{path} has schema {found}, and this version knows schemas up to {len(steps)}: "
            "a newer version wrote it. Install that version again, or reverse the schema with it."
        )
    missing = steps[found:]
    if missing:
        _apply(connection, [sql for step in missing for sql in step.up], len(steps))
    return len(missing)


def bring_down(connection: apsw.Connection, steps: Sequence[SchemaStep], target: int) -> int:
    """
    Undo the steps above C{target}, newest first, all in one transaction.

    @return: the number of steps undone.
    """
    check_order(steps)
    undone = [step for step in reversed(steps) if target < step.number <= _version(connection)]
    if undone:
        _apply(connection, [sql for step in undone for sql in step.down], target)
    return len(undone)


def _version(connection: apsw.Connection) -> int:
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def _apply(connection: apsw.Connection, sql: Sequence[str], version: int) -> None:
    run(connection, "BEGIN IMMEDIATE")
    try:
        for statement in sql:
            run(connection, statement)
        run(connection, f"PRAGMA user_version = {version:d}")
        run(connection, "COMMIT")
    except BaseException:
        if connection.in_transaction:
            run(connection, "ROLLBACK")
        raise


def run(connection: apsw.Connection, sql: str) -> list[tuple[apsw.SQLiteValue, ...]]:
    """
    One statement, run to its end: apsw commits only when the cursor is exhausted.
    """
    return connection.execute(sql).fetchall()
