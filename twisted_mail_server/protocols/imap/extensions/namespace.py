"""
NAMESPACE: where whose mailboxes are (RFC 2342).
"""

from __future__ import annotations

from .. import wire
from ..vocabulary import ENTERED, Command, Extension, Outcome, Session, nothing


async def namespace(session: Session, _: None) -> Outcome:
    """
    There are personal mailboxes, without a prefix; none of other users, and none that are shared.
    """
    session.put(b'* NAMESPACE (("" %b)) NIL NIL\r\n' % wire.delimiter(session.settings.separator))
    return Outcome("That is all.")


EXTENSION = Extension(
    rfc="RFC 2342",
    capabilities=(b"NAMESPACE",),
    commands=(Command(b"NAMESPACE", ENTERED, nothing, namespace),),
)
