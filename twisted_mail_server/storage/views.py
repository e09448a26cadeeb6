"""
A session's view of a mailbox, over what all its sessions share.

The newest snapshot is shared and replaced as a whole; each view keeps the one its client knows, so sequence numbers stay
true until the session moves on (RFC 3501 section 7.4.1).  Messages expunged meanwhile can be kept in the view as I{ghosts}.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Protocol

from attrs import define, evolve, field
from twisted.logger import Logger

from twisted_mail_server.model.changes import Changes, MailboxSnapshot
from twisted_mail_server.storage.snapshots import NOTHING, differences, position, with_ghosts

_log = Logger()


class Viewed(Protocol):
    """
    What the views of one mailbox share.
    """

    mailbox_id: int
    name: str
    uidvalidity: int
    #: Whether the mailbox was removed.
    is_deleted: bool
    #: The first UID that no session has claimed as C{\\Recent}.
    recent_from: int
    views: set[SessionView]

    @property
    def snapshot(self) -> MailboxSnapshot:
        """
        The newest known.
        """

    async def refresh(self) -> None:
        """
        Bring C{snapshot}, C{is_deleted} and C{recent_from} up to date.
        """

    def left(self) -> None:
        """
        A view was closed.
        """


@define(eq=False)
class SessionView:
    """
    The part of L{IMailboxView <twisted_mail_server.interfaces.IMailboxView>} that is alike in every store.
    """

    _shared: Viewed
    _claims_recent: bool
    mailbox_id: int = field(init=False)
    name: str = field(init=False)
    uidvalidity: int = field(init=False)
    snapshot: MailboxSnapshot = field(init=False)
    recent: frozenset[int] = field(init=False, default=frozenset())
    _seen: MailboxSnapshot = field(init=False)
    _keeps_ghosts: bool = field(init=False, default=False)
    _told: Callable[[], None] | None = field(init=False, default=None)
    _is_closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        shared = self._shared
        self.mailbox_id, self.name, self.uidvalidity = shared.mailbox_id, shared.name, shared.uidvalidity
        self.snapshot = self._seen = shared.snapshot
        self._take_recent(tuple(shared.snapshot.uids[bisect_left(shared.snapshot.uids, shared.recent_from) :]))
        shared.views.add(self)

    async def advance(self, *, keep_vanished: bool = False) -> Changes:
        """
        Move on to the newest state, and tell what happened.
        """
        await self._shared.refresh()
        if self._shared.is_deleted:
            return Changes(is_deleted=True)
        newest = self._shared.snapshot
        if newest is self._seen and (keep_vanished or not self._keeps_ghosts):
            return NOTHING
        changes = differences(self.snapshot, newest)
        self._seen = newest
        self._keeps_ghosts = keep_vanished and bool(changes.vanished)
        if self._keeps_ghosts:
            self.snapshot = with_ghosts(self.snapshot, newest, changes.vanished)
            changes = evolve(changes, vanished=())
        else:
            self.snapshot = newest
            if self.recent and changes.vanished:
                self.recent = self.recent.difference(changes.vanished)
        if changes.arrived:
            self._take_recent(changes.arrived)
        return changes

    def listen(self, told: Callable[[], None] | None) -> None:
        """
        Have C{told} called when there may be something to advance to.
        """
        self._told = told

    @property
    def is_listening(self) -> bool:
        """
        Whether anybody waits for news.
        """
        return self._told is not None

    def tell(self) -> None:
        """
        There may be something to advance to.
        """
        if self._told is not None:
            try:
                self._told()
            except Exception:  # noqa: BLE001 (another session's trouble is not that of whoever made the news)
                _log.failure("a session failed to hear news of {mailbox}", mailbox=self.mailbox_id)

    def sees(self, uid: int) -> bool:
        """
        Whether the client still knows of that message.
        """
        return position(self.snapshot.uids, uid) >= 0

    async def close(self) -> None:
        """
        The session is done with it; harmless twice.
        """
        if not self._is_closed:
            self._is_closed = True
            self._told = None
            self._shared.views.discard(self)
            self._shared.left()

    def _take_recent(self, arrived: tuple[int, ...]) -> None:
        """
        What nobody has claimed is recent; with a claim it is so for nobody else (RFC 3501 section 2.3.2).
        """
        first = self._shared.recent_from
        fresh = [uid for uid in arrived if uid >= first]
        if fresh:
            self.recent = self.recent.union(fresh)
            if self._claims_recent:
                self._shared.recent_from = fresh[-1] + 1


def tell_all(views: set[SessionView]) -> None:
    """
    Wake every session that listens.
    """
    for view in list(views):
        view.tell()
