"""
The log of a recorded disk: what was done to files and names, in order, with the bytes.

Files and folders are numbered; L{ROOT} is the disk's own folder.  Everything that a
power cut could have left is worked out from this log alone
(L{twisted_mail_server.disk.images}); the files themselves are never looked at.
"""

from __future__ import annotations

from attrs import define, field, frozen

#: The number of the disk's own folder.
ROOT = 0


@frozen
class Write:
    """
    Bytes were written to a file.
    """

    file: int
    offset: int
    data: bytes


@frozen
class Truncate:
    """
    A file was cut, or grew, to C{size}.
    """

    file: int
    size: int


@frozen
class Sync:
    """
    A file was fsynced: all that was written to it is safe.
    """

    file: int


@frozen
class Drop:
    """
    An fsync failed: what was written since the one before it is lost for good, though the
    running system still shows it.
    """

    file: int


@frozen
class Entry:
    """
    What a name in a folder now means; L{None}: nothing.
    """

    folder: int
    name: str
    node: int | None


@frozen
class Names:
    """
    Names changed together, all or none: created, linked, removed, renamed.

    @ivar folder: the folder whose sync makes this safe.  A rename belongs to the folder of
        the new name; on the file systems we know, both names then change in one
        transaction of its journal.
    """

    folder: int
    entries: tuple[Entry, ...]
    made_folder: bool = False


@frozen
class SyncFolder:
    """
    A folder was fsynced: its names are safe.
    """

    folder: int


Operation = Write | Truncate | Sync | Drop | Names | SyncFolder


@define(eq=False)
class Log:
    """
    What was done so far, and the names as the running system shows them.
    """

    operations: list[Operation] = field(factory=list)
    _folders: dict[int, dict[str, int]] = field(factory=lambda: {ROOT: {}})
    _next: int = ROOT + 1

    def new_node(self) -> int:
        """
        The number of a file or folder to be made.
        """
        node = self._next
        self._next += 1
        return node

    def append(self, operation: Operation) -> None:
        """
        Add to the log.
        """
        if isinstance(operation, Names):
            for entry in operation.entries:
                if entry.node is None:
                    self._folders[entry.folder].pop(entry.name, None)
                else:
                    self._folders[entry.folder][entry.name] = entry.node
                    if operation.made_folder:
                        self._folders[entry.node] = {}
        self.operations.append(operation)

    def find(self, parts: list[str]) -> int | None:
        """
        What lies under the root at this path; L{None}: nothing.
        """
        node: int | None = ROOT
        for part in parts:
            if node is None:
                return None
            node = self._folders.get(node, {}).get(part)
        return node

    def snapshot(self) -> Snapshot:
        """
        This moment: where the power may go.
        """
        return Snapshot(self, len(self.operations))


@frozen
class Snapshot:
    """
    A moment in a log.
    """

    log: Log
    length: int
