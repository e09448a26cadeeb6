"""
UTF8: messages whose header is in UTF-8 are sent as they are (RFC 6856 section 2).

Who does not say UTF8 gets such a header in ASCII, as a surrogate (L{twisted_mail_server.message.surrogates}); its size is not that
of the listings then.  Names and passwords may be in UTF-8 in either case (section 2.2); who checks them prepares them.
"""

from __future__ import annotations

from ..responses import ok
from ..vocabulary import LOGGED_OUT, Answer, Command, Conversation, Extension, nothing


def enable(conversation: Conversation, _: None) -> Answer:
    """
    From now on UTF-8 is understood.  After STLS it has to be said again.
    """
    conversation.is_utf8 = True
    return ok("UTF-8 it is.")


EXTENSION = Extension(
    rfc="RFC 6856",
    announce=lambda _: "UTF8 USER",
    commands=(Command(b"UTF8", LOGGED_OUT, nothing, enable),),
)
