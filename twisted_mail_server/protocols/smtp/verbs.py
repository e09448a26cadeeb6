"""
The commands of RFC 5321 section 4.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from attrs import evolve

from ...model import limits
from ...model.addresses import Address, parse_local_part
from ...model.envelopes import MailOptions, RecipientOptions
from ...model.errors import SyntaxProblem
from ...model.replies import Reply
from . import replies
from .conversation import Conversation
from .events import ContentAsked, Event, MailAsked, NamesAsked, RecipientAsked, Reset
from .grammar import parse_forward_path, parse_reverse_path, split_parameters, split_path
from .vocabulary import Extension, Parameter, Verb

#: What a client calls itself is for people and logs: it may be nearly anything, and no more than this of it is kept.
_HELO = re.compile(r"[^A-Za-z0-9.:\[\]_\-]")
#: RFC 6531 section 3.7.4.2, at the end of VRFY and EXPN.
_UTF8_WORD = re.compile(r"[ \t]+SMTPUTF8$", re.IGNORECASE | re.ASCII)
_OK = replies.OK.encode()
_PLAIN_MAIL = MailOptions()
_PLAIN_RECIPIENT = RecipientOptions()

_Options = TypeVar("_Options", MailOptions, RecipientOptions)


class Reader:
    """
    The commands whose arguments the extensions have a say in.
    """

    def __init__(self, extensions: tuple[Extension, ...], hello: str) -> None:
        self._hello = hello
        self._extensions = extensions
        self._mail = {p.name: p for extension in extensions for p in extension.mail_parameters}
        self._recipient = {p.name: p for extension in extensions for p in extension.recipient_parameters}

    def ehlo(self, conversation: Conversation, argument: str) -> Event | Reply | None:
        """
        EHLO (RFC 5321 section 4.1.1.1), or LHLO (RFC 2033 section 4.1): one line for each extension that is offered now.
        """
        if not argument:
            return replies.NO_NAME
        event = _introduce(conversation, argument, self._hello)
        offers = [extension.offer(conversation) for extension in self._extensions]
        greeting = Reply(250, f"{conversation.policy.hostname} greets {conversation.helo}").encode()
        # The first line of several.
        conversation.said += (greeting.replace(b" ", b"-", 1), _encode_offers(tuple(filter(None, offers))))
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
        options = _read_parameters(conversation, self._mail, text, _PLAIN_MAIL) if text else _PLAIN_MAIL
        if isinstance(options, Reply):
            return options
        if not (options.is_utf8 or argument.isascii()):
            return replies.ASCII_SENDER
        return MailAsked(sender, options)

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
        if not (conversation.is_utf8 or argument.isascii()):
            return replies.ASCII_RECIPIENT
        options = _read_parameters(conversation, self._recipient, text, _PLAIN_RECIPIENT) if text else _PLAIN_RECIPIENT
        return options if isinstance(options, Reply) else RecipientAsked(address, options)

    def verbs(self) -> tuple[Verb, ...]:
        """
        The commands of RFC 5321, in its order.
        """
        hellos = [Verb(self._hello, self.ehlo, is_idle=True)]
        if self._hello == "EHLO":
            hellos.append(Verb("HELO", helo, is_idle=True))
        return (
            *hellos,
            Verb("MAIL", self.mail, needs_login=True, takes_utf8=True),
            Verb("RCPT", self.recipient, needs_login=True, takes_utf8=True),
            Verb("DATA", data, needs_login=True, is_bare=True),
            Verb("RSET", reset, is_bare=True, is_idle=True),
            Verb("VRFY", verify, needs_login=True, takes_utf8=True, is_idle=True),
            Verb("EXPN", expand, needs_login=True, takes_utf8=True, is_idle=True),
            Verb("HELP", help_with, is_idle=True),
            Verb("NOOP", do_nothing, is_idle=True),
            Verb("QUIT", leave, is_bare=True),
        )


@lru_cache(limits.LATELY)
def _encode_offers(offers: tuple[str, ...]) -> bytes:
    """
    The answer to EHLO but for its first line: it is the same for all clients for whom the server is the same.
    """
    return Reply(250, offers[0], more=offers[1:]).encode()


def _read_parameters(
    conversation: Conversation, known: Mapping[str, Parameter], text: str, unsaid: _Options
) -> _Options | Reply:
    values: dict[str, Any] = {}
    for keyword, written in split_parameters(text).items():
        parameter = known.get(keyword)
        if parameter is None:
            # RFC 5321 section 4.1.1.11
            return Reply(555, f"The parameter {keyword} is not known here.", "5.5.4")
        if written is not None and not (parameter.takes_utf8 or written.isascii()):
            return Reply(501, f"The value of {keyword} is ASCII.", "5.5.4")
        try:
            value = parameter.parse(written)
        except SyntaxProblem as problem:
            return Reply(501, problem.public, "5.5.4")
        if parameter.check is not None and (refusal := parameter.check(conversation, value)) is not None:
            return refusal
        if parameter.option:
            values[parameter.option] = value
    return evolve(unsaid, **values) if values else unsaid


def _introduce(conversation: Conversation, name: str, command: str) -> Reset | None:
    """
    Remember who speaks; an open transaction is over (section 4.1.4).
    """
    event = Reset() if conversation.is_in_transaction else None
    conversation.forget_transaction()
    conversation.helo = _HELO.sub("?", name[: limits.DOMAIN])
    conversation.is_extended = command != "HELO"
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
    conversation.said.append(_OK)
    return event


def verify(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    VRFY (sections 3.5.3 and 7.3): who lives here is told to those who may know; else neither confirmed nor denied.
    """
    return _ask_names(conversation, argument, is_list=False)


def expand(conversation: Conversation, argument: str) -> Event | Reply | None:
    """
    EXPN (section 3.5.2): as VRFY; else refused.
    """
    return _ask_names(conversation, argument, is_list=True)


def _ask_names(conversation: Conversation, argument: str, *, is_list: bool) -> Event | Reply:
    text, is_utf8 = _UTF8_WORD.subn("", argument)
    if not text:
        return replies.NO_SUBJECT
    if not conversation.tells_names:
        return replies.NO_LISTS if is_list else replies.CANNOT_VERIFY
    text = text.removeprefix("<").removesuffix(">")
    # A user name, too, will do (section 3.5.1): it is taken to be in our own domain.
    address = Address.parse(text) if "@" in text else Address(parse_local_part(text), "")
    return NamesAsked(address, is_list, bool(is_utf8))


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
