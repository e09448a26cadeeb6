"""
Where in a TOML file each key and each value stands.

L{tomllib} reads values and forgets lines.  What it has accepted is scanned here once more, for lines alone: the file is known to
be valid, so this looks no closer than it must (TOML v1.0.0).
"""

from __future__ import annotations

import re
import tomllib

#: Keys and list positions, from the top.
Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\n\r]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
# simple-key = quoted-key / unquoted-key                       ; TOML v1.0.0, "Keys"
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
# string = ml-basic-string / basic-string / ml-literal-string / literal-string
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|\'\'\'(?:[^\']|\'{1,2}(?!\'))*\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")


def find_places(text: str) -> dict[Path, int]:
    """
    The line, from 1, of every table, key and list entry of a valid TOML file.
    """
    return _Scan(text.replace("\r\n", "\n")).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._lines: dict[Path, int] = {}
        self._entries: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return self._lines
            if self._text.startswith("[[", self._at):
                table = self._entry(self._keys(2))
                self._at += 2
            elif self._text[self._at] == "[":
                table = self._resolved(self._keys(1))
                self._at += 1
            else:
                self._pair(table)

    def _entry(self, keys: list[str]) -> Path:
        """
        C{[[keys]]}: one more entry.
        """
        path = (*self._resolved(keys[:-1]), keys[-1])
        self._note(path)
        index = self._entries[path] = self._entries.get(path, -1) + 1
        return self._note((*path, index))

    def _resolved(self, keys: list[str]) -> Path:
        """
        A header's path, through the last entry of each list of tables.
        """
        path: Path = ()
        for key in keys:
            path = self._note((*path, key))
            if path in self._entries:
                path = (*path, self._entries[path])
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for key in self._keys(0):
            path = self._note((*path, key))
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._list(path)
        elif first == "{":
            self._at += 1
            while self._more("}"):
                self._pair(path)
        else:
            self._skip(_PLAIN)

    def _list(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._more("]"):
            self._value(self._note((*path, index)))
            index += 1

    def _more(self, end: str) -> bool:
        """
        Move to the next entry; false, and past C{end}, when there is none.
        """
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] == end:
            self._at += 1
            return False
        return True

    def _keys(self, brackets: int) -> list[str]:
        """
        C{a . "b" . 'c'}, and the space after it.
        """
        keys = []
        self._at += brackets
        while True:
            self._skip(_SPACE)
            keys.append(_key(self._skip(_KEY)))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        # Every pattern here matches where it is tried in a valid file; each that may not, stops the scan.
        if found is None:
            raise AssertionError("The scan lost its way in a valid file.")
        self._at = found.end()
        return found[0]

    def _note(self, path: Path) -> Path:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self._lines.setdefault(path, self._line)
        return path


def _key(raw: str) -> str:
    if raw[0] == "'":
        return raw[1:-1]
    if raw[0] == '"':
        return str(tomllib.loads(f"key = {raw}")["key"])
    return raw
