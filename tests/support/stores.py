"""
Stores for tests, and mail to put in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from tests.support.disks import seeded
from tests.support.drive import now
from twisted_mail_server.interfaces import IAccountMail, IDisk, INews, IStagedContent
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import AppendResult
from twisted_mail_server.model.queue import Arrival, QueueId
from twisted_mail_server.storage.memory import MemoryAccount, MemoryStore
from twisted_mail_server.storage.sqlite import SqliteStore

ALICE = AccountId("a" * 32)
BOB = AccountId("b" * 32)

MESSAGE = b"From: a@example.org\r\nSubject: Hello\r\n\r\nGood morning.\r\n"


def memory_store(clock: Clock | None = None, disk: IDisk | None = None, **settings: Any) -> MemoryStore:
    """
    An empty store in memory.
    """
    return MemoryStore(clock or Clock(), seeded(), disk=disk, **settings)


def sqlite_store(
    disk: IDisk, clock: Clock | None = None, *, news: INews | None = None, seed: int = 0, **settings: Any
) -> SqliteStore:
    """
    The store in the folder C{accounts} of a disk; there is always room for more mail.
    """
    settings = {"min_free_bytes": 0, "reserve": 4096, **settings}
    return SqliteStore(disk, clock or Clock(), news, seeded(seed), f"{disk.root}/accounts", **settings)


def memory_account(clock: Clock | None = None) -> MemoryAccount:
    """
    Alice's mail, in memory.
    """
    return now(memory_store(clock).open(ALICE))


def arrival(
    number: int,
    *,
    mailbox: str = "INBOX",
    content: bytes = MESSAGE,
    prefix: bytes = b"Return-Path: <>\r\n",
    flags: tuple[str, ...] = (),
    recipient: int = 0,
    path: str | None = None,
    is_shared: bool = False,
) -> Arrival:
    """
    A message out of the spool; C{number} makes its queue id.
    """
    return Arrival(
        queue_id(number),
        recipient,
        mailbox,
        prefix,
        size=len(content),
        inline=None if path else content,
        path=path,
        is_shared=is_shared,
        flags=flags,
        internal_date=1000 + number,
    )


def queue_id(number: int) -> QueueId:
    """
    The id of C{number}.
    """
    return QueueId(number.to_bytes(16, "big"))


def staged(mail: IAccountMail, content: bytes) -> IStagedContent:
    """
    Finished content for APPEND.
    """
    fresh = mail.stage()
    fresh.write(content)
    now(fresh.finish())
    return fresh


def append(
    mail: IAccountMail, mailbox: str = "INBOX", *contents: bytes, flags: Sequence[str] = (), date: int = 0
) -> AppendResult:
    """
    Put messages into a mailbox: L{MESSAGE} if none is given.
    """
    messages = [(staged(mail, content), flags, date) for content in contents or (MESSAGE,)]
    return now(mail.append(mailbox, messages))


def deliver(mail: IAccountMail, *arrivals: Arrival, settled: Sequence[QueueId] = ()) -> list[bool]:
    """
    Deliver, and say which were new.
    """
    return now(mail.deliver(arrivals, settled))
