"""
What the README tells a newcomer to type works, and shows what it says.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.server import Server
from twisted_mail_server.app.reading import parse_settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: The ports of a server that nobody configured.
PORTS = (2525, 2587, 2465, 1143, 1993, 1110, 1995, 8080)


def commands() -> list[str]:
    """
    Every line that one is to type.
    """
    return [
        line[2:]
        for kind, text in _BLOCK.findall(README)
        if kind == "console"
        for line in text.splitlines()
        if line.startswith("$ ")
    ]


class Unconfigured(Server):
    """
    C{make run}, in a folder of its own.
    """

    def command(self) -> list[str]:
        """
        What the Makefile runs.
        """
        target = (ROOT / "Makefile").read_text("utf-8").partition("\nrun:")[2].partition("\n\n")[0]
        recipe = target.partition("\texec $(BIN)/")[2].split()
        return [str(Path(sys.executable).parent / recipe[0]), *recipe[1:]]


class ReadmeTests(SynchronousTestCase):
    """
    The commands of the README.
    """

    def test_settings(self) -> None:
        """
        The settings file of the README is one.
        """
        (text,) = [text for kind, text in _BLOCK.findall(README) if kind == "toml"]
        settings = parse_settings(text, base="/", name="mail.toml", source="/mail.toml", machine="localhost")
        self.assertEqual("mail.example.org", settings.hostname)

    def test_two_commands(self) -> None:
        """
        The first two commands are C{make run} and C{make test}.
        """
        self.assertEqual(["make run", "make test"], commands()[:2])

    def test_commands(self) -> None:
        """
        All others do what is said, in the order in which they stand, beside a server that was started with nothing configured.
        """
        if shutil.which("curl") is None:
            raise SkipTest("curl is not installed.")
        for port in PORTS:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise SkipTest(f"Somebody else listens at port {port}.")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "mail.tac", folder)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        server = Unconfigured(str(folder), settings=None)
        server.start()
        self.addCleanup(server.kill)
        server.line_with("first account: demo@localhost, password in")
        said = [self.run_command(line, folder) for line in commands()[2:]]
        self.assertIn("Subject: Hello\r\n\r\nHow are you?", said[1])
        self.assertIn("ann@example.org", said[3])

    def run_command(self, line: str, folder: Path) -> str:
        """
        Type one command; what it prints.
        """
        for _ in range(50):
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                cwd=folder,
                capture_output=True,
                timeout=60,
                check=False,
                env={**os.environ, "MAIL_CONFIG": ""},
            )
            if done.returncode == 0:
                return done.stdout.decode()
        self.fail(f"{line}: {done.stderr.decode()}")
