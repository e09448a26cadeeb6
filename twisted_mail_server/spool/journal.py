"""
One slot of the spool: a journal, and the files of contents too large for it.

The file format, version 1, and the table of states are in C{docs/explanation/spool.md}.  A newer schema is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import asdict, define, evolve, field

from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDisk, IFileLock, IStagedContent, IStaging, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, Envelope, Origin, Recipient, Service
from twisted_mail_server.model.errors import DiskFull, TemporaryFailure
from twisted_mail_server.model.queue import Fate, QueuedMessage, QueueId, RecipientState, Settlement

#: Where a message's content is.
GONE, INLINE, FILE = range(3)

_COLUMNS = "id, queue_id, received, sender, origin, body, declared, size, digest, home"


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
            self._rows[queue_id] = await self._database.transact(lambda transaction: _insert(transaction, message))
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

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """
        Record fates; durable on return.  What is settled for good gives up its content; what is not, after a try, moves to a file.
        """
        known = [(self._rows[one.queue_id], one) for one in settlements if one.queue_id in self._rows]
        leftover = await self._database.transact(lambda transaction: _settle(transaction, known))
        settled = [QueueId(octets) for octets, home in leftover if home != INLINE]
        for queue_id in settled:
            self._rows.pop(queue_id, None)
        files = [QueueId(octets) for octets, home in leftover if home == FILE]
        if files:
            await self._disk.run(self._remove_contents, files)
        for queue_id in [QueueId(octets) for octets, home in leftover if home == INLINE]:
            await self._move_to_file(queue_id)

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
            "SELECT address, refusal, fate, detail, attempts, changed FROM recipient WHERE message = ? ORDER BY number",
            (row,),
        )
        messages.append(_message(slot, columns, recipients))
    return messages


def _message(slot: str, columns: Sequence[Any], recipients: Sequence[Sequence[Any]]) -> QueuedMessage:
    octets, received, sender, origin, body, declared, size, digest, home = columns
    envelope = Envelope(
        _read_origin(origin),
        None if sender is None else read_address(sender),
        tuple(Recipient(read_address(one[0]), one[1]) for one in recipients),
        BodyKind(body),
        declared,
        received,
    )
    states = tuple(RecipientState(Fate(one[2]), one[3], one[4], one[5]) for one in recipients)
    queue_id = QueueId(octets)
    path = content_path(slot, queue_id) if home == FILE else None
    return QueuedMessage(queue_id, envelope, states, size, digest, None, path)


def write_address(address: Address) -> str:
    """
    An address as the journal keeps it: not quoted, so that it need not be parsed.
    """
    return f"{address.local}@{address.domain}"


def read_address(text: str) -> Address:
    """
    What L{write_address} wrote.
    """
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def _write_origin(origin: Origin) -> str:
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


def _insert(transaction: ITransaction, message: QueuedMessage) -> int:
    envelope = message.envelope
    transaction.execute(
        "INSERT INTO message (queue_id, received, sender, origin, body, declared, size, digest, home)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.id.octets,
            envelope.received,
            None if envelope.sender is None else write_address(envelope.sender),
            _write_origin(envelope.origin),
            envelope.body.value,
            envelope.declared_size,
            message.size,
            message.digest,
            FILE if message.inline is None else INLINE,
        ),
    )
    row = transaction.last_rowid()
    if message.inline is not None:
        transaction.execute("INSERT INTO content (id, bytes) VALUES (?, ?)", (row, message.inline))
    transaction.execute_many(
        "INSERT INTO recipient (message, number, address, refusal, fate, detail, attempts, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row,
                number,
                write_address(one.address),
                one.refusal,
                state.fate.value,
                state.detail,
                state.attempts,
                state.changed,
            )
            for number, (one, state) in enumerate(zip(envelope.recipients, message.states, strict=True))
        ],
    )
    return row


def _settle(transaction: ITransaction, known: Sequence[tuple[int, Settlement]]) -> list[tuple[bytes, int]]:
    """
    Record fates; for each message touched, its queue id and where content is left: inline if it is unsettled and still in the
    journal, in a file if that may be removed, gone if there is nothing more to do.  Unsettled messages with a file are left out.
    """
    transaction.execute_many(
        "UPDATE recipient SET fate = ?, detail = ?, attempts = ?, changed = ? WHERE message = ? AND number = ?",
        [
            (one.state.fate.value, one.state.detail, one.state.attempts, one.state.changed, row, one.number)
            for row, one in known
        ],
    )
    latest = {row: one.state.changed for row, one in known}
    leftover: list[tuple[bytes, int]] = []
    for row, changed in latest.items():
        ((octets, home, unsettled),) = transaction.execute(
            "SELECT queue_id, home, EXISTS (SELECT 1 FROM recipient WHERE message = message.id AND fate <> ?)"
            " FROM message WHERE id = ?",
            (Fate.DELIVERED.value, row),
        )
        if not unsettled:
            transaction.execute("UPDATE message SET settled = ?, home = ? WHERE id = ?", (changed, GONE, row))
            transaction.execute("DELETE FROM content WHERE id = ?", (row,))
            leftover.append((octets, FILE if home == FILE else GONE))
        elif home == INLINE and _is_tried(transaction, row):
            leftover.append((octets, INLINE))
    return leftover


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
    transaction.execute("DELETE FROM recipient WHERE message IN (SELECT id FROM message WHERE settled < ?)", (before,))
    transaction.execute("DELETE FROM message WHERE settled < ?", (before,))
    return transaction.changes()


def without_content(message: QueuedMessage) -> QueuedMessage:
    """
    The same message, lighter: its content is read again when it is needed.
    """
    return evolve(message, inline=None)
