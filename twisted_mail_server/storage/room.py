"""
A full disk must not be a deadlock: new mail waits, and what makes room goes on.
"""

from __future__ import annotations

from attrs import define, field
from twisted.logger import Logger

from twisted_mail_server.interfaces import IDisk
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DiskFull, MailError

_log = Logger()


@define(eq=False)
class Room:
    """
    What is free, and the reserve.
    """

    _disk: IDisk
    _path: str
    min_free_bytes: int
    _reserve: int = limits.RESERVE
    _works: bool = field(init=False, default=False)

    def check(self) -> None:
        """
        @raise DiskFull: too little is free to take more mail.
        """
        if self.is_short:
            raise DiskFull("There is too little room on the disk; please try again later.")

    @property
    def is_short(self) -> bool:
        """
        Whether mail has to wait.
        """
        return self._disk.free_bytes() < self.min_free_bytes

    async def release(self) -> bool:
        """
        Give the reserve back; whether there was one.
        """
        if not self._disk.exists(self._path):
            return False
        _log.warn("the disk is full: the reserve is given back so that mail can be removed", reserve=self._reserve)
        await self._disk.run(self._disk.remove, self._path)
        return True

    async def restore(self) -> None:
        """
        Make the reserve, when it is not there and there is room for it twice over.
        """
        if self._works or self._disk.exists(self._path):
            return
        if self._disk.free_bytes() < 2 * self.min_free_bytes + self._reserve:
            return
        self._works = True
        try:
            await self._disk.run(self._disk.write_file, self._path, bytes(self._reserve))
        except MailError as problem:
            _log.warn("the reserve cannot be made: {problem}", problem=problem)
        finally:
            self._works = False
