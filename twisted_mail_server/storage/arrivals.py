"""
How messages come into an account: delivery and APPEND as transactions.

Small contents are written in the transaction itself.  Larger ones get their file, and that its durable name, first; a crash
in between leaves a file without a row, never a row without a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from twisted_mail_server.interfaces import IStagedContent, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import AppendResult
from twisted_mail_server.model.flags import Keywords
from twisted_mail_server.model.queue import Arrival, QueueId
from twisted_mail_server.storage import tables
from twisted_mail_server.storage.editing import Moved
from twisted_mail_server.storage.flagging import Tally, learn_what_fits
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.quota import check_rows
from twisted_mail_server.storage.rendering import KEEP, Kept
from twisted_mail_server.storage.tables import Home, MailboxRow


@frozen
class Incoming:
    """
    One message to be added.
    """

    prefix: bytes = field(repr=False)
    size: int
    digest: bytes = field(repr=False)
    flags: tuple[str, ...]
    internal_date: int
    #: The bytes, if the database shall hold them; else C{place} puts them into their file.
    octets: bytes | None = field(repr=False)
    place: Callable[[bytes], None] | None = field(repr=False)
    #: What IMAP says of its shape, if that was found out already.
    rendered: Kept | None = field(default=None, repr=False)


@define
class _Batch:
    """
    What one transaction adds to one mailbox.
    """

    mailbox: MailboxRow
    keywords: Keywords
    uids: list[int] = field(factory=list)
    counted: list[tuple[int, int]] = field(factory=list)


@define
class _Additions:
    """
    Messages being added within a transaction; with the files to undo if it fails.
    """

    _transaction: ITransaction
    _files: MessageFiles
    _random: Callable[[int], bytes]
    modseq: int
    #: Contents that got a file.
    placed: list[bytes] = field(factory=list)
    batches: dict[int, _Batch] = field(factory=dict)

    def add(self, mailbox: MailboxRow, incoming: Incoming, keywords: Keywords | None = None) -> int:
        """
        Add one message; its UID.  Without C{keywords} the mailbox learns of its flags those that fit.
        """
        batch = self.batches.get(mailbox.id)
        if batch is None:
            batch = self.batches[mailbox.id] = _Batch(mailbox, keywords or mailbox.keywords)
        if keywords is None and incoming.flags:
            batch.keywords = learn_what_fits(batch.keywords, incoming.flags)
        execute = self._transaction.execute
        content_id = self._random(16)
        octets = incoming.octets
        if octets is None:
            assert incoming.place is not None
            self.placed.append(content_id)
            incoming.place(content_id)
        home = Home.FILE if octets is None else Home.INLINE
        execute(
            "INSERT INTO content (content_id, size, digest, prefix, home, holders) VALUES (?, ?, ?, ?, ?, 1)",
            (content_id, incoming.size, incoming.digest, incoming.prefix, int(home)),
        )
        content = self._transaction.last_rowid()
        if octets is not None:
            execute("INSERT INTO octets VALUES (?, ?)", (content, octets))
        if incoming.rendered is not None:
            execute(KEEP, (content, *incoming.rendered))
        uid = mailbox.uidnext + len(batch.uids)
        mask = batch.keywords.mask(incoming.flags) if incoming.flags else 0
        size = len(incoming.prefix) + incoming.size
        execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (mailbox.id, uid, mask, self.modseq, incoming.internal_date, size, content, content_id),
        )
        batch.uids.append(uid)
        batch.counted.append((mask, size))
        return uid

    def finish(self) -> Moved:
        """
        Make the files' names durable, count, and log.
        """
        self._files.sync(self.placed)
        for batch in self.batches.values():
            tally = Tally.of(batch.counted)
            tables.arrived(self._transaction, batch.mailbox, self.modseq, batch.keywords, batch.uids, tally)
        return dict.fromkeys(self.batches, self.modseq)


@frozen
class Deliver:
    """
    A batch out of the spool; a repeated delivery changes nothing.
    """

    files: MessageFiles
    random: Callable[[int], bytes]
    arrivals: Sequence[Arrival]
    settled: Sequence[QueueId]

    @property
    def is_brief(self) -> bool:
        """
        Whether it writes a few rows, and no file.
        """
        return len(self.arrivals) <= limits.BRIEF_ROWS and all(one.path is None for one in self.arrivals)

    def __call__(self, transaction: ITransaction) -> tuple[list[bool], Moved, int]:
        """
        For each whether it is new; what moved; the octets that are inline.
        """
        if self.settled:
            transaction.execute_many(
                "DELETE FROM received WHERE queue_id = ?", [(queue_id.octets,) for queue_id in self.settled]
            )
        if not self.arrivals:
            return [], {}, 0
        additions = _Additions(transaction, self.files, self.random, tables.next_modseq(transaction))
        mailboxes: dict[str, MailboxRow] = {}
        news: list[bool] = []
        inline = 0
        try:
            for arrival in self.arrivals:
                transaction.execute(
                    "INSERT OR IGNORE INTO received VALUES (?, ?)", (arrival.queue_id.octets, arrival.number)
                )
                news.append(transaction.changes() == 1)
                if not news[-1]:
                    continue
                mailbox = mailboxes.get(arrival.mailbox)
                if mailbox is None:
                    mailbox = tables.mailbox_or_inbox(transaction, arrival.mailbox)
                    mailboxes[arrival.mailbox] = mailbox
                incoming = self._incoming(arrival)
                inline += len(incoming.octets or b"")
                additions.add(mailbox, incoming)
            return news, additions.finish(), inline
        except BaseException:
            self.files.remove(additions.placed)
            raise

    def _incoming(self, arrival: Arrival) -> Incoming:
        octets, path = arrival.inline, arrival.path
        place: Callable[[bytes], None] | None = None
        if path is not None and (octets is None or arrival.is_shared or len(octets) > limits.INLINE_CONTENT):
            source = path
            octets, place = None, lambda content_id: self.files.link(source, content_id)
        size = arrival.size if octets is None else len(octets)
        return Incoming(arrival.prefix, size, arrival.digest, arrival.flags, arrival.internal_date, octets, place)


@frozen
class Append:
    """
    APPEND of one or more messages (RFC 3501 section 6.3.11, RFC 3502).
    """

    files: MessageFiles
    random: Callable[[int], bytes]
    mailbox: str
    messages: Sequence[tuple[IStagedContent, Sequence[str], int]]
    #: What is rendered of each.
    rendered: Sequence[Kept | None] = field(repr=False)
    quota: int | None = None

    def __call__(self, transaction: ITransaction) -> tuple[AppendResult, Moved, int]:
        """
        @raise NoSuchTarget: there is no such mailbox.
        @raise OverLimit: too many keywords.
        @raise OverQuota: they do not fit.
        """
        mailbox = tables.target_named(transaction, self.mailbox)
        if not self.messages:
            return AppendResult(mailbox.uidvalidity, ()), {}, 0
        check_rows(transaction, self.quota, sum(staged.size for staged, _, _ in self.messages))
        keywords = mailbox.keywords.learn([flag for _, flags, _ in self.messages for flag in flags])
        additions = _Additions(transaction, self.files, self.random, tables.next_modseq(transaction))
        inline = 0
        try:
            uids = []
            for (staged, flags, internal_date), rendered in zip(self.messages, self.rendered, strict=True):
                incoming = self._incoming(staged, tuple(flags), internal_date, rendered)
                inline += len(incoming.octets or b"")
                uids.append(additions.add(mailbox, incoming, keywords))
            return AppendResult(mailbox.uidvalidity, tuple(uids)), additions.finish(), inline
        except BaseException:
            self.files.remove(additions.placed)
            raise

    def _incoming(
        self, staged: IStagedContent, flags: tuple[str, ...], internal_date: int, rendered: Kept | None
    ) -> Incoming:
        place: Callable[[bytes], None] | None = None
        if staged.inline is None:
            place = lambda content_id: self.files.take(staged, content_id)
        return Incoming(b"", staged.size, staged.digest, flags, internal_date, staged.inline, place, rendered)
