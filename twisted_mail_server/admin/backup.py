"""
A copy of a data directory while servers work on it; and from such a copy a data directory again.

What is copied is what docs/explanation/storage-format.md and spool.md say lies there.  Databases are copied by SQLite's own backup;
message files never change, so that they are linked, or copied where links cannot go.  The order keeps each account whole:

* the spool comes before the accounts: what is delivered in between is in both, and is known again by its queue id;
* in the spool contents come before and after the journal, for one that is settled loses its content;
* in an account the database comes before the files that it names, and nothing is removed meanwhile: the copy holds the lock under
  which checkpoints remove files;
* the directory comes last: whoever is in it has at least an empty mailbox.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from twisted_mail_server.admin.moving import Progress
from twisted_mail_server.interfaces import IDisk, IFileLock
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused

#: In a copy that is whole: when it was finished.
FINISHED = "backup.json"

_DIRECTORY = "directory.sqlite"
_ACCOUNTS = "accounts"
_SPOOL = "spool"
_ACCOUNT = "account.sqlite"
_JOURNAL = "journal.sqlite"
_OPEN_LOCK = "open.lock"
_CHECKPOINT_LOCK = "checkpoint.lock"

#: A file that never changes.
_IMMUTABLE = ".eml"
_DATABASE = ".sqlite"

#: What means something to living processes only, or is made anew.
_PASSING = frozenset({"run", "staging", "reserve", "lock", FINISHED})
_PASSING_ENDS = ("-wal", "-shm", "-lock", ".lock")
_PASSING_BEGINNINGS = (".removed-", ".new-")


@define
class Copied:
    """
    What came of it.
    """

    databases: int = 0
    #: Files that were brought over, and those that were there already.
    files: int = 0
    known: int = 0
    #: Files of the copy that are no more in what is copied.
    removed: int = 0


@frozen
class _Entries:
    """
    What there is to be copied in one folder.
    """

    folders: tuple[str, ...]
    databases: tuple[str, ...]
    files: tuple[str, ...]


@define(eq=False)
class Copy:
    """
    A data directory on its way to another place.
    """

    _disk: IDisk
    _source: str
    _target: str
    _now: Callable[[], float]
    _told: Progress
    result: Copied = field(factory=Copied)
    #: Contents in the spool that were counted: they are looked at twice.
    _counted: set[str] = field(factory=set)

    async def back_up(self) -> Copied:
        """
        Make the copy, or bring an older one up to date.

        @raise Refused: it would lie in what it is a copy of, or the folder holds something else.
        """
        disk, finished = self._disk, f"{self._target}/{FINISHED}"
        if os.path.commonpath((self._source, self._target)) in (self._source, self._target):
            raise Refused("A backup cannot be within the data directory, nor around it.")
        names = await disk.run(disk.list_directory, self._target)
        if names and not disk.exists(f"{self._target}/{_DIRECTORY}") and not {_ACCOUNTS, _SPOOL} & set(names):
            raise Refused(f"{self._target} holds something that is no backup.")
        await disk.run(disk.make_directory, self._target)
        # Until the end it says nowhere that it is whole.
        await disk.run(disk.remove, finished)
        await disk.run(disk.sync_directory, self._target)
        await self._copy_all()
        text = json.dumps({"finished": int(self._now())}) + "\n"
        await disk.run(disk.write_file, finished, text.encode("ascii"))
        return self.result

    async def restore(self) -> Copied:
        """
        Make a data directory of a copy.

        @raise Refused: the copy is not whole, or the folder is not empty.
        """
        disk = self._disk
        if not disk.exists(f"{self._source}/{FINISHED}"):
            raise Refused(f"{self._source} is no backup, or one that was not finished.")
        if await disk.run(disk.list_directory, self._target):
            raise Refused(f"{self._target} is not empty.")
        await disk.run(disk.make_directory, self._target)
        await self._copy_all()
        return self.result

    async def _copy_all(self) -> None:
        await self._copy_folder(_SPOOL)
        accounts = await self._disk.run(self._look, _ACCOUNTS)
        await self._disk.run(self._disk.make_directory, f"{self._target}/{_ACCOUNTS}")
        for number, name in enumerate(accounts.folders):
            await self._copy_account(f"{_ACCOUNTS}/{name}")
            self._told(number + 1, len(accounts.folders))
        if await self._disk.run(self._remove_accounts, frozenset(accounts.folders)):
            await self._disk.run(self._disk.sync_directory, f"{self._target}/{_ACCOUNTS}")
        rest = await self._disk.run(self._look, "")
        for name in rest.folders:
            if name not in (_SPOOL, _ACCOUNTS):
                await self._copy_folder(name)
        await self._copy_here("", rest)

    async def _copy_account(self, path: str) -> None:
        """
        An account, unless it is being removed.
        """
        held: list[IFileLock] = []
        try:
            try:
                is_here = self._disk.lock(f"{self._source}/{path}/{_OPEN_LOCK}", shared=True)
                if is_here is None:
                    return
                held.append(is_here)
                quiet = f"{self._source}/{path}/{_CHECKPOINT_LOCK}"
                held.append(await self._disk.wait_for_lock(quiet, timeout=limits.BACKUP_WAIT))
            except FileNotFoundError:
                return
            await self._copy_folder(path)
        finally:
            for lock in held:
                lock.release()

    async def _copy_folder(self, path: str) -> None:
        entries = await self._disk.run(self._look, path)
        if _JOURNAL in entries.databases:
            for name in entries.folders:
                await self._copy_folder(f"{path}/{name}")
        await self._copy_here(path, entries)
        for name in entries.folders:
            await self._copy_folder(f"{path}/{name}")

    async def _copy_here(self, path: str, entries: _Entries) -> None:
        """
        What lies in one folder, databases first.
        """
        disk, target = self._disk, f"{self._target}/{path}".rstrip("/")
        await disk.run(disk.make_directory, target)
        for name in entries.databases:
            fresh = f"{target}/.new-{name}"
            await disk.run(disk.remove, fresh)
            await disk.copy_database(f"{self._source}/{path}/{name}", fresh)
            await disk.run(self._replace, fresh, f"{target}/{name}")
            self.result.databases += 1
        if entries.databases:
            # What came while a database was copied is named by it.
            entries = await disk.run(self._look, path)
        await disk.run(self._bring, path, target, entries.files)

    def _look(self, path: str) -> _Entries:
        """
        In a thread: what is in a folder, but for what passes.
        """
        folder = f"{self._source}/{path}".rstrip("/")
        folders, databases, files = [], [], []
        for name in self._disk.list_directory(folder):
            if name in _PASSING or name.endswith(_PASSING_ENDS) or name.startswith(_PASSING_BEGINNINGS):
                continue
            if name.endswith(_DATABASE):
                databases.append(name)
            elif name.endswith(_IMMUTABLE) or not self._is_folder(f"{folder}/{name}"):
                files.append(name)
            else:
                folders.append(name)
        return _Entries(tuple(folders), tuple(databases), tuple(files))

    def _is_folder(self, path: str) -> bool:
        try:
            self._disk.list_directory(path)
        except NotADirectoryError:
            return False
        return True

    def _replace(self, fresh: str, path: str) -> None:
        """
        In a thread: put a database in the place of an older one, whose log must not be taken for its own.
        """
        disk, folder = self._disk, os.path.dirname(path)
        for end in ("-wal", "-shm"):
            disk.remove(path + end)
        disk.sync_directory(folder)
        disk.rename(fresh, path)
        disk.sync_directory(folder)

    def _bring(self, path: str, target: str, names: Sequence[str]) -> None:
        """
        In a thread: bring over what is missing, and remove messages that are no more.
        """
        disk, source, result = self._disk, f"{self._source}/{path}".rstrip("/"), self.result
        there = set(disk.list_directory(target))
        for name in names:
            try:
                if not name.endswith(_IMMUTABLE):
                    disk.write_file(f"{target}/{name}", disk.read(f"{source}/{name}"))
                elif name in there and disk.size(f"{target}/{name}") == disk.size(f"{source}/{name}"):
                    result.known += self._is_first(path, name)
                    continue
                else:
                    # Half of one may be there, where it was copied and not linked.
                    disk.remove(f"{target}/{name}")
                    disk.link(f"{source}/{name}", f"{target}/{name}")
            except FileNotFoundError:
                # In the spool a message may be settled, and its content gone, at any moment.
                continue
            result.files += self._is_first(path, name)
        for name in there.difference(names):
            if name.endswith(_IMMUTABLE):
                disk.remove(f"{target}/{name}")
                result.removed += 1
        disk.sync_directory(target)

    def _is_first(self, path: str, name: str) -> bool:
        """
        Whether a file is met for the first time, as all but those of the spool are.
        """
        if not path.startswith(_SPOOL):
            return True
        before = len(self._counted)
        self._counted.add(f"{path}/{name}")
        return len(self._counted) > before

    def _remove_accounts(self, known: frozenset[str]) -> int:
        """
        In a thread: accounts of an older copy that are no more; how many.
        """
        gone = [
            name
            for name in self._disk.list_directory(f"{self._target}/{_ACCOUNTS}")
            if name not in known and self._disk.exists(f"{self._target}/{_ACCOUNTS}/{name}/{_ACCOUNT}")
        ]
        for name in gone:
            self._disk.remove_tree(f"{self._target}/{_ACCOUNTS}/{name}")
        return len(gone)
