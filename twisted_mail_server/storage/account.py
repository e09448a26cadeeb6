"""
One account in a SQLite database: what its sessions, its deliveries and its administrator ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IAccountMail, IDisk, IFileLock, IStagedContent, IStaging, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import AppendResult, MailboxChange, MailboxEvent, MailboxStatus
from twisted_mail_server.model.errors import DiskFull, InUse, MailError, NoSuchAccount, NoSuchMailbox, TemporaryFailure
from twisted_mail_server.model.mailboxes import DefaultMailbox, SpecialUse, check_name
from twisted_mail_server.model.queue import Arrival, QueueId
from twisted_mail_server.storage import changes, tables
from twisted_mail_server.storage.arrivals import Append, Deliver
from twisted_mail_server.storage.checking import look_at_files, look_inside
from twisted_mail_server.storage.checkpoints import Checkpoint
from twisted_mail_server.storage.contents import Content, Location
from twisted_mail_server.storage.editing import Moved
from twisted_mail_server.storage.finishing import finished
from twisted_mail_server.storage.mailboxes import STATUS, Begin, Create, Delete, Rename, change_subscription, status_of
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.opening import MESSAGES, AccountDatabase, OpenDatabases
from twisted_mail_server.storage.quota import Quota
from twisted_mail_server.storage.rendering import Kept, kept_ahead
from twisted_mail_server.storage.room import Room
from twisted_mail_server.storage.view import LiveMailbox, SqliteView
from twisted_mail_server.storage.views import tell_all

_log = Logger()
_T = TypeVar("_T")

#: MODSEQs that the packed snapshot of a mailbox may lag behind.
_PACKED_LAG = 5000


@frozen
class Surroundings:
    """
    What all accounts of a store share.
    """

    disk: IDisk
    clock: IReactorTime
    random: Callable[[int], bytes]
    directory: str
    defaults: Sequence[DefaultMailbox]
    room: Room
    open_databases: OpenDatabases
    staging: Callable[[], IStaging]
    #: Account, mailbox, MODSEQ: for the other processes.
    publish: Callable[[AccountId, int, int], None]
    #: An account was closed that has still to be looked after.
    unfinished: Callable[[AccountId], None]
    #: Work that nobody waits for, but the end of the store.
    spawn: Callable[[str, Coroutine[Any, Any, Any]], None]
    #: Who is to be told what happened in mailboxes, if somebody is.
    observer: Callable[[], Callable[[MailboxEvent], None] | None]
    #: How much mail an account may have.
    quota: Quota


@implementer(IAccountMail)
@define(eq=False)
class SqliteAccount:
    """
    All the mail of one account.

    @ivar inline: octets that wait for a checkpoint, as far as this process knows.
    @ivar last_write: when this process last wrote.
    @ivar garbage_since: since when this process knows of something expunged.
    """

    account_id: AccountId
    _around: Surroundings
    database: AccountDatabase = field(init=False)
    files: MessageFiles = field(init=False)
    live: dict[int, LiveMailbox] = field(init=False, factory=dict)
    inline: int = field(init=False, default=0)
    last_write: float = field(init=False, default=0.0)
    garbage_since: float | None = field(init=False, default=None)
    is_swept: bool = field(init=False, default=False)
    _readers: Counter[int] = field(init=False, factory=Counter)

    def __attrs_post_init__(self) -> None:
        around, directory = self._around, f"{self._around.directory}/{self.account_id}"
        self.database = AccountDatabase(around.disk, directory, around.open_databases, self._forget)
        self.files = MessageFiles(around.disk, f"{directory}/{MESSAGES}")

    # --- For the parts of the store

    @property
    def disk(self) -> IDisk:
        """
        Where everything lies.
        """
        return self._around.disk

    @property
    def room(self) -> Room:
        """
        What is free.
        """
        return self._around.room

    @property
    def now(self) -> int:
        """
        Seconds since 1970.
        """
        return int(self._around.clock.seconds())

    @property
    def is_quiet(self) -> bool:
        """
        Whether this process has not written to it for a while.
        """
        return self._around.clock.seconds() - self.last_write >= limits.CHECKPOINT_QUIET

    async def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Rows, at once if that can be.
        """
        return await self.database.query(sql, args)

    async def begin(self) -> None:
        """
        Make the account where there is none.
        """
        await self.database.make(Begin(self._around.defaults, self.now))

    def end(self) -> None:
        """
        The account was removed: sessions must leave.
        """
        for mailbox in list(self.live.values()):
            mailbox.is_deleted = True
            tell_all(mailbox.views)
        self.live.clear()

    async def edit(
        self,
        function: Callable[[ITransaction], tuple[_T, Moved]],
        change: MailboxChange = MailboxChange.ARRIVED,
        durable: Callable[[_T], None] = lambda _: None,
    ) -> _T:
        """
        Change rows, and tell everybody: C{change} is what happens in the first mailbox that C{function} names; from others
        messages vanish.  On a full disk the reserve is given back for it.

        @param durable: called with the result, before anybody is told.
        """
        return await finished(self._edit(function, change, durable))

    async def promise(self, function: Callable[[ITransaction], _T]) -> _T:
        """
        A transaction that must not fail for want of room, if that can be.
        """
        try:
            return await self.database.transact(function)
        except DiskFull:
            if not await self.room.release():
                raise
            return await self.database.transact(function)

    def later(self, what: str, function: Callable[[ITransaction], object]) -> None:
        """
        A transaction that nobody waits for.
        """
        self._around.spawn(what, self.database.transact(function))

    async def pack(self, mailbox: int) -> None:
        """
        Keep a mailbox's snapshot packed.
        """
        await self.database.transact(lambda transaction: changes.pack_mailbox(transaction, mailbox))

    async def quota(self) -> int | None:
        """
        Octets that this mail may take.
        """
        return await self._around.quota(self.account_id)

    def claim_recent(self, mailbox: int, uid: int) -> None:
        """
        Write down that what is below C{uid} is recent to nobody else.
        """
        sql = "UPDATE mailbox SET recent_from = max(recent_from, ?) WHERE id = ?"
        self.later("claim what is recent", lambda transaction: transaction.execute(sql, (uid, mailbox)))

    def open(self, location: Location) -> Content:
        """
        Open a content; its file is not removed until it is closed.
        """
        if location.octets is not None:
            return Content(location, self.disk, self.files, None)
        self._readers[location.content] += 1
        return Content(location, self.disk, self.files, self._closed)

    def note_garbage(self) -> None:
        """
        Something is being expunged, and will have to be cleared away.
        """
        if self.garbage_since is None:
            self.garbage_since = self._around.clock.seconds()

    def is_read(self, content: int) -> bool:
        """
        Whether somebody has the file of a content open.
        """
        return self._readers[content] > 0

    def heard(self, mailbox: int, modseq: int) -> None:
        """
        Another process changed a mailbox.
        """
        live = self.live.get(mailbox)
        if live is not None and modseq > live.snapshot.modseq:
            tell_all(live.views)

    async def look_for_news(self) -> None:
        """
        Look at the mailboxes that sessions wait for: news may have been lost.
        """
        for mailbox, live in list(self.live.items()):
            if any(view.is_listening for view in live.views):
                state = await changes.read_state(self.query, mailbox)
                if state is None or state.modseq > live.snapshot.modseq:
                    tell_all(live.views)

    # --- Mailboxes

    async def mailboxes(self) -> list[MailboxStatus]:
        """
        Every mailbox, sorted by name.
        """
        rows = await self.query(f"{STATUS} ORDER BY name")
        return [await self._with_claims(status_of(row)) for row in rows]

    async def status(self, name: str) -> MailboxStatus:
        """
        One mailbox from outside.

        @raise NoSuchMailbox: there is none of that name.
        """
        for row in await self.query(f"{STATUS} WHERE name = ?", (tables.key(name),)):
            return await self._with_claims(status_of(row))
        raise NoSuchMailbox("There is no mailbox of that name.")

    async def usage(self) -> tuple[int, int]:
        """
        Octets and messages of all mailboxes together.
        """
        rows = await self.query("SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0) FROM mailbox")
        octets, messages = rows[0]
        return octets, messages

    async def create_mailbox(self, name: str, special_use: SpecialUse | None = None) -> MailboxStatus:
        """
        Make a mailbox, and those above it that are missing.

        @raise MailboxExists: there is one of that name.
        @raise OverLimit: there are too many.
        """
        return await self.promise(Create(name, special_use, self.now))

    async def delete_mailbox(self, name: str) -> None:
        """
        Remove a mailbox with its messages; those below it stay.

        @raise NoSuchMailbox: there is none of that name.
        @raise CannotDo: it is INBOX.
        """
        self.note_garbage()
        await finished(self._delete(name))

    async def rename_mailbox(self, old: str, new: str) -> None:
        """
        Rename a mailbox and all below it; INBOX gives its messages to a new one.

        @raise NoSuchMailbox: no C{old}.
        @raise MailboxExists: C{new}, or one that a mailbox below would become, is there.
        """
        self.note_garbage()
        rename = Rename(old, new, self.now)
        await self.edit(lambda transaction: (None, rename(transaction)))

    async def subscriptions(self) -> list[str]:
        """
        The names subscribed to, sorted.
        """
        return [name for (name,) in await self.query("SELECT name FROM subscription ORDER BY name")]

    async def subscribe(self, name: str) -> None:
        """
        Fine if it is already.
        """
        await self.promise(change_subscription(check_name(name), True))

    async def unsubscribe(self, name: str) -> None:
        """
        Fine if it is not.
        """
        kept = tables.key(name)
        if kept is not None:
            await self.promise(change_subscription(kept, False))

    async def select(self, name: str, *, claim_recent: bool) -> SqliteView:
        """
        Open a mailbox for a session.

        @raise NoSuchMailbox: there is none of that name.
        """
        for mailbox, uidvalidity in await self.query(
            "SELECT id, uidvalidity FROM mailbox WHERE name = ?", (tables.key(name),)
        ):
            live = self.live.get(mailbox)
            if live is None:
                live = await self._load(mailbox, name, uidvalidity)
            else:
                await live.refresh()
            if live is not None and not live.is_deleted:
                live.name = name
                view = SqliteView(live, claim_recent, account=self)
                live.write_recent()
                return view
        raise NoSuchMailbox("There is no mailbox of that name.")

    # --- Mail that comes

    def stage(self) -> IStagedContent:
        """
        Begin content for C{append}.
        """
        return self._around.staging().begin()

    async def append(self, mailbox: str, messages: Sequence[tuple[IStagedContent, Sequence[str], int]]) -> AppendResult:
        """
        Add finished contents, all or nothing; durable on return.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverLimit: too many keywords.
        @raise OverQuota: they do not fit.
        """
        return await finished(self._append(mailbox, messages))

    async def deliver(self, arrivals: Sequence[Arrival], settled: Sequence[QueueId] = ()) -> list[bool]:
        """
        Add messages from the spool; durable on return; for each, whether it is new.
        """
        if arrivals:
            self.room.check()
        delivery = Deliver(self.files, self._around.random, arrivals, settled)
        return await finished(self._add(delivery, is_brief=delivery.is_brief))

    # --- The rest

    async def lock_maildrop(self) -> IFileLock:
        """
        POP3's exclusive access, against every process.

        @raise InUse: another POP3 session has it.
        """
        lock = self._lock("maildrop.lock")
        if lock is None:
            raise InUse("Another session has the maildrop.")
        return lock

    async def checkpoint(self, *, limit: int | None = None) -> int:
        """
        Move inline contents into files, and remove garbage; how many were moved.  Nothing while another process does it.
        """
        lock = self._lock("checkpoint.lock")
        if lock is None:
            return 0
        try:
            return await Checkpoint(self, limit).run()
        finally:
            lock.release()

    async def problems(self) -> list[str]:
        """
        Look whether everything is whole, files too; what is wrong, in sentences.  It takes its time.
        """
        found, wanted = await self.database.transact(look_inside)
        return found + await self.disk.run(look_at_files, self.disk, self.files, wanted)

    async def _edit(
        self,
        function: Callable[[ITransaction], tuple[_T, Moved]],
        change: MailboxChange,
        durable: Callable[[_T], None],
    ) -> _T:
        result, moved = await self.promise(function)
        durable(result)
        self._told(moved, change)
        return result

    async def _delete(self, name: str) -> None:
        moved = await self.promise(Delete(name, self.now))
        for mailbox in moved:
            live = self.live.get(mailbox)
            if live is not None:
                live.is_deleted = True
        self._told(moved, MailboxChange.VANISHED)

    async def _append(
        self, mailbox: str, messages: Sequence[tuple[IStagedContent, Sequence[str], int]]
    ) -> AppendResult:
        try:
            self.room.check()
            quota = await self.quota()
            rendered = await self._render([staged.inline for staged, _, _ in messages])
            return await self._add(Append(self.files, self._around.random, mailbox, messages, rendered, quota))
        finally:
            for staged, _, _ in messages:
                await self._drop(staged)

    async def _render(self, contents: Sequence[bytes | None]) -> list[Kept | None]:
        """
        Here what is little, else in a thread.
        """
        if sum(len(octets) for octets in contents if octets is not None) <= limits.RENDERED_AT_ONCE:
            return kept_ahead(contents)
        return await self.disk.run(kept_ahead, contents)

    async def _drop(self, staged: IStagedContent) -> None:
        """
        A staged file that stays behind is no reason to say that an APPEND failed which is durable: who takes the folder next
        removes it.
        """
        try:
            await staged.discard()
        except (MailError, OSError) as problem:
            _log.warn("cannot remove a staged file: {problem}", problem=problem, account=str(self.account_id))

    async def _add(self, function: Callable[[ITransaction], tuple[_T, Moved, int]], *, is_brief: bool = False) -> _T:
        try:
            result, moved, inline = await self.database.transact(function, is_brief=is_brief)
        except Exception:
            # A commit that failed may have left files: the next checkpoint looks.
            self.is_swept = False
            raise
        self.inline += inline
        # Deliveries may reach several mailboxes.
        self._told(moved, MailboxChange.ARRIVED, MailboxChange.ARRIVED)
        return result

    def _lock(self, name: str) -> IFileLock | None:
        try:
            return self.disk.lock(f"{self.database.directory}/{name}")
        except FileNotFoundError:
            raise NoSuchAccount("The account was removed.") from None
        except OSError as problem:
            raise TemporaryFailure("The account cannot be locked now.") from problem

    async def _load(self, mailbox: int, name: str, uidvalidity: int) -> LiveMailbox | None:
        state = await changes.read_state(self.query, mailbox)
        newest = None if state is None else await changes.bring_up(self.query, self.pack, mailbox, None, state)
        if newest is None:
            return None
        snapshot, state = newest
        if len(snapshot.uids) >= limits.PACKED_FROM:
            packed = await self.query("SELECT modseq FROM packed WHERE mailbox = ?", (mailbox,))
            if packed and packed[0][0] + _PACKED_LAG < snapshot.modseq:
                self._around.spawn("pack a mailbox", self.pack(mailbox))
        # Somebody else may have loaded it while we waited: all sessions share one.
        loaded = LiveMailbox(self, mailbox, name, uidvalidity, snapshot, state.recent_from)
        return self.live.setdefault(mailbox, loaded)

    async def _with_claims(self, status: MailboxStatus) -> MailboxStatus:
        """
        What sessions here have claimed as recent may not be written down yet.
        """
        live = self.live.get(status.mailbox_id)
        if live is None or not status.recent:
            return status
        rows = await self.query(
            "SELECT count(*) FROM message WHERE mailbox = ? AND uid >= ?", (status.mailbox_id, live.recent_from)
        )
        return evolve(status, recent=min(status.recent, rows[0][0]))

    def _told(self, moved: Moved, first: MailboxChange, others: MailboxChange = MailboxChange.VANISHED) -> None:
        """
        After a commit: wake those who listen, here and elsewhere.
        """
        self.last_write = self._around.clock.seconds()
        for mailbox, modseq in moved.items():
            live = self.live.get(mailbox)
            if live is not None:
                tell_all(live.views)
            try:
                self._around.publish(self.account_id, mailbox, modseq)
            except Exception:  # noqa: BLE001 (it is durable; news may be lost)
                _log.failure("cannot tell the other processes of news")
        observer = self._around.observer()
        if observer is not None:
            for number, (mailbox, modseq) in enumerate(moved.items()):
                change = others if number else first
                self._around.spawn("tell of a change", self._observe(observer, mailbox, modseq, change))

    async def _observe(
        self, told: Callable[[MailboxEvent], None], mailbox: int, modseq: int, change: MailboxChange
    ) -> None:
        rows = await self.query("SELECT name FROM mailbox WHERE id = ?", (mailbox,))
        told(MailboxEvent(self.account_id, mailbox, rows[0][0] if rows else "", frozenset({change}), modseq))

    def _closed(self, content: int) -> None:
        self._readers[content] -= 1
        if not self._readers[content]:
            del self._readers[content]

    def _forget(self) -> None:
        """
        The database was closed: what no session looks at is forgotten.
        """
        for mailbox in [mailbox for mailbox, live in self.live.items() if not live.views]:
            del self.live[mailbox]
        if self.inline or self.garbage_since is not None:
            self._around.unfinished(self.account_id)
