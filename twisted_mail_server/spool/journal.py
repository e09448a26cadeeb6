"""
One slot of the spool: a journal, and the files of contents too large for it.

The file format, version 1, and the table of states are in C{docs/explanation/spool.md}.  A newer schema is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Coroutine, Iterable, Sequence
from functools import lru_cache
from typing import Any

from attrs import asdict, define, field, frozen
from twisted.logger import Logger

from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDisk, IFileLock, IStagedContent, IStaging, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import (
    BodyKind,
    Envelope,
    MailOptions,
    Notify,
    Origin,
    Recipient,
    RecipientOptions,
    Returned,
    Service,
)
from twisted_mail_server.model.errors import DiskFull, MailError, TemporaryFailure
from twisted_mail_server.model.queue import (
    Fate,
    QueueChange,
    QueuedMessage,
    QueueEvent,
    QueueId,
    RecipientState,
    Report,
    Settlement,
)

from .stories import note

_log = Logger()

#: Where a message's content is.
GONE, INLINE, FILE = range(3)

_COLUMNS = (
    "id, queue_id, received, sender, origin, body, declared, is_utf8, returned, envid, size, digest, home, message_id"
)
_RECIPIENT = (
    "address, named, reverse_path, orcpt, notify, refusal, quarantine, fate, detail, attempts, changed, due, delay_told"
)

#: Fates that leave something to do.
_UNSETTLED = tuple(fate.value for fate in Fate if not fate.is_settled)


@define(eq=False)
class Journal:
    """
    A slot whose lock is held: what its owner has promised.
    """

    #: The slot's folder.
    path: str
    _disk: IDisk
    _lock: IFileLock
    _database: IDatabase
    _staging: IStaging
    #: Row numbers of unsettled messages, so that fates need no look-up.
    _rows: dict[QueueId, int] = field(init=False, factory=dict)

    @classmethod
    async def open(cls, disk: IDisk, path: str, lock: IFileLock) -> Journal:
        """
        Open a slot, empty or left by a process that died.  The journal lets go of C{lock} when it is closed.
        """
        await disk.run(_make_folders, disk, path)
        database = await disk.open_database(f"{path}/journal.sqlite", load_steps("twisted_mail_server.spool"))
        journal = cls(path, disk, lock, database, disk.staging(f"{path}/staging"))
        for row, queue_id in await database.query("SELECT id, queue_id FROM message WHERE settled IS NULL"):
            journal._rows[QueueId(queue_id)] = row
        await disk.run(_sweep, disk, path, frozenset(str(one) for one in journal._rows))
        return journal

    @property
    def unsettled(self) -> int:
        """
        How many messages are still ours to deliver.
        """
        return len(self._rows)

    def holds(self, queue_id: QueueId) -> bool:
        """
        Whether that message is unsettled here.
        """
        return queue_id in self._rows

    def stage(self, recipients: int) -> IStagedContent:
        """
        Begin content for L{commit}; what goes to many becomes a file sooner, so that their accounts can share it.
        """
        many = recipients > limits.INLINE_RECIPIENTS
        return self._staging.begin(inline_limit=limits.INLINE_KEPT if many else limits.INLINE_CONTENT)

    async def commit(self, queue_id: QueueId, envelope: Envelope, content: IStagedContent) -> QueuedMessage:
        """
        Promise to deliver; durable on return.  The staged content is used up, whatever happens.
        """
        path = await self._make_durable(content, queue_id)
        states = tuple(RecipientState(changed=envelope.received) for _ in envelope.recipients)
        message = QueuedMessage(queue_id, envelope, states, content.size, content.digest, content.inline, path)
        try:
            self._rows[queue_id] = await self._database.transact(
                lambda transaction: _insert(transaction, message),
                is_brief=len(message.states) <= limits.BRIEF_ROWS,
            )
        except DiskFull:
            await self._forget(content, queue_id)
            raise
        # After any other failure the file stays until the slot is next taken: should the transaction turn out to have
        # reached the disk after all, its content is there.
        return message

    async def _make_durable(self, content: IStagedContent, queue_id: QueueId) -> str | None:
        """
        Where the content now is safe, if it is too large for the journal.
        """
        try:
            await content.finish()
            if content.path is None:
                return None
            return await self._disk.run(self._place, content, queue_id)
        except BaseException:
            await self._forget(content, queue_id)
            raise

    def _place(self, content: IStagedContent, queue_id: QueueId) -> str:
        """
        Make a staged file durable under its final name.  In a thread.
        """
        assert content.path is not None
        path = self._content_path(queue_id)
        content.sync()
        self._disk.rename(content.path, path)
        self._disk.sync_directory(f"{self.path}/content")
        return path

    async def _forget(self, content: IStagedContent, queue_id: QueueId) -> None:
        was_large = content.path is not None
        await content.discard()
        if was_large:
            await self._disk.run(self._disk.remove, self._content_path(queue_id))

    async def settle(self, settlements: Sequence[Settlement], reports: Sequence[Report] = ()) -> list[QueuedMessage]:
        """
        Record fates, and take in the reports on them; durable on return.

        What is settled for good gives up its content; what is not, after a try, moves to a file.

        @return: the reports, promised.
        """
        rows_known = [(self._rows.get(one.queue_id), one) for one in settlements]
        messages = [_message_of(report) for report in reports]

        def record(transaction: ITransaction) -> tuple[list[Leftover], list[int]]:
            known = _with_rows(transaction, rows_known)
            leftover = _settle(transaction, known)
            if reports:
                _note_reports(transaction, known, reports)
            return leftover, [_insert(transaction, message) for message in messages]

        is_brief = len(settlements) <= limits.BRIEF_ROWS and not reports
        leftover, rows = await self._database.transact(record, is_brief=is_brief)
        for message, row in zip(messages, rows, strict=True):
            self._rows[message.id] = row
        await self._clear(leftover)
        return messages

    async def _clear(self, leftover: Sequence[Leftover]) -> None:
        """
        After fates were recorded: remove the files of what is settled, move what waits to a file.
        """
        for one in leftover:
            if one.is_settled:
                self._rows.pop(one.queue_id, None)
        files = [one.queue_id for one in leftover if one.is_settled and one.home == FILE]
        if files:
            await self._try(self._disk.run(self._remove_contents, files))
        for one in leftover:
            if not one.is_settled and one.home == INLINE:
                await self._try(self._move_to_file(one.queue_id))

    async def _try(self, tidying: Coroutine[Any, Any, None]) -> None:
        """
        Do what no promise rests on.  The fates are durable by now: were this failure theirs, they would be recorded again, and the
        reports on them with them.  What is left lying goes when the slot is next taken.
        """
        try:
            await tidying
        except (MailError, OSError) as problem:
            _log.warn("cannot tidy up {slot}: {problem}", slot=self.path, problem=problem)

    async def change(self, queue_id: QueueId, change: QueueChange, now: int) -> bool:
        """
        What an operator does with a message that waits; whether there is one.
        """
        leftover = await self._database.transact(lambda transaction: change_message(transaction, queue_id, change, now))
        if leftover is not None:
            await self._clear([leftover])
        return leftover is not None

    async def look_again(self, queue_id: QueueId) -> QueuedMessage | None:
        """
        One of our unsettled messages, after another process changed it.
        """
        if queue_id not in self._rows:
            return None
        message = await self.find(queue_id)
        if message is None or message.is_settled:
            del self._rows[queue_id]
            await self._disk.run(self._remove_contents, [queue_id])
        return message

    def _remove_contents(self, queue_ids: Iterable[QueueId]) -> None:
        # Not synced: a file that comes back after a crash is removed when the slot is next taken.
        for queue_id in queue_ids:
            self._disk.remove(self._content_path(queue_id))

    async def _move_to_file(self, queue_id: QueueId) -> None:
        """
        What waits longer than one try does not stay in the journal.
        """
        row = self._rows[queue_id]
        found = await self._database.query("SELECT bytes FROM content WHERE id = ?", (row,))
        if found:
            await self._disk.run(self._disk.write_file, self._content_path(queue_id), found[0][0])
            await self._database.transact(lambda transaction: _leave_journal(transaction, row))

    async def read(self, message: QueuedMessage, offset: int, length: int) -> bytes:
        """
        A piece of a message's content, wherever it is by now.

        @raise TemporaryFailure: it is not there, or cannot be read.
        """
        end = None if length < 0 else offset + length
        if message.inline is not None:
            return message.inline[offset:end]
        row = self._rows.get(message.id)
        found = await self._database.query("SELECT bytes FROM content WHERE id = ?", (row,))
        if found:
            octets: bytes = found[0][0]
            return octets[offset:end]
        try:
            return await self._disk.run(self._disk.read, self._content_path(message.id), offset, length)
        except FileNotFoundError:
            raise TemporaryFailure(f"The content of message {message.id} is not in the spool.") from None

    async def waiting(self) -> list[QueuedMessage]:
        """
        Messages that are not settled, oldest first; contents left out.
        """
        return await self._read_messages("settled IS NULL ORDER BY id", ())

    async def find(self, queue_id: QueueId) -> QueuedMessage | None:
        """
        One message, while history keeps it.
        """
        found = await self._read_messages("queue_id = ?", (queue_id.octets,))
        return found[0] if found else None

    async def _read_messages(self, condition: str, args: Sequence[object]) -> list[QueuedMessage]:
        return await read_messages(self._database, self.path, condition, args)

    async def prune(self, before: int) -> int:
        """
        Forget messages settled before that second; how many.
        """
        return await self._database.transact(lambda transaction: _prune(transaction, before))

    async def close(self) -> None:
        """
        Finish what was begun, and free the slot.
        """
        await self._database.close()
        self._lock.release()

    def _content_path(self, queue_id: QueueId) -> str:
        return content_path(self.path, queue_id)


def content_path(slot: str, queue_id: QueueId) -> str:
    """
    Where a slot keeps the content of a message that is too large for its journal.
    """
    return f"{slot}/content/{queue_id}.eml"


def _make_folders(disk: IDisk, path: str) -> None:
    disk.make_directory(f"{path}/staging")
    disk.make_directory(f"{path}/content")


def _sweep(disk: IDisk, path: str, promised: frozenset[str]) -> None:
    """
    Remove what was never promised, or is settled: staged files, and contents no unsettled message has.
    """
    for name in disk.list_directory(f"{path}/staging"):
        disk.remove(f"{path}/staging/{name}")
    for name in disk.list_directory(f"{path}/content"):
        if name.removesuffix(".eml") not in promised:
            disk.remove(f"{path}/content/{name}")


async def read_messages(database: IDatabase, slot: str, condition: str, args: Sequence[object]) -> list[QueuedMessage]:
    """
    The messages of a journal that meet an SQL condition; contents left out.
    """
    rows = await database.query(f"SELECT {_COLUMNS} FROM message WHERE {condition}", args)
    messages: list[QueuedMessage] = []
    for row, *columns in rows:
        recipients = await database.query(
            f"SELECT {_RECIPIENT} FROM recipient WHERE message = ? ORDER BY number", (row,)
        )
        messages.append(_message(slot, columns, recipients))
    return messages


def _message(slot: str, columns: Sequence[Any], recipients: Sequence[Sequence[Any]]) -> QueuedMessage:
    octets, received, sender, origin, body, declared, is_utf8, returned, envid, size, digest, home, message_id = columns
    options = MailOptions(
        BodyKind(body), declared, bool(is_utf8), None if returned is None else Returned(returned), envid
    )
    envelope = Envelope(
        _read_origin(origin),
        read_address(sender),
        tuple(_recipient(*one[:7]) for one in recipients),
        options,
        received,
        message_id,
    )
    states = tuple(
        RecipientState(Fate(fate), detail, attempts, changed, due, bool(told))
        for *_, fate, detail, attempts, changed, due, told in recipients
    )
    queue_id = QueueId(octets)
    path = content_path(slot, queue_id) if home == FILE else None
    return QueuedMessage(queue_id, envelope, states, size, digest, None, path)


def _recipient(
    address: str,
    named: str | None,
    reverse_path: str | None,
    orcpt: str,
    notify: str | None,
    refusal: str,
    quarantine: str,
) -> Recipient:
    wishes = None if notify is None else frozenset(Notify(one) for one in notify.split(",") if one)
    found = read_address(address)
    assert found is not None
    options = RecipientOptions(wishes, orcpt)
    return Recipient(found, refusal, options, read_address(named), read_address(reverse_path), quarantine)


def _message_of(report: Report) -> QueuedMessage:
    """
    A report as the message that it becomes.
    """
    states = tuple(RecipientState(changed=report.envelope.received) for _ in report.envelope.recipients)
    digest = hashlib.sha256(report.content).digest()
    return QueuedMessage(report.id, report.envelope, states, len(report.content), digest, report.content)


def write_address(address: Address | None) -> str | None:
    """
    An address as the journal keeps it: not quoted, so that it need not be parsed.
    """
    return None if address is None else f"{address.local}@{address.domain}"


def read_address(text: str | None) -> Address | None:
    """
    What L{write_address} wrote.
    """
    if text is None:
        return None
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


# Messages of one session have one origin.  The session is no part of what makes two origins equal.
@lru_cache(limits.LATELY)
def _write_origin(origin: Origin, session: str) -> str:
    fields = asdict(origin, recurse=False)
    fields["service"] = origin.service.value
    fields["account"] = None if origin.account is None else origin.account.text
    return json.dumps(fields, separators=(",", ":"))


def _read_origin(text: str) -> Origin:
    fields = json.loads(text)
    account = fields.pop("account")
    service = Service(fields.pop("service"))
    return Origin(service=service, account=None if account is None else AccountId(account), **fields)


# --- Inside transactions --------------------------------------------------------------------------------------------


@frozen
class Leftover:
    """
    What is left of a message after fates of its recipients were recorded.
    """

    queue_id: QueueId
    #: Where its content was.
    home: int
    is_settled: bool


def _insert(transaction: ITransaction, message: QueuedMessage) -> int:
    envelope, options = message.envelope, message.envelope.options
    transaction.execute(
        "INSERT INTO message (queue_id, received, sender, origin, body, declared, is_utf8, returned, envid, size, digest, home,"
        " message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.id.octets,
            envelope.received,
            write_address(envelope.sender),
            _write_origin(envelope.origin, envelope.origin.session),
            options.body.value,
            options.size,
            options.is_utf8,
            None if options.returned is None else options.returned.value,
            options.envid,
            message.size,
            message.digest,
            FILE if message.inline is None else INLINE,
            envelope.message_id,
        ),
    )
    row = transaction.last_rowid()
    if message.inline is not None:
        transaction.execute("INSERT INTO content (id, bytes) VALUES (?, ?)", (row, message.inline))
    transaction.execute_many(
        f"INSERT INTO recipient (message, number, {_RECIPIENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row, number, *_recipient_columns(one, state))
            for number, (one, state) in enumerate(zip(envelope.recipients, message.states, strict=True))
        ],
    )
    return row


def _recipient_columns(recipient: Recipient, state: RecipientState) -> tuple[object, ...]:
    wishes = recipient.options.notify
    return (
        write_address(recipient.address),
        write_address(recipient.named),
        write_address(recipient.reverse_path),
        recipient.options.orcpt,
        None if wishes is None else ",".join(sorted(one.value for one in wishes)),
        recipient.refusal,
        recipient.quarantine,
        state.fate.value,
        state.detail,
        state.attempts,
        state.changed,
        state.due,
        state.is_delay_told,
    )


#: A try that did not succeed does not undo what an operator did meanwhile.
_RECORD = """
    UPDATE recipient SET fate = CASE WHEN ?1 = 'pending' THEN fate ELSE ?1 END,
        detail = ?2, attempts = ?3, changed = ?4, due = ?5, delay_told = ?6
    WHERE message = ?7 AND number = ?8
"""


def _with_rows(
    transaction: ITransaction, settlements: Sequence[tuple[int | None, Settlement]]
) -> list[tuple[int, Settlement]]:
    """
    The settlements with the row of each; a message that an operator removed meanwhile is looked up, one that nobody knows is left out.
    """
    known: list[tuple[int, Settlement]] = []
    for row, one in settlements:
        if row is None:
            found = transaction.execute("SELECT id FROM message WHERE queue_id = ?", (one.queue_id.octets,))
            row = found[0][0] if found else None
        if row is not None:
            known.append((row, one))
    return known


def _settle(transaction: ITransaction, known: Sequence[tuple[int, Settlement]]) -> list[Leftover]:
    """
    Record fates; what is left of each message touched.  What waits in a file, or for its first try, has nothing left to do.
    """
    transaction.execute_many(
        _RECORD,
        [
            (
                *(one.state.fate.value, one.state.detail, one.state.attempts, one.state.changed),
                *(one.state.due, one.state.is_delay_told, row, one.number),
            )
            for row, one in known
        ],
    )
    for row, one in known:
        # A final fate is read where it stands.
        if not one.state.fate.is_settled:
            what = "held" if one.state.fate is Fate.HELD else "deferred"
            note(transaction, row, QueueEvent(one.state.changed, one.number, what, one.state.detail))
    latest = {row: one.state.changed for row, one in known}
    leftover = [_close(transaction, row, changed) for row, changed in latest.items()]
    return [one for one in leftover if one is not None]


def _note_reports(
    transaction: ITransaction, known: Sequence[tuple[int, Settlement]], reports: Sequence[Report]
) -> None:
    """
    Name each report in the story of the message that it is about.
    """
    rows = {one.queue_id: row for row, one in known}
    for report in reports:
        if report.about in rows:
            event = QueueEvent(report.envelope.received, None, "reported", f"to the sender, in message {report.id}")
            note(transaction, rows[report.about], event)


def _close(transaction: ITransaction, row: int, now: int) -> Leftover | None:
    """
    Settle the message if all its recipients are; what is left of it, if there is something to do about that.
    """
    ((octets, home, unsettled),) = transaction.execute(
        "SELECT queue_id, home, EXISTS (SELECT 1 FROM recipient WHERE message = message.id AND fate IN (?, ?))"
        " FROM message WHERE id = ?",
        (*_UNSETTLED, row),
    )
    if not unsettled:
        transaction.execute(
            "UPDATE message SET settled = coalesce(settled, ?), home = ? WHERE id = ?", (now, GONE, row)
        )
        transaction.execute("DELETE FROM content WHERE id = ?", (row,))
    elif home == FILE or not _is_tried(transaction, row):
        return None
    return Leftover(QueueId(octets), home, not unsettled)


_CHANGES = {
    QueueChange.HOLD: "UPDATE recipient SET fate = 'held', changed = ? WHERE message = ? AND fate = 'pending'",
    QueueChange.RELEASE: "UPDATE recipient SET fate = 'pending', due = 0, changed = ? WHERE message = ? AND fate = 'held'",
    QueueChange.RETRY: "UPDATE recipient SET due = 0, changed = ? WHERE message = ? AND fate = 'pending'",
    QueueChange.REMOVE: "UPDATE recipient SET fate = 'removed', changed = ? WHERE message = ? AND fate IN ('pending', 'held')",
}
#: What a change is called in a message's story.
CHANGED = {
    QueueChange.HOLD: "held",
    QueueChange.RELEASE: "released",
    QueueChange.RETRY: "retried",
    QueueChange.REMOVE: "removed",
}


def change_message(transaction: ITransaction, queue_id: QueueId, change: QueueChange, now: int) -> Leftover | None:
    """
    What an operator does with a message; L{None} if none of that id waits in this journal.
    """
    found = transaction.execute("SELECT id FROM message WHERE queue_id = ? AND settled IS NULL", (queue_id.octets,))
    if not found:
        return None
    ((row,),) = found
    transaction.execute(_CHANGES[change], (now, row))
    note(transaction, row, QueueEvent(now, None, CHANGED[change], "by an operator"))
    return _close(transaction, row, now) or Leftover(queue_id, GONE, False)


def _is_tried(transaction: ITransaction, row: int) -> bool:
    """
    Whether every recipient has been tried, so that what is left will wait for a while.
    """
    ((untried,),) = transaction.execute(
        "SELECT EXISTS (SELECT 1 FROM recipient WHERE message = ? AND attempts = 0)", (row,)
    )
    return not untried


def _leave_journal(transaction: ITransaction, row: int) -> None:
    transaction.execute("UPDATE message SET home = ? WHERE id = ? AND home = ?", (FILE, row, INLINE))
    transaction.execute("DELETE FROM content WHERE id = ?", (row,))


def _prune(transaction: ITransaction, before: int) -> int:
    transaction.execute("DELETE FROM event WHERE message IN (SELECT id FROM message WHERE settled < ?)", (before,))
    transaction.execute("DELETE FROM recipient WHERE message IN (SELECT id FROM message WHERE settled < ?)", (before,))
    transaction.execute("DELETE FROM message WHERE settled < ?", (before,))
    return transaction.changes()
