"""
Real servers in processes of their own.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import IO

ROOT = Path(__file__).parents[2]

#: Seconds after which a process that should have done something is killed, so that its test fails.
PATIENCE = 60

_RUN = "from twisted.scripts.twistd import run; run()"
_ADDRESS = re.compile(r"(\w+) ([0-9.]+):([0-9]+)")

#: A server of every protocol that needs no port of its own.
ANY_PORTS = """
[[listener]]
protocol = "smtp"
endpoint = "tcp:0:interface=127.0.0.1"

[[listener]]
protocol = "imap"
endpoint = "tcp:0:interface=127.0.0.1"
"""


def launch(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """
    Begin C{twistd} in a folder, its log in C{out}, its last words on a pipe.
    """
    environment = {key: value for key, value in os.environ.items() if key != "MAIL_CONFIG"}
    environment |= {"PYTHONPATH": str(ROOT), **environ}
    with open(folder / "out", "wb") as out:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """
    Run C{twistd} to its end; its exit status, and its last words.
    """
    process = launch(folder, *arguments, **environ)
    try:
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


class Foreground:
    """
    A server in the foreground that is ready.

    @ivar ports: its ports, by protocol.
    @ivar said: the lines it wrote on the terminal until it was ready.
    """

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.folder = folder
        self.process = launch(folder, "--nodaemon", "--pidfile=", *arguments, **environ)
        self._watchdog = Timer(PATIENCE, self.process.kill)
        self._watchdog.start()
        self.said: list[str] = []
        ready = self._line_with("mailserver: ready: ")
        self.ports = {protocol: int(port) for protocol, _, port in _ADDRESS.findall(ready)}

    @property
    def log(self) -> str:
        """
        What it logged so far.
        """
        return (self.folder / "out").read_text("utf-8")

    def _line_with(self, text: str) -> str:
        while line := self._terminal.readline():
            self.said.append(line.rstrip("\n"))
            if text in line:
                return line
        self.end()
        raise AssertionError(f"The server did not get ready: {self.said}, {self.log}")

    @property
    def _terminal(self) -> IO[str]:
        assert self.process.stderr is not None
        return self.process.stderr

    def terminate(self) -> None:
        """
        Tell it to end.
        """
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """
        Its exit status, when it has ended; negative for a signal.
        """
        self.said += self._terminal.read().splitlines()
        status = self.process.wait()
        self._watchdog.cancel()
        self._terminal.close()
        return status

    def stop(self) -> int:
        """
        End it, whatever it is doing; for the end of a test.
        """
        if self.process.poll() is None:
            self.terminate()
        return self.end() if not self._terminal.closed else self.process.returncode


def end_daemon(pid: int) -> bool:
    """
    Tell a process that is not our child to end; whether it did.
    """
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGTERM)
            return bool(select.select([handle], [], [], PATIENCE)[0])
        finally:
            os.close(handle)
    return True
