"""
A verb of C{mailctl}, and a noun with its verbs: click commands that carry their examples, what their JSON has, and when they fail.

C{--help} shows the examples, and C{docs/reference/commands.md} is written from all of it, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class Verb(click.Command):
    """
    One thing that can be done.

    @ivar examples: command lines that work in the order in which the manual has them.
    @ivar prints: what C{--json} prints: every value's path, as C{jq} writes it, and its meaning; C{.[].id} is one of each entry of
        a list.  One that is not always there says so with C{Only} at its beginning.
    @ivar fails: when the exit status is 1 though nothing failed; a clause.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str],
        prints: Mapping[str, str] | None = None,
        fails: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.prints = dict(prints or {})
        self.fails = fails

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """
        Exit status and examples, at the end of the help; an example stays one line, so that it can be copied.
        """
        if self.fails:
            with formatter.section("Exit status"):
                formatter.write_text(f"1 also if {self.fails}.")
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Noun(click.Group):
    """
    What verbs are about; they are listed in the order in which they were made.
    """

    command_class = Verb

    def list_commands(self, ctx: click.Context) -> list[str]:
        """
        The names of its verbs.
        """
        return list(self.commands)


def each(paths: Mapping[str, str]) -> dict[str, str]:
    """
    The paths of a list of such values.
    """
    return {f".[]{path}": meaning for path, meaning in paths.items()}
