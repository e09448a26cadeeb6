"""
A store in memory: for tests, demonstrations, and to read how a store behaves.

Everything happens at once and lasts as long as the object.  Nothing is written down, so nothing it says is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail_server.disk.memory import MemoryStagedContent
from twisted_mail_server.interfaces import (
    IAccountMail,
    IDisk,
    IFileLock,
    IMailboxView,
    IMailStore,
    IStagedContent,
)
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import (
    AppendResult,
    CopyResult,
    FlagResult,
    MailboxChange,
    MailboxEvent,
    MailboxSnapshot,
    MailboxStatus,
    MessageRow,
    Reflagged,
)
from twisted_mail_server.model.errors import InUse, MessageGone, TemporaryFailure
from twisted_mail_server.model.flags import DELETED, SEEN, Keywords
from twisted_mail_server.model.mailboxes import DEFAULT_MAILBOXES, INBOX, DefaultMailbox, SpecialUse, canonical
from twisted_mail_server.model.queue import Arrival, QueueId
from twisted_mail_server.protocols.imap.rendering import pack, render
from twisted_mail_server.storage.flagging import Operation, Translation, learn_what_fits
from twisted_mail_server.storage.memory_contents import MemoryContent
from twisted_mail_server.storage.names import find, find_target, plan_create, plan_delete, plan_rename
from twisted_mail_server.storage.quota import Quota, check, unbounded
from twisted_mail_server.storage.snapshots import snapshot_of
from twisted_mail_server.storage.views import SessionView, tell_all

_T = TypeVar("_T")


@define(eq=False)
class _Content:
    """
    What a message is; its copies share it.
    """

    id: bytes
    octets: bytes = field(repr=False)
    _rendered: bytes | None = None

    @property
    def rendered(self) -> bytes:
        if self._rendered is None:
            self._rendered = pack(render(self.octets))
        return self._rendered

    @property
    def header(self) -> bytes:
        return self.octets[: header_end(self.octets)]


@define(eq=False)
class _Message:
    uid: int
    mask: int
    modseq: int
    internal_date: int
    content: _Content

    def row(self, header: bool) -> MessageRow:
        content = self.content
        return MessageRow(
            self.uid,
            self.mask,
            self.modseq,
            len(content.octets),
            self.internal_date,
            content.id,
            content.header if header else None,
        )


@define(eq=False)
class _Mailbox:
    """
    A mailbox; what its views share.
    """

    mailbox_id: int
    name: str
    uidvalidity: int
    modseq: int
    special_use: SpecialUse | None = None
    uidnext: int = 1
    recent_from: int = 1
    keywords: Keywords = field(factory=Keywords)
    is_deleted: bool = False
    #: In ascending order of UID.
    messages: dict[int, _Message] = field(factory=dict)
    #: Expunged, and kept while somebody may have seen them.
    ghosts: dict[int, _Message] = field(factory=dict)
    views: set[SessionView] = field(factory=set)
    #: MODSEQs, and the UIDs that were expunged with them.
    vanished: list[tuple[int, tuple[int, ...]]] = field(factory=list)
    _snapshot: MailboxSnapshot | None = None

    @property
    def snapshot(self) -> MailboxSnapshot:
        if self._snapshot is None:
            rows = ((message.uid, message.mask, message.modseq) for message in self.messages.values())
            self._snapshot = snapshot_of(rows, self.keywords, self.uidnext, self.modseq)
        return self._snapshot

    async def refresh(self) -> None:
        """
        It is always up to date.
        """

    def left(self) -> None:
        if not self.views:
            self.ghosts.clear()

    def add(self, content: _Content, mask: int, internal_date: int, modseq: int) -> int:
        uid = self.uidnext
        self.uidnext += 1
        self.messages[uid] = _Message(uid, mask, modseq, internal_date, content)
        self.modseq = modseq
        return uid

    def remove(self, uids: Iterable[int], modseq: int) -> None:
        gone = tuple(uids)
        for uid in gone:
            message = self.messages.pop(uid)
            if self.views:
                self.ghosts[uid] = message
        self.vanished.append((modseq, gone))
        self.modseq = modseq

    def changed(self) -> None:
        """
        After each change: views may move on.
        """
        self._snapshot = None
        tell_all(self.views)

    def there(self, uids: Iterable[int]) -> list[_Message]:
        """
        Those messages that are there, ascending.
        """
        return [self.messages[uid] for uid in sorted(set(uids)) if uid in self.messages]

    def status(self) -> MailboxStatus:
        messages = self.messages.values()
        return MailboxStatus(
            self.mailbox_id,
            self.name,
            self.uidvalidity,
            self.uidnext,
            self.modseq,
            messages=len(messages),
            unseen=sum(not message.mask & SEEN for message in messages),
            recent=sum(message.uid >= self.recent_from for message in messages),
            deleted=sum(bool(message.mask & DELETED) for message in messages),
            size=sum(len(message.content.octets) for message in messages),
            special_use=self.special_use,
        )


@implementer(IMailboxView)
@define(eq=False)
class MemoryView(SessionView):
    """
    A session's view of a mailbox in memory.
    """

    _account: MemoryAccount = field(kw_only=True)
    _mailbox: _Mailbox = field(kw_only=True)

    async def fetch(self, uids: Sequence[int], *, header: bool = False) -> list[MessageRow]:
        """
        What is known of those messages.
        """
        return [message.row(header) for message in self._left(uids)]

    async def rendered(self, uids: Sequence[int]) -> dict[int, bytes]:
        """
        What IMAP says of the shape of those messages, packed.
        """
        return {message.uid: message.content.rendered for message in self._left(uids)}

    async def open_content(self, uid: int) -> MemoryContent:
        """
        Open one message.

        @raise MessageGone: it was expunged, and nothing of it is left.
        """
        message = self._mailbox.messages.get(uid) or self._mailbox.ghosts.get(uid)
        if message is None:
            raise MessageGone("The message was expunged.")
        return MemoryContent(message.content.octets)

    async def read_ahead(self, uids: Sequence[int]) -> list[bytes | None]:
        """
        All octets of the first of those messages.
        """
        found: list[bytes | None] = []
        total = 0
        for uid in uids[: limits.FETCH_BATCH_OPEN]:
            message = self._mailbox.messages.get(uid)
            octets = None if message is None else message.content.octets
            if octets is None or len(octets) > limits.CONTENT_PIECE:
                found.append(None)
                continue
            total += len(octets)
            if total > limits.FETCH_AHEAD:
                break
            found.append(octets)
        return found

    async def headers(self, uids: Sequence[int]) -> dict[int, bytes]:
        """
        The header blocks of those messages.
        """
        return {message.uid: message.content.header for message in self._left(uids)}

    async def examine(self, uids: Sequence[int], look: Callable[[int, bytes], _T]) -> dict[int, _T]:
        """
        What C{look} makes of each of those messages.
        """
        return {message.uid: look(message.uid, message.content.octets) for message in self._left(uids)}

    def _left(self, uids: Iterable[int]) -> list[_Message]:
        """
        Those messages, and what is left of those that were expunged.
        """
        found = (self._mailbox.messages.get(uid) or self._mailbox.ghosts.get(uid) for uid in uids)
        return [message for message in found if message is not None]

    async def change_flags(
        self, uids: Sequence[int], operation: str, flags: Sequence[str], *, unchanged_since: int | None = None
    ) -> FlagResult:
        """
        Add, remove or replace flags.

        @raise OverLimit: the mailbox knows too many keywords.
        """
        mailbox = self._mailbox
        learnt = mailbox.keywords if operation == "-" else mailbox.keywords.learn(tuple(flags))
        change = Operation.of(operation, learnt.mask(tuple(flags)))
        messages = mailbox.there(uids)
        refused = {
            message.uid for message in messages if unchanged_since is not None and message.modseq > unchanged_since
        }
        meant = [message for message in messages if message.uid not in refused]
        changed = [message for message in meant if change(message.mask) != message.mask]
        if changed:
            mailbox.keywords = learnt
            mailbox.modseq = self._account.next_modseq()
            for message in changed:
                message.mask, message.modseq = change(message.mask), mailbox.modseq
            self._account.changed(mailbox, MailboxChange.REFLAGGED)
        now = tuple(Reflagged(message.uid, message.mask, message.modseq) for message in meant)
        return FlagResult(now, tuple(sorted(refused)))

    async def expunge(self, uids: Sequence[int] | None = None, *, only_deleted: bool = True) -> tuple[int, ...]:
        """
        Remove messages for ever; the UIDs removed.
        """
        messages = list(self._mailbox.messages.values()) if uids is None else self._mailbox.there(uids)
        gone = tuple(message.uid for message in messages if message.mask & DELETED or not only_deleted)
        if gone:
            self._mailbox.remove(gone, self._account.next_modseq())
            self._account.changed(self._mailbox, MailboxChange.VANISHED)
        return gone

    async def vanished_since(self, modseq: int) -> tuple[int, ...] | None:
        """
        The UIDs that were expunged after C{modseq}; everything is remembered.
        """
        until = self.snapshot.modseq
        return tuple(sorted(uid for at, uids in self._mailbox.vanished if modseq < at <= until for uid in uids))

    async def copy(self, uids: Sequence[int], target: str) -> CopyResult:
        """
        Copy messages to another mailbox, or this one.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverQuota: they do not fit.
        """
        quota = await self._account.quota()
        return self._account.copy(self._mailbox, uids, target, is_move=False, quota=quota)

    async def move(self, uids: Sequence[int], target: str) -> CopyResult:
        """
        Copy messages, and remove the originals.

        @raise NoSuchTarget: there is no such mailbox.
        """
        return self._account.copy(self._mailbox, uids, target, is_move=True)


@implementer(IFileLock)
@define(eq=False)
class _MaildropLock:
    _account: MemoryAccount
    _is_held: bool = True

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._account.is_maildrop_locked = False


@implementer(IAccountMail)
@define(eq=False)
class MemoryAccount:
    """
    All the mail of one account, in memory.
    """

    account_id: AccountId
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _disk: IDisk | None
    _observer: Callable[[], Callable[[MailboxEvent], None] | None] = lambda: None
    _quota: Quota = unbounded
    _modseq: int = 0
    _mailbox_ids: int = 0
    _uidvalidity: int = 0
    _mailboxes: dict[str, _Mailbox] = field(factory=dict)
    _subscribed: set[str] = field(factory=set)
    _received: set[tuple[bytes, int]] = field(factory=set)
    is_maildrop_locked: bool = False

    def begin(self, defaults: Iterable[DefaultMailbox]) -> None:
        """
        Make the first mailboxes; INBOX is always among them (RFC 3501 section 5.1).
        """
        for default in (DefaultMailbox(INBOX), *defaults):
            if canonical(default.name) not in self._mailboxes:
                self._create(default.name, default.special_use)
            if default.subscribed:
                self._subscribed.add(canonical(default.name))

    def end(self) -> None:
        """
        The account is removed: sessions must leave.
        """
        for mailbox in self._mailboxes.values():
            mailbox.is_deleted = True
            mailbox.changed()
        self._mailboxes.clear()

    def changed(self, mailbox: _Mailbox, change: MailboxChange) -> None:
        """
        Tell everybody of a change.
        """
        mailbox.changed()
        observer = self._observer()
        if observer is not None:
            name = "" if mailbox.is_deleted else mailbox.name
            changes = frozenset({change})
            observer(MailboxEvent(self.account_id, mailbox.mailbox_id, name, changes, mailbox.modseq))

    def next_modseq(self) -> int:
        """
        A MODSEQ higher than any before in this account (RFC 7162 section 3.1).
        """
        self._modseq += 1
        return self._modseq

    async def mailboxes(self) -> list[MailboxStatus]:
        """
        Every mailbox, sorted by name.
        """
        return [self._mailboxes[name].status() for name in sorted(self._mailboxes)]

    async def status(self, name: str) -> MailboxStatus:
        """
        One mailbox from outside.

        @raise NoSuchMailbox: there is none of that name.
        """
        return self._mailboxes[find(name, self._mailboxes)].status()

    async def usage(self) -> tuple[int, int]:
        """
        Octets and messages of all mailboxes together.
        """
        return self._size(), sum(len(mailbox.messages) for mailbox in self._mailboxes.values())

    async def create_mailbox(self, name: str, special_use: SpecialUse | None = None) -> MailboxStatus:
        """
        Make a mailbox, and those above it that are missing.

        @raise MailboxExists: there is one of that name.
        @raise OverLimit: there are too many.
        """
        return self._create(name, special_use).status()

    async def delete_mailbox(self, name: str) -> None:
        """
        Remove a mailbox with its messages; those below it stay.

        @raise NoSuchMailbox: there is none of that name.
        @raise CannotDo: it is INBOX.
        """
        mailbox = self._mailboxes.pop(plan_delete(name, self._mailboxes))
        mailbox.remove(list(mailbox.messages), self.next_modseq())
        mailbox.is_deleted = True
        self.changed(mailbox, MailboxChange.VANISHED)

    async def rename_mailbox(self, old: str, new: str) -> None:
        """
        Rename a mailbox and all below it; INBOX gives its messages to a new one.

        @raise NoSuchMailbox: no C{old}.
        @raise MailboxExists: C{new}, or one that a mailbox below would become, is there.
        """
        plan = plan_rename(old, new, self._mailboxes)
        if plan.emptied_into is not None:
            target = self._create(plan.emptied_into, None)
            inbox = self._mailboxes[INBOX]
            self.copy(inbox, list(inbox.messages), target.name, is_move=True)
            return
        for name in plan.created:
            self._create(name, None)
        moved = [(self._mailboxes.pop(before), after) for before, after in plan.renamed]
        for mailbox, after in moved:
            mailbox.name = after
            self._mailboxes[after] = mailbox

    async def subscriptions(self) -> list[str]:
        """
        The names subscribed to, sorted.
        """
        return sorted(self._subscribed)

    async def subscribe(self, name: str) -> None:
        """
        Fine if it is already.
        """
        self._subscribed.add(canonical(name))

    async def unsubscribe(self, name: str) -> None:
        """
        Fine if it is not.
        """
        self._subscribed.discard(canonical(name))

    async def select(self, name: str, *, claim_recent: bool) -> MemoryView:
        """
        Open a mailbox for a session.

        @raise NoSuchMailbox: there is none of that name.
        """
        mailbox = self._mailboxes[find(name, self._mailboxes)]
        return MemoryView(mailbox, claim_recent, account=self, mailbox=mailbox)

    def stage(self) -> MemoryStagedContent:
        """
        Begin content for C{append}.
        """
        return MemoryStagedContent()

    async def append(self, mailbox: str, messages: Sequence[tuple[IStagedContent, Sequence[str], int]]) -> AppendResult:
        """
        Add finished contents; all or nothing.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverLimit: too many keywords.
        @raise OverQuota: they do not fit.
        """
        quota = await self.quota()
        try:
            contents = [await staged.read(0, staged.size) for staged, _, _ in messages]
        finally:
            for staged, _, _ in messages:
                await staged.discard()
        target = self._mailboxes[find_target(mailbox, self._mailboxes)]
        check(quota, self._size(), sum(map(len, contents)))
        target.keywords = target.keywords.learn([flag for _, flags, _ in messages for flag in flags])
        modseq = self.next_modseq()
        uids = [
            target.add(self._content(octets), target.keywords.mask(tuple(flags)), internal_date, modseq)
            for octets, (_, flags, internal_date) in zip(contents, messages, strict=True)
        ]
        self.changed(target, MailboxChange.ARRIVED)
        return AppendResult(target.uidvalidity, tuple(uids))

    async def deliver(self, arrivals: Sequence[Arrival], settled: Sequence[QueueId] = ()) -> list[bool]:
        """
        Add messages from the spool; for each, whether it is new.
        """
        contents = [await self._arrived(arrival) for arrival in arrivals]
        gone = {queue_id.octets for queue_id in settled}
        self._received = {one for one in self._received if one[0] not in gone}
        modseq = self.next_modseq()
        news: list[bool] = []
        changed: dict[int, _Mailbox] = {}
        for arrival, octets in zip(arrivals, contents, strict=True):
            once = (arrival.queue_id.octets, arrival.number)
            news.append(once not in self._received)
            if news[-1]:
                self._received.add(once)
                target = self._mailboxes.get(canonical(arrival.mailbox)) or self._mailboxes[INBOX]
                target.keywords = learn_what_fits(target.keywords, arrival.flags)
                target.add(self._content(octets), target.keywords.mask(arrival.flags), arrival.internal_date, modseq)
                changed[target.mailbox_id] = target
        for target in changed.values():
            self.changed(target, MailboxChange.ARRIVED)
        return news

    async def lock_maildrop(self) -> IFileLock:
        """
        POP3's exclusive access.

        @raise InUse: another POP3 session has it.
        """
        if self.is_maildrop_locked:
            raise InUse("Another session has the maildrop.")
        self.is_maildrop_locked = True
        return _MaildropLock(self)

    async def checkpoint(self, *, limit: int | None = None) -> int:
        """
        There are no files to move anything into.
        """
        return 0

    async def problems(self) -> list[str]:
        """
        There is nothing that could be broken.
        """
        return []

    async def quota(self) -> int | None:
        """
        Octets that this mail may take.
        """
        return await self._quota(self.account_id)

    def copy(
        self, source: _Mailbox, uids: Sequence[int], target_name: str, *, is_move: bool, quota: int | None = None
    ) -> CopyResult:
        """
        Copy or move messages between two mailboxes, or within one.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverQuota: they do not fit.
        """
        target = self._mailboxes[find_target(target_name, self._mailboxes)]
        messages = source.there(uids)
        if not messages:
            return CopyResult(target.uidvalidity, (), ())
        check(quota, self._size(), sum(len(message.content.octets) for message in messages))
        translated = Translation(source.keywords, target.keywords, [message.mask for message in messages])
        target.keywords = translated.keywords
        modseq = self.next_modseq()
        copies = [
            target.add(message.content, translated(message.mask), message.internal_date, modseq) for message in messages
        ]
        originals = tuple(message.uid for message in messages)
        if is_move:
            source.remove(originals, modseq)
            self.changed(source, MailboxChange.VANISHED)
        self.changed(target, MailboxChange.ARRIVED)
        return CopyResult(target.uidvalidity, originals, tuple(copies))

    def _size(self) -> int:
        """
        Octets of all mailboxes.
        """
        messages = (message for mailbox in self._mailboxes.values() for message in mailbox.messages.values())
        return sum(len(message.content.octets) for message in messages)

    def _create(self, name: str, special_use: SpecialUse | None) -> _Mailbox:
        wanted = plan_create(name, self._mailboxes)
        for made in wanted:
            self._mailbox_ids += 1
            self._uidvalidity = max(self._uidvalidity + 1, int(self._clock.seconds()))
            self._mailboxes[made] = _Mailbox(self._mailbox_ids, made, self._uidvalidity, self.next_modseq())
        mailbox = self._mailboxes[wanted[-1]]
        mailbox.special_use = special_use
        return mailbox

    def _content(self, octets: bytes) -> _Content:
        return _Content(self._random(16), octets)

    async def _arrived(self, arrival: Arrival) -> bytes:
        if arrival.inline is not None:
            return arrival.prefix + arrival.inline
        if self._disk is None or arrival.path is None:
            raise TemporaryFailure("This store cannot read files.")
        return arrival.prefix + await self._disk.run(self._disk.read, arrival.path)


@implementer(IMailStore)
class MemoryStore:
    """
    Every account's mail, in memory.

    @param disk: from where contents are read that the spool holds in files.
    @param quota: octets that an account's mail may take.
    """

    def __init__(
        self,
        clock: IReactorTime,
        random: Callable[[int], bytes],
        defaults: Sequence[DefaultMailbox] = DEFAULT_MAILBOXES,
        disk: IDisk | None = None,
        quota: Quota = unbounded,
    ) -> None:
        self._clock = clock
        self._random = random
        self._defaults = defaults
        self._disk = disk
        self._quota = quota
        self._accounts: dict[AccountId, MemoryAccount] = {}
        self._observer: Callable[[MailboxEvent], None] | None = None

    async def create(self, account: AccountId) -> None:
        """
        Make an account's mail; fine if it is there.
        """
        await self.open(account)

    async def remove(self, account: AccountId) -> None:
        """
        Remove an account's mail for ever; fine if it is gone.
        """
        mail = self._accounts.pop(account, None)
        if mail is not None:
            mail.end()

    async def open(self, account: AccountId) -> MemoryAccount:
        """
        An account's mail; it is made if it is not there.
        """
        mail = self._accounts.get(account)
        if mail is None:
            mail = MemoryAccount(account, self._clock, self._random, self._disk, lambda: self._observer, self._quota)
            mail.begin(self._defaults)
            self._accounts[account] = mail
        return mail

    async def accounts(self) -> list[AccountId]:
        """
        Those that have mail here.
        """
        return sorted(self._accounts)

    def begin_checkpoints(self) -> Sequence[AccountId]:
        """
        None is ever due.
        """
        return ()

    def observe(self, told: Callable[[MailboxEvent], None]) -> None:
        """
        Have C{told} called after each change.
        """
        self._observer = told

    async def close(self) -> None:
        """
        There is nothing to let go of.
        """
