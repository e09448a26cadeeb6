"""
What a setting may hold: how its value is read, how it is written, and what is allowed, in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Protocol

from attrs import field, frozen

from twisted_mail_server.dns.resolv import NameServer, parse_servers
from twisted_mail_server.model.addresses import parse_domain
from twisted_mail_server.model.errors import MailError, SyntaxProblem
from twisted_mail_server.model.limits import KIB, MIB

#: So much of a wrong value is shown.
_SHOWN = 60

_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": KIB, "MIB": MIB, "GIB": 1024 * MIB}
_SIZE = re.compile(r"([0-9]{1,15}) ?([A-Za-z]{1,3})")
_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"([0-9]{1,10}) ?([smhdw])")
# host:port, [address]:port
_PLACE = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_HIGHEST_PORT = 65_535
# NAME = [A-Za-z_][A-Za-z0-9_]*                       ; POSIX.1-2024 section 3.216, small letters too
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class Wrong(Exception):
    """
    A value is not allowed; the text says why, where C{allowed} alone would not.
    """


class Kind(Protocol):
    """
    What a setting may hold.
    """

    @property
    def allowed(self) -> str:
        """
        In words, after "must be".
        """

    def read(self, found: Any) -> Any:
        """
        The value inside the server of what TOML gave.

        @raise Wrong: it is not allowed.
        """

    def write(self, value: Any) -> str:
        """
        As it would stand in the file.
        """


@frozen
class Text:
    """
    A string; C{check} reads it further.
    """

    allowed: str
    check: Callable[[str], Any] = str

    def read(self, found: Any) -> Any:
        """
        @raise Wrong: no string, or C{check} does not like it.
        """
        if not isinstance(found, str):
            raise Wrong
        try:
            return self.check(found)
        except MailError as problem:
            raise Wrong(problem.public) from problem

    def write(self, value: Any) -> str:
        """
        In quotes.
        """
        return quoted("" if value is None else str(value))


@frozen
class Flag:
    """
    Yes or no.
    """

    allowed: str = "true or false"

    def read(self, found: Any) -> bool:
        """
        @raise Wrong: no boolean.
        """
        if not isinstance(found, bool):
            raise Wrong
        return found

    def write(self, value: Any) -> str:
        """
        TOML's words.
        """
        return "true" if value else "false"


@frozen
class Whole:
    """
    A whole number.
    """

    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        """
        With its bounds.
        """
        return f"a whole number from {self.minimum} to {self.maximum}"

    def read(self, found: Any) -> int:
        """
        @raise Wrong: no whole number, or outside the bounds.
        """
        if isinstance(found, bool) or not isinstance(found, int) or not self.minimum <= found <= self.maximum:
            raise Wrong
        return found

    def write(self, value: Any) -> str:
        """
        Digits.
        """
        return str(value)


@frozen
class Size:
    """
    Octets: a number, or a number and a unit in quotes.
    """

    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        """
        With its bounds.
        """
        return f'a size such as "50 MiB", from {self.write(self.minimum)} to {self.write(self.maximum)}'

    def read(self, found: Any) -> int:
        """
        @raise Wrong: no size, or outside the bounds.
        """
        return _bounded(found, _SIZE, lambda unit: _UNITS.get(unit.upper()), self.minimum, self.maximum)

    def write(self, value: Any) -> str:
        """
        In the largest unit that has no fraction.
        """
        for name in ("GiB", "MiB", "KiB"):
            unit = _UNITS[name.upper()]
            if value and value % unit == 0:
                return f'"{value // unit} {name}"'
        return str(value)


@frozen
class Duration:
    """
    Seconds: a number, or a number and a unit in quotes.
    """

    minimum: int
    maximum: int

    @property
    def allowed(self) -> str:
        """
        With its bounds.
        """
        return (
            f'a time such as "30s", "5m", "4h" or "30d", from {self.write(self.minimum)} to {self.write(self.maximum)}'
        )

    def read(self, found: Any) -> int:
        """
        @raise Wrong: no time, or outside the bounds.
        """
        return _bounded(found, _DURATION, _PERIODS.get, self.minimum, self.maximum)

    def write(self, value: Any) -> str:
        """
        In the largest unit up to days that has no fraction.
        """
        for name in ("d", "h", "m"):
            if value and value % _PERIODS[name] == 0:
                return f'"{value // _PERIODS[name]}{name}"'
        return f'"{value}s"'


@frozen
class Choice:
    """
    One of a few words.
    """

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """
        All of them.
        """
        return "one of " + ", ".join(map(quoted, self.words)) if len(self.words) > 1 else quoted(*self.words)

    def read(self, found: Any) -> str:
        """
        @raise Wrong: another word, or none.
        """
        if not isinstance(found, str) or found not in self.words:
            raise Wrong
        return found

    def write(self, value: Any) -> str:
        """
        In quotes.
        """
        return quoted(value)


@frozen
class FilePath:
    """
    A path: absolute, or relative to the settings file.
    """

    allowed: str = "a path"

    def read(self, found: Any) -> str:
        """
        @raise Wrong: no string, or no path.
        """
        if not isinstance(found, str) or not found or "\0" in found:
            raise Wrong
        return found

    def write(self, value: Any) -> str:
        """
        In quotes.
        """
        return quoted(value or "")


@frozen
class HostPort:
    """
    A host, by name or address, and a port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class Secret:
    """
    A password, or where it stands.  No part of it that could be the password is shown anywhere.
    """

    text: str = field(default="", repr=False)
    #: The file whose first line it is.
    file: str = ""
    #: The environment variable that holds it.
    variable: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.file or self.variable)


@frozen
class Password:
    """
    A secret in the settings file, or better a word of where it stands.
    """

    allowed: str = 'a string, or { file = "a path" }, or { env = "a variable" }'

    def read(self, found: Any) -> Secret:
        """
        @raise Wrong: none of the three.
        """
        match found:
            case str():
                return Secret(found)
            case {"file": str(path), **others} if path and "\0" not in path and not others:
                return Secret(file=path)
            case {"env": str(name), **others} if _VARIABLE.fullmatch(name) and not others:
                return Secret(variable=name)
        raise Wrong

    def write(self, value: Any) -> str:
        """
        Where it stands; never itself.
        """
        if value.file:
            return f"{{ file = {quoted(value.file)} }}"
        if value.variable:
            return f"{{ env = {quoted(value.variable)} }}"
        return quoted("..." if value.text else "")


@frozen
class ListOf:
    """
    A list of values of one kind.  The reader reads its entries one by one, so that each complaint has its line.
    """

    kind: Kind
    maximum: int = 1000
    minimum: int = 0
    #: Whether an entry may be there more than once.
    may_repeat: bool = False

    @property
    def allowed(self) -> str:
        """
        A list, and of what.
        """
        return f"a list; each entry is {self.kind.allowed}"

    def read(self, found: Any) -> list[Any]:
        """
        The entries, not yet read.

        @raise Wrong: no list, or too long a list.
        """
        if not isinstance(found, list):
            raise Wrong
        if len(found) > self.maximum:
            raise Wrong(f"It has {len(found)} entries, and {self.maximum} are allowed.")
        if len(found) < self.minimum:
            raise Wrong(f"It needs at least {self.minimum}.")
        return found

    def write(self, value: Any) -> str:
        """
        In brackets.
        """
        return f"[{', '.join(map(self.kind.write, value))}]"


def described(found: Any) -> str:
    """
    What stood in the file, for people, shortened.
    """
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str):
        return quoted(found if len(found) <= _SHOWN else found[:_SHOWN] + "...")
    if isinstance(found, int):
        return str(found) if abs(found) < 10**_SHOWN else "a very large number"
    if isinstance(found, float):
        return repr(found)
    if isinstance(found, date | time):
        return f"the date or time {found.isoformat()}"
    return "a table" if isinstance(found, dict) else "a list"


def quoted(text: str) -> str:
    """
    A basic string of TOML, on one line.
    """
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _bounded(
    found: Any, pattern: re.Pattern[str], unit_named: Callable[[str], int | None], minimum: int, maximum: int
) -> int:
    if isinstance(found, str):
        parts = pattern.fullmatch(found)
        unit = unit_named(parts[2]) if parts else None
        if parts is None or unit is None:
            raise Wrong
        found = int(parts[1]) * unit
    if isinstance(found, bool) or not isinstance(found, int) or not minimum <= found <= maximum:
        raise Wrong
    return found


def domain(text: str) -> str:
    """
    A domain, in lower case; no address literal.

    @raise SyntaxProblem: it is none.
    """
    if text.startswith("["):
        raise SyntaxProblem("An address literal is no domain.")
    return parse_domain(text)


def optional(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """
    As C{check}; an empty string is L{None}.
    """
    return lambda text: check(text) if text else None


def network(text: str) -> IPv4Network | IPv6Network:
    """
    An IP network, or one address.

    @raise SyntaxProblem: it is neither, or has bits beyond its prefix.
    """
    try:
        return ip_network(text)
    except ValueError as problem:
        reason = " It has bits beyond its prefix." if "host bits" in str(problem) else ""
        raise SyntaxProblem(f"This is no network.{reason}") from problem


def host_port(text: str) -> HostPort:
    """
    A host and a port; an IPv6 address stands in brackets.

    @raise SyntaxProblem: it is something else.
    """
    parts = _PLACE.fullmatch(text)
    if parts is None or not 0 < int(parts["port"]) <= _HIGHEST_PORT:
        raise SyntaxProblem("This is no host with a port.")
    if parts["name"]:
        return HostPort(domain(parts["name"]), int(parts["port"]))
    try:
        return HostPort(str(ip_address(parts["bracketed"])), int(parts["port"]))
    except ValueError as problem:
        raise SyntaxProblem("The host in brackets is no address.") from problem


def name_server(text: str) -> NameServer:
    """
    A resolver: an address, with a port or without.

    @raise BadSetting: it is something else.
    """
    return parse_servers([text])[0]
