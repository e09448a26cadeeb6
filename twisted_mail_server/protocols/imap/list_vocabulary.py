"""
The words in which the options of LIST are written (RFC 5258 section 3).

Selection options say which names are told of; return options say what else is told of them.  LIST asks the registry for both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from attrs import frozen

from ...model.changes import MailboxStatus
from .cursor import Cursor
from .session import Session
from .vocabulary import Listed

__all__ = ["Listed", "ReturnOption", "SelectionOption"]


@frozen
class SelectionOption:
    """
    What stands in parentheses before the reference name (RFC 5258 section 3.1).
    """

    #: Whether a name satisfies it; C{None} if it makes no difference to what can be here.
    selects: Callable[[Listed], bool] | None = None
    #: Whether names that are subscribed to count even if there is no such mailbox.
    reaches_subscribed: bool = False
    #: C{list-select-mod-opt}: it tells also of names above those selected, and cannot stand alone.
    is_recursive: bool = False
    #: The return option that it implies.
    implies: bytes | None = None


@frozen
class ReturnOption:
    """
    What stands in parentheses behind RETURN (RFC 5258 section 3.2).
    """

    #: Reads what follows its name, the space before it too.
    read: Callable[[Cursor, Session], Any] = lambda cursor, session: None
    #: Attributes that it adds to a name.
    attributes: Callable[[Listed], Iterable[bytes]] | None = None
    #: What is told behind the name, of a mailbox that is there; it gets what C{read} read.
    tell: Callable[[Session, Any, MailboxStatus], Awaitable[bytes]] | None = None
