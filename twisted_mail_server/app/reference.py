"""
Writes pages of the manual: C{python -m twisted_mail_server.app.reference settings}, or another name of L{PAGES}.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from attrs import NOTHING, Attribute

from twisted_mail_server.telemetry.meters import metrics_page

from .commandspage import commands_page
from .interfacespage import interfaces_page
from .kinds import ListOf
from .settings import Section, Setting, Settings, described_fields
from .standards import protocols_page

_HEAD = """# Settings

One file in TOML. `MAIL_CONFIG` names it; without that it is `mail.toml` in the working directory; without that file the
defaults below hold. An empty file is a working server. Paths are relative to the file.

A size is a number of octets, or a number and a unit in quotes: `"50 MiB"`; units are B, KB, MB, GB, KiB, MiB, GiB.
A time is a number of seconds, or a number and a unit in quotes: `"30d"`; units are s, m, h, d, w.

What is wrong in the file is told all at once, each with its line, before anything is opened.

`mailctl reload`, or SIGHUP, has a running server read the file and its certificates anew. What then needs a restart says so below.

This page is written by `python -m twisted_mail_server.app.reference settings`.
"""

_RESTART = "A change needs a restart."


def settings_page() -> str:
    """
    C{docs/reference/settings.md}.
    """
    return "\n".join([_HEAD, "## At the top of the file", "", *_table(Settings), *_sections()])


def _sections() -> Iterator[str]:
    for attribute, name, known in described_fields(Settings):
        if isinstance(known, Section):
            header = f"[[{name}]]" if known.is_repeated else f"[{name}.NAME]" if known.is_named else f"[{name}]"
            restart = (_RESTART, "") if known.needs_restart else ()
            yield from (f"## `{header}`", "", known.sentence, "", *restart, *_table(known.settings))
            if known.is_repeated and attribute.default:
                yield from ("Without any:", "", "```toml", *_entries(name, known, attribute.default), "```", "")


def _table(settings: type) -> Iterator[str]:
    for attribute, name, known in described_fields(settings):
        if isinstance(known, Setting):
            yield f"### `{name}`"
            yield ""
            yield known.sentence
            yield ""
            is_unique = isinstance(known.kind, ListOf) and not known.kind.may_repeat
            yield f"* Allowed: {known.kind.allowed}" + ("; none twice" if is_unique else "")
            yield f"* Default: {_default(attribute, known)}"
            if known.rfc:
                yield f"* Standard: {known.rfc}"
            if known.needs_restart:
                yield f"* {_RESTART}"
            yield ""


def _default(attribute: Attribute[Any], known: Setting) -> str:
    if known.default:
        return known.default
    if attribute.default is NOTHING:
        return "none, it must be set"
    return "none" if attribute.default is None else f"`{known.kind.write(attribute.default)}`"


def _entries(name: str, known: Section, values: Any) -> Iterator[str]:
    for value in values:
        yield f"[[{name}]]"
        for attribute, key, setting in described_fields(known.settings):
            # An empty list is left out: so much is known of it above.
            if isinstance(setting, Setting) and getattr(value, attribute.name) != ():
                yield f"{key} = {setting.kind.write(getattr(value, attribute.name))}"


#: What is written from the code: C{docs/reference/NAME.md}.
PAGES: dict[str, Callable[[], str]] = {
    "settings": settings_page,
    "commands": commands_page,
    "protocols": protocols_page,
    "metrics": metrics_page,
    "interfaces": interfaces_page,
}


def main(arguments: list[str]) -> None:
    """
    Print the page that is asked for.
    """
    if len(arguments) != 1 or arguments[0] not in PAGES:
        raise SystemExit(f"Say which page: {', '.join(PAGES)}.")
    sys.stdout.write(PAGES[arguments[0]]())


if __name__ == "__main__":
    main(sys.argv[1:])
