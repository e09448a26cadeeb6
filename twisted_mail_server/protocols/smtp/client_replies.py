"""
Replies as another server sends them (RFC 5321 section 4.2): read within bounds, and told apart.
"""

from __future__ import annotations

import re
from enum import Enum

from attrs import define, field

from ...model import limits
from ...model.errors import SyntaxProblem, TooLong
from ...model.queue import Outcome
from ...model.replies import Reply

# Reply-line     = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
# Reply-code     = %x32-35 %x30-35 %x30-39
# The second digit is not looked at: section 4.2.1 has a client go by the first where it does not know the whole.
_LINE = re.compile(rb"(?P<code>[2-5][0-9]{2})(?:(?P<mark>[ \-])(?P<text>.*))?", re.DOTALL)
# status-code ::= class "." subject "." detail                      ; RFC 2034 section 4
_ENHANCED = re.compile(r"(?P<code>[245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|\Z)")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
#: How much of what is no reply is shown.
_SAMPLE = 60


class Stage(Enum):
    """
    What a reply is the answer to; the value is for people.
    """

    GREETING = "connecting"
    HELLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    #: The end of the content, or a chunk of it.
    CONTENT = "end of data"
    RSET = "RSET"
    QUIT = "QUIT"


@define(eq=False)
class ReplyReader:
    """
    Replies out of arbitrary chunks.

    A line may end with LF alone: some servers do that, and who can forge a line here can forge all of it.
    """

    _data: bytes = field(default=b"", init=False)
    #: Where the unread part of C{_data} begins.
    _at: int = field(default=0, init=False)
    #: The lines so far of a reply that goes on, and their octets.
    _lines: list[str] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _code: bytes = field(default=b"", init=False)

    def __len__(self) -> int:
        return len(self._data) - self._at

    def receive(self, data: bytes) -> None:
        """
        Add to the end.
        """
        self._data = self._data[self._at :] + data
        self._at = 0

    def discard(self) -> None:
        """
        Forget everything: what came in clear must not be taken for what comes under TLS (RFC 3207 section 4.2).
        """
        self._data, self._at = b"", 0
        self._lines.clear()

    def next_reply(self) -> Reply | None:
        """
        The next whole reply, if it is there.

        @raise SyntaxProblem: what came is no reply.
        @raise TooLong: a line has more than L{limits.SMTP_REPLY_LINE} octets, or a reply too many lines or octets.
        """
        while (line := self._next_line()) is not None:
            found = _LINE.fullmatch(line)
            if found is None:
                raise SyntaxProblem(f"What came is no SMTP reply: {_show(line[:_SAMPLE])}")
            if not self._lines:
                self._code, self._size = found["code"], 0
            elif found["code"] != self._code:
                raise SyntaxProblem("The lines of one reply have different codes.")
            self._size += len(line)
            self._lines.append(_show(found["text"] or b""))
            if len(self._lines) > limits.SMTP_REPLY_LINES or self._size > limits.SMTP_REPLY:
                raise TooLong("A reply does not end.")
            if found["mark"] != b"-":
                lines, self._lines = self._lines, []
                return _make_reply(int(self._code), lines)
        return None

    def _next_line(self) -> bytes | None:
        end = self._data.find(b"\n", self._at)
        # Behind a line of full length there may be a CR that belongs to its end.
        if (len(self._data) if end < 0 else end) - self._at > limits.SMTP_REPLY_LINE + 1:
            raise TooLong("A line of a reply does not end.")
        if end < 0:
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        return line[:-1] if line.endswith(b"\r") else line


def _show(octets: bytes) -> str:
    return _UNPRINTABLE.sub("?", octets.decode("latin-1"))


def _make_reply(code: int, lines: list[str]) -> Reply:
    """
    The enhanced code is taken off each line, where it is of the same class as the code (RFC 2034 section 4).
    """
    found = _ENHANCED.match(lines[0])
    enhanced = found["code"] if found is not None and found["code"][0] == str(code)[0] else ""
    if enhanced:
        lines = [_ENHANCED.sub("", line, count=1) if line.startswith(enhanced) else line for line in lines]
    return Reply(code, lines[0], enhanced, tuple(lines[1:]))


def describe(reply: Reply) -> str:
    """
    A reply on one line: C{550 5.1.1 Unknown}.
    """
    words = " ".join((reply.text, *reply.more)).split()
    return " ".join((str(reply.code), *((reply.enhanced,) if reply.enhanced else ()), *words))[: limits.RELAY_DETAIL]


#: What a reply of the last two classes comes to.
_OUTCOMES = {4: Outcome.DEFERRED, 5: Outcome.FAILED}

#: RFC 3463 codes, subject and detail, for replies that have none: by the whole code, where RFC 5321 section 4.2.2 gives it
#: one meaning, else by what was asked.  What is not certain stays C{0}.
_BY_CODE = {
    421: "3.2",
    432: "7.12",
    450: "2.0",
    452: "3.1",
    454: "7.0",
    455: "5.4",
    500: "5.2",
    501: "5.4",
    502: "5.1",
    503: "5.1",
    504: "5.4",
    521: "3.2",
    530: "7.0",
    534: "7.9",
    535: "7.8",
    538: "7.11",
    551: "1.6",
    553: "1.3",
    555: "5.4",
    556: "1.10",
}
_BY_STAGE = {
    (452, Stage.RCPT): "5.3",
    (552, Stage.RCPT): "2.2",
    (552, Stage.MAIL): "3.4",
    (552, Stage.CONTENT): "3.4",
    (550, Stage.RCPT): "1.0",
    (553, Stage.MAIL): "1.7",
}


def outcome_of(reply: Reply) -> Outcome | None:
    """
    What a refusal comes to; C{None} for a reply that is none.
    """
    return _OUTCOMES.get(reply.code // 100)


def status_of(reply: Reply, stage: Stage) -> str:
    """
    Its enhanced code, or the one that its code comes closest to.
    """
    if reply.enhanced:
        return reply.enhanced
    rest = _BY_STAGE.get((reply.code, stage)) or _BY_CODE.get(reply.code, "0.0")
    return f"{reply.code // 100}.{rest}"
