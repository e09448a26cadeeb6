"""
The calls to the operating system that change or read files: each one step that a power
cut can come before or after.

L{twisted_mail_server.disk.recorded.RecordingSystem} has the same methods, so that what
the real disk does in which order is what the recorded runs prove.
"""

from __future__ import annotations

import os
from typing import Protocol


class System(Protocol):
    """
    File operations, one step each.  Paths are absolute.
    """

    def open_new(self, path: str, mode: int) -> int:
        """
        Create a file that must not exist; a descriptor to write to.
        """

    def write(self, descriptor: int, data: bytes) -> None:
        """
        Append all of C{data}.
        """

    def sync(self, descriptor: int) -> None:
        """
        What was written through this descriptor survives a power cut.
        """

    def close(self, descriptor: int) -> None:
        """
        Close a descriptor.
        """

    def read(self, path: str, offset: int, length: int) -> bytes:
        """
        At most C{length} bytes from C{offset}; all that follow when it is negative.
        """

    def make_directory(self, path: str) -> None:
        """
        One directory, mode 0700, whose parent exists.
        """

    def rename(self, old: str, new: str) -> None:
        """
        Give a file or directory another name.
        """

    def link(self, old: str, new: str) -> None:
        """
        Give a file one more name.
        """

    def remove(self, path: str) -> None:
        """
        Take away a file's name.
        """

    def remove_directory(self, path: str) -> None:
        """
        Remove an empty directory.
        """

    def sync_directory(self, path: str) -> None:
        """
        The names in this directory survive a power cut.
        """


class RealSystem:
    """
    The operating system.  Its methods are described in L{System}.
    """

    __slots__ = ()

    def open_new(self, path: str, mode: int) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def write(self, descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def read(self, path: str, offset: int, length: int) -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            wanted = length if length >= 0 else max(0, os.fstat(descriptor).st_size - offset)
            found = os.pread(descriptor, wanted, offset)
            if len(found) == wanted:
                return found
            # The kernel moves at most 2 GiB a call, and a file may have grown or shrunk.
            parts = [found]
            while found and wanted > (have := sum(map(len, parts))):
                found = os.pread(descriptor, wanted - have, offset + have)
                parts.append(found)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def make_directory(self, path: str) -> None:
        os.mkdir(path, 0o700)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
