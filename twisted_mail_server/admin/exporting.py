"""
Bring mail out: to a Maildir++ tree, or one mailbox to an mbox.

Octets go out as they are kept.  A message's file has a name made of its date and its content's id, so an export that is begun again,
or run again later, writes only what is missing, and gives files other flags where those have changed; it never removes a message.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, gatherResults

from twisted_mail_server.admin.moving import Moved, Progress
from twisted_mail_server.interfaces import IAccountMail, IContent, IDisk, IMailboxView, IOutputFile
from twisted_mail_server.message.maildirs import (
    KEYWORDS_FILE,
    FileName,
    folder_of_mailbox,
    learn_keywords,
    parse_keywords,
    write_keywords,
    write_letters,
)
from twisted_mail_server.message.mboxes import MboxWriter
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import MessageRow
from twisted_mail_server.model.errors import MessageGone, Refused

#: Threads that write and sync files at the same time.
_WRITERS = 8


@frozen
class _Out:
    """
    A message that is to become a file.
    """

    name: FileName
    date: int
    octets: bytes = field(repr=False)


@define(eq=False)
class MaildirExport:
    """
    An account on its way into a Maildir++ tree.
    """

    _disk: IDisk
    _mail: IAccountMail
    _root: str
    _told: Progress
    result: Moved = field(factory=Moved)
    _done: int = 0
    _total: int = 0

    async def run(self) -> Moved:
        """
        Write what is missing.
        """
        mailboxes = await self._mail.mailboxes()
        self._total = sum(mailbox.messages for mailbox in mailboxes)
        for mailbox in mailboxes:
            view = await self._mail.select(mailbox.name, claim_recent=False)
            try:
                await self._export(view)
            finally:
                await view.close()
            self.result.mailboxes.append(mailbox.name)
        return self.result

    async def _export(self, view: IMailboxView) -> None:
        folder = f"{self._root}/{folder_of_mailbox(view.name)}".rstrip("/")
        there, keywords = await self._disk.run(self._open, folder, view.snapshot.keywords.names)
        uids = list(view.snapshot.uids)
        copies: Counter[bytes] = Counter()
        for start in range(0, len(uids), limits.MOVED_AT_ONCE):
            batch = uids[start : start + limits.MOVED_AT_ONCE]
            await self._export_batch(view, folder, batch, there, keywords, copies)
            self._done += len(batch)
            self._told(self._done, max(self._done, self._total))

    def _open(self, folder: str, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """
        In a thread: make a folder; the files it has, by the part of their names that stays, and its keywords.
        """
        disk = self._disk
        for place in ("cur", "new", "tmp"):
            disk.make_directory(f"{folder}/{place}")
        if folder != self._root and not disk.exists(f"{folder}/maildirfolder"):
            disk.write_file(f"{folder}/maildirfolder", b"")
        there = {
            FileName.parse(name).unique: f"{place}/{name}"
            for place in ("new", "cur")
            for name in disk.list_directory(f"{folder}/{place}")
        }
        path = f"{folder}/{KEYWORDS_FILE}"
        known = parse_keywords(disk.read(path)) if disk.exists(path) else []
        keywords = learn_keywords(known, names)
        if keywords != known:
            disk.write_file(path, write_keywords(keywords))
        return there, keywords

    async def _export_batch(
        self,
        view: IMailboxView,
        folder: str,
        uids: Sequence[int],
        there: dict[str, str],
        keywords: Sequence[str],
        copies: Counter[bytes],
    ) -> None:
        out: list[_Out] = []
        renamed: list[tuple[str, str]] = []
        for row in await view.fetch(uids):
            letters = write_letters(view.snapshot.keywords.flags(row.mask), keywords)
            name = FileName(_unique(row, copies), letters)
            known = there.get(name.unique)
            if known is not None:
                self.result.known += 1
                if FileName.parse(known.partition("/")[2]).letters != letters:
                    renamed.append((f"{folder}/{known}", f"{folder}/cur/{name}"))
                continue
            content = await open_content(view, row.uid)
            if content is None:
                continue
            try:
                if content.size > limits.MOVED_PIECE:
                    await self._write_large(folder, name, row.internal_date, content)
                else:
                    out.append(_Out(name, row.internal_date, await content.read()))
            finally:
                content.close()
            self.result.moved += 1
            self.result.octets += row.size
            if sum(len(one.octets) for one in out) > limits.MOVED_OCTETS:
                await self._write(folder, out)
                out = []
        await self._write(folder, out)
        await self._disk.run(self._place, folder, renamed)

    async def _write(self, folder: str, out: Sequence[_Out]) -> None:
        """
        Several at the same time: each waits for the disk.
        """
        shares = [out[number::_WRITERS] for number in range(_WRITERS)]
        work = [Deferred.fromCoroutine(self._disk.run(self._write_share, folder, share)) for share in shares if share]
        if work:
            await gatherResults(work, consumeErrors=True)

    def _write_share(self, folder: str, share: Sequence[_Out]) -> None:
        for one in share:
            path = self._begin(folder, one.name)
            file = self._disk.create(path)
            try:
                file.write(one.octets)
                file.sync()
            finally:
                file.close()
            self._name(folder, path, one.name, one.date)

    async def _write_large(self, folder: str, name: FileName, date: int, content: IContent) -> None:
        disk = self._disk
        path = await disk.run(self._begin, folder, name)
        file = await disk.run(disk.create, path)
        try:
            async for piece in pieces(content):
                await disk.run(file.write, piece)
            await disk.run(file.sync)
        finally:
            file.close()
        await disk.run(self._name, folder, path, name, date)

    def _begin(self, folder: str, name: FileName) -> str:
        """
        Where a file is written; what an earlier export left there goes.
        """
        path = f"{folder}/tmp/{name.unique}"
        self._disk.remove(path)
        return path

    def _name(self, folder: str, path: str, name: FileName, date: int) -> None:
        self._disk.set_modified(path, date)
        self._disk.rename(path, f"{folder}/cur/{name}")

    def _place(self, folder: str, renamed: Sequence[tuple[str, str]]) -> None:
        for old, new in renamed:
            self._disk.rename(old, new)
        self._disk.sync_directory(f"{folder}/cur")


@define(eq=False)
class MboxExport:
    """
    One mailbox on its way into an mbox, which appears when it is whole.
    """

    _disk: IDisk
    _mail: IAccountMail
    _path: str
    _mailbox: str
    _told: Progress
    result: Moved = field(factory=Moved)

    async def run(self) -> Moved:
        """
        Write the file.

        @raise Refused: there is a file of that name.
        @raise NoSuchMailbox: there is no such mailbox.
        """
        disk = self._disk
        if disk.exists(self._path):
            raise Refused(f"{self._path} is there already.")
        view = await self._mail.select(self._mailbox, claim_recent=False)
        try:
            part = f"{self._path}.part"
            await disk.run(disk.remove, part)
            file = await disk.run(disk.create, part)
            try:
                await self._write(view, file)
                await disk.run(file.sync)
            except BaseException:
                file.discard()
                raise
            file.close()
            await disk.run(self._finish, part)
        finally:
            await view.close()
        self.result.mailboxes.append(view.name)
        return self.result

    async def _write(self, view: IMailboxView, file: IOutputFile) -> None:
        uids = list(view.snapshot.uids)
        waiting: list[bytes] = []
        size = 0
        for start in range(0, len(uids), limits.MOVED_AT_ONCE):
            batch = uids[start : start + limits.MOVED_AT_ONCE]
            for row in await view.fetch(batch):
                async for piece in self._message(view, row):
                    waiting.append(piece)
                    size += len(piece)
                    if size > limits.MOVED_PIECE:
                        await self._disk.run(file.write, b"".join(waiting))
                        waiting, size = [], 0
            self._told(start + len(batch), len(uids))
        await self._disk.run(file.write, b"".join(waiting))

    async def _message(self, view: IMailboxView, row: MessageRow) -> AsyncIterator[bytes]:
        content = await open_content(view, row.uid)
        if content is None:
            return
        writer = MboxWriter()
        yield writer.begin(row.internal_date, view.snapshot.keywords.flags(row.mask))
        try:
            async for piece in pieces(content):
                yield writer.write(piece)
        finally:
            content.close()
        yield writer.end()
        self.result.moved += 1
        self.result.octets += row.size

    def _finish(self, part: str) -> None:
        self._disk.rename(part, self._path)
        self._disk.sync_directory(os.path.dirname(self._path))


async def open_content(view: IMailboxView, uid: int) -> IContent | None:
    """
    One message, unless it was expunged meanwhile.
    """
    try:
        return await view.open_content(uid)
    except MessageGone:
        return None


async def pieces(content: IContent) -> AsyncIterator[bytes]:
    """
    A message, piece by piece.
    """
    offset = 0
    while offset < content.size and (piece := await content.read(offset, limits.MOVED_PIECE)):
        yield piece
        offset += len(piece)


def _unique(row: MessageRow, copies: Counter[bytes]) -> str:
    """
    The part of a file's name that stays: a mailbox may hold a content more than once.
    """
    copy = copies[row.content_id]
    copies[row.content_id] += 1
    return f"{row.internal_date}.{row.content_id.hex()}{f'_{copy}' if copy else ''}.mailctl,S={row.size}"
