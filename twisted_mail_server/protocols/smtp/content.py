"""
Content: its end, its dots and its line ends, in bulk (RFC 5321 sections 4.5.2 and 2.3.8, RFC 3030 section 2).

After DATA nothing but C{CRLF.CRLF} ends it; after BDAT a count of octets does.  A CR or LF that stands alone spoils it: what
another server would take for a line end must not pass through this one (SMTP smuggling).
"""

from __future__ import annotations

from attrs import define, field

from ...message.lines import find_bare
from ...model import limits
from ...model.replies import Reply
from . import replies
from .events import Content, ContentSpoiled

_CRLF = b"\r\n"
_END = b"\r\n.\r\n"
#: What may be the beginning of the end, longest first.
_BEGINNINGS = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


@define(eq=False)
class Lines:
    """
    What both ways of sending content have in common: its lines, and what spoils them.
    """

    #: Octets it may have.
    limit: int
    #: Why it will be refused, once that is known.
    problem: Reply | None = field(default=None, init=False)
    #: Octets so far, dots unstuffed.
    size: int = field(default=0, init=False)
    #: Octets since the last CRLF.
    _line: int = field(default=0, init=False)

    def _find_problem(self, piece: bytes) -> Reply | None:
        """
        C{piece} is not cut within a CRLF.
        """
        # Split at whatever may be a line end, and put together again with CRLF, it is the same if nothing else was there: that is
        # twice as fast as to count three times.
        lines = piece.splitlines()
        if piece.endswith(_CRLF):
            lines.append(b"")
        if _CRLF.join(lines) != piece:
            # What comes first counts, so that the reply is the same however the content is cut.
            return replies.TOO_BIG if self._exceeds(piece[: find_bare(piece)]) else replies.BARE_LINE_END
        return replies.LINE_TOO_LONG if self._has_long_line(piece) else None

    def _take(self, piece: bytes) -> Content | ContentSpoiled | None:
        self.size += len(piece)
        if self.size <= self.limit:
            return Content(piece) if piece else None
        return self._spoil(replies.TOO_BIG)

    def _exceeds(self, beginning: bytes) -> bool:
        """
        Whether the content is too large with C{beginning}, as it was sent.
        """
        return self.size + len(beginning) > self.limit

    def _spoil(self, problem: Reply) -> ContentSpoiled:
        self.problem = problem
        return ContentSpoiled(problem)

    def _has_long_line(self, piece: bytes) -> bool:
        first = piece.find(b"\r\n")
        if first < 0:
            self._line += len(piece)
            return self._line > limits.TEXT_LINE
        if self._line + first > limits.TEXT_LINE:
            return True
        self._line = len(piece) - piece.rfind(b"\r\n") - 2
        return len(piece) > limits.TEXT_LINE and max(map(len, piece.split(b"\r\n"))) > limits.TEXT_LINE


@define(eq=False)
class ContentReader(Lines):
    """
    Reads the content of one message that comes by DATA.
    """

    #: What waits for more: it may be the beginning of the end.  The CRLF of the DATA command belongs to the end of an
    #: empty message (RFC 5321 section 4.1.1.4), so it stands here first.
    _held: bytes = field(default=b"\r\n", init=False)
    #: Octets of C{_held} that are not content.
    _foreign: int = field(default=2, init=False)

    def receive(self, data: bytes) -> tuple[Content | ContentSpoiled | None, bytes | None]:
        """
        Read on.  What there is to tell, and, if the content has ended, what follows it; C{None} while it goes on.
        """
        data = self._held + data
        # A search for one octet is forty times faster than one for five, and attachments have no dots.
        dot = data.find(b"\r\n.") if b"." in data else -1
        end = -1
        if dot >= 0:
            # Nearly always the first line that begins with a dot is the last.
            end = dot if data.startswith(_END, dot) else data.find(_END, dot + 2)
        rest: bytes | None = None
        if end >= 0:
            rest = data[end + len(_END) :]
            piece = data[: end + 2]
        else:
            self._held = next((part for part in _BEGINNINGS if data.endswith(part)), b"")
            piece = data[: len(data) - len(self._held)] if self._held else data
        if self.problem is not None or not piece:
            return None, rest
        return self._judge(piece, has_dots=dot >= 0 and dot != end), rest

    def _exceeds(self, beginning: bytes) -> bool:
        return self.size + len(beginning) - beginning.count(b"\r\n.") - self._foreign > self.limit

    def _judge(self, piece: bytes, *, has_dots: bool) -> Content | ContentSpoiled | None:
        """
        C{piece} is cut neither within a CRLF nor between a CRLF and a dot.
        """
        problem = self._find_problem(piece)
        if problem is not None:
            return self._spoil(problem)
        # A dot that begins a line is taken off, whatever follows it.
        if has_dots:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if self._foreign:
            piece = piece[self._foreign :]
            self._foreign = 0
        return self._take(piece)


@define(eq=False)
class ChunkedContent(Lines):
    """
    Reads the content of one message that comes by BDAT (RFC 3030 section 2): as many octets as were announced, nothing
    stuffed, and yet lines, for it will travel on by DATA, too.
    """

    #: Whether its problem was told; then it is told again for each chunk that was on its way.
    is_refused: bool = field(default=False, init=False)
    #: A CR that may be half of a CRLF.
    _held: bytes = field(default=b"", init=False)
    #: Whether a line has begun and not ended.
    _is_open: bool = field(default=False, init=False)

    def receive(self, data: bytes) -> Content | ContentSpoiled | None:
        """
        Read on; what there is to tell.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        if self.problem is not None or not data:
            return None
        problem = self._find_problem(data)
        if problem is not None:
            return self._spoil(problem)
        self._is_open = not data.endswith(b"\r\n")
        return self._take(data)

    def end(self) -> Content | ContentSpoiled | None:
        """
        No more comes: a last line that has not ended is ended here.  To be called again, until there is nothing to tell.
        """
        if self.problem is not None:
            return None
        if self._held:
            return self._spoil(replies.BARE_LINE_END)
        if self._is_open:
            self._is_open = False
            return Content(b"\r\n")
        return None
