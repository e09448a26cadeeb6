"""
APPENDLIMIT: how large a message APPEND takes (RFC 7889).
"""

from __future__ import annotations

from collections.abc import Iterable

from ....model.changes import MailboxStatus
from ..vocabulary import Extension, Session


def offers(session: Session) -> Iterable[bytes]:
    """
    The same limit for all mailboxes (section 2).
    """
    return (b"APPENDLIMIT=%d" % session.settings.message_size,)


def limit(session: Session, status: MailboxStatus) -> bytes:
    """
    The STATUS item: who asks for one mailbox is told the same (section 3.1).
    """
    return b"%d" % session.settings.message_size


EXTENSION = Extension(
    rfc="RFC 7889",
    capabilities=(),
    offers=offers,
    status_items={b"APPENDLIMIT": limit},
)
