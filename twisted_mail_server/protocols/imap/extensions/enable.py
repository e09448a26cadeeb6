"""
ENABLE: the client says what it understands (RFC 5161).
"""

from __future__ import annotations

from ..vocabulary import ENTERED, Command, Cursor, Extension, Outcome, Session


def read_names(cursor: Cursor, session: Session) -> list[bytes]:
    """
    C{enable = "ENABLE" 1*(SP capability)}
    """
    names: list[bytes] = []
    while not names or not cursor.at_end:
        cursor.space()
        names.append(cursor.atom().upper())
    return names


async def enable(session: Session, names: list[bytes]) -> Outcome:
    """
    Enable what there is of it, and tell what is new (section 3.1); what is not known is passed over.

    It is taken with a mailbox selected too: RFC 9051 section 6.3.1 leaves the server that choice.
    """
    known, before = session.registry.enables, session.enabled
    fresh = [known[name] for name in dict.fromkeys(names) if name in known and name not in before]
    session.put(b"* ENABLED%b\r\n" % b"".join(b" " + spelling for spelling, _ in fresh))
    session.enable(word for _, implied in fresh for word in implied)
    return Outcome("Enabled.")


EXTENSION = Extension(
    rfc="RFC 5161",
    capabilities=(b"ENABLE",),
    commands=(Command(b"ENABLE", ENTERED, read_names, enable),),
)
