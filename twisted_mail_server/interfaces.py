"""
Every seam of the server on one page.

Floor 1: no Twisted here.  Where a seam must carry a Twisted object it is typed C{object} and narrowed by who knows it.
Unless a method says otherwise: it is called on the reactor's thread, an C{async} one may suspend, and the failures it
names are the only ones it lets out besides L{TemporaryFailure <twisted_mail_server.model.errors.TemporaryFailure>}
and L{DiskFull <twisted_mail_server.model.errors.DiskFull>}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from zope.interface import Attribute, Interface, implementer

from .model import limits
from .model.accounts import Account, AccountId, Alias, ScramStart, Secret, StoredCredentials
from .model.addresses import Address
from .model.changes import (
    AppendResult,
    Changes,
    CopyResult,
    FlagResult,
    MailboxEvent,
    MailboxSnapshot,
    MailboxStatus,
    MessageRow,
)
from .model.dns import DnsAnswer, RecordKind
from .model.envelopes import Envelope, MailOptions, Origin, Recipient, RecipientOptions
from .model.mailboxes import SpecialUse
from .model.queue import Arrival, Ledger, QueueChange, QueuedMessage, QueueId, Report, Result, Settlement, Story
from .model.verdicts import Answer

T = TypeVar("T")

# --- Disk: the only way to files and databases ----------------------------------------------------------------------


class IFileLock(Interface):
    """
    A held C{flock}; the system frees it when the process dies.
    """

    def release() -> None:
        """
        Let go; harmless twice.
        """


class IOutputFile(Interface):
    """
    A new file being written.  Its methods block: call them in the disk's threads.
    """

    path: str = Attribute("Where it is.")

    def write(data: bytes) -> None:
        """
        Add to its end.
        """

    def sync() -> None:
        """
        Return when all that was written survives a power cut.
        """

    def close() -> None:
        """
        No more writing.
        """

    def discard() -> None:
        """
        Close it and remove it; harmless when it is gone.
        """


class IStagedContent(Interface):
    """
    Content being received, before anything is promised.
    """

    size: int = Attribute("Octets written so far.")
    digest: bytes = Attribute("SHA-256 of what was written; after C{finish}.")
    inline: bytes | None = Attribute("The content, where it is small; after C{finish}.")
    path: str | None = Attribute("Its file, where it is not; after C{finish}.")

    def write(data: bytes) -> Awaitable[None] | None:
        """
        Add to the end.  An awaitable means: wait for it before the next write, so that memory stays bounded.
        """

    async def finish() -> None:
        """
        All is written; not yet durable.  Harmless twice.
        """

    async def read(offset: int, length: int) -> bytes:
        """
        A piece of what was written; after C{finish}.
        """

    def sync() -> None:
        """
        Make its file durable, on the descriptor that wrote it.  Blocks: for the disk's threads.  Nothing to do when inline.
        """

    async def discard() -> None:
        """
        Forget it; harmless twice, and after its file was renamed.
        """


class IStaging(Interface):
    """
    Where content is kept while it arrives.
    """

    def begin(*, inline_limit: int = limits.INLINE_CONTENT) -> IStagedContent:
        """
        New, empty content; up to C{inline_limit} octets it stays in memory.
        """


class ITransaction(Interface):
    """
    Inside one transaction of a database's writer, in whose thread that is.
    """

    def execute(sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Run one statement to its end; its rows.
        """

    def execute_many(sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """
        Run one statement for each row of arguments.
        """

    def changes() -> int:
        """
        Rows changed by the last statement.
        """

    def last_rowid() -> int:
        """
        The row id of the last insert.
        """


class IDatabase(Interface):
    """
    One SQLite database: readers on the reactor, one writer that commits in a thread, group commit.
    """

    path: str = Attribute("Where it is.")

    def read(sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Rows, at once, without waiting.

        @raise DatabaseBusy: it could not be had without waiting; use C{query}.
        """

    async def query(sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Rows: at once if that can be, else from a thread.
        """

    async def transact(function: Callable[[ITransaction], T], *, is_brief: bool = False) -> T:
        """
        Run C{function} in a transaction in the writer's thread; return its result when it is durable.

        One that C{is_brief} (a few statements on a few rows, and no file) may run on the reactor, and only its commit in the thread.

        Functions sent while a commit is under way form the next batch: one transaction, each in a savepoint of its own.
        What C{function} raises undoes its own work and reaches its own caller only.
        """

    async def backup(path: str) -> None:
        """
        Copy the live database into a new file.
        """

    async def close() -> None:
        """
        End all connections.  Transactions already sent are finished first.
        """


class IDisk(Interface):
    """
    Files and databases.  What is not C{async} and not called fast blocks: it is for C{run}'s threads.
    """

    root: str = Attribute("The folder under which everything lives.")

    async def run(function: Callable[..., T], *args: Any) -> T:
        """
        Call C{function} in one of the disk's threads.
        """

    def make_directory(path: str) -> None:
        """
        Make a folder, those above it too, durably; fine if it is there.
        """

    def write_file(path: str, data: bytes, mode: int = 0o600) -> None:
        """
        Put a whole file in place, durably, or leave what was there.
        """

    def create(path: str, mode: int = 0o600) -> IOutputFile:
        """
        Begin a file that must not exist.
        """

    def read(path: str, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a file, or all of it.
        """

    def size(path: str) -> int:
        """
        Octets of a file.
        """

    def modified(path: str) -> int:
        """
        When a file was last written, seconds since 1970.
        """

    def set_modified(path: str, seconds: int) -> None:
        """
        Have a file written at that moment, as far as anybody can see.
        """

    def exists(path: str) -> bool:
        """
        Whether it is there.  Fast.
        """

    def rename(old: str, new: str) -> None:
        """
        Durable only after C{sync_directory} of both folders.
        """

    def link(old: str, new: str) -> None:
        """
        A second name for one file; a copy, written durably, where links cannot go.  The name is durable after C{sync_directory}.
        """

    def remove(path: str) -> None:
        """
        Fine if it is gone.  Durable only after C{sync_directory}.
        """

    def sync_directory(path: str) -> None:
        """
        Return when the folder's entries survive a power cut.
        """

    def list_directory(path: str) -> list[str]:
        """
        The names in a folder, sorted; none if there is no such folder.
        """

    def remove_tree(path: str) -> None:
        """
        Remove a folder with all in it; fine if it is gone.
        """

    def free_bytes() -> int:
        """
        What a user without privileges may still write.  Fast.
        """

    def lock(path: str, *, shared: bool = False) -> IFileLock | None:
        """
        Take a C{flock} without waiting; C{None} when somebody holds it.  Fast.
        """

    async def wait_for_lock(path: str, *, shared: bool = False, timeout: float = 30.0) -> IFileLock:
        """
        Take it, trying again by the clock.

        @raise InUse: it could not be had in C{timeout} seconds.
        """

    async def open_database(path: str, steps: Sequence[object]) -> IDatabase:
        """
        Open a database and bring its schema up to the last of C{steps} (L{twisted_mail_server.disk.schema.SchemaStep}).

        @raise SchemaTooNew: a newer version of this program wrote it.
        """

    async def copy_database(path: str, new: str) -> None:
        """
        Copy a database, live or not, into a file that must not exist.  Durable on return.

        @raise InUse: another process did not let go of it.
        """

    def staging(directory: str) -> IStaging:
        """
        Where content may be staged; larger content becomes files in C{directory}.
        """


# --- Store: where mail lives ----------------------------------------------------------------------------------------


class IContent(Interface):
    """
    The octets of one message, prefix and content together.  It stays readable while it is open, expunged or not.
    """

    size: int = Attribute("Octets.")

    async def read(offset: int = 0, length: int = -1) -> bytes:
        """
        A piece; shorter at the end; all of the rest without C{length}.

        @raise TemporaryFailure: the disk would not give it.
        """

    def close() -> None:
        """
        Done with it; harmless twice.
        """


class IMailboxView(Interface):
    """
    One session's view of one mailbox.  It changes only by C{advance}, so that sequence numbers stay true in between.
    """

    mailbox_id: int = Attribute("Which mailbox, for ever.")
    name: str = Attribute("Its name when it was opened.")
    uidvalidity: int = Attribute("RFC 3501 section 2.3.1.1.")
    snapshot: MailboxSnapshot = Attribute("What this session sees.")
    recent: frozenset[int] = Attribute("UIDs that are C{\\Recent} to this session alone (RFC 3501 section 2.3.2).")

    async def advance(*, keep_vanished: bool = False) -> Changes:
        """
        Move on to the newest state, other processes' changes included, and tell what happened.

        With C{keep_vanished}, messages expunged meanwhile stay in the snapshot, and are told of by a later call without it:
        for commands during which no EXPUNGE may be sent (RFC 3501 section 7.4.1).
        """

    async def vanished_since(modseq: int) -> tuple[int, ...] | None:
        """
        The UIDs that were expunged after C{modseq}, up to the MODSEQ of C{snapshot}, ascending (RFC 7162 section 3.2.6); C{None}
        where nobody remembers that far back.
        """

    def listen(told: Callable[[], None] | None) -> None:
        """
        Have C{told} called when there may be something to advance to; C{None} ends it.
        """

    async def fetch(uids: Sequence[int], *, header: bool = False) -> list[MessageRow]:
        """
        What is known of those messages, in the order of C{uids}, with masks as of now.

        A message expunged since C{snapshot} was taken is still told of where that can be; else its row is left out.
        """

    async def rendered(uids: Sequence[int]) -> Mapping[int, bytes]:
        """
        ENVELOPE, BODY and BODYSTRUCTURE of those messages, as L{twisted_mail_server.protocols.imap.rendering} packs them, by UID;
        what is gone is left out.  What is rendered for the first time is kept.
        """

    async def open_content(uid: int) -> IContent:
        """
        Open one message.

        @raise MessageGone: it was expunged, and nothing of it is left.
        """

    async def read_ahead(uids: Sequence[int]) -> Sequence[bytes | None]:
        """
        All octets of the first of those messages, in their order: of one at least, and of no more than L{limits.FETCH_AHEAD} makes
        up together.  C{None} stands for one that has to be opened: it is larger than L{limits.CONTENT_PIECE}, gone, or cannot be
        read.
        """

    async def headers(uids: Sequence[int]) -> Mapping[int, bytes]:
        """
        The header blocks of those messages, by UID in the order of C{uids}; what is gone is left out.
        """

    async def examine(uids: Sequence[int], look: Callable[[int, bytes], T]) -> Mapping[int, T]:
        """
        What C{look} makes of each of those messages, of its UID and all its octets, by UID; what is gone is left out.

        It is called with one after the other, in a thread if they are large or in files.
        """

    async def change_flags(
        uids: Sequence[int], operation: str, flags: Sequence[str], *, unchanged_since: int | None = None
    ) -> FlagResult:
        """
        Add (C{+}), remove (C{-}) or replace (C{=}) flags; durable on return.

        @raise OverLimit: the mailbox knows too many keywords.
        """

    async def expunge(uids: Sequence[int] | None = None, *, only_deleted: bool = True) -> tuple[int, ...]:
        """
        Remove for ever the messages marked C{\\Deleted}, among C{uids} if given; with C{only_deleted} false, just C{uids}.

        Durable on return; the UIDs removed.
        """

    async def copy(uids: Sequence[int], target: str) -> CopyResult:
        """
        All or nothing (RFC 3501 section 6.4.7); flags and internal date go with them.  Durable on return.

        @raise NoSuchTarget: there is no such mailbox.
        """

    async def move(uids: Sequence[int], target: str) -> CopyResult:
        """
        As C{copy}, and the originals vanish in the same transaction (RFC 6851).
        """

    async def close() -> None:
        """
        The session is done with it; harmless twice.
        """


class IAccountMail(Interface):
    """
    All the mail of one account.  Names are in the inner form (L{twisted_mail_server.model.mailboxes}).
    """

    account_id: AccountId = Attribute("Whose.")

    async def mailboxes() -> list[MailboxStatus]:
        """
        Every mailbox, sorted by name.
        """

    async def status(name: str) -> MailboxStatus:
        """
        One mailbox from outside.

        @raise NoSuchMailbox: there is none of that name.
        """

    async def create_mailbox(name: str, special_use: SpecialUse | None = None) -> MailboxStatus:
        """
        Make a mailbox, and those above it that are missing (RFC 3501 section 6.3.3).

        @raise MailboxExists: there is one of that name.
        @raise OverLimit: there are too many.
        """

    async def delete_mailbox(name: str) -> None:
        """
        Remove a mailbox with its messages.  Those below it stay; the name of one that has some becomes C{\\Noselect}: see C{mailboxes},
        where it is then missing while names below it are not.

        @raise NoSuchMailbox: there is none of that name.
        @raise CannotDo: it is INBOX.
        """

    async def rename_mailbox(old: str, new: str) -> None:
        """
        Rename a mailbox and all below it; INBOX moves its messages to a new one and stays (RFC 3501 section 6.3.5).

        @raise NoSuchMailbox: no C{old}.
        @raise MailboxExists: C{new}, or one that a mailbox below would become, is there.
        """

    async def subscriptions() -> list[str]:
        """
        The names subscribed to, sorted; a name need not exist (RFC 3501 section 6.3.6).
        """

    async def subscribe(name: str) -> None:
        """
        Fine if it is already.
        """

    async def unsubscribe(name: str) -> None:
        """
        Fine if it is not.
        """

    async def select(name: str, *, claim_recent: bool) -> IMailboxView:
        """
        Open a mailbox for a session; with C{claim_recent} what is recent is so for this session alone from now on.

        @raise NoSuchMailbox: there is none of that name.
        """

    def stage() -> IStagedContent:
        """
        Begin content for C{append}.
        """

    async def append(mailbox: str, messages: Sequence[tuple[IStagedContent, Sequence[str], int]]) -> AppendResult:
        """
        Add finished contents, each with its flags and internal date (seconds since 1970); all or nothing; durable on return.

        The staged contents are used up, whatever happens.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverLimit: too many keywords.
        """

    async def deliver(arrivals: Sequence[Arrival], settled: Sequence[QueueId] = ()) -> list[bool]:
        """
        Add messages from the spool; durable on return.  For each: whether it is new, or was here already from a delivery that a
        crash repeated.  A mailbox that is not there means INBOX.

        C{settled} are messages of earlier deliveries whose fate is durable in the spool, so that the memory of them may go.
        """

    async def quota() -> int | None:
        """
        Octets that this mail may take, as of now; C{None} for as many as it likes.
        """

    async def usage() -> tuple[int, int]:
        """
        Octets and messages of all mailboxes together, as RFC 9208 counts STORAGE (there in KiB) and MESSAGE.
        """

    async def lock_maildrop() -> IFileLock:
        """
        POP3's exclusive access (RFC 1939 section 3), against every process.

        @raise InUse: another POP3 session has it.
        """

    async def problems() -> list[str]:
        """
        What is wrong with the account's mail, a sentence each: databases, tables against each other, files against their digests.  It
        reads everything, and takes its time.
        """

    async def checkpoint(*, limit: int | None = None) -> int:
        """
        Move inline contents into files, and remove garbage nobody reads any more; how many were moved.
        """


class IMailStore(Interface):
    """
    Where mail lives.
    """

    async def create(account: AccountId) -> None:
        """
        Make an account's mail with its first mailboxes; fine if it is there.  Durable on return.
        """

    async def remove(account: AccountId) -> None:
        """
        Remove an account's mail for ever; fine if it is gone.

        @raise InUse: another process has it open and would not let go.
        """

    async def open(account: AccountId) -> IAccountMail:
        """
        An account's mail; it is made if it is not there.
        """

    async def accounts() -> list[AccountId]:
        """
        Those that have mail here.
        """

    def begin_checkpoints() -> Sequence[AccountId]:
        """
        The accounts that are due for C{checkpoint}: quiet for a while, or holding much inline.
        """

    def observe(told: Callable[[MailboxEvent], None]) -> None:
        """
        Have C{told} called after each change that this process makes to a mailbox; it must not take long, and nothing depends on
        it.
        """

    async def close() -> None:
        """
        Let go of everything.
        """


# --- Spool: mail we have promised to deliver --------------------------------------------------------------------------


class ISpool(Interface):
    """
    Mail we have promised to deliver (docs/explanation/spool.md).
    """

    def new_id() -> QueueId:
        """
        A fresh, random id.
        """

    def check_room() -> None:
        """
        Whether a message may come now.

        @raise DiskFull: less than the reserve is free.
        """

    def stage(*, recipients: int = 1) -> IStagedContent:
        """
        Begin content for C{commit}; what goes to many is better a file than many copies.
        """

    async def commit(queue_id: QueueId, envelope: Envelope, content: IStagedContent) -> QueuedMessage:
        """
        Promise to deliver.  Durable on return; then whoever took C{hand_over} gets it.

        @raise DiskFull: less than the reserve is free.
        """

    async def settle(settlements: Sequence[Settlement], reports: Sequence[Report] = ()) -> None:
        """
        Record fates, and take in the reports on them, in one transaction.  Durable on return; then the reports are handed over.
        """

    async def change(queue_id: QueueId, change: QueueChange) -> QueuedMessage:
        """
        What an operator does with a message that waits, whichever process owns it; that process hears of it.

        @raise NoSuchMessage: there is none of that id that waits.
        """

    def listen(told: Callable[[QueuedMessage], None]) -> None:
        """
        Have C{told} called with each message of ours that an operator changed, from here or from another process.
        """

    def hand_over(receiver: Callable[[QueuedMessage], None]) -> None:
        """
        Who gets every message as soon as it is committed, and every recovered one.
        """

    async def recover() -> int:
        """
        Hand over what earlier processes promised and did not finish; how many messages.
        """

    async def adopt() -> int:
        """
        The same for processes that died since; how many messages.
        """

    async def read(message: QueuedMessage, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a message's content.
        """

    async def waiting() -> list[QueuedMessage]:
        """
        Every message that is not settled, of all processes, oldest first; contents left out.
        """

    async def find(queue_id: QueueId) -> QueuedMessage | None:
        """
        One message, settled or not, while history keeps it.
        """

    async def ledger(*, is_thorough: bool = False) -> Ledger:
        """
        What was promised by all processes and what became of it.

        @param is_thorough: compare the books with every row and every content; else only what waits is counted.
        """

    async def stories(query: str, limit: int) -> list[Story]:
        """
        The messages with that queue id or Message-ID, or with C{query} in an address of theirs, newest first, no more than C{limit}.
        """

    async def prune(before: int) -> int:
        """
        Forget settled messages received before that second; how many.
        """

    async def close() -> None:
        """
        Finish what was begun, and let go.
        """


# --- Directory: who lives here ------------------------------------------------------------------------------------------


class IDirectory(Interface):
    """
    Accounts, their addresses and credentials, and the domains that are local.
    """

    async def domains() -> list[str]:
        """
        The local domains, sorted: those of the settings and those of accounts.
        """

    async def is_local(domain: str) -> bool:
        """
        Whether mail for that domain is delivered here.
        """

    async def lookup(address: Address) -> Account | Alias | None:
        """
        Who gets mail for an address of a local domain: an account, or an alias whose targets are to be looked up in turn.

        In this order: the very address; without its subaddress (C{ann+lists@} is C{ann@}); C{postmaster} and C{abuse}, who always
        are somebody while there is an account; the domain's catch-all.
        """

    async def aliases() -> list[Alias]:
        """
        All of them, sorted by address.
        """

    async def set_alias(alias: Alias) -> None:
        """
        Make it, or give it other targets.  Durable on return.

        @raise AccountExists: an account has that address.
        """

    async def remove_alias(address: Address) -> None:
        """
        Forget it.

        @raise NoSuchAccount: there is none of that address.
        """

    async def add_domain(domain: str) -> None:
        """
        Make a domain local; fine if it is.
        """

    async def remove_domain(domain: str) -> None:
        """
        Make it local no more.

        @raise Refused: the settings declare it, or an account or alias is in it.
        """

    async def set_disabled(account_id: AccountId, is_disabled: bool) -> None:
        """
        Shut an account, or open it again; when it is shut its live sessions end.

        @raise NoSuchAccount: there is none.
        """

    async def set_quota(account_id: AccountId, octets: int | None) -> None:
        """
        How much mail it may have.

        @raise NoSuchAccount: there is none.
        """

    async def account(account_id: AccountId) -> Account | None:
        """
        By id.
        """

    async def login(name: str) -> tuple[Account, StoredCredentials] | None:
        """
        By login name: an address, or the local part of one in the default domain.
        """

    def all_have_keys() -> bool:
        """
        Whether every account that may log in has its SCRAM keys, so that SCRAM keeps nobody out.  Fast.
        """

    def stand_in(name: str) -> bytes:
        """
        32 octets for a login name: one and the same for every spelling of it, in every process, for ever, and nobody can guess
        them.  What is made from them hides that a name is nobody's.
        """

    async def owns(account_id: AccountId, address: Address) -> bool:
        """
        Whether that account may send as C{address} (RFC 6409 section 6.1): whoever alone gets the mail for it.
        """

    async def accounts() -> list[Account]:
        """
        Everyone, sorted by address.
        """

    async def add_account(address: Address, credentials: StoredCredentials) -> Account:
        """
        Make an account.  Durable on return.

        @raise AccountExists: the address is taken.
        """

    async def remove_account(account_id: AccountId) -> None:
        """
        Forget an account; its live sessions end.

        @raise NoSuchAccount: there is none.
        """

    async def set_credentials(account_id: AccountId, credentials: StoredCredentials) -> None:
        """
        Replace a password; sessions that used the old one end.

        @raise NoSuchAccount: there is none.
        """

    async def renew_credentials(account_id: AccountId, old: StoredCredentials, new: StoredCredentials) -> None:
        """
        Keep the same password in a better form, unless it was changed meanwhile; no session ends.
        """

    def listen(told: Callable[[AccountId], None]) -> None:
        """
        Have C{told} called for each account removed, disabled or given a new password, by this process or another.
        """

    async def close() -> None:
        """
        Let go.
        """


class INews(Interface):
    """
    Short notices between the processes that share a data directory.  Some may be lost: they make things fast, never right.
    """

    def publish(topic: str, text: str) -> None:
        """
        Tell the other processes.
        """

    def subscribe(topic: str, told: Callable[[str], None]) -> None:
        """
        Have C{told} called with what others publish.
        """


# --- Authentication -----------------------------------------------------------------------------------------------------


class ISubmitter(Interface):
    """
    An avatar: somebody who may send mail.
    """

    account: Account = Attribute("Who.")

    async def may_send_as(address: Address) -> bool:
        """
        Whether that sender address is theirs (RFC 6409 section 6.1).
        """


class IMailUser(Interface):
    """
    An avatar: somebody who reads their mail.
    """

    account: Account = Attribute("Who.")
    mail: IAccountMail = Attribute("Their mail.")


class ILogin(Interface):
    """
    A successful login, while it lasts.
    """

    avatar: Any = Attribute("Provides the interface that was asked for.")
    account: Account = Attribute("Who.")

    def logout() -> None:
        """
        The session is over; harmless twice.
        """


class IPasswords(Interface):
    """
    Passwords into what is stored.
    """

    async def store(password: bytes) -> StoredCredentials:
        """
        Hash a new password, in a thread.

        @raise Throttled: too many are waiting.
        @raise Refused: it is empty, or too long.
        """

    async def adopt(password_hash: str) -> StoredCredentials:
        """
        Take over a hash that was made elsewhere; the first login with the right password keeps that in our own form.

        @raise Throttled: too many are waiting.
        @raise Refused: it is of no form that can be checked here, or would take too long.
        """


class IAuthenticator(Interface):
    """
    One portal for every protocol.
    """

    def mechanisms(*, is_private: bool) -> tuple[str, ...]:
        """
        The SASL mechanisms to offer, best first; C{is_private}: under TLS, or on loopback where the settings allow that.

        Those that bind to a TLS connection are among them: L{twisted_mail_server.protocols.sasl.registry.known} leaves them out
        where there is none.
        """

    async def keys(name: str, hash_name: str, *, peer: str) -> ScramStart:
        """
        What a SCRAM exchange starts from.  A name that is nobody's gets keys too, always the same ones, which nothing fits.

        @raise Throttled: too many failures; try later.
        """

    async def login(secret: Secret, avatar: type, *, peer: str, revoked: Callable[[str], None]) -> ILogin:
        """
        Check a secret and give the avatar that provides the interface C{avatar}.

        C{revoked} is called, with the reason, when the account goes or its password changes: the session must end.

        @raise AuthenticationFailed: wrong name or password.
        @raise Throttled: too many failures; try later.
        """


# --- Intake: the one way in ---------------------------------------------------------------------------------------------


class IMailTransaction(Interface):
    """
    One message on its way in, from MAIL to the end of its data.  Refusals are L{MailError <twisted_mail_server.model.errors.MailError>}s.
    """

    queue_id: QueueId = Attribute("Its id, if it is accepted.")

    async def recipient(address: Address, options: RecipientOptions) -> None:
        """
        RCPT: take it, or raise.
        """

    async def begin_content() -> None:
        """
        DATA: ready for content, or raise.
        """

    def write(data: bytes) -> Awaitable[None] | None:
        """
        Content, dots unstuffed; an awaitable is to be waited for before the next.
        """

    async def finish() -> QueueId:
        """
        The content is whole.  On return it is durable, and ours to deliver.
        """

    async def abandon() -> None:
        """
        RSET, a lost connection, a refused content: nothing was promised.  Harmless twice.
        """


class IIntake(Interface):
    """
    The one way in: checks, trace fields, spool.
    """

    async def begin(
        origin: Origin, sender: Address | None, options: MailOptions, submitter: ISubmitter | None
    ) -> IMailTransaction:
        """
        MAIL: begin a transaction, or raise.
        """


# --- Relay: the way out -------------------------------------------------------------------------------------------------


class IRelay(Interface):
    """
    Brings messages to other servers.
    """

    async def deliver(message: QueuedMessage, numbers: Sequence[int], domain: str) -> list[Result]:
        """
        One try to bring a message to those of its recipients that are in C{domain} (or behind the smarthost); a result for each.

        It waits for its turn at the destination; one slow destination never keeps another waiting.  Nothing is raised: what goes
        wrong is a result.  Cancelled before anything was said, it makes no result and the recipients stay pending; after that, what
        was said counts, and the rest is deferred.
        """


# --- Meters: what is counted ----------------------------------------------------------------------------------------------


class IMeters(Interface):
    """
    What is counted, for people who look from outside.  A meter's name must be known to the implementation; its labels are given in
    its order, once: what comes back is kept, and costs no look-up.
    """

    def counter(name: str, *labels: str) -> Callable[[float], object]:
        """
        What adds to a number that only grows.
        """

    def gauge(name: str, *labels: str) -> Callable[[float], object]:
        """
        What sets a number.
        """

    def level(name: str, *labels: str) -> Callable[[float], object]:
        """
        What adds to a number, or takes from it.
        """

    def histogram(name: str, *labels: str) -> Callable[[float], object]:
        """
        What takes one observation.
        """

    def watch(name: str, read: Callable[[], float], *labels: str) -> None:
        """
        Have a number read when somebody looks.
        """


@implementer(IMeters)
class Unmetered:
    """
    Counts nothing: for tests, and for programs at whose counters nobody looks.
    """

    def counter(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        Nothing is added.
        """
        return abs

    def gauge(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        Nothing is set.
        """
        return abs

    def level(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        Nothing is added.
        """
        return abs

    def histogram(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        Nothing is observed.
        """
        return abs

    def watch(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """
        Nobody looks.
        """


# --- TLS ----------------------------------------------------------------------------------------------------------------


class ITlsCertificates(Interface):
    """
    What this server shows of itself.
    """

    def server_options() -> object:
        """
        For C{startTLS} and for implicit TLS: an C{IOpenSSLServerConnectionCreator}.
        """


class IOutboundTls(Interface):
    """
    What we ask of the servers that we connect to.
    """

    def client_options(host: str) -> object:
        """
        For C{startTLS} as a client: an C{IOpenSSLClientConnectionCreator}.  Opportunistic: any certificate is taken (RFC 7435).
        """

    def verified_options(host: str) -> object:
        """
        The same, but the handshake fails unless the certificate is for C{host} and one that this machine trusts (RFC 9525).
        """

    def accepts(connection: object) -> bool:
        """
        Whether a finished handshake came out as its options demand: to be asked before anything is sent, for Twisted tells of a
        handshake's end even where the certificate was just refused.  C{connection} is the C{OpenSSL.SSL.Connection}.
        """


# --- Names --------------------------------------------------------------------------------------------------------------


class IResolver(Interface):
    """
    Questions to the domain name system.
    """

    async def query(name: str, kind: RecordKind) -> DnsAnswer:
        """
        The records of one kind of a name, aliases followed.

        C{name} may be international (RFC 5890), in any case, with or without the dot at its end.  A text that can be no name is a
        name that does not exist.

        @raise DnsFailure: there is no answer, neither records nor that there are none.
        """

    async def addresses(host: str) -> DnsAnswer:
        """
        The A and AAAA records of a host, asked for at the same time.

        If one of the two has no answer but the other has records, those are the answer; it is secure if they are.

        @raise DnsFailure: there is no answer.
        """


# --- Hooks: where plugins have their say ----------------------------------------------------------------------------------
#
# A hook is an object that provides one or several of the interfaces below.  The hooks of a stage are asked in the order of their
# plugins' names; the first that refuses ends it.  Each may think for L{limits.CHECK_TIMEOUT} seconds.  What it may return is in
# L{twisted_mail_server.model.verdicts}; it may as well raise a L{MailError <twisted_mail_server.model.errors.MailError>}.  A hook
# that raises anything else, takes too long, or answers what its stage cannot do, means "451 4.3.0": mail is late then, never lost.


class IMailPlugin(Interface):
    """
    What is installed: found by C{twisted.plugin} or as an entry point of the group C{twisted_mail_server.plugins}, made to work by
    C{[plugin.NAME] enabled = true} in the settings.  L{twisted_mail_server.app.plugins.MailPlugin} is one.
    """

    name: str = Attribute("Its name in the settings, and its place in the order.")
    settings: type = Attribute("An attrs class whose fields are its settings, made with C{setting}.")

    def create(settings: Any, services: Any) -> object:
        """
        The hook, at the start of the server; C{services} is a L{twisted_mail_server.app.plugins.Services}.

        @raise BadSetting: it cannot work with these settings.
        """


class IConnectionCheck(Interface):
    """
    May this client talk to us?  What is not refused here, but quarantined, redirected or given fields, is all mail of the session.
    """

    async def connected(session: Origin) -> Answer:
        """
        Before the greeting: only C{service} and C{peer} are known.
        """


class IHelloCheck(Interface):
    """
    What the client calls itself: EHLO, HELO, LHLO.  A refusal is told in reply to MAIL.
    """

    async def hello(session: Origin) -> Answer:
        """
        Once for each name, with the first MAIL after it; C{helo} is known now.
        """


class ILoginCheck(Interface):
    """
    May they come in?  Asked for every protocol once name and password were right; it can only accept or refuse.
    """

    async def logged_in(account: Account, peer: str) -> Answer:
        """
        After a successful login from the address C{peer}.
        """


class ISenderCheck(Interface):
    """
    MAIL: may this sender send?
    """

    async def sender(envelope: Envelope) -> Answer:
        """
        Origin, sender and options are known, recipients are not.
        """


class IRecipientCheck(Interface):
    """
    RCPT: may it go to this recipient?  Fields go on top of the message for everybody; all else concerns this recipient alone.
    """

    async def recipient(envelope: Envelope, recipient: Address) -> Answer:
        """
        C{recipient} as the client named it; the envelope has those accepted before.  C{Taken} takes it without looking it up:
        then a content check has to take the message.
        """


class IHeaderCheck(Interface):
    """
    The header, as soon as it is whole, before the body has come.
    """

    async def header(envelope: Envelope, header: bytes) -> Answer:
        """
        C{header} as it was received, with the empty line that ends it.
        """


class IReadable(Interface):
    """
    Octets to be read in pieces.
    """

    size: int = Attribute("How many.")

    async def read(offset: int, length: int) -> bytes:
        """
        A piece; shorter at the end.
        """


class IContentCheck(Interface):
    """
    The whole message, before it is promised.
    """

    async def content(envelope: Envelope, content: IReadable) -> Answer:
        """
        C{content} with our C{Received} on top.
        """


class IDeliveryHook(Interface):
    """
    Before a message goes into a mailbox here; asked again with each try.  A refusal is reported to the sender.
    """

    async def deliver(message: QueuedMessage, recipient: Recipient, account: Account, content: IReadable) -> Answer:
        """
        One recipient.  Fields go on top of this recipient's copy.  C{Taken}: the message is delivered, by the hook.
        """


class IAttemptHook(Interface):
    """
    Before a try to bring a message to another server; it can do all but add fields.
    """

    async def attempt(message: QueuedMessage, recipient: Recipient, content: IReadable) -> Answer:
        """
        One recipient.
        """


class IBounceHook(Interface):
    """
    Before a report goes to a sender.  It can refuse it, redirect it, or give it fields; a hook that fails changes nothing.
    """

    async def bounce(message: QueuedMessage, results: Sequence[Result], report: Report) -> Answer:
        """
        C{report} on C{results} of C{message}.
        """


class IMailboxHook(Interface):
    """
    What happened in mailboxes, after it did; nothing waits for this hook.
    """

    async def changed(event: MailboxEvent) -> None:
        """
        Events of one mailbox come in order; those that pile up meanwhile come once.
        """


class ISessionChecks(Interface):
    """
    The hooks that a server asks itself.
    """

    asks_connection: bool = Attribute("Whether there is a hook to ask before the greeting.")
    asks_hello: bool = Attribute("Whether there is one to ask about the client's name.")

    async def check_connection(session: Origin) -> None:
        """
        @raise MailError: the client is not wanted.
        """

    async def check_hello(session: Origin) -> None:
        """
        @raise MailError: the client is not wanted, with such a name.
        """

    def ended(session: str) -> None:
        """
        The session is over; harmless for an unknown one.
        """
