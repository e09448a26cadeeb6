"""
L{twisted_mail_server.admin.cli.status} and L{twisted_mail_server.admin.cli.completion}
"""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from tests.admin.test_cli import CliTestCase
from twisted_mail_server.admin.cli.root import build_command
from twisted_mail_server.admin.cli.status import period
from twisted_mail_server.admin.control import Answer

ANSWER: dict[str, Any] = {
    "pid": 7,
    "version": "0.1.0",
    "uptime": 10_925,
    "reactor_lag": {"latest": 0.0004, "worst": 0.00123},
    "open_accounts": 2,
    "logged_in": 1,
    "listeners": [
        {
            "protocol": "smtp",
            "tls": "starttls",
            "addresses": ["[::]:25"],
            "connections": 1,
            "total": 2041,
            "logged_in": 0,
        },
        {"protocol": "imap", "tls": "implicit", "addresses": [], "connections": 1, "total": 96, "logged_in": 1},
    ],
    "queue": {"waiting": 3, "due": 0, "held": 1},
}


class StatusTests(CliTestCase):
    """
    C{mailctl status}
    """

    def test_table(self) -> None:
        """
        People see each process, its listeners, and the queue that all share.
        """
        self.answers = [Answer(7, ANSWER), Answer(8, {**ANSWER, "pid": 8, "listeners": []})]
        shown = [line.split() for line in self.mailctl("--config", "x.toml", "status").stdout.splitlines()]
        self.assertEqual((["x.toml"], ["status"]), (self.configs, self.asked))
        self.assertEqual(
            [
                ["7", "0.1.0", "3h", "2m", "1", "2", "0.4", "ms", "1.2", "ms"],
                ["8", "0.1.0", "3h", "2m", "1", "2", "0.4", "ms", "1.2", "ms"],
                [],
                ["PROCESS", "LISTENER", "TLS", "ADDRESS", "CONNECTIONS", "IN", "ALL", "LOGGED", "IN"],
                ["7", "smtp", "starttls", "[::]:25", "1", "2041", "0"],
                ["7", "imap", "implicit", "closed", "1", "96", "1"],
                [],
                ["Queue:", "3", "waiting,", "0", "due,", "1", "held."],
            ],
            shown[1:],
        )

    def test_json(self) -> None:
        """
        Programs get what the servers said, as they said it.
        """
        self.answers = [Answer(7, ANSWER)]
        self.assertEqual({"running": True, "servers": [ANSWER], "problems": []}, self.as_json("status"))

    def test_nobody(self) -> None:
        """
        Without a server the exit status tells, for programs and for people.
        """
        self.assertEqual({"running": False, "servers": [], "problems": []}, self.as_json("status", status=1))
        self.assertEqual("No server runs on this data directory.", self.complaint("status"))
        self.assertEqual("No server runs on this data directory.", self.complaint("reload"))

    def test_silent(self) -> None:
        """
        A process that does not answer is complained of, beside those that do.
        """
        self.answers = [Answer(8, None, "Process 8 gave no answer.")]
        self.assertEqual("Process 8 gave no answer.", self.complaint("status"))
        self.answers.append(Answer(7, ANSWER))
        result = self.mailctl("status", status=1)
        self.assertIn("[::]:25", result.stdout)
        self.assertEqual("mailctl: Process 8 gave no answer.\n", result.stderr)
        self.assertEqual(["Process 8 gave no answer."], self.as_json("status", status=1)["problems"])

    def test_periods(self) -> None:
        """
        How long it has run is told in its two largest units.
        """
        self.assertEqual(
            ["0s", "59s", "1m 0s", "1h 0m", "2d 3h"],
            [period(seconds) for seconds in (0, 59, 60, 3659, 2 * 86_400 + 3 * 3600 + 59)],
        )


class ReloadTests(CliTestCase):
    """
    C{mailctl reload}
    """

    def test_done(self) -> None:
        """
        What has changed is told, and what needs a restart.
        """
        self.answers = [Answer(7, {"changed": ["domains", "tls.key"], "waiting": ["data_dir"]})]
        self.assertEqual(
            "Changed: domains, tls.key.\nA restart is needed for: data_dir.\n", self.mailctl("reload").stdout
        )
        self.assertEqual(
            [{"pid": 7, "changed": ["domains", "tls.key"], "waiting": ["data_dir"]}], self.as_json("reload")
        )
        self.answers = [Answer(7, {"changed": [], "waiting": []})]
        self.assertEqual("Nothing has changed.\n", self.mailctl("reload").stdout)

    def test_refused(self) -> None:
        """
        What is wrong is complained of, a line each, also of several processes.
        """
        self.answers = [
            Answer(7, None, "mail.toml:1: One.\nmail.toml:2: Two."),
            Answer(8, {"changed": [], "waiting": []}),
        ]
        result = self.mailctl("reload", status=1)
        self.assertEqual(
            ("", "mailctl: mail.toml:1: One.\nmailctl: mail.toml:2: Two.\n"), (result.stdout, result.stderr)
        )


class CompletionTests(CliTestCase):
    """
    C{mailctl completion}
    """

    def test_scripts(self) -> None:
        """
        Each shell gets a script of its own that calls C{mailctl}.
        """
        for shell, sign in (
            ("bash", "complete -o nosort"),
            ("zsh", "#compdef mailctl"),
            ("fish", "complete --no-files"),
        ):
            command = build_command(self.run_work, self.ask_servers, self.served.append, lambda: False)
            printed = CliRunner().invoke(command, ["completion", shell], prog_name="mailctl").stdout
            self.assertIn(sign, printed)
            self.assertIn("_MAILCTL_COMPLETE", printed)

    def test_another(self) -> None:
        """
        A shell that is not known is refused.
        """
        self.assertIn("'csh' is not one of 'bash', 'zsh', 'fish'.", self.mailctl("completion", "csh", status=2).stderr)

    def test_it_completes(self) -> None:
        """
        With what the script sets, the command tells what could come next.
        """
        command = build_command(self.run_work, self.ask_servers, self.served.append, lambda: False)
        environment = {"_MAILCTL_COMPLETE": "bash_complete", "COMP_WORDS": "mailctl st", "COMP_CWORD": "1"}
        printed = CliRunner().invoke(command, [], prog_name="mailctl", env=environment).stdout
        self.assertEqual("plain,status\n", printed)
