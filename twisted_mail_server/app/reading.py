"""
Settings files to settings, with all that is wrong told at once.

Each complaint is one line: C{mail.toml:5: storage.engnie is not a setting. Did you mean storage.engine?}
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import NOTHING, define, evolve, field

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import BadSetting, SyntaxProblem

from .kinds import FilePath, Flag, Kind, ListOf, Password, Secret, Wrong, described, domain, quoted
from .places import Path, find_places
from .plugins import ChosenPlugin, Installed, installed_plugins
from .settings import Section, Setting, Settings, contradictions, described_fields

#: Names the settings file.
ENVIRONMENT = "MAIL_CONFIG"
#: The settings file that is used if it is there.
DEFAULT_FILE = "mail.toml"

_BARE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TOML_PLACE = re.compile(r" \(at (?:line ([0-9]{1,9}), column [0-9]{1,9}|end of document)\)\Z")


def read_settings(
    path: str | None, environ: Mapping[str, str], cwd: str, installed: Installed = installed_plugins
) -> Settings:
    """
    The settings in C{path}; else in the file that C{MAIL_CONFIG} names; else in C{mail.toml} if there is one; else the built-in
    default.  Paths in them are relative to the file, and absolute in the result.

    @raise BadSetting: the file cannot be read, or something in it is wrong; the text has a line for each complaint.
    """
    name = path or environ.get(ENVIRONMENT)
    if not name:
        if not os.path.lexists(os.path.join(cwd, DEFAULT_FILE)):
            return parse_settings("", base=cwd)
        name = DEFAULT_FILE
    full = os.path.abspath(os.path.join(cwd, name))
    text = _text_of(full, name)
    return parse_settings(text, base=os.path.dirname(full), name=name, source=full, installed=installed)


def parse_settings(
    text: str,
    *,
    base: str,
    name: str = DEFAULT_FILE,
    source: str | None = None,
    machine: str | None = None,
    installed: Installed = installed_plugins,
) -> Settings:
    """
    Settings out of the text of a file.

    @param base: the folder to which its paths are relative.
    @param name: the file's name in complaints.
    @param machine: the machine's name; asked of the system without it.
    @param installed: which plugins there are; asked only where the file names one.
    @raise BadSetting: something is wrong; a line for each complaint.
    """
    try:
        found = tomllib.loads(text)
        places = find_places(text)
    except RecursionError:
        raise BadSetting(f"{name}: Its lists or tables nest too deep.") from None
    except tomllib.TOMLDecodeError as problem:
        raise BadSetting(_syntax(name, text, str(problem))) from problem
    except ValueError as problem:
        # The one thing that is TOML and not Python.
        raise BadSetting(f"{name}: A number in it has too many digits.") from problem
    reading = _Reading(name, base, places, installed)
    settings = reading.table(found, Settings, ())
    if not reading.problems:
        settings["is_hostname_set"] = "hostname" in settings
        settings["hostname"] = settings.get("hostname") or _machine_name(machine or socket.gethostname())
        result = Settings(**settings, source=source)
        for path, sentence in contradictions(result):
            reading.problem(path, sentence)
        if not reading.problems:
            return result
    raise BadSetting(reading.report())


@define
class _Reading:
    """
    One file being read.
    """

    name: str
    base: str
    places: Mapping[Path, int]
    installed: Installed
    problems: list[tuple[int, str]] = field(factory=list)

    def problem(self, path: Path, sentence: str) -> None:
        self.problems.append((self.places.get(path, 0), sentence))

    def report(self) -> str:
        self.problems.sort(key=lambda problem: problem[0])
        shown = [
            f"{self.name}:{line}: {sentence}" if line else f"{self.name}: {sentence}"
            for line, sentence in self.problems[: limits.SETTINGS_PROBLEMS]
        ]
        if len(self.problems) > len(shown):
            shown.append(f"{self.name}: {len(self.problems) - len(shown)} more mistakes are not shown.")
        return "\n".join(shown)

    def table(
        self, found: Mapping[str, Any], settings: type, path: Path, others: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """
        The arguments for the class C{settings}; what is wrong is noted.  C{others} are names that were read before.
        """
        values: dict[str, Any] = {}
        names = list(others)
        for attribute, name, known in described_fields(settings):
            names.append(name)
            place = (*path, name)
            if isinstance(known, Section):
                values |= self._section(found, attribute.name, known, place)
            elif name in found:
                values[attribute.name] = self._value(known.kind, found[name], place)
            elif attribute.default is NOTHING:
                self.problem(path, f"{_dotted(path)} has no {name}. It must be {known.kind.allowed}.")
            elif isinstance(known.kind, FilePath) and attribute.default:
                values[attribute.name] = self._located(attribute.default)
        for name in found:
            if name not in names:
                self.problem((*path, name), _unknown((*path, name), names))
        return values

    def _section(self, found: Mapping[str, Any], attribute: str, known: Section, path: Path) -> dict[str, Any]:
        inner = found.get(known.name)
        if known.is_repeated:
            if inner is None or inner == []:
                return {}
            if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
                sentence = f"{known.name} is {described(inner)}. It must be written [[{known.name}]], once for each."
                self.problem(path, sentence)
                return {}
            entries = [self._made(one, known, (*path, index)) for index, one in enumerate(inner)]
            return {attribute: tuple(entries)}
        if inner is None:
            return {}
        if not isinstance(inner, dict):
            shown = f"{known.name}.NAME" if known.is_named else known.name
            self.problem(path, f"{known.name} is {described(inner)}. It must be a table: [{shown}].")
            return {}
        if known.is_named:
            return {attribute: self._plugins(inner, path)}
        return {attribute: self._made(inner, known, path)}

    def _plugins(self, found: Mapping[str, Any], path: Path) -> tuple[ChosenPlugin, ...]:
        """
        The plugins that are turned on.
        """
        try:
            installed = self.installed()
        except BadSetting as problem:
            self.problem(path, problem.public)
            return ()
        chosen: list[ChosenPlugin] = []
        for name, inner in found.items():
            place = (*path, name)
            plugin = installed.get(name)
            if not isinstance(inner, dict):
                self.problem(place, f"{_dotted(place)} is {described(inner)}. It must be a table: [{_dotted(place)}].")
                continue
            if plugin is None:
                close = difflib.get_close_matches(name[:100], list(installed), n=1)
                advice = f" Did you mean {_dotted((*path, close[0]))}?" if close else ""
                self.problem(place, f"{_dotted(place)} is not installed.{advice}")
                continue
            before = len(self.problems)
            is_enabled = "enabled" in inner and self._value(Flag(), inner["enabled"], (*place, "enabled"))
            values = self.table(inner, plugin.settings, place, ("enabled",))
            if len(self.problems) == before and is_enabled:
                chosen.append(ChosenPlugin(plugin, plugin.settings(**values)))
        return tuple(chosen)

    def _made(self, found: Mapping[str, Any], known: Section, path: Path) -> Any:
        before = len(self.problems)
        values = self.table(found, known.settings, path)
        return known.settings(**values) if len(self.problems) == before else None

    def _value(self, kind: Kind, found: Any, path: Path) -> Any:
        try:
            value = kind.read(found)
        except Wrong as problem:
            reason = f" {problem}" if str(problem) else ""
            # What should have been a password may be one, and is shown nowhere.
            shown = "something else" if isinstance(kind, Password) else described(found)
            self.problem(path, f"{_dotted(path)} is {shown}.{reason} It must be {kind.allowed}.")
            return None
        if isinstance(kind, ListOf):
            return self._entries(kind, value, path)
        if isinstance(value, Secret):
            return evolve(value, file=self._located(value.file)) if value.file else value
        return self._located(value) if isinstance(kind, FilePath) else value

    def _entries(self, kind: ListOf, found: list[Any], path: Path) -> tuple[Any, ...]:
        values: list[Any] = []
        known = set()
        for index, one in enumerate(found):
            before = len(self.problems)
            value = self._value(kind.kind, one, (*path, index))
            if len(self.problems) == before and value in known and not kind.may_repeat:
                self.problem((*path, index), f"{_dotted((*path, index))} is {described(one)}, which is there already.")
            values.append(value)
            known.add(value)
        return tuple(values)

    def _located(self, path: str) -> str:
        return os.path.abspath(os.path.join(self.base, path))


def _text_of(full: str, name: str) -> str:
    try:
        with open(full, "rb") as file:
            data = file.read(limits.SETTINGS_FILE + 1)
    except OSError as problem:
        raise BadSetting(f"{name}: {problem.strerror}.") from problem
    if len(data) > limits.SETTINGS_FILE:
        raise BadSetting(f"{name}: It has more than {limits.SETTINGS_FILE} octets.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise BadSetting(f"{name}:{line}: This is not UTF-8, and so not TOML.") from problem


def _syntax(name: str, text: str, problem: str) -> str:
    """
    What L{tomllib} says, with the place where complaints have it.
    """
    found = _TOML_PLACE.search(problem)
    reason = "".join(one if one.isprintable() else "?" for one in (problem[: found.start()] if found else problem))
    line = int(found[1]) if found and found[1] else text.count("\n") + (not text.endswith("\n"))
    return f"{name}:{line}: This is not TOML: {reason}."


def _unknown(path: Path, siblings: list[str]) -> str:
    sentence = f"{_dotted(path)} is not a setting."
    name = str(path[-1])
    close = difflib.get_close_matches(name[:100], siblings, n=1)
    if close:
        return f"{sentence} Did you mean {_dotted((*path[:-1], close[0]))}?"
    everywhere = list(_all_names())
    elsewhere = [full for full in everywhere if full.rpartition(".")[2] == name]
    elsewhere = elsewhere or difflib.get_close_matches(_dotted(path)[:100], everywhere, n=1, cutoff=0.75)
    return f"{sentence} Did you mean {elsewhere[0]}?" if elsewhere else sentence


def _all_names(settings: type = Settings, prefix: str = "") -> Iterator[str]:
    for _, name, known in described_fields(settings):
        if isinstance(known, Setting):
            yield prefix + name
        else:
            yield from _all_names(known.settings, f"{prefix}{name}.")


def _dotted(path: Path) -> str:
    """
    C{listener[2].tls}: entries are counted from 1.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            shown = part if _BARE.fullmatch(part) else quoted(part[:100])
            text += f".{shown}" if text else shown
    return text


def _machine_name(name: str) -> str:
    try:
        return domain(name)
    except SyntaxProblem:
        return "localhost"
