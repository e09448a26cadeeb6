"""
A shell that stays, as that of somebody at a terminal: folder and variables are kept from one command to the next.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

#: Seconds after which a command counts as hanging.
PATIENCE = 60


@frozen
class Printed:
    """
    What came of a command.
    """

    status: int
    out: str
    error: str

    @property
    def all(self) -> str:
        """
        What one sees.
        """
        return self.out + self.error


class Terminal:
    """
    One shell, and at most one program in the foreground.
    """

    def __init__(
        self, folder: str, environment: Mapping[str, str], *, within: Sequence[str] = (), patience: float = PATIENCE
    ) -> None:
        """
        @param within: what to put before each program, such as C{chroot}.
        """
        self._within, self._environment, self._patience = list(within), dict(environment), patience
        self._out, self._error = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._status, theirs = os.pipe()
        self._fds = (self._out.fileno(), self._error.fileno(), theirs)
        self._shell = subprocess.Popen(
            [*self._within, "bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            cwd=None if within else folder,
            env=self._environment,
            pass_fds=self._fds,
            start_new_session=True,
        )
        os.close(theirs)
        self._foreground: subprocess.Popen[bytes] | None = None
        if within:
            self.run(f"cd {folder}")

    def run(self, command: str) -> Printed:
        """
        Type a command, and wait until it ends.

        @raise TimeoutError: it does not end, or the shell does.
        """
        out, error, status = self._fds
        for file in (self._out, self._error):
            file.seek(0)
            file.truncate()
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null >&{out} 2>&{error}; echo $? >&{status}\n".encode())
        self._shell.stdin.flush()
        if not select.select([self._status], [], [], self._patience)[0]:
            raise TimeoutError(f"It does not end: {command}")
        answer = os.read(self._status, 100)
        if not answer:
            raise TimeoutError(f"The shell has ended: {command}")
        return Printed(int(answer), self._read(self._out.fileno()), self._read(self._error.fileno()))

    def begin(self, command: str, is_enough: Callable[[str], bool]) -> str:
        """
        Type a command that stays in the foreground; what it has said once that is enough, or when it has ended.
        """
        folder = self.run("pwd").out.strip()
        variables = self.run("export -p").out
        file = tempfile.TemporaryFile()  # noqa: SIM115
        self._foreground = subprocess.Popen(
            [*self._within, "bash", "-c", f"{variables}\ncd '{folder}' && exec {command}"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        deadline = time.monotonic() + self._patience
        while not is_enough(said := self._read(file.fileno())) and time.monotonic() < deadline:
            if self._foreground.poll() is not None:
                return self._read(file.fileno())
            time.sleep(0.05)
        return said

    def interrupt(self) -> None:
        """
        Ctrl-C: end what runs in the foreground, if anything does.
        """
        running, self._foreground = self._foreground, None
        if running is not None:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGINT)
            running.wait(self._patience)

    def close(self) -> None:
        """
        Hang up.
        """
        self.interrupt()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()
        os.close(self._status)
        self._out.close()
        self._error.close()

    @staticmethod
    def _read(number: int) -> str:
        return os.pread(number, 1 << 22, 0).decode("utf-8", "replace")
