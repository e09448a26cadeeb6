"""
8BITMIME: content with octets above 127 (RFC 6152).
"""

from __future__ import annotations

from ....model.envelopes import BodyKind
from ....model.errors import SyntaxProblem
from ..vocabulary import Extension, Parameter

# body-value = "7BIT" / "8BITMIME"                                  ; RFC 6152 section 2
_KINDS = {"7BIT": BodyKind.SEVEN_BIT, "8BITMIME": BodyKind.EIGHT_BIT}


def parse_body(value: str | None) -> BodyKind:
    """
    Read the value of C{BODY}.

    @raise SyntaxProblem: it is none that we know.
    """
    kind = _KINDS.get((value or "").upper())
    if kind is None:
        raise SyntaxProblem("BODY is 7BIT or 8BITMIME.")
    return kind


EXTENSION = Extension(
    keyword="8BITMIME",
    rfc="RFC 6152",
    offer=lambda conversation: "8BITMIME",
    mail_parameters=(Parameter("BODY", parse_body),),
)
