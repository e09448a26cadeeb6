"""
SMTP replies as values (RFC 5321 section 4.2, RFC 2034, RFC 3463).
"""

from __future__ import annotations

import re

from attrs import field, frozen

from .errors import MailError

#: What may stand in a reply's text: printable ASCII (RFC 5321 section 4.2, C{textstring}).
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e]")
#: What may not, even where UTF-8 may.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
#: Longest text of one reply line: 512 octets with code, enhanced code and CRLF (section 4.5.3.1.5).
_TEXT = 480


@frozen
class Reply:
    """
    A three-digit code, an enhanced code or none, and lines of text.
    """

    code: int
    text: str
    #: C{class.subject.detail} of RFC 3463, or empty where RFC 2034 asks for none (greeting, EHLO, 334).
    enhanced: str = ""
    #: Further lines, each with the same code.
    more: tuple[str, ...] = field(default=())
    #: Whether the text may hold UTF-8: where the client said so for this very reply (RFC 6531 section 3.7.4).
    is_utf8: bool = False

    @classmethod
    def of(cls, problem: MailError) -> Reply:
        """
        What a failure says to an SMTP peer.
        """
        return cls(problem.code, problem.public, problem.enhanced)

    @property
    def is_positive(self) -> bool:
        """
        Whether it is a 2xx or 3xx reply.
        """
        return self.code < 400

    @property
    def ends_session(self) -> bool:
        """
        Whether the connection closes after it (RFC 5321 sections 3.8 and 4.2.1).
        """
        return self.code in (221, 421)

    def encode(self) -> bytes:
        """
        The octets on the wire, line ends included; nothing in the text can forge a line.
        """
        prefix = f"{self.enhanced} ".encode("ascii") if self.enhanced else b""
        if not self.more:
            return b"%d %s%s\r\n" % (self.code, prefix, self._encode_line(self.text))
        lines = (self.text, *self.more)
        last = len(lines) - 1
        return b"".join(
            b"%d%s%s%s\r\n" % (self.code, b"-" if number < last else b" ", prefix, self._encode_line(line))
            for number, line in enumerate(lines)
        )

    def _encode_line(self, line: str) -> bytes:
        if line.isascii() and line.isprintable():
            return line[:_TEXT].encode("ascii")
        if not self.is_utf8:
            return _UNPRINTABLE.sub("?", line)[:_TEXT].encode("ascii")
        encoded = _CONTROLS.sub("?", line).encode("utf-8", "replace")[:_TEXT]
        # The cut may have gone through a character.
        return encoded.decode("utf-8", "ignore").encode("utf-8")
