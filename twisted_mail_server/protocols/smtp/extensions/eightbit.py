"""
8BITMIME: content with octets above 127 (RFC 6152).
"""

from __future__ import annotations

from ....model.envelopes import BodyKind
from ....model.errors import SyntaxProblem
from ....model.replies import Reply
from ..vocabulary import Extension, Offers, OutgoingMail, Parameter, Usage

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


#: RFC 6152 section 3: such a message is converted, or comes back; RFC 3463 section 3.7 has the code.
CONVERSION_NEEDED = Reply(
    554, "The message has octets above 127, the server takes none, and nothing was converted.", "5.6.3"
)


def refuse_eight_bit(offers: Offers, mail: OutgoingMail) -> Reply | None:
    """
    Octets above 127 must not go where they were not invited.
    """
    return CONVERSION_NEEDED if mail.is_eight_bit and "8BITMIME" not in offers else None


EXTENSION = Extension(
    keyword="8BITMIME",
    rfc="RFC 6152",
    offer=lambda conversation: "8BITMIME",
    mail_parameters=(Parameter("BODY", parse_body, option="body"),),
    usage=Usage(
        # BODY=7BIT is what goes without saying.
        mail=lambda offers, mail: "BODY=8BITMIME" if mail.is_eight_bit else "",
        refuse_mail=refuse_eight_bit,
    ),
)
