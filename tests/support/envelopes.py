"""
Envelopes and messages ready to use.
"""

from __future__ import annotations

from twisted_mail_server.interfaces import ISpool
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, Service
from twisted_mail_server.model.queue import QueuedMessage

ORIGIN = Origin(Service.MX, "192.0.2.1", "client.example", "ESMTP")
SUBMITTED = Origin(Service.SUBMISSION, "192.0.2.1", "client.example", "ESMTPSA", login="ann@example.org")

MESSAGE = b"From: bob@example.net\r\nTo: ann@example.org\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


def envelope(*recipients: str, received: int = 1000, sender: str | None = "bob@example.net") -> Envelope:
    """
    From bob at another place to C{recipients}, by default to ann.
    """
    return Envelope(
        ORIGIN,
        None if sender is None else Address.parse(sender),
        tuple(Recipient(Address.parse(one)) for one in recipients or ("ann@example.org",)),
        received=received,
    )


async def spooled(spool: ISpool, content: bytes, *recipients: str, received: int = 1000) -> QueuedMessage:
    """
    A message that the spool has promised to deliver.
    """
    staged = spool.stage(recipients=max(1, len(recipients)))
    waiting = staged.write(content)
    if waiting is not None:
        await waiting
    return await spool.commit(spool.new_id(), envelope(*recipients, received=received), staged)
