"""
The proof can fail: one safeguard is taken out at a time, and each time something is noticed.

Run by name: C{python -m tests.prove.mutations}.  A safeguard whose loss nobody notices is a hole in the proof, or no safeguard.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import apsw
from attrs import define, frozen
from twisted.internet.defer import Deferred

from tests.prove.trial import be_quiet, try_seed
from twisted_mail_server.delivery.local import LocalDelivery
from twisted_mail_server.disk import connections, databases
from twisted_mail_server.disk.real import OutputFile, RealDisk
from twisted_mail_server.disk.recording import RecordingFile, RecordingSystem
from twisted_mail_server.disk.transactions import Job, Transaction, Writer
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.model.queue import Outcome, QueuedMessage, RecipientState, Result
from twisted_mail_server.spool import journal
from twisted_mail_server.spool.journal import Journal
from twisted_mail_server.storage import account as accounts
from twisted_mail_server.storage import arrivals, checkpoints
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.sqlite import SqliteStore
from twisted_mail_server.storage.view import SqliteView

#: Seeds until a loss must have been noticed, and what is looked at of each.
SEEDS, CUTS, STATES = 8, 60, 5

_Patch = tuple[Any, str, Any]


@frozen
class Safeguard:
    """
    Something that a promise rests on.

    @ivar without: how the program looks without it.
    """

    name: str
    without: Sequence[_Patch]
    #: Whether it shows only where fsyncs fail.
    is_for_failures: bool = False


@define
class Verdict:
    """
    What noticed the loss; empty: nothing did.
    """

    name: str
    noticed_by: str = ""
    states: int = 0


def _nothing(*_: Any, **__: Any) -> None:
    """
    In place of what is left out.
    """


async def _nothing_later(*_: Any, **__: Any) -> None:
    """
    The same, to be awaited.
    """


# --- Files --------------------------------------------------------------------------------------------------------------


def _place_unsynced(self: Journal, content: Any, queue_id: Any) -> str:
    path = self._content_path(queue_id)
    self._disk.rename(content.path, path)
    self._disk.sync_directory(f"{self.path}/content")
    return path


def _place_unnamed(self: Journal, content: Any, queue_id: Any) -> str:
    path = self._content_path(queue_id)
    content.sync()
    self._disk.rename(content.path, path)
    return path


def _take_unsynced(self: MessageFiles, staged: Any, content_id: bytes) -> None:
    self._make_folder(content_id)
    self._disk.rename(staged.path, self.path(content_id))


def _write_file(*, sync: bool, sync_directory: bool) -> Callable[..., None]:
    def write_file(self: RealDisk, path: str, data: Any, mode: int = 0o600) -> None:
        path = self._absolute(path)
        directory = path.rpartition("/")[0]
        file = self.new_file(directory, mode)
        for piece in (data,) if isinstance(data, bytes) else data:
            file.write(piece)
        if sync:
            file.sync()
        self._system.rename(file.path, path)
        file.close()
        if sync_directory:
            self._system.sync_directory(directory)

    return write_file


def _make_directory_unsynced(self: RealDisk, path: str) -> None:
    missing, path = [], self._absolute(path)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        self._system.make_directory(one)


def _removed_unsynced(self: SqliteStore, path: str) -> None:
    removed = f"{self._directory}/.removed-{self._random(16).hex()}"
    self._disk.rename(path, removed)
    self._disk.remove_tree(removed)


# --- Databases ----------------------------------------------------------------------------------------------------------

_run: Callable[..., Any] = vars(connections)["run"]


def _run_careless(mode: str, connection: Any, sql: str, *more: Any) -> Any:
    return _run(connection, sql.replace("synchronous = FULL", f"synchronous = {mode}"), *more)


_x_sync = RecordingFile.xSync


def _sync_all_but(suffix: str, self: RecordingFile, flags: int) -> None:
    if not self._path.endswith(suffix):
        _x_sync(self, flags)


def _sync_without_folder(self: RecordingFile, flags: int) -> None:
    self._folder_is_due = False
    _x_sync(self, flags)


def _open_without_folder(self: Any, path: str, steps: Any) -> Any:
    if not os.path.exists(path):
        self.system.close(self.system.open_new(path, 0o600))
    return connections.open_both(path, steps, self.vfs)


def _sync_again(self: OutputFile) -> None:
    """
    The second fsync succeeds, for the kernel has forgotten what it could not write.
    """
    try:
        _sync_file(self)
    except MailError:
        _sync_file(self)


def _sync_log_again(self: RecordingFile, flags: int) -> None:
    """
    The same for a database.
    """
    try:
        _x_sync(self, flags)
    except apsw.IOError:
        _x_sync(self, flags)


_transact = databases.Database.transact
_sync_file = OutputFile.sync


async def _transact_early(self: Any, function: Callable[[Any], Any], *, is_brief: bool = False) -> Any:
    """
    The caller hears of its result before the commit.
    """
    if not self.path.endswith("account.sqlite"):
        return await _transact(self, function, is_brief=is_brief)
    early: Deferred[Any] = Deferred()
    job = Job(function)

    def ran(transaction: Transaction) -> Any:
        result = function(transaction)
        early.callback(result)
        return result

    job.function = ran
    job.waiting.addErrback(lambda failure: None if early.called else early.errback(failure))
    self._queue.append(job)
    if not self._works:
        self._works = True
        Deferred.fromCoroutine(self._work())
    return await early


# --- The spool ----------------------------------------------------------------------------------------------------------


async def _commit_unawaited(self: Journal, queue_id: Any, envelope: Any, content: Any) -> Any:
    """
    250 as soon as the transaction is on its way.
    """
    path = await self._make_durable(content, queue_id)
    states = tuple(RecipientState(changed=envelope.received) for _ in envelope.recipients)
    message = QueuedMessage(queue_id, envelope, states, content.size, content.digest, content.inline, path)

    async def insert() -> None:
        self._rows[queue_id] = await self._database.transact(lambda transaction: journal._insert(transaction, message))

    Deferred.fromCoroutine(insert())
    return message


_settle = Journal.settle


async def _settle_reports_apart(self: Journal, settlements: Any, reports: Any = ()) -> Any:
    promised = await _settle(self, settlements, ())
    return promised + (await _settle(self, (), reports) if reports else [])


async def _settle_after_removal(self: Journal, settlements: Any, reports: Any = ()) -> Any:
    """
    The content goes before it is written down that nobody needs it.
    """
    done = [one.queue_id for one in settlements if one.state.fate.is_settled and one.queue_id in self._rows]
    await self._disk.run(self._remove_contents, done)
    await self._disk.run(self._disk.sync_directory, f"{self.path}/content")
    return await _settle(self, settlements, reports)


async def _move_before_written(self: Journal, queue_id: Any) -> None:
    row = self._rows[queue_id]
    found = await self._database.query("SELECT bytes FROM content WHERE id = ?", (row,))
    if found:
        await self._database.transact(lambda transaction: journal._leave_journal(transaction, row))
        await self._disk.run(self._disk.write_file, self._content_path(queue_id), found[0][0])


# --- Delivery -----------------------------------------------------------------------------------------------------------


async def _record_before_delivery(self: LocalDelivery, lane: Any, batch: Any) -> None:
    results = [(job.message, Result(job.number, Outcome.DELIVERED, job.mailbox, "2.0.0")) for job in batch]
    arrived = [await self._arrival(job) for job in batch]
    await self._record(results)
    mail = await self._store.open(lane.account)
    await mail.deliver(arrived, [])


class _Forgetful(arrivals.Deliver):
    """
    Takes each delivery for a new one.
    """

    def __call__(self, transaction: Any) -> Any:
        for one in self.arrivals:
            transaction.execute("DELETE FROM received WHERE queue_id = ?", (one.queue_id.octets,))
        return super().__call__(transaction)


_deliver = LocalDelivery._deliver


async def _deliver_and_forget(self: LocalDelivery, lane: Any, batch: Any) -> Any:
    """
    The account forgets the ids of a batch before their fate is in the journal.
    """
    fresh = await _deliver(self, lane, batch)
    mail = await self._store.open(lane.account)
    await mail.deliver([], [job.message.id for job in batch])
    return fresh


# --- Accounts -----------------------------------------------------------------------------------------------------------


async def _move_in_two(self: SqliteView, uids: Any, target: str) -> Any:
    result = await self.copy(uids, target)
    await self.expunge(uids, only_deleted=False)
    return result


async def _move_all_early(self: Any) -> int:
    """
    The row says that the file is there, before it is.
    """
    rows = await self._account.query(checkpoints._INLINE, (0, 100))
    if rows:
        await self._account.promise(checkpoints._Move([(row[0], row[1], row[2]) for row in rows]))
        await self._account.disk.run(checkpoints._write, self._account.files, rows)
    return len(rows)


def _commit_each(self: Writer, connection: Any, cursor: Any, jobs: Any) -> bool:
    """
    Every statement is its own transaction.
    """
    cursor.execute("COMMIT").fetchall()
    for job in jobs:
        job.run(Transaction(connection, cursor))
    return False


def _safeguards() -> list[Safeguard]:
    """
    In the order of a message's way.
    """
    real, system = RealDisk, RecordingSystem
    return [
        Safeguard("spool: fsync of a large content", [(Journal, "_place", _place_unsynced)]),
        Safeguard("spool: directory sync of a large content", [(Journal, "_place", _place_unnamed)]),
        Safeguard("spool: 250 waits for the commit", [(Journal, "commit", _commit_unawaited)]),
        Safeguard("spool: a report in its failure's transaction", [(Journal, "settle", _settle_reports_apart)]),
        Safeguard("spool: the fate before its content's removal", [(Journal, "settle", _settle_after_removal)]),
        Safeguard("spool: the file before the row that names it", [(Journal, "_move_to_file", _move_before_written)]),
        Safeguard("delivery: the account before the journal", [(LocalDelivery, "_try", _record_before_delivery)]),
        Safeguard("delivery: a repeat is recognised", [_deliver_class(_Forgetful)]),
        Safeguard("delivery: ids kept until the fate is durable", [(LocalDelivery, "_deliver", _deliver_and_forget)]),
        Safeguard("account: directory sync of message files", [(MessageFiles, "sync", _nothing)]),
        Safeguard("account: fsync of an appended file", [(MessageFiles, "take", _take_unsynced)]),
        Safeguard("account: MOVE is one transaction", [(SqliteView, "move", _move_in_two)]),
        Safeguard(
            "account: the file before the row that names it", [(checkpoints.Checkpoint, "_move_all", _move_all_early)]
        ),
        Safeguard("account: directory sync of its removal", [(SqliteStore, "_remove", _removed_unsynced)]),
        Safeguard(
            "disk: fsync of a written file", [(real, "write_file", _write_file(sync=False, sync_directory=True))]
        ),
        Safeguard(
            "disk: directory sync of a written file",
            [(real, "write_file", _write_file(sync=True, sync_directory=False))],
        ),
        Safeguard("disk: directory sync of a new folder", [(real, "make_directory", _make_directory_unsynced)]),
        Safeguard("disk: every fsync of a file", [(system, "sync", _nothing)]),
        Safeguard("disk: every sync of a directory", [(system, "sync_directory", _nothing)]),
        Safeguard(
            "database: directory sync of a new one",
            [
                (databases.Library, "_open", _open_without_folder),
                (RecordingFile, "xSync", _sync_without_folder),
            ],
        ),
        Safeguard("database: synchronous=FULL (NORMAL)", [(connections, "run", partial(_run_careless, "NORMAL"))]),
        Safeguard("database: synchronous=FULL (OFF)", [(connections, "run", partial(_run_careless, "OFF"))]),
        Safeguard("database: fsync of the log", [(RecordingFile, "xSync", _method(_sync_all_but, "-wal"))]),
        Safeguard("database: fsync at a checkpoint", [(RecordingFile, "xSync", _method(_sync_all_but, ".sqlite"))]),
        Safeguard("database: the result waits for the commit", [(databases.Database, "transact", _transact_early)]),
        Safeguard("disk: a failed fsync is a failure", [(OutputFile, "sync", _sync_again)], is_for_failures=True),
        Safeguard(
            "database: a failed fsync is a failure", [(RecordingFile, "xSync", _sync_log_again)], is_for_failures=True
        ),
        Safeguard("database: a command is one transaction", [(Writer, "_run", _commit_each)]),
    ]


def _method(function: Callable[..., Any], first: str) -> Callable[..., Any]:
    return lambda *args: function(first, *args)


def _deliver_class(kind: type) -> _Patch:
    return accounts, "Deliver", kind


SAFEGUARDS = _safeguards()


@contextmanager
def taken_out(safeguard: Safeguard) -> Iterator[None]:
    """
    The program without it, for a while.
    """
    with ExitStack() as stack:
        for place, name, replacement in safeguard.without:
            stack.enter_context(patch.object(place, name, replacement))
        yield


def judge(number: int) -> Verdict:
    """
    Look for what notices the loss of one safeguard.
    """
    be_quiet()
    safeguard = SAFEGUARDS[number]
    verdict = Verdict(safeguard.name)
    with taken_out(safeguard):
        for seed in range(1, SEEDS + 1):
            try:
                account = try_seed(seed, CUTS, STATES, stop_early=True, failing=safeguard.is_for_failures)
            except AssertionError as problem:
                # A client met what cannot be.
                verdict.noticed_by = f"seed {seed}, under load: {problem!r}"
                break
            verdict.states += account.states
            if account.first:
                verdict.noticed_by = account.first
                break
    return verdict


def main(wanted: Sequence[str]) -> int:
    """
    Print what noticed the loss of each safeguard; how many nobody missed.
    """
    numbers = [
        number for number, one in enumerate(SAFEGUARDS) if not wanted or any(word in one.name for word in wanted)
    ]
    missed = 0
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        for verdict in pool.imap(judge, numbers, chunksize=1):
            noticed = verdict.noticed_by[:160] or "NOBODY"
            missed += not verdict.noticed_by
            print(f"{verdict.name} - noticed by {noticed} ({verdict.states} states)", flush=True)
    print(f"{len(numbers)} safeguards taken out, {missed} not missed")
    return missed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
