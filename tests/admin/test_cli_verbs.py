"""
L{twisted_mail_server.admin.cli.verbs}, and that every verb explains itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
from click.testing import CliRunner

from tests.admin.test_cli import CliTestCase
from twisted_mail_server.admin.cli.root import build_command
from twisted_mail_server.admin.cli.verbs import Noun, Verb, each

#: Columns of a terminal.
_COLUMNS = 80


def walk(group: click.Group, *path: str) -> Iterator[tuple[list[str], click.Command]]:
    """
    Every command below another, with the words that reach it.
    """
    for name, command in group.commands.items():
        yield [*path, name], command
        if isinstance(command, click.Group):
            yield from walk(command, *path, name)


class ShapeTests(CliTestCase):
    """
    One verb, one noun.
    """

    def test_help(self) -> None:
        """
        The help ends with what the exit status tells and with the examples, each on one line.
        """
        long = "mailctl look " + "very-far " * 10
        verb = Verb("look", help="Look.", fails="it is dark", examples=("mailctl look", long))
        lines = CliRunner().invoke(verb, ["--help"]).stdout.splitlines()
        self.assertEqual(
            ["Exit status:", "  1 also if it is dark.", "", "Examples:", "  mailctl look", f"  {long}".rstrip()],
            [line.rstrip() for line in lines[-6:]],
        )

    def test_order(self) -> None:
        """
        A noun lists its verbs in the order in which they were made, and makes verbs.
        """
        noun = Noun("thing")
        for name in ("take", "add", "mend"):
            noun.command(name, examples=("mailctl thing",))(lambda: None)
        self.assertEqual(["take", "add", "mend"], noun.list_commands(click.Context(noun)))
        self.assertIsInstance(noun.commands["add"], Verb)

    def test_each(self) -> None:
        """
        What a list of values has is one step deeper.
        """
        self.assertEqual({".[].id": "Its id.", ".[].to[]": "Who."}, each({".id": "Its id.", ".to[]": "Who."}))


class EveryVerbTests(CliTestCase):
    """
    What holds for all of C{mailctl}.
    """

    def setUp(self) -> None:
        """
        The whole command.
        """
        super().setUp()
        self.root = build_command(self.run_work, self.ask_servers, self.served.append, lambda: False)

    def test_sentences(self) -> None:
        """
        Every command, every argument and every option has a sentence, and what JSON prints has one for each value.
        """
        for words, command in walk(self.root):
            self.assertRegex(command.help or "", r"^[A-Z].*[.]", words)
            for parameter in command.params:
                self.assertRegex(parameter.help or "", r"^[A-Z].*[.]$", f"{words} {parameter.name}")
            for path, meaning in getattr(command, "prints", {}).items():
                self.assertRegex(path, r"^(\.\[\]|\.[a-z_]+(\[\])?)+$", words)
                self.assertRegex(meaning, r"^[A-Z`].*[.]$", f"{words} {path}")

    def test_json(self) -> None:
        """
        A verb that takes C{--json} says what it prints, and no other does.
        """
        for words, command in walk(self.root):
            if isinstance(command, Verb):
                takes_json = any("--json" in parameter.opts for parameter in command.params)
                self.assertEqual(takes_json, bool(command.prints), words)

    def test_examples(self) -> None:
        """
        Every verb has an example that names it, and that can be asked for: arguments and options are such as it has.
        """
        for words, command in walk(self.root):
            if isinstance(command, Verb):
                self.assertTrue(command.examples, words)
                for example in command.examples:
                    self.assertIn(f"mailctl {' '.join(words)}", example)
                    if "|" not in example:
                        arguments = shlex.split(example.partition(" <")[0].partition(" >")[0])[1 + len(words) :]
                        command.make_context(example, arguments, resilient_parsing=False, obj=self.root.begin())

    def test_width(self) -> None:
        """
        Help fits a terminal, and no sentence in a list of commands is cut off.
        """
        for words, _ in [([], self.root), *walk(self.root)]:
            text = CliRunner(env={"COLUMNS": str(_COLUMNS)}).invoke(self.root, [*words, "--help"]).stdout
            for line in text.splitlines():
                self.assertLessEqual(len(line), _COLUMNS, words)
                self.assertFalse(line.endswith("..."), f"{words}: {line}") if "Usage:" not in line else None

    def test_help_is_in_order(self) -> None:
        """
        Commands are listed as they are meant to be read, the server first.
        """
        text = self.mailctl("--help").stdout
        self.assertLess(text.index("  serve "), text.index("  account "))
        self.assertLess(text.index("  account "), text.index("  alias "))
        self.assertIn("The exit status is 0", text)
