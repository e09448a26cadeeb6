"""
The settings reader: any text gives settings, or complaints of which each is one printable line; and of any valid TOML file every
key has a line.
"""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.kinds import quoted
from twisted_mail_server.app.places import find_places
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.settings import Section, Settings, described_fields
from twisted_mail_server.model.errors import BadSetting

NAMES = sorted(
    {name for _, name, _ in described_fields(Settings)}
    | {
        name
        for _, _, known in described_fields(Settings)
        if isinstance(known, Section)
        for _, name, _ in described_fields(known.settings)
    }
)
quick = settings(
    derandomize=True, max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

names = strategies.sampled_from(NAMES) | strategies.text(strategies.characters(codec="utf-8"), max_size=5)
words = strategies.sampled_from(
    [
        "smtp",
        "imap",
        "tcp:25",
        "tcp:0",
        "unix:/a",
        "systemd:domain=INET:name=x",
        "starttls",
        "off",
        "a.example",
        "5 MiB",
        "+",
    ]
)
scalars = (
    strategies.integers(-5, 100_000)
    | strategies.booleans()
    | words
    | strategies.text(strategies.characters(codec="utf-8"), max_size=8)
    | strategies.floats()
)
values = strategies.recursive(
    scalars,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
tables = strategies.dictionaries(names, values, max_size=6)
marks = strategies.sampled_from(
    ["[", "]", "[[", "]]", "=", "\n", '"', "'", '"""', "'''", "#", ",", "{", "}", ".", "\\", " "]
)
soup = strategies.lists(marks | strategies.sampled_from(NAMES) | scalars.map(str), max_size=20).map("".join)


def inline(value: Any) -> str:
    """
    A value as TOML, on several lines where that may be.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[\n" + "".join(f"{inline(one)}, # ]\n" for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {inline(one)}" for key, one in value.items()) + "}"
    return str(value)


def document(table: dict[str, Any]) -> str:
    """
    A file with those keys.
    """
    return "".join(f"{quoted(key)} = {inline(value)}\n" for key, value in table.items())


def with_headers(table: dict[str, Any], prefix: str = "") -> str:
    """
    The same, tables and lists of tables under headers.
    """
    first, later = "", ""
    for key, value in table.items():
        name = prefix + quoted(key)
        if isinstance(value, dict):
            later += f"[{name}] # [x]\n{with_headers(value, name + ' . ')}"
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            later += "".join(f"[[ {name} ]]\n{with_headers(one, name + '.')}" for one in value)
        else:
            first += f"{quoted(key)}={inline(value)}\r\n"
    return first + later


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """
    The path of everything inside.
    """
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    found = {path} - {()}
    for key, one in inner:
        found |= paths_of(one, (*path, key))
    return found


class SettingsTests(SynchronousTestCase):
    """
    Texts that nobody would write.
    """

    def check(self, text: str) -> None:
        """
        Settings, or complaints.
        """
        try:
            self.assertIsInstance(parse_settings(text, base="/", machine="host"), Settings)
        except BadSetting as problem:
            for line in problem.public.split("\n"):
                self.assertTrue(line.isprintable(), repr(line))
                self.assertRegex(line, r"\Amail\.toml(:[1-9][0-9]*)?: ")

    @quick
    @given(soup)
    def test_soup(self, text: str) -> None:
        """
        Marks and words in any order.
        """
        self.check(text)

    @quick
    @given(strategies.text(max_size=60))
    def test_text(self, text: str) -> None:
        """
        Any text at all.
        """
        self.check(text)

    @quick
    @given(tables)
    def test_tables(self, table: dict[str, Any]) -> None:
        """
        Valid TOML with any values under known names.
        """
        self.check(document(table))
        self.check(with_headers(table))

    @quick
    @given(tables)
    def test_every_key_has_a_line(self, table: dict[str, Any]) -> None:
        """
        The scan for lines finds just the keys and entries that the reader of TOML finds.
        """
        for text in (document(table), with_headers(table)):
            self.assertEqual(paths_of(tomllib.loads(text)), set(find_places(text)))
