"""
What may follow what (RFC 5321 section 4.1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class State(IntEnum):
    """
    Where a session stands.
    """

    #: Greeted; the client has not said who it is.
    START = 0
    #: No transaction.
    READY = 1
    #: MAIL was taken, no RCPT yet.
    SENDER = 2
    #: At least one RCPT was taken.
    RECIPIENTS = 3
    #: The client sends content, by DATA.
    CONTENT = 4
    #: A SASL exchange: lines are responses.
    SASL = 5
    #: A TLS handshake is due: whatever comes in clear is thrown away.
    TLS = 6
    #: Said goodbye.
    CLOSED = 7
    #: At least one chunk of content has come by BDAT, and not the last.
    CHUNKS = 8
    #: The octets of a chunk are due, taken or not.
    CHUNK = 9


#: The end of content, which is no command.
END_OF_CONTENT = "."

_S = State
_TALKING = (State.START, State.READY, State.SENDER, State.RECIPIENTS, State.CHUNKS)

#: What may follow what.
Moves = Mapping[State, Mapping[str, State]]

#: For each state, the commands of RFC 5321 that are in turn, and where a session stands once they are accepted.  A command
#: refused leaves the state as it is; DATA and the end of content, refused, end the transaction.  Extensions add theirs in
#: the registry.
BASE_MOVES: dict[State, dict[str, State]] = {
    **{
        state: {
            "HELO": _S.READY,
            "EHLO": _S.READY,
            "RSET": _S.START if state is _S.START else _S.READY,
            "NOOP": state,
            "HELP": state,
            "VRFY": state,
            "EXPN": state,
            "QUIT": _S.CLOSED,
        }
        for state in _TALKING
    },
    _S.CONTENT: {END_OF_CONTENT: _S.READY},
    _S.CHUNK: {END_OF_CONTENT: _S.READY},
    _S.SASL: {},
    _S.TLS: {},
    _S.CLOSED: {},
}
BASE_MOVES[_S.READY] |= {"MAIL": _S.SENDER}
BASE_MOVES[_S.SENDER] |= {"RCPT": _S.RECIPIENTS}
BASE_MOVES[_S.RECIPIENTS] |= {"RCPT": _S.RECIPIENTS, "DATA": _S.CONTENT}

#: What is said to a command that is out of turn.
OUT_OF_TURN: dict[State, str] = {
    _S.START: "Say {hello} first.",
    _S.READY: "MAIL comes first.",
    _S.SENDER: "A transaction is open, and RCPT comes next.",
    _S.RECIPIENTS: "A transaction is open.",
    _S.CHUNKS: "Content has begun to come by BDAT; go on with it, or say RSET.",
}
