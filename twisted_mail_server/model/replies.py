"""
SMTP replies as values (RFC 5321 section 4.2, RFC 2034, RFC 3463).
"""

from __future__ import annotations

import re

from attrs import field, frozen

from .errors import MailError

#: What may stand in a reply's text: printable ASCII (RFC 5321 section 4.2, C{textstring}).
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e]")
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
        lines = (self.text, *self.more)
        prefix = f"{self.enhanced} " if self.enhanced else ""
        last = len(lines) - 1
        return "".join(
            f"{self.code}{'-' if number < last else ' '}{prefix}{_UNPRINTABLE.sub('?', line)[:_TEXT]}\r\n"
            for number, line in enumerate(lines)
        ).encode("ascii")
