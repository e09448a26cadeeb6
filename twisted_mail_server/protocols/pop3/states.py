"""
The states of a session, and what leads from one to the other (RFC 1939 sections 3 to 6).
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """
    Where a session is.
    """

    AUTHORIZATION = "authorization"
    TRANSACTION = "transaction"
    UPDATE = "update"
    CLOSED = "closed"


class Step(Enum):
    """
    What leads on.
    """

    #: A login succeeded, and the maildrop is locked.
    ENTER = "enter"
    QUIT = "quit"
    #: What was marked is removed, or could not be.
    FINISH = "finish"
    #: The client did what no client may do.
    EXPEL = "expel"


#: Only QUIT leads to UPDATE: "If a session terminates for some reason other than a client-issued QUIT command, the POP3 session
#: does NOT enter the UPDATE state" (section 6).
MOVES = {
    (State.AUTHORIZATION, Step.ENTER): State.TRANSACTION,
    (State.AUTHORIZATION, Step.QUIT): State.CLOSED,
    (State.AUTHORIZATION, Step.EXPEL): State.CLOSED,
    (State.TRANSACTION, Step.QUIT): State.UPDATE,
    (State.TRANSACTION, Step.EXPEL): State.CLOSED,
    (State.UPDATE, Step.FINISH): State.CLOSED,
}

LOGGED_OUT = frozenset({State.AUTHORIZATION})
LOGGED_IN = frozenset({State.TRANSACTION})
ANYTIME = LOGGED_OUT | LOGGED_IN
