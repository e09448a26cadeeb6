"""
C{systemctl} and C{journalctl}, as far as the manual needs them, where no systemd runs: they do what the unit says.

    python3 -m tests.support.systemctl ROOT systemctl start mailserver

ROOT stands before every path.  The unit's user is who runs it, if there is such a user and we are root; hardening is left to the real
one.  Nothing but the standard library is needed.
"""

from __future__ import annotations

import configparser
import os
import pwd
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

#: Seconds until what was asked of a unit counts as failed.
_PATIENCE = 60


class Unit:
    """
    One service.
    """

    def __init__(self, root: str, name: str) -> None:
        self._root, self._name = root.rstrip("/"), name.removesuffix(".service")
        path = Path(f"{self._root}/etc/systemd/system/{self._name}.service")
        if not path.exists():
            raise SystemExit(f"Unit {self._name}.service not found.")
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(path.read_text("utf-8"))
        self._service = parser["Service"]
        self._folder = Path(f"{self._root}/run/systemctl")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = self._folder / f"{self._name}.pid"
        self.journal = self._folder / f"{self._name}.log"

    def start(self) -> None:
        """
        Run it, and wait until it says that it is ready.

        @raise SystemExit: it does not.
        """
        if self.number() is not None:
            return
        before = self._become()
        for folder in self._service.get("StateDirectory", "").split():
            subprocess.run([*self._made_by(), f"{self._root}/var/lib/{folder}"], check=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear, open(self.journal, "ab") as journal:
            # A name in the abstract space, for a path may be too long; it cannot be forgotten on the disk either.
            ear.bind(f"\0mail-systemctl-{os.getpid()}")
            running = subprocess.Popen(
                [*before, *self._command("ExecStart")],
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                cwd=self._root or "/",
                # It keeps the socket open for itself, where systemd would go on listening.
                pass_fds=[ear.fileno()],
                env={**os.environ, "NOTIFY_SOCKET": f"@mail-systemctl-{os.getpid()}"},
                start_new_session=True,
            )
            self._number.write_text(str(running.pid))
            self._wait_ready(ear, running)

    def _wait_ready(self, ear: socket.socket, running: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and running.poll() is None:
            if select.select([ear], [], [], 0.1)[0] and b"READY=1" in ear.recv(4096).splitlines():
                return
        running.kill()
        self._number.unlink()
        raise SystemExit(
            f"Job for {self._name}.service failed because the control process exited with error code.\n"
            f'See "systemctl status {self._name}.service" and "journalctl -xeu {self._name}.service" for details.'
        )

    def stop(self) -> None:
        """
        End it gently.
        """
        number = self.number()
        if number is None:
            return
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while self.number() is not None:
            if time.monotonic() > deadline:
                os.kill(number, signal.SIGKILL)
            time.sleep(0.02)
        self._number.unlink()

    def reload(self) -> None:
        """
        Run what the unit says for it.

        @raise SystemExit: that fails.
        """
        with open(self.journal, "ab") as journal:
            done = subprocess.run([*self._become(), *self._command("ExecReload")], stdout=journal, stderr=journal)
        if done.returncode:
            raise SystemExit(
                f"Job for {self._name}.service failed.\n"
                f'See "systemctl status {self._name}.service" and "journalctl -xeu {self._name}.service" for details.'
            )

    def number(self) -> int | None:
        """
        The process, if it runs.
        """
        if not self._number.exists():
            return None
        number = int(self._number.read_text())
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return None
        # A dead process that nobody has waited for is dead.
        return None if state == "Z" else number

    def _command(self, key: str) -> list[str]:
        return [self._root + word if word.startswith("/") else word for word in shlex.split(self._service[key])]

    def _user(self) -> str | None:
        user = self._service.get("User")
        try:
            return user if user and os.geteuid() == 0 and pwd.getpwnam(user) else None
        except KeyError:
            return None

    def _become(self) -> list[str]:
        user = self._user()
        if user is None:
            return []
        words = ["setpriv", f"--reuid={user}", f"--regid={self._service.get('Group', user)}", "--init-groups"]
        for capability in self._service.get("AmbientCapabilities", "").split():
            name = capability.removeprefix("CAP_").lower()
            words += [f"--inh-caps=+{name}", f"--ambient-caps=+{name}"]
        return [*words, "--"]

    def _made_by(self) -> list[str]:
        user = self._user()
        owner = [] if user is None else ["-o", user, "-g", user]
        return ["install", "-d", "-m", self._service.get("StateDirectoryMode", "0755"), *owner]


def main(words: list[str]) -> int:
    """
    Do what is asked.
    """
    root, program, *rest = words
    if program == "journalctl":
        return _show(root, rest)
    options = [word for word in rest if word.startswith("-")]
    verb, *names = (word for word in rest if not word.startswith("-"))
    if verb == "daemon-reload":
        return 0
    unit = Unit(root, names[0])
    if verb == "start" or (verb == "enable" and "--now" in options):
        unit.start()
    elif verb == "restart":
        unit.stop()
        unit.start()
    elif verb == "stop":
        unit.stop()
    elif verb == "reload":
        unit.reload()
    elif verb == "is-active":
        print("inactive" if unit.number() is None else "active")
        return 3 if unit.number() is None else 0
    else:
        raise SystemExit(f"This stand-in knows no {verb}.")
    return 0


def _show(root: str, words: list[str]) -> int:
    """
    C{journalctl -u UNIT -o cat [-n LINES]}, with C{-q} and C{--no-pager}.
    """
    if "-o" not in words or words[words.index("-o") + 1] != "cat":
        raise SystemExit("This stand-in knows -o cat alone.")
    lines = Unit(root, words[words.index("-u") + 1]).journal.read_text("utf-8").splitlines()
    if "-n" in words:
        lines = lines[-int(words[words.index("-n") + 1]) :]
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
