"""
The store on disk: a folder for each account, with a SQLite database and message files.

docs/explanation/storage-format.md tells what lies where, what is written when, and what a crash leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IDisk, IMailStore, INews
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import MailboxEvent
from twisted_mail_server.model.errors import InUse, MailError, SyntaxProblem, TemporaryFailure
from twisted_mail_server.model.mailboxes import DEFAULT_MAILBOXES, DefaultMailbox
from twisted_mail_server.storage.account import SqliteAccount, Surroundings
from twisted_mail_server.storage.opening import OPEN_LOCK, OpenDatabases
from twisted_mail_server.storage.quota import Quota, unbounded
from twisted_mail_server.storage.room import Room
from twisted_mail_server.storage.staging import StagingFolder

_log = Logger()

#: What processes tell each other: account, mailbox, MODSEQ.
TOPIC = "mail"

#: In place of a mailbox: the account is being removed, let go of it.
_GONE = "gone"

_REMOVED = ".removed-"

#: Accounts not seen since the start that one round of checkpoints looks at.
_UNSEEN_AT_ONCE = 20


@implementer(IMailStore)
class SqliteStore:
    """
    Every account's mail, on disk.

    @param news: how processes that share the directory tell each other; C{None} when there is one only.
    @param directory: where the accounts' folders are.
    @param checkpoint_inline: octets inline in an account from which its checkpoint does not wait until it is quiet.
    @param min_free_bytes: below this much free disk new mail is refused.
    @param reserve: octets of the file that is given back when the disk is full.
    @param open_accounts: databases that stay open though nobody uses them.
    """

    def __init__(
        self,
        disk: IDisk,
        clock: IReactorTime,
        news: INews | None,
        random: Callable[[int], bytes],
        directory: str,
        *,
        defaults: Sequence[DefaultMailbox] = DEFAULT_MAILBOXES,
        checkpoint_inline: int = limits.CHECKPOINT_INLINE,
        min_free_bytes: int = limits.MIN_FREE_BYTES,
        reserve: int = limits.RESERVE,
        open_accounts: int = limits.OPEN_ACCOUNTS,
        quota: Quota = unbounded,
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._random = random
        self._news = news
        self._directory = directory
        self._checkpoint_inline = checkpoint_inline
        self._open_databases = OpenDatabases(clock, open_accounts)
        self._room = Room(disk, f"{directory}/reserve", min_free_bytes, reserve)
        self._staging = StagingFolder(disk, f"{directory}/staging")
        self._accounts: WeakValueDictionary[AccountId, SqliteAccount] = WeakValueDictionary()
        self._unseen: list[AccountId] = []
        self._begun = False
        self._observer: Callable[[MailboxEvent], None] | None = None
        self._work: set[Deferred[Any]] = set()
        self._tick_call: IDelayedCall | None = None
        self._around = Surroundings(
            disk,
            clock,
            random,
            directory,
            defaults,
            self._room,
            self._open_databases,
            self._staging,
            self._publish,
            self._unfinished,
            self._spawn,
            lambda: self._observer,
            quota,
        )
        if news is not None:
            news.subscribe(TOPIC, self._heard)

    @property
    def open_databases(self) -> int:
        """
        How many accounts' databases are open.
        """
        return len(self._open_databases.all)

    async def create(self, account: AccountId) -> None:
        """
        Make an account's mail with its first mailboxes; fine if it is there.  Durable on return.
        """
        await self.open(account)

    def count_open(self) -> int:
        """
        How many accounts are in use at this moment.
        """
        return len(self._accounts)

    async def open(self, account: AccountId) -> SqliteAccount:
        """
        An account's mail; it is made if it is not there.
        """
        await self._begin()
        mail = self._accounts.get(account)
        if mail is None:
            mail = self._accounts[account] = SqliteAccount(account, self._around)
        if not self._disk.exists(self._path(account)) or not await self._is_made(mail):
            await mail.begin()
        return mail

    async def remove(self, account: AccountId) -> None:
        """
        Remove an account's mail for ever; fine if it is gone.

        @raise InUse: another process has it open and would not let go.
        """
        await self._begin()
        path = self._path(account)
        mail = self._accounts.pop(account, None)
        if mail is not None:
            mail.end()
            await mail.database.close()
        self._unseen = [unseen for unseen in self._unseen if unseen != account]
        if self._news is not None:
            self._news.publish(TOPIC, f"{account} {_GONE} 0")
        if not self._disk.exists(path):
            return
        lock = await self._disk.wait_for_lock(f"{path}/{OPEN_LOCK}")
        try:
            await self._disk.run(self._remove, path)
        except FileNotFoundError:
            raise InUse("Somebody else is removing it.") from None
        finally:
            lock.release()

    async def accounts(self) -> list[AccountId]:
        """
        Those that have mail here.
        """
        found = []
        for name in await self._disk.run(self._disk.list_directory, self._directory):
            try:
                found.append(AccountId.parse(name))
            except SyntaxProblem:
                continue
        return found

    def begin_checkpoints(self) -> Sequence[AccountId]:
        """
        The accounts that are due for a checkpoint: quiet for a while and with something to do, holding much inline, or not
        looked at since this process began and not being written to just now.
        """
        now = self._clock.seconds()
        due = [account for account, mail in self._accounts.items() if self._is_due(mail, now)]
        unseen, self._unseen = self._unseen[:_UNSEEN_AT_ONCE], self._unseen[_UNSEEN_AT_ONCE:]
        busy = [account for account in unseen if self._is_busy(account, now)]
        self._unseen += busy
        found = (account for account in unseen if account not in busy and self._disk.exists(self._path(account)))
        return sorted({*due, *found})

    def observe(self, told: Callable[[MailboxEvent], None]) -> None:
        """
        Have C{told} called after each change that this process makes.
        """
        self._observer = told

    async def close(self) -> None:
        """
        Finish what was begun, and let go of everything.
        """
        if self._tick_call is not None:
            self._tick_call.cancel()
            self._tick_call = None
        self._open_databases.is_ended = True
        while self._work:
            await _settled(next(iter(self._work)))
        for database in self._open_databases.all:
            await database.close()
        self._staging.end()

    def _path(self, account: AccountId) -> str:
        return f"{self._directory}/{account}"

    async def _begin(self) -> None:
        """
        With the first account: make what is needed, and clear away what a crash left.
        """
        if self._open_databases.is_ended:
            raise TemporaryFailure("The store is closed.")
        if self._begun:
            return
        await self._staging.begin()
        if self._begun:
            return
        self._begun = True
        await self._disk.run(self._clear_removed)
        self._unseen = await self.accounts()
        await self._room.restore()
        self._tick_call = self._clock.callLater(limits.NEWS_CHECK, self._tick)

    async def _is_made(self, mail: SqliteAccount) -> bool:
        """
        Whether a crash stopped before its first mailboxes were there.
        """
        if mail.database.is_open:
            return True
        if not mail.database.exists():
            return False
        return bool(await mail.query("SELECT 1 FROM account"))

    def _is_due(self, mail: SqliteAccount, now: float) -> bool:
        if mail.inline > self._checkpoint_inline or (mail.garbage_since is not None and self._room.is_short):
            return True
        if now - mail.last_write < limits.CHECKPOINT_QUIET:
            return False
        return mail.inline > 0 or (mail.garbage_since is not None and now - mail.garbage_since > limits.GARBAGE_AGE)

    def _is_busy(self, account: AccountId, now: float) -> bool:
        mail = self._accounts.get(account)
        if mail is None or not mail.database.is_open:
            return False
        return mail.inline > 0 and now - mail.last_write < limits.CHECKPOINT_QUIET

    def _remove(self, path: str) -> None:
        """
        In a thread: out of sight in one step, then bit by bit.
        """
        removed = f"{self._directory}/{_REMOVED}{self._random(16).hex()}"
        self._disk.rename(path, removed)
        self._disk.sync_directory(self._directory)
        self._disk.remove_tree(removed)

    def _clear_removed(self) -> None:
        for name in self._disk.list_directory(self._directory):
            if name.startswith(_REMOVED):
                self._disk.remove_tree(f"{self._directory}/{name}")

    def _unfinished(self, account: AccountId) -> None:
        """
        It was closed with work for a checkpoint: that is looked after at the next round.
        """
        if account not in self._unseen:
            self._unseen.append(account)

    def _publish(self, account: AccountId, mailbox: int, modseq: int) -> None:
        if self._news is not None:
            self._news.publish(TOPIC, f"{account} {mailbox} {modseq}")

    def _heard(self, text: str) -> None:
        """
        Another process changed a mailbox, or removes an account.
        """
        account, _, rest = text.partition(" ")
        mailbox, _, modseq = rest.partition(" ")
        if mailbox == _GONE:
            mail = self._accounts.pop(AccountId(account), None)
            if mail is not None:
                mail.end()
                self._spawn("let go of an account", mail.database.close())
            return
        if not (mailbox.isdecimal() and modseq.isdecimal()):
            _log.warn("strange news: {text!r}", text=text[:100])
            return
        mail = self._accounts.get(AccountId(account))
        if mail is not None:
            mail.heard(int(mailbox), int(modseq))

    def _spawn(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        """
        Work that nobody waits for, but C{close}.
        """
        deferred: Deferred[Any] = Deferred.fromCoroutine(work)
        self._work.add(deferred)

        def done(result: Any) -> Any:
            self._work.discard(deferred)
            return result

        deferred.addBoth(done)
        deferred.addErrback(lambda failure: _log.warn("failed to {what}: {failure}", what=what, failure=failure.value))

    def _tick(self) -> None:
        """
        Close what nobody uses, and heal lost news.
        """
        self._tick_call = self._clock.callLater(limits.NEWS_CHECK, self._tick)
        self._open_databases.close_idle(limits.ACCOUNT_IDLE)
        self._spawn("make the reserve", self._room.restore())
        for mail in list(self._accounts.values()):
            if mail.live:
                self._spawn("look for news", self._look(mail))

    async def _look(self, mail: SqliteAccount) -> None:
        try:
            await mail.look_for_news()
        except MailError as problem:
            _log.warn("cannot look for news: {problem}", problem=problem, account=str(mail.account_id))


async def _settled(deferred: Deferred[Any]) -> None:
    """
    Wait until it has fired, whatever came of it.
    """
    waiting: Deferred[None] = Deferred()

    def fired(result: Any) -> Any:
        waiting.callback(None)
        return result

    deferred.addBoth(fired)
    await waiting
