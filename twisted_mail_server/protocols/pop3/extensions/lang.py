"""
LANG: in which language the server speaks to people (RFC 6856 section 3).  There is one.
"""

from __future__ import annotations

import re

from ....model.errors import Refused, SyntaxProblem
from ..responses import listing, ok
from ..vocabulary import ANYTIME, Answer, Command, Conversation, Extension

# language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"      ; RFC 4647 section 2.1
_RANGE = re.compile(rb"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*")
#: Ranges that mean English.  RFC 4647 section 3.3.1: a range means a tag that it equals, or of which it is the beginning.
_ENGLISH = (b"en", b"*")


def read_range(argument: bytes | None) -> bytes | None:
    """
    A language range in small letters, if there is an argument.

    @raise SyntaxProblem: it is none.
    """
    if not argument:
        return None
    if not _RANGE.fullmatch(argument):
        raise SyntaxProblem("Expected a language, or an asterisk.")
    return argument.lower()


def speak(conversation: Conversation, wanted: bytes | None) -> Answer:
    """
    Tell the languages, or choose one of them.

    @raise Refused: it is another one; nothing changes then.
    """
    if wanted is None:
        return listing("Language listing follows.", [b"en English"])
    if wanted not in _ENGLISH:
        raise Refused("That language is not spoken here.")
    return ok("en English is spoken.")


EXTENSION = Extension(
    rfc="RFC 6856",
    announce=lambda _: "LANG",
    commands=(Command(b"LANG", ANYTIME, read_range, speak),),
)
