"""
What a power cut could have left on a recorded disk.

An image is a folder: what was synced, and of the rest something: nothing, all, all up to
a moment, or any part of it, writes torn at sectors.  Names are lost without a sync of
their folder, whatever is in the file; a file whose name is lost is lost.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from random import Random

from attrs import define, field, frozen

from twisted_mail_server.disk.operations import (
    ROOT,
    Drop,
    Log,
    Names,
    Operation,
    Snapshot,
    Sync,
    SyncFolder,
    Truncate,
    Write,
)

#: A write reaches the disk in pieces of this size, each whole or not at all.
SECTOR = 512

#: Decides about the pending operation with this place in the log.
Choice = Callable[[int], bool]


@frozen
class Image:
    """
    A folder that a power cut could have left.

    @ivar kind: how it came about, for the report of a failure.
    """

    path: str
    kind: str


@define(eq=False)
class _File:
    """
    A file's safe bytes, and what was done to it since.
    """

    safe: bytearray = field(factory=bytearray)
    pending: list[tuple[int, Write | Truncate]] = field(factory=list)

    def sync(self) -> None:
        for _, operation in self.pending:
            _apply(self.safe, operation)
        self.pending.clear()


@define(eq=False)
class Replay:
    """
    The state of a recorded disk at one moment: what is safe, and what is pending.
    """

    log: Log
    _length: int = 0
    _files: dict[int, _File] = field(factory=dict)
    _folders: dict[int, dict[str, int]] = field(factory=lambda: {ROOT: {}})
    _names: list[tuple[int, Names]] = field(factory=list)

    def advance(self, length: int) -> None:
        """
        Go on to the moment when the log had C{length} operations.

        @raise ValueError: that moment has passed.
        """
        if length < self._length:
            raise ValueError("A replay does not go back.")
        for place in range(self._length, length):
            self._do(place, self.log.operations[place])
        self._length = length

    def pending(self) -> list[int]:
        """
        The places in the log of all that is not safe, in order.
        """
        places = [place for place, _ in self._names]
        for file in self._files.values():
            places.extend(place for place, _ in file.pending)
        return sorted(places)

    def tree(self, names: Choice, contents: Choice, torn: Random | None) -> dict[str, bytes | None]:
        """
        Path to content, L{None} for a folder: the safe state and those of the pending
        operations that are chosen.  With C{torn} a chosen write may arrive in part.
        """
        folders = self._folders
        chosen = [operation for place, operation in self._names if names(place)]
        if chosen:
            folders = {number: dict(entries) for number, entries in folders.items()}
            for operation in chosen:
                _enter(folders, operation)
        found: dict[str, bytes | None] = {}
        self._walk(folders, ROOT, "", found, contents, torn)
        return found

    def _walk(
        self,
        folders: dict[int, dict[str, int]],
        number: int,
        prefix: str,
        found: dict[str, bytes | None],
        contents: Choice,
        torn: Random | None,
    ) -> None:
        for name, node in sorted(folders[number].items()):
            path = prefix + name
            if node in folders:
                found[path] = None
                self._walk(folders, node, path + "/", found, contents, torn)
            else:
                found[path] = self._content(node, contents, torn)

    def _content(self, node: int, contents: Choice, torn: Random | None) -> bytes:
        file = self._files.get(node)
        if file is None:
            return b""
        chosen = [operation for place, operation in file.pending if contents(place)]
        if not chosen:
            return bytes(file.safe)
        content = bytearray(file.safe)
        for operation in chosen:
            if torn is not None and isinstance(operation, Write):
                for piece in _torn(operation, torn):
                    _apply(content, piece)
            else:
                _apply(content, operation)
        return bytes(content)

    def _do(self, place: int, operation: Operation) -> None:
        if isinstance(operation, (Write, Truncate)):
            self._files.setdefault(operation.file, _File()).pending.append((place, operation))
        elif isinstance(operation, Sync):
            self._files.setdefault(operation.file, _File()).sync()
        elif isinstance(operation, Drop):
            self._files.setdefault(operation.file, _File()).pending.clear()
        elif isinstance(operation, Names):
            if operation.made_folder:
                for entry in operation.entries:
                    assert entry.node is not None
                    self._folders[entry.node] = {}
            self._names.append((place, operation))
        else:
            self._sync_folder(operation)

    def _sync_folder(self, sync: SyncFolder) -> None:
        """
        Make safe what belongs to the folder, and what was done before to the same names.
        """
        wanted: set[tuple[int, str]] = set()
        safe: set[int] = set()
        for place, operation in reversed(self._names):
            names = {(entry.folder, entry.name) for entry in operation.entries}
            if operation.folder == sync.folder or names & wanted:
                wanted |= names
                safe.add(place)
        for place, operation in self._names:
            if place in safe:
                _enter(self._folders, operation)
        self._names = [pending for pending in self._names if pending[0] not in safe]


def images(
    snapshot: Snapshot,
    random: Random,
    count: int,
    into: str,
    *,
    seen: set[bytes] | None = None,
    replay: Replay | None = None,
) -> Iterator[Image]:
    """
    At most C{count} different folders that a power cut at C{snapshot} could have left,
    each new, below C{into}, and removed when the next one is asked for.

    @param seen: digests of images made before, which are left out; those made are added.
    @param replay: one that was used for an earlier moment of the same log, to save work.
    """
    replay = replay or Replay(snapshot.log)
    replay.advance(snapshot.length)
    seen = set() if seen is None else seen
    for number, (kind, tree) in enumerate(_trees(replay, random, count)):
        digest = _digest(tree)
        if digest in seen:
            continue
        seen.add(digest)
        path = os.path.join(into, f"{snapshot.length}-{number}")
        _build(path, tree)
        try:
            yield Image(path, kind)
        finally:
            shutil.rmtree(path)


def _trees(replay: Replay, random: Random, count: int) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """
    The states to try, the telling ones first.
    """
    pending = replay.pending()
    nothing: Choice = lambda place: False
    everything: Choice = lambda place: True
    telling = [("nothing", nothing, nothing)]
    if pending:
        telling += [
            ("everything", everything, everything),
            ("names only", everything, nothing),
            ("contents only", nothing, everything),
        ]
    for kind, names, contents in telling[:count]:
        yield kind, replay.tree(names, contents, None)
    if not pending:
        return
    for number in range(count - len(telling)):
        if number % 3 == 0:
            end = random.choice(pending)
            before: Choice = lambda place, end=end: place < end  # type: ignore[misc]
            yield f"all before {end}", replay.tree(before, before, None)
        else:
            part = {place for place in pending if random.random() < 0.5}
            chosen: Choice = part.__contains__
            yield f"part {sorted(part)}", replay.tree(chosen, chosen, random)


def _enter(folders: dict[int, dict[str, int]], operation: Names) -> None:
    for entry in operation.entries:
        if entry.node is None:
            folders[entry.folder].pop(entry.name, None)
        else:
            folders[entry.folder][entry.name] = entry.node


def _apply(content: bytearray, operation: Write | Truncate) -> None:
    if isinstance(operation, Truncate):
        end, data = operation.size, b""
        del content[end:]
    else:
        end, data = operation.offset, operation.data
    if end > len(content):
        content.extend(bytes(end - len(content)))
    content[end : end + len(data)] = data


def _torn(write: Write, random: Random) -> Iterator[Write]:
    """
    The sectors of a write that arrived: all, those up to some place, or any.
    """
    end = write.offset + len(write.data)
    starts = [write.offset, *range(write.offset - write.offset % SECTOR + SECTOR, end, SECTOR)]
    manner = random.random()
    if manner < 0.4:
        arrived = starts
    elif manner < 0.7:
        arrived = starts[: random.randrange(len(starts) + 1)]
    else:
        arrived = [start for start in starts if random.random() < 0.5]
    for start in arrived:
        stop = min(end, start - start % SECTOR + SECTOR)
        yield Write(write.file, start, write.data[start - write.offset : stop - write.offset])


def _digest(tree: dict[str, bytes | None]) -> bytes:
    whole = hashlib.sha256()
    for path, content in tree.items():
        kind = b"folder" if content is None else hashlib.sha256(content).digest()
        whole.update(path.encode("utf-8", "surrogateescape") + b"\0" + kind + b"\0")
    return whole.digest()


def _build(path: str, tree: dict[str, bytes | None]) -> None:
    os.makedirs(path)
    for name, content in tree.items():
        whole = os.path.join(path, name)
        if content is None:
            os.mkdir(whole, 0o700)
        else:
            with open(whole, "xb") as file:
                file.write(content)
