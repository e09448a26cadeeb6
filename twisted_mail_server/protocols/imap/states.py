"""
Which command may come when (RFC 3501 section 3).

A command names one of the sets below; the server asks, and nobody else keeps a list.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """
    Where a connection stands.
    """

    NOT_AUTHENTICATED = "before login"
    AUTHENTICATED = "without a selected mailbox"
    SELECTED = "with a selected mailbox"
    LOGOUT = "after the end"


#: C{command-any}
ANYTIME = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
#: C{command-nonauth}
ENTERING = frozenset({State.NOT_AUTHENTICATED})
#: C{command-auth}
ENTERED = frozenset({State.AUTHENTICATED, State.SELECTED})
#: C{command-select}
IN_MAILBOX = frozenset({State.SELECTED})
