"""
Stores on disk, each as if in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.disks import HeldPool, InlinePool, folder_for, inline_disk
from tests.support.drive import now
from tests.support.stores import ALICE, sqlite_store
from twisted_mail_server.interfaces import IMailboxView, INews
from twisted_mail_server.storage.sqlite import SqliteStore


class Wire:
    """
    News between the processes of a test: everybody hears what others publish.
    """

    def __init__(self) -> None:
        self.hears = True
        self.ends: list[WireEnd] = []

    def end(self) -> WireEnd:
        """
        For one more process.
        """
        self.ends.append(WireEnd(self))
        return self.ends[-1]


@implementer(INews)
class WireEnd:
    """
    One process's end.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.told: list[Callable[[str], None]] = []

    def publish(self, topic: str, text: str) -> None:
        """
        Tell the others.
        """
        for end in self.wire.ends:
            if end is not self and self.wire.hears:
                for told in end.told:
                    told(text)

    def subscribe(self, topic: str, told: Callable[[str], None]) -> None:
        """
        There is one topic.
        """
        self.told.append(told)


class StoreCase(SynchronousTestCase):
    """
    Stores on one disk, each as if in a process of its own.
    """

    def setUp(self) -> None:
        """
        A clock, a folder and a wire.
        """
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.root = folder_for(self)
        self.wire = Wire()
        self.store = self.process()
        self.mail = now(self.store.open(ALICE))

    def process(self, pool: InlinePool | HeldPool | None = None, **settings: Any) -> SqliteStore:
        """
        One more process.
        """
        disk = inline_disk(self.root, clock=self.clock, pool=pool, seed=len(self.wire.ends))
        store = sqlite_store(disk, self.clock, news=self.wire.end(), seed=len(self.wire.ends), **settings)
        self.addCleanup(lambda: now(store.close()))
        return store

    def files(self) -> list[str]:
        """
        The message files of Alice.
        """
        found = []
        for folder, _, names in os.walk(f"{self.root}/accounts/{ALICE}/messages"):
            found += [os.path.join(folder, name) for name in names]
        return found

    def read(self, view: IMailboxView, uid: int) -> bytes:
        """
        All of a message.
        """
        content = now(view.open_content(uid))
        octets = now(content.read())
        content.close()
        return octets
