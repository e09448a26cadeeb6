"""
Bring mail in from elsewhere: Maildir trees and mbox files.

An import can be stopped at any moment and begun again, and run again when the source has grown: each message has an id made of
where it was and what it says, which the account keeps with it in one transaction (docs/explanation/storage-format.md, C{received}).
A message whose id is there already is left alone, even if it was moved or expunged since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from hashlib import sha256

from attrs import define, evolve, field, frozen

from twisted_mail_server.admin.moving import Moved, Progress
from twisted_mail_server.interfaces import IAccountMail, IDisk, IStagedContent
from twisted_mail_server.message.lineends import LineEnds
from twisted_mail_server.message.maildirs import (
    KEYWORDS_FILE,
    FileName,
    mailbox_of_folder,
    mailbox_of_path,
    parse_keywords,
)
from twisted_mail_server.message.mboxes import MboxMessage, MboxReader
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import MailboxExists, MailError, Refused
from twisted_mail_server.model.mailboxes import INBOX, SpecialUse, check_name
from twisted_mail_server.model.queue import Arrival, QueueId

#: What other programs call the mailboxes of RFC 6154.
SPECIAL_NAMES = {
    "archives": SpecialUse.ARCHIVE,
    "bulk mail": SpecialUse.JUNK,
    "deleted items": SpecialUse.TRASH,
    "deleted messages": SpecialUse.TRASH,
    "draft": SpecialUse.DRAFTS,
    "junk e-mail": SpecialUse.JUNK,
    "sent items": SpecialUse.SENT,
    "sent messages": SpecialUse.SENT,
    "sent-mail": SpecialUse.SENT,
    "spam": SpecialUse.JUNK,
}

#: Where messages lie in a Maildir folder.
_PLACES = ("cur", "new")
_OWN = frozenset({"cur", "new", "tmp"})


class Dates(Enum):
    """
    What tells when a message in a Maildir came.
    """

    #: When its file was last written, as IMAP servers keep it.
    MODIFIED = "mtime"
    #: The first part of its name: right where a copy has lost the other.
    NAME = "name"


@frozen
class Folder:
    """
    One folder of a Maildir.
    """

    mailbox: str
    path: str
    keywords: tuple[str, ...] = ()
    #: Below C{path}, such as C{cur/1700000000.M1.host:2,S}.
    files: tuple[str, ...] = field(default=(), repr=False)


@define
class Survey:
    """
    What a Maildir tree holds: C{.Maildir++} folders, and folders in folders.  Its methods block.
    """

    _disk: IDisk
    _root: str
    folders: list[Folder] = field(factory=list)
    #: What is no mailbox, a sentence each.
    problems: list[str] = field(factory=list)

    def look(self) -> Survey:
        """
        Look what there is.

        @raise Refused: this is no Maildir.
        """
        if self._is_maildir(self._root):
            self._add(self._root, INBOX, check_name)
        for name in self._disk.list_directory(self._root):
            path = f"{self._root}/{name}"
            if not name.startswith("."):
                self._look_below(path, name, 1)
            elif self._is_maildir(path):
                self._add(path, name, mailbox_of_folder)
        if not self.folders and not self.problems:
            raise Refused(f"{self._root} is no Maildir: there is no folder with cur or new in it.")
        return self

    def _look_below(self, path: str, name: str, depth: int) -> None:
        if name.rpartition("/")[2] in _OWN or depth > limits.MOVED_DEPTH:
            return
        if self._is_maildir(path):
            self._add(path, name, mailbox_of_path)
        with suppress(NotADirectoryError):
            for below in self._disk.list_directory(path):
                if not below.startswith("."):
                    self._look_below(f"{path}/{below}", f"{name}/{below}", depth + 1)

    def _is_maildir(self, path: str) -> bool:
        return any(self._disk.exists(f"{path}/{place}") for place in _PLACES)

    def _add(self, path: str, name: str, mailbox_of: Callable[[str], str]) -> None:
        try:
            mailbox = mailbox_of(name)
        except MailError as problem:
            self.problems.append(f"{path} cannot become a mailbox: {problem.public}")
            return
        keywords: Sequence[str] = ()
        if self._disk.exists(f"{path}/{KEYWORDS_FILE}"):
            keywords = parse_keywords(self._disk.read(f"{path}/{KEYWORDS_FILE}"))
        files = [
            f"{place}/{name}"
            for place in _PLACES
            for name in self._disk.list_directory(f"{path}/{place}")
            if not name.startswith(".")
        ]
        self.folders.append(Folder(mailbox, path, tuple(keywords), tuple(files)))


@frozen
class _Read:
    """
    A message file, and what could be had of it.
    """

    file: str
    size: int = 0
    modified: int = 0
    #: All of it, where it is small.
    content: bytes | None = field(default=None, repr=False)
    problem: str = ""


@define(eq=False)
class MaildirImport:
    """
    A Maildir tree on its way into an account.

    @ivar keeps_names: whether C{Sent Items} stays that, instead of becoming the account's mailbox for what was sent.
    """

    _disk: IDisk
    _mail: IAccountMail
    _root: str
    _told: Progress
    dates: Dates = Dates.MODIFIED
    keeps_names: bool = False
    result: Moved = field(factory=Moved)

    async def run(self) -> Moved:
        """
        Bring in what is not here yet.

        @raise Refused: this is no Maildir.
        """
        survey = await self._disk.run(Survey(self._disk, self._root).look)
        for problem in survey.problems:
            self.result.fail(problem, 0)
        folders = survey.folders if self.keeps_names else await self._with_our_names(survey.folders)
        total, done = sum(len(folder.files) for folder in folders), 0
        for folder in folders:
            await make_mailbox(self._mail, folder.mailbox)
            self.result.mailboxes.append(folder.mailbox)
            for start in range(0, len(folder.files), limits.MOVED_AT_ONCE):
                files = folder.files[start : start + limits.MOVED_AT_ONCE]
                await self._bring(folder, files)
                done += len(files)
                self._told(done, total)
        return self.result

    async def _with_our_names(self, folders: list[Folder]) -> list[Folder]:
        """
        What another program called its mailbox for sent mail becomes ours, unless the tree has one of our name, too.
        """
        ours = {status.special_use: status.name for status in await self._mail.mailboxes() if status.special_use}
        taken = {folder.mailbox for folder in folders}
        named = []
        for folder in folders:
            use = SPECIAL_NAMES.get(folder.mailbox.lower())
            name = ours.get(use) if use else None
            if name is not None and name not in taken:
                taken.add(name)
                folder = evolve(folder, mailbox=name)
            named.append(folder)
        return named

    async def _bring(self, folder: Folder, files: Sequence[str]) -> None:
        arrivals: list[Arrival] = []
        staged: list[IStagedContent] = []
        try:
            for read in await self._disk.run(self._read, folder, files):
                if read.problem:
                    self.result.fail(read.problem)
                elif read.content is not None:
                    arrivals.append(self._arrival(folder, read, read.content))
                else:
                    content = self._mail.stage()
                    staged.append(content)
                    await self._stage(f"{folder.path}/{read.file}", content)
                    arrivals.append(self._staged_arrival(folder, read, content))
            await bring(self._disk, self._mail, arrivals, staged, self.result)
        finally:
            for content in staged:
                await content.discard()

    def _read(self, folder: Folder, files: Sequence[str]) -> list[_Read]:
        """
        In a thread: the small ones whole.
        """
        return [self._read_one(f"{folder.path}/{file}", file) for file in files]

    def _read_one(self, path: str, file: str) -> _Read:
        try:
            size, modified = self._disk.size(path), self._disk.modified(path)
            if size > limits.INLINE_CONTENT:
                # Whether it can be read at all is found out here, too.
                self._disk.read(path, 0, 1)
                return _Read(file, size, modified)
            return _Read(file, size, modified, LineEnds().feed(self._disk.read(path)))
        except (OSError, MailError) as problem:
            return _Read(file, problem=f"{path} cannot be read: {problem}")

    async def _stage(self, path: str, content: IStagedContent) -> None:
        ends, offset = LineEnds(), 0
        while piece := await self._disk.run(self._disk.read, path, offset, limits.MOVED_PIECE):
            offset += len(piece)
            waiting = content.write(ends.feed(piece))
            if waiting is not None:
                await waiting
        await content.finish()

    def _arrival(self, folder: Folder, read: _Read, content: bytes) -> Arrival:
        digest = sha256(content).digest()
        return evolve(self._begun(folder, read, digest), size=len(content), digest=digest, inline=content)

    def _staged_arrival(self, folder: Folder, read: _Read, content: IStagedContent) -> Arrival:
        begun = self._begun(folder, read, content.digest)
        return evolve(begun, size=content.size, digest=content.digest, inline=content.inline, path=content.path)

    def _begun(self, folder: Folder, read: _Read, digest: bytes) -> Arrival:
        """
        All but the content.
        """
        name = FileName.parse(read.file.partition("/")[2])
        delivered = name.delivered if self.dates is Dates.NAME else None
        return Arrival(
            source_id("maildir", folder.mailbox, name.unique, digest),
            0,
            folder.mailbox,
            b"",
            flags=name.flags(folder.keywords),
            internal_date=max(0, read.modified) if delivered is None else delivered,
        )


@define(eq=False)
class MboxImport:
    """
    An mbox on its way into one mailbox.  The steps that are told are octets of the file.
    """

    _disk: IDisk
    _mail: IAccountMail
    _path: str
    _mailbox: str
    _told: Progress
    result: Moved = field(factory=Moved)
    #: How often each message was met: a file may hold the same one twice.
    _met: Counter[bytes] = field(factory=Counter)
    _waiting: list[tuple[MboxMessage, IStagedContent]] = field(factory=list)
    _octets: int = 0
    #: The one whose octets come; L{None} before the first, and for what is no mail.
    _content: IStagedContent | None = None
    _ends: LineEnds = field(factory=LineEnds)
    _modified: int = 0

    async def run(self) -> Moved:
        """
        Bring in what is not here yet.

        @raise SyntaxProblem: the file is no mbox.
        """
        mailbox = check_name(self._mailbox)
        disk, path, reader = self._disk, self._path, MboxReader()
        total, self._modified = await disk.run(lambda: (disk.size(path), disk.modified(path)))
        offset = 0
        try:
            while piece := await disk.run(disk.read, path, offset, limits.MOVED_PIECE):
                offset += len(piece)
                await self._take(reader.feed(piece), mailbox)
                self._told(min(offset, total), total)
            await self._take(reader.finish(), mailbox)
            await self._flush(mailbox)
        finally:
            for _, content in self._waiting:
                await content.discard()
        self.result.mailboxes.append(mailbox)
        return self.result

    async def _take(self, events: Sequence[MboxMessage | bytes], mailbox: str) -> None:
        for event in events:
            if isinstance(event, MboxMessage):
                if len(self._waiting) >= limits.MOVED_AT_ONCE or self._octets > limits.MOVED_OCTETS:
                    await self._flush(mailbox)
                self._content = None
                if not event.is_record:
                    self._content, self._ends = self._mail.stage(), LineEnds()
                    self._waiting.append((event, self._content))
            elif self._content is not None:
                self._octets += len(event)
                waiting = self._content.write(self._ends.feed(event))
                if waiting is not None:
                    await waiting

    async def _flush(self, mailbox: str) -> None:
        await make_mailbox(self._mail, mailbox)
        arrivals = []
        for message, content in self._waiting:
            await content.finish()
            date = self._modified if message.date is None else max(0, message.date)
            source = source_id("mbox", mailbox, str(date), content.digest)
            arrivals.append(
                Arrival(
                    source,
                    self._met[source.octets],
                    mailbox,
                    b"",
                    size=content.size,
                    digest=content.digest,
                    inline=content.inline,
                    path=content.path,
                    flags=message.flags,
                    internal_date=date,
                )
            )
            self._met[source.octets] += 1
        await bring(self._disk, self._mail, arrivals, [content for _, content in self._waiting], self.result)
        for _, content in self._waiting:
            await content.discard()
        self._waiting, self._octets = [], 0


def source_id(kind: str, mailbox: str, name: str, digest: bytes) -> QueueId:
    """
    What a message from elsewhere is known by: where it was, and what it says.
    """
    text = "\0".join((kind, mailbox, name)).encode("utf-8", "surrogateescape")
    return QueueId(sha256(text + b"\0" + digest).digest()[:16])


async def make_mailbox(mail: IAccountMail, name: str) -> None:
    """
    Make a mailbox, and subscribe to it; fine if it is there.
    """
    if name not in {status.name for status in await mail.mailboxes()}:
        with suppress(MailboxExists):
            await mail.create_mailbox(name)
            await mail.subscribe(name)


async def bring(
    disk: IDisk, mail: IAccountMail, arrivals: Sequence[Arrival], staged: Sequence[IStagedContent], result: Moved
) -> None:
    """
    Put messages into an account in one transaction, those of them that are new.
    """
    if not arrivals:
        return
    for content in staged:
        if content.path is not None:
            await disk.run(content.sync)
    for arrival, is_new in zip(arrivals, await mail.deliver(arrivals), strict=True):
        if is_new:
            result.moved += 1
            result.octets += arrival.size
        else:
            result.known += 1
