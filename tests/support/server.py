"""
The real server in a process of its own, on ports of loopback that the system chooses.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Where the server is started from the way users start it.
BINARIES = Path(sys.executable).parent

#: Seconds until a server that does not say that it is ready counts as failed.
PATIENCE = 30

_PLACE = re.compile(r"(?P<protocol>[a-z0-9]+) 127\.0\.0\.1:(?P<port>[0-9]+)")

LISTENERS = """
[[listener]]
protocol = "smtp"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "starttls"
[[listener]]
protocol = "submission"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "starttls"
[[listener]]
protocol = "submission"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "implicit"
[[listener]]
protocol = "imap"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "starttls"
[[listener]]
protocol = "imap"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "implicit"
[[listener]]
protocol = "pop3"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "starttls"
[[listener]]
protocol = "pop3"
endpoint = "tcp:0:interface=127.0.0.1"
tls = "implicit"
"""

#: The names of those listeners, in their order.
NAMES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")

SETTINGS = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n[auth]\nallow_plaintext = true\n' + LISTENERS


class Server:
    """
    One server in one folder; it can be started, stopped and killed as often as a test wants.

    @ivar ports: by the names of L{NAMES}.
    """

    def __init__(self, folder: str, settings: str | None = SETTINGS) -> None:
        self.folder = Path(folder)
        self.config = self.folder / "mail.toml"
        if settings is not None:
            self.config.write_text(settings, "utf-8")
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.said = ""

    def start(self) -> None:
        """
        Start it, and wait until it says that it is ready.

        @raise RuntimeError: it does not.
        """
        self.said = ""
        log = open(self.folder / "server.log", "a", encoding="utf-8")  # noqa: SIM115
        with log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.PIPE,
            )
        places = _PLACE.findall(self.line_with("ready:"))
        # A test may want it watched too.
        names = (*NAMES, "http")[: max(len(NAMES), len(places))]
        self.ports = {name: int(port) for name, (_, port) in zip(names, places, strict=True)}

    def command(self) -> list[str]:
        """
        What is typed to start it.
        """
        return [str(BINARIES / "twistd"), "-n", "--pidfile=", "mailserver", "--config", str(self.config)]

    def line_with(self, word: str) -> str:
        """
        The line with that word, once the server has said it.

        @raise RuntimeError: it does not.
        """
        assert self.process is not None and self.process.stderr is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = re.search(f".*{word}.*\n", self.said)
            if found is not None:
                return found[0]
            if select.select([self.process.stderr], [], [], 0.5)[0]:
                piece = os.read(self.process.stderr.fileno(), 65536).decode()
                self.said += piece
                if not piece:
                    break
        self.kill()
        raise RuntimeError(f"The server did not start:\n{self.said}")

    def stop(self) -> int:
        """
        End it gently; its exit status.
        """
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """
        End it at once, as a power cut of the process would.
        """
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        status = process.wait(60)
        assert process.stderr is not None
        process.stderr.close()
        return status

    def mailctl(self, *arguments: str, stdin: str = "") -> str:
        """
        Run C{mailctl} on the same settings; what it prints.

        @raise RuntimeError: it fails; the text is what it said.
        """
        done = subprocess.run(
            [BINARIES / "mailctl", "--config", str(self.config), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=self.folder,
            env={**os.environ, "MAIL_CONFIG": ""},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def add_account(self, address: str, password: str) -> None:
        """
        Make an account.
        """
        self.mailctl("account", "add", address, "--password-stdin", stdin=password + "\n")
