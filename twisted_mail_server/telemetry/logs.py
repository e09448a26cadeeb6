"""
Log lines out of L{twisted.logger} events: one for people, one for programs.

For people: time, level, namespace, the sentence, and the event's fields as C{key=value}; a traceback follows, indented.  For
programs: one JSON object a line with C{time}, C{level}, C{logger}, C{message}, the fields, and C{traceback} where there is one.
Times are UTC (RFC 3339).

Whoever logs leaves secrets out.  As a last resort a field whose name says that it is one is masked here, in the sentence too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from string import Formatter
from typing import IO, Any

from attrs import frozen
from twisted.logger import FileLogObserver, LogEvent, LogLevel, LogPublisher, formatEvent

#: Makes a line of an event; L{None} leaves it out.
LineFormat = Callable[[LogEvent], str | None]

MASK = "***"

_SECRET = re.compile(r"passw|secret|credential|private_key|token", re.IGNORECASE)
#: What L{twisted.python.log} and its bridge add to events.
_LEGACY = frozenset(
    {"message", "time", "system", "isError", "format", "why", "failure", "logLevel", "eventSource", "eventType"}
)
_RESERVED = frozenset({"time", "level", "logger", "message", "traceback"})
_OWN = "twisted_mail_server."
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_SIMPLE = frozenset({str, int, bool, type(None)})
_PLAIN = re.compile(r"[!#-<>-~]+")


def line_format(name: str, level: str) -> LineFormat:
    """
    The format C{text} or C{json}, without what is less important than C{level}.
    """
    write = {"text": _text_line, "json": _json_line}[name]
    least = LogLevel.levelWithName(level)
    # Names, for constants are slow to compare.
    left_out = frozenset(one.name for one in LogLevel.iterconstants() if one < least)

    def line(event: LogEvent) -> str | None:
        if _level(event) in left_out:
            return None
        shape = _shape(tuple(event))
        if shape.secrets:
            event = {**event, **dict.fromkeys(shape.secrets, MASK)}
        return write(event, shape)

    return line


def observer(file: IO[Any], line: LineFormat) -> FileLogObserver:
    """
    Writes lines to a file.
    """
    return FileLogObserver(file, line)


def adopt(publisher: LogPublisher, line: LineFormat) -> None:
    """
    Have all that a publisher writes to files written as C{line} from now on.

    Twistd opens the file (C{--logfile}, C{twistd.log}, or the terminal) and begins to log before a service is asked anything, and
    rotates it on SIGUSR1; so its observers stay, and write otherwise.
    """
    for one in publisher._observers:
        if isinstance(one, FileLogObserver):
            one.formatEvent = line


@frozen
class _Shape:
    """
    What is always the same of events that have the same keys: as many kinds as there are lines of code that log.
    """

    #: The keys of its fields, which are all that is not Twisted's own, and those whose names say that they are secret.
    fields: tuple[str, ...]
    secrets: tuple[str, ...]


@lru_cache(1000)
def _shape(keys: tuple[str, ...]) -> _Shape:
    left_out = _LEGACY if "isError" in keys else frozenset[str]()
    return _Shape(
        tuple(key for key in keys if not key.startswith("log_") and key not in left_out),
        tuple(key for key in keys if _SECRET.search(key) is not None),
    )


def _sentence(event: LogEvent) -> str:
    """
    As Twisted's L{formatEvent} writes it; where its format asks for nothing that only that knows, ten times faster.
    """
    format = event.get("log_format")
    if isinstance(format, str) and "log_flattened" not in event and _is_plain(format):
        try:
            return format.format_map(event)
        except Exception:  # noqa: BLE001 (Twisted tells what was wrong)
            return formatEvent(event)
    return formatEvent(event)


@lru_cache(1000)
def _is_plain(format: str) -> bool:
    """
    Whether each field that a format names is just a key of the event.
    """
    try:
        return all(
            name is None or (name.isidentifier() and "{" not in (spec or "") and conversion is None)
            for _, name, spec, conversion in Formatter().parse(format)
        )
    except ValueError:
        return False


def _text_line(event: LogEvent, shape: _Shape) -> str:
    words = [f" {key}={_word(value)}" for key in shape.fields if (value := _value(event[key])) != ""]
    line = f"{_time(event)} {_level(event)} {_namespace(event)}: {_one_line(_sentence(event))}{''.join(words)}\n"
    trace = _traceback(event)
    return line + "".join(f"    {_one_line(part)}\n" for part in trace.splitlines()) if trace else line


def _json_line(event: LogEvent, shape: _Shape) -> str:
    shown: dict[str, object] = {
        "time": _time(event),
        "level": _level(event),
        "logger": _namespace(event),
        "message": _sentence(event),
    }
    for key in shape.fields:
        shown[f"{key}_" if key in _RESERVED else key] = _value(event[key])
    if trace := _traceback(event):
        shown["traceback"] = trace
    return _to_json(shown) + "\n"


def _value(value: object) -> object:
    """
    What a field says, as JSON has it.
    """
    if type(value) in _SIMPLE or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(one) for one in value]
    try:
        return str(value)
    except Exception:  # noqa: BLE001 (the log goes on, whatever it is given)
        return f"({type(value).__name__} that cannot be shown)"


def _word(value: object) -> str:
    if type(value) is int:
        return str(value)
    text = ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = _one_line(text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    """
    Nothing in a line ends it, or speaks to a terminal.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _time(event: LogEvent) -> str:
    moment: float = event.get("log_time", 0.0)
    second = int(moment)
    return f"{_second(second)}.{int((moment - second) * 1000):03d}Z"


@lru_cache(2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _level(event: LogEvent) -> str:
    return str(event.get("log_level", LogLevel.info).name)


def _namespace(event: LogEvent) -> str:
    name = event.get("log_namespace")
    return _shortened(str((event.get("log_system") if name == "log_legacy" else name) or "-"))


@lru_cache(1000)
def _shortened(name: str) -> str:
    return _one_line(name).removeprefix(_OWN)


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return "" if failure is None else str(failure.getTraceback())
