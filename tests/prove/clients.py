"""
Small clients that write down what they were promised, each with a connection in memory.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from tests.prove.house import ELSEWHERE, LATE, REFUSED, TAKEN, House
from tests.prove.ledger import Ledger, Mail, Messages, Named, Removal, Sent, token_of

PASSWORD = b"secret"
#: Repeated for contents of several sizes: inline, inline but for the checkpoint, and files from the beginning.
_PADDING = b"0123456789abcdef" * 4 + b"\r\n"
_SIZES = (0, 0, 2, 2, 20, 150, 600)

_GONE = b"421 "

#: How often something is asked that ought to succeed.
_PATIENCE = 60

_SMTP_LINE = re.compile(rb"(?m)^\d{3} [^\n]*\n")
_FETCHED = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[\] \{(\d+)\}\r\n")
_UIDS = re.compile(rb"\[(APPENDUID|COPYUID) (\d+) (?:(\S+) )?([0-9,:]+)\]")
_MAILBOX = re.compile(rb'\* (?:LIST|LSUB) \([^)]*\) "/" "?([^"\r\n]+)"?\r\n')


def make_content(token: str, chance: Random) -> bytes:
    """
    A message that can be known again.
    """
    head = f"From: a@{ELSEWHERE}\r\nX-Token: {token}\r\nSubject: Trial\r\n\r\nHello.\r\n"
    return head.encode() + _PADDING * chance.choice(_SIZES)


class Client(Protocol):
    """
    One who works.

    @ivar refusals: what was answered with a failure that may pass.
    """

    refusals: int

    async def work(self, commands: int) -> None:
        """
        Do so many things.
        """


@define(eq=False)
class Connection:
    """
    The client's end of a connection.
    """

    house: House
    service: str
    _transport: Any = field(init=False)
    _received: bytearray = field(init=False, factory=bytearray)
    _is_whole: Callable[[bytes], object] = field(init=False, default=bool)
    _waiting: Deferred[bytes] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._transport = self.house.connect(self.service)

    @property
    def at(self) -> int:
        """
        Where the log was when the server last wrote.
        """
        at: int = self._transport.at
        return at

    @property
    def is_waiting(self) -> bool:
        """
        Whether the client waits for an answer.
        """
        return self._waiting is not None

    @property
    def heard(self) -> bytes:
        """
        What was said and not yet taken for a whole answer.
        """
        return bytes(self._received)

    async def talk(self, said: bytes, is_whole: Callable[[bytes], object]) -> bytes:
        """
        Say something; the answer, once C{is_whole} of it.
        """
        self._is_whole = is_whole
        waiting: Deferred[bytes] = Deferred()
        self._waiting = waiting
        if said:
            self._transport.deliver(said)
        heard: bytes = await waiting
        return heard

    def look(self) -> bool:
        """
        See what the server wrote; whether that went on with anything.
        """
        self._received += self._transport.take()
        waiting = self._waiting
        if waiting is None or not self._received or not self._is_whole(bytes(self._received)):
            return False
        heard, self._waiting = bytes(self._received), None
        self._received.clear()
        waiting.callback(heard)
        return True


#: Makes a connection that the trial looks after.
Connect = Callable[[str], Connection]


@define(eq=False)
class Sender:
    """
    An SMTP client: a stranger, or with C{account} one of ours, who also writes to people elsewhere.
    """

    name: str
    chance: Random
    ledger: Ledger
    connect: Connect
    #: Addresses here, with the accounts that get their mail.
    people: dict[str, tuple[str, ...]]
    account: str | None = None
    number: int = 0
    refusals: int = 0
    _line: Connection | None = None

    async def work(self, commands: int) -> None:
        """
        Send messages.
        """
        for _ in range(commands):
            if self._line is None:
                await self._open()
            await self._send()

    async def _open(self) -> None:
        self._line = self.connect("smtp" if self.account is None else "submission")
        await self._ask(b"", 1)
        await self._ask(b"EHLO client.example.net\r\n", 1)
        if self.account is not None:
            plain = b"\0" + self.account.encode() + b"\0" + PASSWORD
            said = b"AUTH PLAIN " + base64.b64encode(plain) + b"\r\n"
            for _ in range(_PATIENCE):
                if (await self._ask(said, 1)).startswith(b"235"):
                    return
            raise AssertionError("There is no way in.")

    async def _ask(self, said: bytes, replies: int) -> bytes:
        line = self._line
        if line is None:
            return _GONE
        heard = await line.talk(said, lambda data: _GONE in data or len(_SMTP_LINE.findall(data)) >= replies)
        if _GONE in heard:
            # The server has had enough of commands that came to nothing; the next message gets a new connection.
            self._line = None
        return heard

    async def _send(self) -> None:
        self.number += 1
        token = f"{self.name}-{self.number}"
        content = make_content(token, self.chance)
        names = self.chance.sample(sorted(self.people), self.chance.randint(1, 2))
        here = tuple(dict.fromkeys(account for name in names for account in self.people[name]))
        elsewhere: tuple[str, ...] = ()
        if self.account is not None:
            elsewhere = tuple(f"{self.chance.choice((TAKEN, TAKEN, LATE, REFUSED))}-{token}-{n}" for n in range(2))
            names = self.chance.choice(([], names))
            here = here if names else ()
        sender = self.account or f"a@{ELSEWHERE}"
        recipients = [*names, *(f"{name}@{ELSEWHERE}" for name in elsewhere)]
        begin = f"MAIL FROM:<{sender}>\r\n" + "".join(f"RCPT TO:<{one}>\r\n" for one in recipients)
        heard = await self._ask(begin.encode(), 1 + len(recipients))
        if any(not line.startswith(b"250") for line in _SMTP_LINE.findall(heard)):
            self.refusals += 1
            await self._ask(b"RSET\r\n", 1)
            return
        is_chunked = self.chance.random() < 0.3
        if not is_chunked and not (await self._ask(b"DATA\r\n", 1)).startswith(b"354"):
            self.refusals += 1
            await self._ask(b"RSET\r\n", 1)
            return
        assert self._line is not None
        line = self._line
        at = line.house.position()
        sent = Sent(at, token=token, content=content, here=here, elsewhere=elsewhere, sender=self.account)
        self.ledger.sent.append(sent)
        self.ledger.contents[token] = content
        whole = b"BDAT %d LAST\r\n%s" % (len(content), content) if is_chunked else content + b".\r\n"
        heard = await self._ask(whole, 1)
        if heard.startswith(b"250"):
            sent.answered = line.at
        else:
            self.refusals += 1
            await self._ask(b"RSET\r\n", 1)


@define(eq=False)
class Writer:
    """
    An IMAP client, the only one in its mailboxes.
    """

    name: str
    account: str
    chance: Random
    ledger: Ledger
    connect: Connect
    number: int = 0
    refusals: int = 0
    _tag: int = 0
    _line: Connection | None = None
    #: UIDs in the selected mailbox, by token.
    _uids: dict[str, int] = field(init=False, factory=dict)

    @property
    def here(self) -> str:
        """
        Where it writes.
        """
        return f"{self.name}-Work"

    @property
    def there(self) -> str:
        """
        Where it copies and moves to.
        """
        return f"{self.name}-Done"

    @property
    def known(self) -> Mail:
        """
        What it was promised.
        """
        return self.ledger.mail[self.account, self.name].known

    async def work(self, commands: int) -> None:
        """
        Do one thing after the other.
        """
        if self._line is None:
            await self._open()
        choices = (
            *(self.append, self.append, self.append, self.store, self.store, self.copy),
            *(self.move, self.expunge, self.mailboxes, self.subscribe),
        )
        for _ in range(commands):
            await self.chance.choice(choices)()

    async def _open(self) -> None:
        self._line = self.connect("imap")
        await self._line.talk(b"", lambda data: data.endswith(b"\r\n"))
        await self._ask_until_ok(b"LOGIN %s %s" % (self.account.encode(), PASSWORD))
        for mailbox in (self.here, self.there):
            while mailbox not in self.known.boxes:
                await self.create(mailbox)
        await self._ask_until_ok(b"SELECT " + self.here.encode())

    async def _ask(self, said: bytes) -> bytes:
        assert self._line is not None
        self._tag += 1
        end = re.compile(rb"(?:\A|\n)t%d (?:OK|NO|BAD)[^\n]*\n\Z" % self._tag)
        return await self._line.talk(b"t%d %s\r\n" % (self._tag, said), end.search)

    async def _ask_until_ok(self, said: bytes) -> bytes:
        """
        The answer to what changes nothing, asked again while the disk has trouble.
        """
        for _ in range(_PATIENCE):
            heard = await self._ask(said)
            if b"\r\nt%d OK" % self._tag in b"\r\n" + heard:
                return heard
        raise AssertionError(f"{said!r} has no good end: {heard!r}")

    async def promise(self, wanted: Mail, said: bytes) -> bytes | None:
        """
        Send a command that comes to C{wanted}; the answer if it is OK.
        """
        assert self._line is not None
        track = self.ledger.mail[self.account, self.name]
        step = track.begin(self._line.house.position(), wanted)
        heard = await self._ask(said)
        if b"\r\nt%d OK" % self._tag in b"\r\n" + heard:
            step.answered = self._line.at
            return heard
        self.refusals += 1
        assert b"\r\nt%d NO" % self._tag in b"\r\n" + heard, heard
        await self._look_again(step.begun)
        return None

    async def _look_again(self, begun: int) -> None:
        """
        After a refusal: whatever was done of it, it was done whole or not at all.
        """
        assert self._line is not None
        track = self.ledger.mail[self.account, self.name]
        found = await read_mail(self._ask_until_ok, self.name, selected=self.here, uids=self._uids)
        assert found in (track.known, track.steps[-1].after), (
            f"{found} is neither {track.known} nor {track.steps[-1].after}"
        )
        track.found(self._line.house.position(), found)

    def _with(self, **boxes: Messages) -> Mail:
        return evolve(self.known, boxes={**self.known.boxes, **{self._box(name): box for name, box in boxes.items()}})

    def _box(self, name: str) -> str:
        return {"here": self.here, "there": self.there}[name]

    def _named(self, heard: bytes, mailbox: str, tokens: Sequence[str]) -> list[int]:
        """
        Note the UIDs that a reply gives to messages.
        """
        found = _UIDS.search(heard)
        assert found is not None, heard
        assert self._line is not None
        uids = _expanded(found[4])
        for token, uid in zip(tokens, uids, strict=True):
            at = self._line.at
            named = Named(
                at, at, account=self.account, mailbox=mailbox, token=token, uidvalidity=int(found[2]), uid=uid
            )
            self.ledger.named.append(named)
        return uids

    def _some(self) -> list[str]:
        """
        A few messages, in the order of their UIDs.
        """
        some = self.chance.sample(sorted(self._uids), min(3, len(self._uids)))
        return sorted(some, key=self._uids.__getitem__)

    def _set(self, tokens: Sequence[str]) -> bytes:
        return ",".join(str(self._uids[token]) for token in tokens).encode()

    async def append(self) -> None:
        """
        APPEND one, or several at once.
        """
        tokens, said = [], b""
        for _ in range(self.chance.choice((1, 1, 2))):
            self.number += 1
            token = f"{self.name}-{self.number}"
            content = self.ledger.contents[token] = make_content(token, self.chance)
            tokens.append(token)
            said += b" (\\Seen) {%d+}\r\n%s" % (len(content), content)
        fresh = dict.fromkeys(tokens, frozenset({"\\Seen"}))
        wanted = self._with(here={**self.known.boxes[self.here], **fresh})
        if heard := await self.promise(wanted, b"APPEND " + self.here.encode() + said):
            self._uids.update(zip(tokens, self._named(heard, self.here, tokens), strict=True))

    async def store(self) -> None:
        """
        STORE a flag and a keyword on some.
        """
        if some := self._some():
            flags = frozenset({self.chance.choice(("\\Flagged", "\\Answered")), "$Work"})
            await self._store(some, flags)

    async def _store(self, some: Sequence[str], flags: frozenset[str]) -> bool:
        had = self.known.boxes[self.here]
        wanted = self._with(here={token: now | flags if token in some else now for token, now in had.items()})
        said = b"UID STORE %s +FLAGS.SILENT (%s)" % (self._set(some), " ".join(sorted(flags)).encode())
        return await self.promise(wanted, said) is not None

    async def copy(self) -> None:
        """
        COPY some that are not there yet.
        """
        boxes = self.known.boxes
        if some := [token for token in self._some() if token not in boxes[self.there]]:
            copies = {token: boxes[self.here][token] for token in some}
            wanted = self._with(there={**boxes[self.there], **copies})
            if heard := await self.promise(wanted, b"UID COPY %s %s" % (self._set(some), self.there.encode())):
                self._named(heard, self.there, some)

    async def move(self) -> None:
        """
        MOVE some that are not there yet.
        """
        boxes = self.known.boxes
        if some := [token for token in self._some() if token not in boxes[self.there]]:
            moved = {token: boxes[self.here][token] for token in some}
            rest = {token: flags for token, flags in boxes[self.here].items() if token not in moved}
            wanted = self._with(here=rest, there={**boxes[self.there], **moved})
            if heard := await self.promise(wanted, b"UID MOVE %s %s" % (self._set(some), self.there.encode())):
                self._named(heard, self.there, some)
                self._forget(some)

    async def expunge(self) -> None:
        """
        Mark some, and EXPUNGE them.
        """
        some = self._some()
        if some and await self._store(some, frozenset({"\\Deleted"})):
            boxes = self.known.boxes
            rest = {token: flags for token, flags in boxes[self.here].items() if "\\Deleted" not in flags}
            if await self.promise(self._with(here=rest), b"EXPUNGE"):
                self._forget([token for token in self._uids if token not in rest])

    def _forget(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            self._uids.pop(token, None)

    async def mailboxes(self) -> None:
        """
        CREATE a mailbox with a copy in it, RENAME it, DELETE it.
        """
        old, new = f"{self.name}-Old", f"{self.name}-New"
        boxes = self.known.boxes
        if new in boxes:
            await self.promise(evolve(self.known, boxes=_without(boxes, new)), b"DELETE " + new.encode())
        elif old in boxes:
            renamed = {**_without(boxes, old), new: boxes[old]}
            await self.promise(evolve(self.known, boxes=renamed), b"RENAME %s %s" % (old.encode(), new.encode()))
        elif await self.create(old) and (some := self._some()):
            copies = {token: boxes[self.here][token] for token in some}
            wanted = evolve(self.known, boxes={**self.known.boxes, old: copies})
            await self.promise(wanted, b"UID COPY %s %s" % (self._set(some), old.encode()))

    async def create(self, mailbox: str) -> bool:
        """
        CREATE a mailbox; whether that was done.
        """
        wanted = evolve(self.known, boxes={**self.known.boxes, mailbox: {}})
        return await self.promise(wanted, b"CREATE " + mailbox.encode()) is not None

    async def subscribe(self) -> None:
        """
        SUBSCRIBE, or the contrary.
        """
        had = self.known.subscribed
        word = b"UNSUBSCRIBE" if self.there in had else b"SUBSCRIBE"
        wanted = evolve(self.known, subscribed=had ^ {self.there})
        await self.promise(wanted, word + b" " + self.there.encode())


def _without(boxes: dict[str, Messages], name: str) -> dict[str, Messages]:
    return {known: box for known, box in boxes.items() if known != name}


def _expanded(text: bytes) -> list[int]:
    uids: list[int] = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        uids += range(int(first), int(last or first) + 1)
    return uids


def fetched(heard: bytes) -> list[tuple[int, frozenset[str], bytes]]:
    """
    UID, flags and content of each message in an answer to FETCH.
    """
    found, place = [], 0
    while match := _FETCHED.search(heard, place):
        place = match.end() + int(match[3])
        flags = frozenset(match[2].decode().split()) - {"\\Recent"}
        found.append((int(match[1]), flags, heard[match.end() : place]))
    return found


def mailboxes_in(heard: bytes) -> list[str]:
    """
    The names in an answer to LIST or LSUB.
    """
    return [name.decode() for name in _MAILBOX.findall(heard)]


async def read_mail(
    ask: Callable[[bytes], Any], name: str, *, selected: str | None = None, uids: dict[str, int] | None = None
) -> Mail:
    """
    The mailboxes whose names begin with C{name}; C{selected} is selected at the end, and its C{uids} are found out.
    """
    boxes: dict[str, Messages] = {}
    for mailbox in mailboxes_in(await ask(b'LIST "" "%s-*"' % name.encode())):
        await ask(b"EXAMINE " + mailbox.encode())
        messages = fetched(await ask(b"UID FETCH 1:* (UID FLAGS BODY.PEEK[])"))
        boxes[mailbox] = {token_of(content): flags for _, flags, content in messages}
        if mailbox == selected and uids is not None:
            uids.clear()
            uids.update({token_of(content): uid for uid, _, content in messages})
    if selected in boxes:
        await ask(b"SELECT %s" % str(selected).encode())
    return Mail(boxes, frozenset(mailboxes_in(await ask(b'LSUB "" "%s-*"' % name.encode()))))


@define(eq=False)
class Collector:
    """
    A POP3 client, the only one that removes from its maildrop.
    """

    account: str
    chance: Random
    ledger: Ledger
    connect: Connect
    refusals: int = 0

    async def work(self, commands: int) -> None:
        """
        Look after the maildrop a few times.
        """
        for _ in range(max(1, commands // 3)):
            await self._session()

    async def _session(self) -> None:
        line = self.connect("pop3")
        one = lambda data: data.endswith(b"\r\n")
        many = lambda data: data.startswith(b"-ERR") or data.endswith(b"\r\n.\r\n")
        await line.talk(b"", one)
        await line.talk(b"USER " + self.account.encode() + b"\r\n", one)
        entered = await line.talk(b"PASS " + PASSWORD + b"\r\n", one)
        if not entered.startswith(b"+OK"):
            self.refusals += 1
            return
        count = int(entered.split()[3])
        tokens = set()
        for number in self.chance.sample(range(1, count + 1), min(count, 3)):
            heard = await line.talk(b"TOP %d 0\r\n" % number, many)
            if heard.startswith(b"+OK") and (await line.talk(b"DELE %d\r\n" % number, one)).startswith(b"+OK"):
                tokens.add(token_of(heard))
        removal = Removal(line.house.position(), account=self.account, tokens=frozenset(tokens))
        self.ledger.removals.append(removal)
        if (await line.talk(b"QUIT\r\n", one)).startswith(b"+OK"):
            removal.answered = line.at
        else:
            self.refusals += 1
