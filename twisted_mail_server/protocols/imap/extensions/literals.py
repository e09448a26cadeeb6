"""
LITERAL+ or LITERAL-: literals that are sent without being asked for (RFC 7888).

How they are announced is in C{reading}, which reads every literal, and how large they may be is in C{server}; this line of
the registry makes known which of the two it is: never both (section 5).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..vocabulary import Extension, Session


def offers(session: Session) -> Iterable[bytes]:
    """
    LITERAL-, if there is a limit.
    """
    return (b"LITERAL+",) if session.settings.unasked_literal is None else (b"LITERAL-",)


EXTENSION = Extension(
    rfc="RFC 7888",
    capabilities=(),
    is_offered_before_login=True,
    offers=offers,
)
