"""
The commands of RFC 5321 section 4.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ...model import limits
from ...model.errors import SyntaxProblem
from ...model.replies import Reply
from . import replies
from .conversation import Conversation
from .events import ContentAsked, Event, MailAsked, RecipientAsked, Reset
from .grammar import parse_forward_path, parse_reverse_path, split_parameters, split_path
from .vocabulary import Extension, Parameter, Verb

#: What a client calls itself is for people and logs: it may be nearly anything, and no more than this of it is kept.
_HELO = re.compile(r"[^A-Za-z0-9.:\[\]_\-]")


class Reader:
    """
    The commands whose arguments the extensions have a say in.
    """

    def __init__(self, extensions: tuple[Extension, ...]) -> None:
        self._extensions = extensions
        self._mail = {p.name: p for extension in extensions for p in extension.mail_parameters}
        self._recipient = {p.name: p for extension in extensions for p in extension.recipient_parameters}

    def ehlo(self, conversation: Conversation, argument: str) -> Event | Reply | None:
        """
        EHLO (RFC 5321 section 4.1.1.1): one line for each extension that is offered now.
        """
        if not argument:
            return replies.NO_NAME
        event = _introduce(conversation, argument, "EHLO")
        offers = (extension.offer(conversation) for extension in self._extensions)
        greeting = f"{conversation.policy.hostname} greets {conversation.helo}"
        conversation.say(Reply(250, greeting, more=tuple(offer for offer in offers if offer is not None)))
        return event

    def mail(self, conversation: Conversation, argument: str) -> Event | Reply | None:
        """
        MAIL (section 4.1.1.2).
        """
        if conversation.transactions >= limits.TRANSACTIONS_PER_SESSION:
            return replies.TOO_MANY_TRANSACTIONS
        mailbox, text = split_path(argument, "FROM:")
        try:
            sender = parse_reverse_path(mailbox)
        except SyntaxProblem as problem:
            return Reply(501, problem.public, "5.1.7")
        parameters = _read_parameters(conversation, self._mail, text) if text else {}
        return parameters if isinstance(parameters, Reply) else MailAsked(sender, parameters)

    def recipient(self, conversation: Conversation, argument: str) -> Event | Reply | None:
        """
        RCPT (section 4.1.1.3); beyond the limit 452, which asks for another transaction (section 4.5.3.1.10).
        """
        mailbox, text = split_path(argument, "TO:")
        conversation.recipients_asked += 1
        try:
            address = parse_forward_path(mailbox)
        except SyntaxProblem as problem:
            return Reply(501, problem.public, "5.1.3")
        if conversation.recipients >= conversation.policy.recipients:
            return replies.TOO_MANY_RECIPIENTS
        parameters = _read_parameters(conversation, self._recipient, text) if text else {}
        return parameters if isinstance(parameters, Reply) else RecipientAsked(address, parameters)

    def verbs(self) -> tuple[Verb, ...]:
        """
        The commands of RFC 5321, in its order.
        """
        return (
            Verb("EHLO", self.ehlo),
            Verb("HELO", helo),
            Verb("MAIL", self.mail, needs_login=True),
            Verb("RCPT", self.recipient, needs_login=True),
            Verb("DATA", data, needs_login=True, is_bare=True),
            Verb("RSET", reset, is_bare=True),
            Verb("VRFY", verify, needs_login=True),
            Verb("EXPN", expand, needs_login=True),
            Verb("HELP", help_with),
            Verb("NOOP", do_nothing),
            Verb("QUIT", leave, is_bare=True),
        )


def _read_parameters(
    conversation: Conversation, known: Mapping[str, Parameter], text: str
) -> Mapping[str, Any] | Reply:
    values: dict[str, Any] = {}
    for keyword, value in split_parameters(text).items():
        parameter = known.get(keyword)
        if parameter is None:
            # RFC 5321 section 4.1.1.11
            return Reply(555, f"The parameter {keyword} is not known here.", "5.5.4")
        try:
            values[keyword] = parameter.parse(value)
        except SyntaxProblem as problem:
            return Reply(501, problem.public, "5.5.4")
        if parameter.check is not None and (refusal := parameter.check(conversation, values[keyword])) is not None:
            return refusal
    return values


def _introduce(conversation: Conversation, name: str, command: str) -> Reset | None:
    """
    Remember who speaks; an open transaction is over (section 4.1.4).
    """
    event = Reset() if conversation.is_in_transaction else None
    conversation.forget_transaction()
    conversation.helo = _HELO.sub("?", name[: limits.DOMAIN])
    conversation.is_extended = command == "EHLO"
    conversation.move(command)
    return event


def helo(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    HELO (section 4.1.1.1): the session of RFC 821, without extensions.
    """
    if not argument:
        return replies.NO_NAME
    event = _introduce(conversation, argument, "HELO")
    conversation.say(Reply(250, f"{conversation.policy.hostname} greets {conversation.helo}"))
    return event


def data(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    DATA (section 4.1.1.4).
    """
    return ContentAsked()


def reset(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    RSET (section 4.1.1.5).
    """
    event = Reset() if conversation.is_in_transaction else None
    conversation.forget_transaction()
    conversation.move("RSET")
    conversation.say(replies.OK)
    return event


def verify(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    VRFY (sections 3.5.3 and 7.3): who lives here is not told to those who ask.
    """
    return replies.CANNOT_VERIFY if argument else replies.NO_SUBJECT


def expand(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    EXPN (section 3.5.2): not here.
    """
    return replies.NO_LISTS if argument else replies.NO_SUBJECT


def help_with(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    HELP (section 4.1.1.8).
    """
    return evolve(replies.HELP, text=replies.HELP.text.format(commands=" ".join(conversation.commands)))


def do_nothing(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    NOOP (section 4.1.1.9); its argument is ignored.
    """
    return replies.OK


def leave(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    QUIT (section 4.1.1.10).
    """
    event = Reset() if conversation.is_in_transaction else None
    conversation.say(replies.GOODBYE)
    return event
