"""
The words an ESMTP extension is written in (RFC 5321 section 2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from ...model.replies import Reply
from .conversation import Conversation
from .events import Event
from .states import State


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
