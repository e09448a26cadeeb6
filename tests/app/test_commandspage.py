"""
L{twisted_mail_server.app.commandspage}, and that the page's examples work.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from threading import Timer

from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.printed import check_printed
from tests.support.server import BINARIES, LISTENERS, PATIENCE
from tests.support.twistd import end_daemon
from twisted_mail_server.admin.cli.verbs import Verb
from twisted_mail_server.app.command import mailctl
from twisted_mail_server.app.commandspage import PORT, SETTINGS, TWISTD, commands_page, examples, walk
from twisted_mail_server.app.reading import parse_settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "commands.md"

#: Examples that run until somebody ends them.
FOREGROUND = ("mailctl serve", "twistd --nodaemon --pidfile= -y mail.tac")


class CommandsPageTests(SynchronousTestCase):
    """
    The manual's page of commands.
    """

    def test_it_is_what_the_commands_say(self) -> None:
        """
        The page in the manual is the one that is written from the commands.
        """
        self.assertEqual(commands_page(), PAGE.read_text("utf-8"))

    def test_every_verb(self) -> None:
        """
        Every verb has a heading of its own, and its examples stand there as C{--help} shows them.
        """
        page = commands_page()
        for path, command in walk(mailctl(), "mailctl"):
            self.assertIn(f"## `{path}`\n", page)
            if isinstance(command, Verb):
                self.assertIn("```console\n" + "".join(f"$ {one}\n" for one in command.examples) + "```\n", page)
                for parameter in command.params:
                    self.assertIn(parameter.opts[-1] if parameter.opts[0][0] == "-" else str(parameter.help), page)

    def test_settings(self) -> None:
        """
        The settings file is one, and its server takes mail where the page sends it.
        """
        self.assertEqual("mail.example.org", tomllib.loads(SETTINGS)["hostname"])
        settings = parse_settings(SETTINGS, base="/", source="/mail.toml")
        self.assertIn(f"tcp:{PORT}:interface=127.0.0.1", [one.endpoint for one in settings.listeners])

    def test_twistd(self) -> None:
        """
        Twistd's own options that the page names are options of twistd.
        """
        known = ServerOptions().longOpt
        for option in TWISTD:
            self.assertTrue({option[2:], f"{option[2:]}="} & set(known), option)


class ExamplesTests(SynchronousTestCase):
    """
    The page's command lines, all of them, in their order.
    """

    def setUp(self) -> None:
        """
        A folder as the page wants it, but for the ports, which are any.
        """
        if shutil.which("curl") is None:
            raise SkipTest("curl is not installed.")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(parents=True)
        (self.folder / "mail.toml").write_text(SETTINGS + LISTENERS, "utf-8")
        shutil.copy(ROOT / "mail.tac", self.folder)
        path = f"{BINARIES}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MAIL_CONFIG": ""}
        self.addCleanup(self.end_server)
        self.port = 0

    def end_server(self) -> None:
        """
        Nothing of it goes on.
        """
        place = self.folder / "mail.pid"
        if place.exists():
            self.assertTrue(end_daemon(int(place.read_text())))

    def test_examples(self) -> None:
        """
        Each does what is said, and what it prints as JSON has the keys that the page tells of.
        """
        lines = examples()
        self.assertLessEqual(set(FOREGROUND), set(lines))
        for line in lines:
            if line in FOREGROUND:
                self.serve(line)
                continue
            printed = self.run_line(line.replace(f":{PORT}", f":{self.port}"))
            if "--json" in line:
                check_printed(self, line.split()[1:], json.loads(printed), is_whole=True)
            if line.startswith("twistd "):
                self.port = self.find_port()
            elif line.endswith("queue list"):
                self.assertIn("eve@example.net", printed)
            elif "queue remove" in line:
                self.assertIn("Removed ", printed)
        for name in ("ann-maildir", "inbox.mbox", "restored-data", "mailctl.bash"):
            self.assertTrue((self.folder / name).exists(), name)

    def run_line(self, line: str) -> str:
        """
        Type one command; what it prints.
        """
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual(0, done.returncode, f"{line}: {done.stdout}{done.stderr}")
        return done.stdout

    def find_port(self) -> int:
        """
        Where the server in the background takes mail.
        """
        (server,) = json.loads(self.run_line("mailctl status --json"))["servers"]
        (listener,) = [one for one in server["listeners"] if one["protocol"] == "smtp"]
        return int(listener["addresses"][0].rpartition(":")[2])

    def serve(self, line: str) -> None:
        """
        Run it until it says that it is ready, and end it.
        """
        program, *arguments = line.split()
        with (
            open(self.folder / "foreground.log", "wb") as log,
            subprocess.Popen(
                [sys.executable, BINARIES / program, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
            ) as server,
        ):
            watchdog = Timer(PATIENCE, server.kill)
            watchdog.start()
            assert server.stderr is not None
            said = []
            for sentence in server.stderr:
                said.append(sentence)
                if "ready:" in sentence:
                    server.terminate()
            watchdog.cancel()
        self.assertIn("ready: smtp", "".join(said), line)
