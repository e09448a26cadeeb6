"""
SIZE: how large a message may be, and will be (RFC 1870).
"""

from __future__ import annotations

import re

from ....model.errors import SyntaxProblem
from ....model.replies import Reply
from .. import replies
from ..conversation import Conversation
from ..vocabulary import Extension, Offers, OutgoingMail, Parameter, Usage

# size-value ::= 1*20DIGIT                                          ; RFC 1870 section 4
_SIZE = re.compile(r"[0-9]{1,20}")


def parse_size(value: str | None) -> int:
    """
    Read the value of C{SIZE}.

    @raise SyntaxProblem: it is not one to twenty digits.
    """
    if value is None or not _SIZE.fullmatch(value):
        raise SyntaxProblem("SIZE is a number of octets.")
    return int(value)


def check_size(conversation: Conversation, size: int) -> Reply | None:
    """
    Refuse at MAIL what would be refused after DATA (RFC 1870 section 6.1).
    """
    return replies.TOO_BIG if size > conversation.policy.message_size else None


def learn_size(offers: Offers, argument: str) -> None:
    """
    A limit of 0, or none at all, means that there is no fixed one (section 4).
    """
    if _SIZE.fullmatch(argument):
        offers.size = int(argument)


def refuse_too_big(offers: Offers, mail: OutgoingMail) -> Reply | None:
    """
    What is larger than the server takes need not be sent (section 5).
    """
    if offers.size and mail.size > offers.size:
        return Reply(552, f"The message has {mail.size} octets, and the server takes {offers.size}.", "5.3.4")
    return None


EXTENSION = Extension(
    keyword="SIZE",
    rfc="RFC 1870",
    offer=lambda conversation: f"SIZE {conversation.policy.message_size}",
    mail_parameters=(Parameter("SIZE", parse_size, check_size, option="size"),),
    usage=Usage(
        learn_size,
        mail=lambda offers, mail: f"SIZE={mail.size}" if mail.size else "",
        refuse_mail=refuse_too_big,
    ),
)
