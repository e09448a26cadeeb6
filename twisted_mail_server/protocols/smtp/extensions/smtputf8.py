"""
SMTPUTF8: addresses, and headers, in every script (RFC 6531).

It is offered together with 8BITMIME (section 3.1, number 8).  What an address may be then is in
L{twisted_mail_server.model.addresses}; only an address makes a difference to an envelope, for a domain can always go as A-labels.
"""

from __future__ import annotations

from ....model.envelopes import Recipient
from ....model.errors import SyntaxProblem
from ....model.replies import Reply
from ..vocabulary import Extension, Offers, OutgoingMail, Parameter, Usage

KEYWORD = "SMTPUTF8"


def parse_smtputf8(value: str | None) -> bool:
    """
    The parameter of MAIL, which has no value (section 3.4).

    @raise SyntaxProblem: it has one.
    """
    if value is not None:
        raise SyntaxProblem("SMTPUTF8 has no value.")
    return True


#: Section 3.2: what cannot be sent there comes back.  Section 3.5 has the codes.
NOT_THERE = Reply(550, "The message needs SMTPUTF8, which the server does not offer.", "5.6.7")
NO_SUCH_RECIPIENT = Reply(553, "The address needs SMTPUTF8, which the server does not offer.", "5.6.7")


def _is_needed(mail: OutgoingMail) -> bool:
    return mail.needs_utf8 or not all(one.address.is_ascii for _, one in mail.recipients)


def refuse_mail(offers: Offers, mail: OutgoingMail) -> Reply | None:
    """
    A server that does not offer it must not get such a message at all (section 3.2).
    """
    return NOT_THERE if mail.needs_utf8 and KEYWORD not in offers else None


def refuse_recipient(offers: Offers, mail: OutgoingMail, recipient: Recipient) -> Reply | None:
    """
    A recipient whose address is not ASCII cannot be told to such a server; others can.
    """
    return NO_SUCH_RECIPIENT if not recipient.address.is_ascii and KEYWORD not in offers else None


EXTENSION = Extension(
    keyword=KEYWORD,
    rfc="RFC 6531",
    offer=lambda conversation: KEYWORD,
    mail_parameters=(Parameter(KEYWORD, parse_smtputf8, option="is_utf8"),),
    usage=Usage(
        # Where nothing needs it, it only lessens the chance to get through (section 3.4).
        mail=lambda offers, mail: KEYWORD if _is_needed(mail) else "",
        refuse_mail=refuse_mail,
        refuse_recipient=refuse_recipient,
    ),
)
