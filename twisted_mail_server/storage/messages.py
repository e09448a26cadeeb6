"""
Message files: where they are, and how they get there.

A file is immutable and holds a content without prefix.  It is durable under its name before any row says so.  Everything
here blocks, and is called in the disk's threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define, field
from twisted.logger import Logger

from twisted_mail_server.interfaces import IDisk, IStagedContent
from twisted_mail_server.model.errors import MailError, TemporaryFailure

_log = Logger()

_SUFFIX = ".eml"


@define(eq=False)
class MessageFiles:
    """
    The folder C{messages} of one account.
    """

    _disk: IDisk
    directory: str
    _made: set[str] = field(factory=set)

    def path(self, content_id: bytes) -> str:
        """
        The file of a content.
        """
        name = content_id.hex()
        return f"{self.directory}/{name[:2]}/{name}{_SUFFIX}"

    def read(self, content_id: bytes, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a content.
        """
        return self._disk.read(self.path(content_id), offset, length)

    def write(self, content_id: bytes, octets: bytes) -> None:
        """
        Put a content into its file, durably.
        """
        self._make_folder(content_id)
        self._disk.write_file(self.path(content_id), octets)

    def link(self, path: str, content_id: bytes) -> None:
        """
        Give a durable file its name here; durable after L{sync}.

        @raise TemporaryFailure: it cannot have it.
        """
        try:
            self._make_folder(content_id)
            self._disk.link(path, self.path(content_id))
        except OSError as problem:
            raise TemporaryFailure("The message cannot be put into its place now.") from problem

    def take(self, staged: IStagedContent, content_id: bytes) -> None:
        """
        Make a staged file durable and give it its name here; that is durable after L{sync}.

        @raise TemporaryFailure: it cannot have it.
        """
        assert staged.path is not None
        try:
            staged.sync()
            self._make_folder(content_id)
            self._disk.rename(staged.path, self.path(content_id))
        except OSError as problem:
            raise TemporaryFailure("The message cannot be put into its place now.") from problem

    def sync(self, content_ids: Iterable[bytes]) -> None:
        """
        The names of these files survive a power cut.
        """
        for folder in sorted({self._folder(content_id) for content_id in content_ids}):
            self._disk.sync_directory(folder)

    def remove(self, content_ids: Iterable[bytes]) -> None:
        """
        Remove files that no row names.  What fails is left to L{names_without}.
        """
        for content_id in content_ids:
            try:
                self._disk.remove(self.path(content_id))
            except (OSError, MailError) as problem:
                _log.warn("cannot remove a message file: {problem}", problem=problem, content=content_id.hex())

    def names_without(self, known: set[bytes]) -> tuple[list[bytes], list[str]]:
        """
        Contents that have a file and are not C{known}, and the paths of files that are not contents at all.
        """
        orphans: list[bytes] = []
        others: list[str] = []
        for folder in self._disk.list_directory(self.directory):
            for name in self._disk.list_directory(f"{self.directory}/{folder}"):
                content_id = _parse(folder, name)
                if content_id is None:
                    others.append(f"{self.directory}/{folder}/{name}")
                elif content_id not in known:
                    orphans.append(content_id)
        return orphans, others

    def remove_paths(self, paths: Sequence[str]) -> None:
        """
        Remove what half-written files a crash left.
        """
        for path in paths:
            self._disk.remove(path)

    def _folder(self, content_id: bytes) -> str:
        return f"{self.directory}/{content_id[:1].hex()}"

    def _make_folder(self, content_id: bytes) -> None:
        folder = self._folder(content_id)
        if folder not in self._made:
            self._disk.make_directory(folder)
            self._made.add(folder)


def _parse(folder: str, name: str) -> bytes | None:
    """
    The content id that a file is named by.
    """
    stem, suffix = name[: -len(_SUFFIX)], name[-len(_SUFFIX) :]
    if suffix != _SUFFIX or len(stem) != 32 or not stem.startswith(folder):
        return None
    try:
        return bytes.fromhex(stem)
    except ValueError:
        return None
