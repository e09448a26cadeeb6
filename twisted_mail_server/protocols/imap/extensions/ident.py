"""
ID: who is who, for logs and bug reports; nothing depends on it (RFC 2971).
"""

from __future__ import annotations

from ....model import limits
from ....model.errors import SyntaxProblem, TooLong
from .. import wire
from ..vocabulary import ANYTIME, Command, Cursor, Extension, Outcome, Session

Pairs = dict[bytes, bytes | None]


def read_pairs(cursor: Cursor, session: Session) -> Pairs:
    """
    C{id-params-list}

    @raise SyntaxProblem: it is none, or a field comes twice.
    @raise TooLong: there are too many, or one is too long (section 3.3).
    """
    # id = "ID" SPACE id_params_list ; id_params_list = "(" #(string SPACE nstring) ")" / nil
    cursor.space()
    pairs: Pairs = {}
    if not cursor.peek(b"("):
        if cursor.nstring() is not None:
            raise SyntaxProblem("Expected a list, or NIL.")
        return pairs

    def read_pair() -> None:
        field = cursor.string().lower()
        cursor.space()
        value = cursor.nstring()
        if field in pairs:
            raise SyntaxProblem("A field comes once.")
        if len(field) > limits.ID_FIELD or len(value or b"") > limits.ID_VALUE or len(pairs) >= limits.ID_PAIRS:
            raise TooLong("That is more than anybody wants to know.")
        pairs[field] = value

    cursor.list_of(read_pair)
    return pairs


async def ident(session: Session, pairs: Pairs) -> Outcome:
    """
    Remember what the client says, for the log, and tell what the settings say of this server.
    """
    session.client = pairs
    identity = [word for pair in session.settings.identity for word in pair]
    session.put(b"* ID %b\r\n" % (wire.parenthesised(map(wire.string, identity)) if identity else b"NIL"))
    return Outcome("Pleased to meet you.")


EXTENSION = Extension(
    rfc="RFC 2971",
    capabilities=(b"ID",),
    is_offered_before_login=True,
    commands=(Command(b"ID", ANYTIME, read_pairs, ident),),
)
