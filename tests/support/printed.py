"""
Whether what C{--json} prints is what its verb says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.admin.cli.root import COMMANDS
from twisted_mail_server.admin.cli.verbs import Verb


def verb_of(words: Sequence[str]) -> Verb:
    """
    The verb that a command line means, what stands before it left out.
    """
    known: Mapping[str, click.Command] = {str(command.name): command for command in COMMANDS}
    for word in words:
        command = known.get(word)
        if isinstance(command, Verb):
            return command
        if isinstance(command, click.Group):
            known = command.commands
    raise LookupError(f"There is no verb in {words}.")


def paths(value: Any, path: str = "") -> Iterator[str]:
    """
    The path of each value in a JSON value, as C{jq} writes it.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]" if path else ".[]")
    else:
        yield path


def check_printed(case: SynchronousTestCase, words: Sequence[str], value: Any, *, is_whole: bool = False) -> None:
    """
    Whatever was printed is what the verb tells of; and, if it C{is_whole}, whatever the verb tells of was printed, but for what is not
    always there.
    """
    verb, found = verb_of(words), set(paths(value))
    case.assertEqual(set(), found - verb.prints.keys(), verb.name)
    if is_whole:
        always = {path for path, meaning in verb.prints.items() if not meaning.startswith("Only")}
        inside = {path for path in always if "[]" in path.removeprefix(".[]") or not value}
        case.assertEqual(set(), always - inside - found, verb.name)
