"""
LIMITS: how many transactions of one session, and recipients of one transaction, a server takes (RFC 9422).
"""

from __future__ import annotations

import re

from ....model import limits
from ..conversation import Conversation
from ..vocabulary import Extension, Offers, Usage

# limit-param = limit-name "=" limit-value                          ; RFC 9422 section 3; values are counts from 1 on
_LIMIT = re.compile(r"(?P<name>MAILMAX|RCPTMAX|RCPTDOMAINMAX)=(?P<value>[0-9]{1,6})", re.IGNORECASE)


def offer_limits(conversation: Conversation) -> str:
    """
    What is beyond them is refused, with 421 and 452.
    """
    return f"LIMITS MAILMAX={limits.TRANSACTIONS_PER_SESSION} RCPTMAX={conversation.policy.recipients}"


def learn_limits(offers: Offers, argument: str) -> None:
    """
    A limit that is not known or makes no sense is as good as none (section 3).
    """
    for word in argument.split():
        found = _LIMIT.fullmatch(word)
        if found is None:
            continue
        name, value = found["name"].upper(), int(found["value"])
        if name == "MAILMAX":
            offers.transactions = value
        elif name == "RCPTMAX":
            offers.recipients = value
        else:
            offers.recipient_domains = value


EXTENSION = Extension(keyword="LIMITS", rfc="RFC 9422", offer=offer_limits, usage=Usage(learn_limits))
