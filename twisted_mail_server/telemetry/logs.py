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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Any

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
        return None if _level(event) in left_out else write(_masked(event))

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


def _masked(event: LogEvent) -> LogEvent:
    if not any(map(_is_secret, event)):
        return event
    return {key: MASK if _is_secret(key) else value for key, value in event.items()}


@lru_cache(1000)
def _is_secret(key: str) -> bool:
    return _SECRET.search(key) is not None


def _text_line(event: LogEvent) -> str:
    fields = "".join(f" {key}={_word(value)}" for key, value in _fields(event) if value != "")
    line = f"{_time(event)} {_level(event)} {_namespace(event)}: {_one_line(formatEvent(event))}{fields}\n"
    trace = _traceback(event)
    return line + "".join(f"    {_one_line(part)}\n" for part in trace.splitlines()) if trace else line


def _json_line(event: LogEvent) -> str:
    shown = {"time": _time(event), "level": _level(event), "logger": _namespace(event), "message": formatEvent(event)}
    for key, value in _fields(event):
        shown[f"{key}_" if key in _RESERVED else key] = value
    if trace := _traceback(event):
        shown["traceback"] = trace
    return _to_json(shown) + "\n"


def _fields(event: LogEvent) -> Iterator[tuple[str, Any]]:
    """
    What an event says besides its sentence, as values that JSON has.
    """
    left_out = _LEGACY if "isError" in event else frozenset[str]()
    for key, value in event.items():
        if not key.startswith("log_") and key not in left_out:
            yield key, _value(value)


def _value(value: object) -> object:
    if value is None or isinstance(value, str | int):
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
