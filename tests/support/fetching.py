"""
Mailboxes to fetch from and to search, and views of them that misbehave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from attrs import define, field

from tests.support.drive import now
from tests.support.stores import append, memory_account
from twisted_mail_server.interfaces import IAccountMail, IContent, IMailboxView
from twisted_mail_server.model.changes import FlagResult, MailboxSnapshot, MessageRow
from twisted_mail_server.model.errors import MailError, MessageGone
from twisted_mail_server.protocols.imap import fetching, searching
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.search_memory import MailboxMemory

_T = TypeVar("_T")

PLAIN = (
    b"From: Fred Foobar <foobar@Blurdybloop.example>\r\nTo: mooch@owatagu.example\r\nSubject: afternoon meeting\r\n"
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
)

#: The example of RFC 3501 section 6.4.5, in small.
NESTED = (
    b"Subject: nested\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/plain\r\n\r\none\r\n"
    b"--a\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner\r\nX-Inner: yes\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nthree one\r\n--b\r\nContent-Type: application/x\r\nX-Part: 3.2\r\n\r\nthree two\r\n--b--\r\n"
    b"--a--\r\n"
)


def mailbox(*contents: bytes) -> tuple[IAccountMail, IMailboxView]:
    """
    An account whose INBOX holds those messages, and a view of that.
    """
    mail = memory_account()
    if contents:
        append(mail, "INBOX", *contents)
    return mail, view_of(mail)


def view_of(mail: IAccountMail) -> IMailboxView:
    """
    A view of INBOX as it is now.
    """
    return now(mail.select("INBOX", claim_recent=False))


def plan(text: bytes) -> fetching.FetchPlan:
    """
    What a client asks for.
    """
    cursor = Cursor([text])
    found = fetching.read_items(cursor)
    cursor.end()
    return found


@define
class Wire:
    """
    Where answers go.
    """

    writes: list[bytes] = field(factory=list)

    async def write(self, octets: bytes) -> None:
        """
        Keep what is sent.
        """
        self.writes.append(octets)

    @property
    def octets(self) -> bytes:
        """
        Everything sent.
        """
        return b"".join(self.writes)


def numbered(view: IMailboxView) -> list[tuple[int, int]]:
    """
    All messages.
    """
    return list(enumerate(view.snapshot.uids, 1))


def fetch(
    view: IMailboxView,
    items: bytes,
    *,
    with_uid: bool = False,
    recent: frozenset[int] = frozenset(),
    set_seen: bool = False,
) -> tuple[bytes, int]:
    """
    FETCH of all messages: what was sent, and how many were gone.
    """
    wire = Wire()
    missing = now(
        fetching.run(plan(items), view, numbered(view), wire.write, with_uid=with_uid, recent=recent, set_seen=set_seen)
    )
    return wire.octets, missing


def search(
    view: IMailboxView,
    *pieces: bytes,
    recent: frozenset[int] = frozenset(),
    pause: Callable[[], Awaitable[None]] | None = None,
    memory: MailboxMemory | None = None,
) -> list[int]:
    """
    SEARCH, with literals between the pieces of text.
    """
    cursor = Cursor(pieces)
    keys = searching.read_keys(cursor)
    cursor.end()
    return now(searching.run(keys, view, recent=recent, pause=pause, memory=memory))


@define(eq=False)
class BadContent:
    """
    Content that breaks off.

    @ivar fails_at: from there on reading fails; an empty answer if C{problem} is C{None}.
    """

    octets: bytes
    fails_at: int
    problem: MailError | None
    size: int = field(init=False)
    is_closed: bool = False

    @size.default
    def _size(self) -> int:
        return len(self.octets)

    async def read(self, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of it, while that goes.
        """
        if offset >= self.fails_at:
            if self.problem is not None:
                raise self.problem
            return b""
        return self.octets[offset:] if length < 0 else self.octets[offset : offset + length]

    def close(self) -> None:
        """
        Done.
        """
        self.is_closed = True


@define(eq=False)
class BadView:
    """
    A view over another, in which things go wrong.
    """

    view: IMailboxView
    #: UIDs whose content is gone.
    gone: frozenset[int] = frozenset()
    #: UIDs that have no row any more.
    rowless: frozenset[int] = frozenset()
    contents: dict[int, BadContent] = field(factory=dict)
    #: What changing flags comes to.
    flag_problem: MailError | None = None
    fetched: list[int] = field(factory=list)
    opened: list[int] = field(factory=list)

    @property
    def snapshot(self) -> MailboxSnapshot:
        """
        What the session sees.
        """
        return self.view.snapshot

    async def fetch(self, uids: Sequence[int], *, header: bool = False) -> list[MessageRow]:
        """
        Rows, some of them left out.
        """
        self.fetched.append(len(uids))
        wanted = [uid for uid in uids if uid not in self.rowless]
        return await self.view.fetch(wanted, header=header)

    async def rendered(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """
        What is rendered, some of it left out.
        """
        self.fetched.append(len(uids))
        return await self.view.rendered([uid for uid in uids if uid not in self.rowless])

    async def open_content(self, uid: int) -> IContent | BadContent:
        """
        Content, perhaps a bad one.
        """
        self.opened.append(uid)
        if uid in self.gone:
            raise MessageGone("Gone.")
        return self.contents.get(uid) or await self.view.open_content(uid)

    async def read_ahead(self, uids: Sequence[int]) -> list[bytes | None]:
        """
        Nothing: each is opened by itself.
        """
        return [None]

    async def headers(self, uids: Sequence[int]) -> Mapping[int, bytes]:
        """
        Headers, some of them left out.
        """
        self.fetched.append(len(uids))
        return await self.view.headers([uid for uid in uids if uid not in self.rowless])

    async def examine(self, uids: Sequence[int], look: Callable[[int, bytes], _T]) -> Mapping[int, _T]:
        """
        Contents, some of them left out.
        """
        self.opened.extend(uids)
        return await self.view.examine([uid for uid in uids if uid not in self.gone], look)

    async def change_flags(
        self, uids: Sequence[int], operation: str, flags: Sequence[str], *, unchanged_since: int | None = None
    ) -> FlagResult:
        """
        Change flags, if that goes.
        """
        if self.flag_problem is not None:
            raise self.flag_problem
        return await self.view.change_flags(uids, operation, flags)
