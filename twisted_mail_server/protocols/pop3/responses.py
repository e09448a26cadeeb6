"""
Responses as octets (RFC 1939 section 3, RFC 2449 sections 3 and 8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...model.errors import MailError

# text = *schar / resp-code *CHAR ; schar = %x21-5A / %x5C-7F: only a response code begins with "["
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
#: RFC 2449 section 4: the first line of a response has 512 octets at most, CRLF included.
_TEXT = 480

OK = b"+OK\r\n"


def ok(text: str) -> bytes:
    """
    C{+OK text}
    """
    return b"+OK %b\r\n" % _clean(text)


def error(text: str, code: str = "") -> bytes:
    """
    C{-ERR [code] text}
    """
    if code:
        return b"-ERR [%b] %b\r\n" % (code.encode("ascii"), _clean(text))
    return b"-ERR %b\r\n" % _clean(text)


def refusal(problem: MailError) -> bytes:
    """
    What a failure says to a POP3 client.
    """
    return error(problem.public, problem.pop3_code)


def listing(text: str, lines: Iterable[bytes]) -> bytes:
    """
    A multi-line response; none of the lines begins with a dot.
    """
    return b"+OK %b\r\n%b.\r\n" % (_clean(text), b"".join([b"%b\r\n" % line for line in lines]))


def _clean(text: str) -> bytes:
    return _UNPRINTABLE.sub("?", text)[:_TEXT].lstrip("[").encode("ascii")
