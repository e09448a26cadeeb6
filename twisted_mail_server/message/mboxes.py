"""
The mbox format (RFC 4155, in the form known as mboxrd): many messages in one file, each after a line that begins C{From }.

Pure and streaming: pieces of a file go in, messages come out in pieces, and only a message's header is ever kept whole.  Lines
that begin C{>From } lose one C{>}, which undoes what both mboxrd and mboxo writers did; C{Content-Length} is ignored, for it is
wrong too often.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from attrs import define, field, frozen

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.model.flags import check_keyword

_FROM = re.compile(rb"^(>*)From ", re.MULTILINE)
_QUOTED = re.compile(rb"^(?=>*From )", re.MULTILINE)
_DATE = re.compile(
    rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?P<day>[0-9]{1,2})"
    rb" +(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?: +[A-Z]{1,5})?"
    rb"(?: +(?P<early>[+-][0-9]{4}))? +(?P<year>[0-9]{4})(?: +(?P<late>[+-][0-9]{4}))?"
)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HEADER_END = re.compile(rb"\A\r?\n|(?<=\n)\r?\n")
#: What programs that keep mail in this format write into it; no part of the message.
_KEPT = re.compile(
    rb"^(Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase):[ \t]*(.*)\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE
)

#: Flags by their letters in C{Status} and C{X-Status}.
_STATUS = {"R": "\\Seen"}
_X_STATUS = {"A": "\\Answered", "F": "\\Flagged", "T": "\\Draft", "D": "\\Deleted"}

#: A line longer than this is read in pieces.
_LONG_LINE = 64 * 1024


@frozen
class MboxMessage:
    """
    A message begins; its octets follow.
    """

    #: Seconds since 1970, as its first line tells.
    date: int | None
    flags: tuple[str, ...] = ()
    #: A record of the program that wrote the file, not mail.
    is_record: bool = False


@define
class MboxReader:
    """
    Pieces of a file in; for each message an L{MboxMessage}, then its octets.
    """

    _buffer: bytes = b""
    #: What came before the buffer.
    _tail: bytes = b"\n\n"
    _date: int | None = None
    #: The header so far; L{None} outside one.
    _header: bytes | None = None
    _is_begun: bool = False
    #: The last octets of a body, which may be the empty line that ends the message.
    _held: bytes = b""
    _events: list[MboxMessage | bytes] = field(factory=list)

    def feed(self, data: bytes) -> list[MboxMessage | bytes]:
        """
        What a further piece of the file brings.

        @raise SyntaxProblem: the file is no mbox.
        """
        self._buffer += data
        cut = self._buffer.rfind(b"\n") + 1
        if not cut and len(self._buffer) > _LONG_LINE:
            cut = len(self._buffer)
        if cut:
            block, self._buffer = self._buffer[:cut], self._buffer[cut:]
            self._read(block)
        return self._taken()

    def finish(self) -> list[MboxMessage | bytes]:
        """
        The file has ended.

        @raise SyntaxProblem: the file is no mbox.
        """
        if self._buffer:
            block, self._buffer = self._buffer, b""
            self._read(block)
        self._end()
        return self._taken()

    def _taken(self) -> list[MboxMessage | bytes]:
        events, self._events = self._events, []
        return events

    def _read(self, block: bytes) -> None:
        position = 0
        for found in _FROM.finditer(block):
            start = found.start()
            before = (self._tail + block[max(0, start - 3) : start])[-3:]
            if not before.endswith(b"\n"):
                continue
            if found[1]:
                self._add(block[position:start])
                position = start + 1
                continue
            end = block.find(b"\n", start) + 1 or len(block)
            date = _DATE.search(block, start, end)
            if date is None or not before.endswith((b"\n\n", b"\n\r\n")):
                continue
            self._add(block[position:start])
            self._end()
            self._date, self._header, self._is_begun = _seconds(date), b"", True
            position = end
        self._add(block[position:])
        self._tail = (self._tail + block[-3:])[-3:]

    def _add(self, piece: bytes) -> None:
        if not piece:
            return
        if not self._is_begun:
            raise SyntaxProblem("This is no mbox: it does not begin with a From line.")
        if self._header is None:
            self._body(piece)
            return
        # An empty line may begin where the last piece ended.
        looked = max(0, len(self._header) - 2)
        self._header += piece
        end = _HEADER_END.search(self._header, looked)
        if end is not None or len(self._header) > limits.HEADER_SIZE:
            cut = end.end() if end is not None else len(self._header)
            header, body, self._header = self._header[:cut], self._header[cut:], None
            self._begin(header)
            self._body(body)

    def _begin(self, header: bytes) -> None:
        flags: dict[str, None] = {}
        is_record = False
        for name, value in _KEPT.findall(header):
            name, text = name.lower(), value.decode("latin-1").strip()
            is_record = is_record or name == b"x-imap"
            flags |= dict.fromkeys(_flags(name, text))
        self._events.append(MboxMessage(self._date, tuple(flags), is_record))
        self._events.append(_KEPT.sub(b"", header))

    def _body(self, piece: bytes) -> None:
        whole = self._held + piece
        cut = max(0, len(whole) - 3)
        if cut:
            self._events.append(whole[:cut])
        self._held = whole[cut:]

    def _end(self) -> None:
        if self._header is not None:
            header, self._header = self._header, None
            self._begin(header)
        held, self._held = self._held, b""
        if held.endswith(b"\n\r\n") or held == b"\r\n":
            held = held[:-2]
        elif held.endswith(b"\n\n") or held == b"\n":
            held = held[:-1]
        if held:
            self._events.append(held)


@define
class MboxWriter:
    """
    Messages in, pieces of a file out.
    """

    _ends_line: bool = True
    #: A line whose end has not come.
    _rest: bytes = b""

    def begin(self, date: int, flags: Sequence[str]) -> bytes:
        """
        What stands before a message: its first line, and its flags as fields.
        """
        self._ends_line = True
        return from_line(date) + status_fields(flags)

    def write(self, data: bytes) -> bytes:
        """
        A piece of content, quoted.
        """
        whole = self._rest + data
        cut = whole.rfind(b"\n") + 1
        if not cut and len(whole) > _LONG_LINE:
            cut = len(whole)
        self._rest = whole[cut:]
        return self._quoted(whole[:cut])

    def end(self) -> bytes:
        """
        What stands after a message: the end of its last line, if it has none, and an empty line.
        """
        rest, self._rest = self._rest, b""
        last = self._quoted(rest)
        return last + (b"\n" if self._ends_line else b"\n\n")

    def _quoted(self, piece: bytes) -> bytes:
        if not piece:
            return b""
        begun = 0 if self._ends_line else piece.find(b"\n") + 1 or len(piece)
        self._ends_line = piece.endswith(b"\n")
        return piece[:begun] + _QUOTED.sub(b">", piece[begun:])


def from_line(date: int) -> bytes:
    """
    The first line of a message that came at C{date}.
    """
    when = datetime.fromtimestamp(date, UTC)
    month = _MONTHS[when.month - 1].decode("ascii")
    text = f"From MAILER-DAEMON {_DAYS[when.weekday()]} {month} {when.day:2} {when:%H:%M:%S} {when.year:04}\n"
    return text.encode("ascii")


def status_fields(flags: Sequence[str]) -> bytes:
    """
    Flags as Dovecot, mutt and alpine keep them in an mbox.
    """
    known = {flag.lower() for flag in flags}
    more = "".join(letter for letter, flag in _X_STATUS.items() if flag.lower() in known)
    keywords = " ".join(flag for flag in flags if not flag.startswith("\\"))
    text = "Status: RO\n" if "\\seen" in known else "Status: O\n"
    text += f"X-Status: {more}\n" if more else ""
    text += f"X-Keywords: {keywords}\n" if keywords else ""
    return text.encode("ascii")


def _flags(name: bytes, text: str) -> list[str]:
    if name == b"x-keywords":
        return [word for word in text.split() if _is_keyword(word)]
    letters = _STATUS if name == b"status" else _X_STATUS if name == b"x-status" else {}
    return [flag for letter, flag in letters.items() if letter in text]


def _is_keyword(word: str) -> bool:
    try:
        check_keyword(word)
    except SyntaxProblem:
        return False
    return True


def _seconds(found: re.Match[bytes]) -> int | None:
    zone = found["early"] or found["late"]
    offset = timedelta()
    if zone:
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5])) * (-1 if zone.startswith(b"-") else 1)
    try:
        when = datetime(
            int(found["year"]),
            _MONTHS.index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"] or 0),
            tzinfo=timezone(offset),
        )
        return int(when.timestamp())
    except ValueError:
        return None
