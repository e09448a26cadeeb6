"""
The words an ESMTP extension is written in (RFC 5321 section 2.2), for both sides: as a server we offer it, as a client we
use it where it is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import Factory, define, field, frozen

from ...model.addresses import Address
from ...model.envelopes import MailOptions, Recipient
from ...model.replies import Reply
from .conversation import Conversation
from .events import Event
from .states import Moves, State


@frozen
class Verb:
    """
    A command.
    """

    name: str
    #: Given what follows the verb, without spaces around: a reply, a question to whoever drives the conversation, or nothing.
    run: Callable[[Conversation, str], Event | Reply | None] = field(repr=False)
    #: Whether it is refused until the client has logged in, where one must (RFC 4954 section 6).
    needs_login: bool = False
    #: Whether an argument is refused.
    is_bare: bool = False
    #: Whether its argument may hold UTF-8 (RFC 6531 sections 3.3 and 3.7.4.2).
    takes_utf8: bool = False
    #: Whether it brings no mail forward, so that only so many are taken in a row.
    is_idle: bool = False
    #: What it does where it is refused before it has run, if there is something to do: says the reply, or says it later.
    when_refused: Callable[[Conversation, str, Reply], None] | None = field(default=None, repr=False)
    #: For an extension's command: the states in which it is in turn, and where it leads once it is accepted.  The place of
    #: those of RFC 5321 is in L{twisted_mail_server.protocols.smtp.states}.
    moves: Mapping[State, State] = field(factory=dict)


@frozen
class Parameter:
    """
    A parameter of MAIL or RCPT.
    """

    name: str
    #: Reads the value, C{None} if there is no C{=}; raises L{SyntaxProblem <twisted_mail_server.model.errors.SyntaxProblem>}.
    parse: Callable[[str | None], Any] = field(repr=False)
    #: Looks at the value in its session, and may refuse the command.
    check: Callable[[Conversation, Any], Reply | None] | None = field(default=None, repr=False)
    #: Whether its value may hold UTF-8, where the transaction may (RFC 6531 section 3.3).
    takes_utf8: bool = False
    #: The field of L{MailOptions} or L{RecipientOptions <twisted_mail_server.model.envelopes.RecipientOptions>} that holds its
    #: value; empty where nobody needs it.
    option: str = ""


@define(eq=False)
class Offers:
    """
    What a server said to EHLO, as the extensions read it.  After HELO, and before a TLS handshake is followed by another
    EHLO, nothing is offered.
    """

    #: Keywords in upper case, each with its argument as it stands, known to us or not.
    keywords: dict[str, str] = field(factory=dict)
    #: Octets that a message may have; 0 if that was not said (RFC 1870).
    size: int = 0
    #: Whether commands may go in groups (RFC 2920).
    takes_groups: bool = False
    #: Whether content may go by BDAT (RFC 3030).
    takes_chunks: bool = False
    #: Whether STARTTLS is there (RFC 3207).
    has_tls: bool = False
    #: SASL mechanisms (RFC 4954).
    mechanisms: tuple[str, ...] = ()
    #: Whether the server takes over the duty to report on delivery (RFC 3461).
    takes_over_reports: bool = False
    #: Transactions of one session, recipients and recipients' domains of one transaction (RFC 9422); 0 if that was not said.
    transactions: int = 0
    recipients: int = 0
    recipient_domains: int = 0

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


@frozen(kw_only=True)
class OutgoingMail:
    """
    One message as a client is to send it: everything but the content.
    """

    #: C{None} for C{<>}.
    sender: Address | None
    #: Each with its number in the envelope, by which results name it.
    recipients: Sequence[tuple[int, Recipient]]
    options: MailOptions = field(factory=MailOptions)
    #: Octets of the content; dots are not yet stuffed (RFC 1870 section 3).
    size: int
    #: Whether the content has octets above 127, and whether its header has; where the latter is not known, it may.
    is_eight_bit: bool
    has_eight_bit_header: bool = Factory(lambda self: self.is_eight_bit, takes_self=True)

    @property
    def needs_utf8(self) -> bool:
        """
        Whether the message itself, its recipients apart, can travel only by SMTPUTF8 (RFC 6531 section 3.4).
        """
        return (self.sender is not None and not self.sender.is_ascii) or (
            self.options.is_utf8 and self.has_eight_bit_header
        )


def _learn_nothing(offers: Offers, argument: str) -> None:
    return None


@frozen
class Usage:
    """
    The client's side of an extension.
    """

    #: Given the argument of its keyword in the answer to EHLO (empty if none), note in the offers what that changes.  What
    #: cannot be read is best ignored.
    learn: Callable[[Offers, str], None] = field(default=_learn_nothing, repr=False)
    #: Where the extension is offered: the parameters it adds to MAIL, and to RCPT for one recipient, each as it is written
    #: (C{SIZE=4711}), separated by spaces; empty for none.
    mail: Callable[[Offers, OutgoingMail], str] | None = field(default=None, repr=False)
    recipient: Callable[[Offers, OutgoingMail, Recipient], str] | None = field(default=None, repr=False)
    #: Offered or not: why the server cannot have this message at all, or one recipient not, as a reply of its own would say it.
    refuse_mail: Callable[[Offers, OutgoingMail], Reply | None] | None = field(default=None, repr=False)
    refuse_recipient: Callable[[Offers, OutgoingMail, Recipient], Reply | None] | None = field(default=None, repr=False)


@frozen
class Extension:
    """
    A service extension: one file, and one line in the registry.
    """

    keyword: str
    rfc: str
    #: Its line in the answer to EHLO, or C{None} while it is not offered.
    offer: Callable[[Conversation], str | None] = field(repr=False)
    mail_parameters: tuple[Parameter, ...] = ()
    recipient_parameters: tuple[Parameter, ...] = ()
    verbs: tuple[Verb, ...] = ()
    #: What we do with it as a client.
    usage: Usage | None = None


@frozen
class Dialect:
    """
    ESMTP, or what was made of it for another purpose.
    """

    #: What the greeting says.
    name: str
    #: The command by which a client says who it is and asks what is offered.
    hello: str
    #: By what a client writes, in upper case.
    verbs: Mapping[bytes, Verb] = field(repr=False)
    #: What may follow what, extensions included.
    moves: Moves = field(repr=False)
    #: Whether the end of content is answered once for each recipient that was taken (RFC 2033 section 4.2).
    answers_each: bool = False
    #: The names of its commands.
    commands: tuple[str, ...] = Factory(lambda self: tuple(one.name for one in self.verbs.values()), takes_self=True)
