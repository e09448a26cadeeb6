"""
Kill the real server with SIGKILL under mixed load, start it again, and look whether it kept what it said.

Run by name: C{python -m tests.crash.kills 50}.  Each round starts the server, lets clients work, kills it at a random moment, starts it
again and audits.  Clients write down what they were promised, and nothing more:

* a message answered C{250} is in its recipient's INBOX once, or in the queue;
* an APPEND, STORE, COPY, MOVE or EXPUNGE answered C{OK} holds; one without an answer was done whole or not at all.
"""

from __future__ import annotations

import imaplib
import random
import re
import smtplib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from attrs import define, evolve, field, frozen

from tests.support.server import Server

PASSWORD = "correct horse battery"
PEOPLE = ("ann@example.org", "bob@example.org", "eve@example.org")

#: Seconds of load before a kill, at most.
LOAD = 1.2

#: Seconds until what was promised must be in its mailbox after a restart.
PATIENCE = 30

#: A content large enough to be a file from the beginning.
PADDING = "0123456789abcdef" * 4 + "\r\n"

_TOKEN = re.compile(rb"X-Token: ([0-9a-z-]+)", re.IGNORECASE)
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")

#: What clients see when the server dies under them.
LOST = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.abort)


def content(token: str, chance: random.Random) -> bytes:
    """
    A message that can be known again; some are small, some are files.
    """
    size = chance.choice((0, 10, 100, 700, 2000))
    text = f"From: a@example.net\r\nX-Token: {token}\r\n\r\nHello.\r\n{PADDING * size}"
    return text.encode()


@frozen
class Mail:
    """
    What one IMAP client knows to be in its two mailboxes: flags by token.
    """

    here: dict[str, frozenset[str]] = field(factory=dict)
    there: dict[str, frozenset[str]] = field(factory=dict)


@define(eq=False)
class Writer:
    """
    One IMAP client, the only one in its two mailboxes.
    """

    name: str
    account: str
    chance: random.Random
    #: What was promised.
    known: Mail = field(factory=Mail)
    #: What will be there if the command under way is done.
    wanted: Mail | None = None
    answered: int = 0
    number: int = 0

    @property
    def here(self) -> str:
        """
        Where it writes.
        """
        return f"Work-{self.name}"

    @property
    def there(self) -> str:
        """
        Where it copies and moves to.
        """
        return f"Done-{self.name}"

    def work(self, ports: dict[str, int], is_over: threading.Event) -> None:
        """
        Do one thing after the other until the server is gone.
        """
        try:
            client = imaplib.IMAP4("127.0.0.1", ports["imap"])
            client.login(self.account, PASSWORD)
            for mailbox in (self.here, self.there):
                client.create(mailbox)
            if client.select(self.here)[0] != "OK":
                return
            while not is_over.is_set():
                self.chance.choice((self.append, self.append, self.store, self.copy, self.move, self.expunge))(client)
        except LOST:
            return

    def promise(self, wanted: Mail, command: Callable[[], tuple[str, object]]) -> None:
        """
        Send a command; if it is answered OK, what it does holds.
        """
        self.wanted = wanted
        status, answer = command()
        if status != "OK":
            raise AssertionError(f"{self.name}: {status} {answer!r}")
        self.known, self.wanted = wanted, None
        self.answered += 1

    def some(self, client: imaplib.IMAP4) -> dict[str, str]:
        """
        A few messages: token by sequence number.
        """
        client.noop()
        found = _tokens(client)
        return {number: found[number] for number in self.chance.sample(sorted(found), min(3, len(found)))}

    def append(self, client: imaplib.IMAP4) -> None:
        """
        APPEND one.
        """
        self.number += 1
        token = f"{self.name}-{self.number}"
        wanted = evolve(self.known, here={**self.known.here, token: frozenset({"\\Seen"})})
        self.promise(wanted, lambda: client.append(self.here, "(\\Seen)", "", content(token, self.chance)))

    def store(self, client: imaplib.IMAP4) -> None:
        """
        STORE a flag and a keyword on some.
        """
        if not (some := self.some(client)):
            return
        flags = frozenset({self.chance.choice(("\\Flagged", "\\Answered")), "$Work"})
        here = {token: had | flags if token in some.values() else had for token, had in self.known.here.items()}
        self.promise(
            evolve(self.known, here=here), lambda: client.store(",".join(some), "+FLAGS.SILENT", f"({' '.join(flags)})")
        )

    def copy(self, client: imaplib.IMAP4) -> None:
        """
        COPY some that are not there yet.
        """
        some = {number: token for number, token in self.some(client).items() if token not in self.known.there}
        if some:
            copies = {token: self.known.here[token] for token in some.values()}
            wanted = evolve(self.known, there={**self.known.there, **copies})
            self.promise(wanted, lambda: client.copy(",".join(some), self.there))

    def move(self, client: imaplib.IMAP4) -> None:
        """
        MOVE some that are not there yet.
        """
        some = {number: token for number, token in self.some(client).items() if token not in self.known.there}
        if some:
            moved = {token: self.known.here[token] for token in some.values()}
            rest = {token: flags for token, flags in self.known.here.items() if token not in moved}
            wanted = Mail(rest, {**self.known.there, **moved})
            self.promise(wanted, lambda: client._simple_command("MOVE", ",".join(some), self.there))

    def expunge(self, client: imaplib.IMAP4) -> None:
        """
        Mark some, and EXPUNGE them.
        """
        if not (some := self.some(client)):
            return
        marked = {
            token: flags | {"\\Deleted"} if token in some.values() else flags
            for token, flags in self.known.here.items()
        }
        self.promise(
            evolve(self.known, here=marked), lambda: client.store(",".join(some), "+FLAGS.SILENT", "(\\Deleted)")
        )
        rest = {token: flags for token, flags in marked.items() if "\\Deleted" not in flags}
        self.promise(evolve(self.known, here=rest), client.expunge)

    def audit(self, ports: dict[str, int]) -> list[str]:
        """
        What is not as it was promised.
        """
        client = imaplib.IMAP4("127.0.0.1", ports["imap"])
        client.login(self.account, PASSWORD)
        found = Mail(_flags_by_token(client, self.here), _flags_by_token(client, self.there))
        client.logout()
        # An EXPUNGE of ours may have been preceded by marks that are gone with it; both ends are in these two.
        if found not in (self.known, self.wanted):
            return [
                f"{self.name}: found {_difference(found, self.known)}; or, if the last command was done, "
                f"{_difference(found, self.wanted)}"
            ]
        self.known, self.wanted = found, None
        return []


@define(eq=False)
class Sender:
    """
    One SMTP client.
    """

    name: str
    chance: random.Random
    #: Tokens answered 250, and for whom.
    promised: dict[str, tuple[str, ...]] = field(factory=dict)
    number: int = 0

    def work(self, ports: dict[str, int], is_over: threading.Event) -> None:
        """
        Send one message after the other until the server is gone.
        """
        try:
            with smtplib.SMTP("127.0.0.1", ports["smtp"]) as client:
                while not is_over.is_set():
                    self.number += 1
                    token = f"{self.name}-{self.number}"
                    people = tuple(self.chance.sample(PEOPLE, self.chance.randint(1, len(PEOPLE))))
                    client.sendmail("a@example.net", people, content(token, self.chance))
                    self.promised[token] = people
        except LOST:
            return


@define(eq=False)
class Trial:
    """
    Rounds of load, kill, start and audit on one data directory.
    """

    seed: int
    folder: str
    chance: random.Random = field(init=False)
    server: Server = field(init=False)
    writers: list[Writer] = field(init=False)
    senders: list[Sender] = field(init=False)
    problems: list[str] = field(init=False, factory=list)
    #: Whom to tell of each round.
    tell: Callable[[str], object] = field(default=len)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.server = Server(self.folder)
        self.writers = [
            Writer(f"w{number}", account, random.Random(self.chance.random())) for number, account in enumerate(PEOPLE)
        ]
        self.senders = [Sender(f"s{number}", random.Random(self.chance.random())) for number in range(3)]

    def run(self, kills: int) -> None:
        """
        All rounds; what is wrong is in L{problems}.
        """
        for account in PEOPLE:
            self.server.add_account(account, PASSWORD)
        try:
            for number in range(1, kills + 1):
                self.round()
                if self.problems:
                    return
                self.tell(f"kill {number}: {self.summary}")
        finally:
            self.server.kill()

    @property
    def summary(self) -> str:
        """
        What was promised so far.
        """
        messages = sum(len(one.promised) for one in self.senders)
        return f"{messages} messages and {sum(one.answered for one in self.writers)} IMAP commands promised"

    def round(self) -> None:
        """
        One kill.
        """
        self.server.start()
        is_over = threading.Event()
        works = [*(one.work for one in self.writers), *(one.work for one in self.senders)]
        threads = [threading.Thread(target=work, args=(self.server.ports, is_over)) for work in works]
        for thread in threads:
            thread.start()
        time.sleep(self.chance.uniform(0.05, LOAD))
        self.server.kill()
        is_over.set()
        for thread in threads:
            thread.join(PATIENCE)
        self.server.start()
        self.audit()
        self.server.kill()

    def audit(self) -> None:
        """
        Compare with what clients were promised.
        """
        for writer in self.writers:
            self.problems += writer.audit(self.server.ports)
        for account in PEOPLE:
            self.problems += self.audit_inbox(account)
        try:
            self.server.mailctl("check")
        except RuntimeError as problem:
            self.problems.append(str(problem))

    def audit_inbox(self, account: str) -> list[str]:
        """
        Every message promised to C{account} is there, once.
        """
        wanted = {token for one in self.senders for token, people in one.promised.items() if account in people}
        deadline = time.monotonic() + PATIENCE
        while True:
            client = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
            client.login(account, PASSWORD)
            client.select("INBOX", readonly=True)
            found = Counter(_tokens(client).values())
            client.logout()
            doubled = [token for token, count in found.items() if count > 1]
            lost = wanted - set(found)
            if doubled:
                return [f"{account}: doubled {doubled[:5]}"]
            if not lost:
                return []
            if time.monotonic() > deadline:
                return [f"{account}: lost {sorted(lost)[:5]}, {len(lost)} in all"]
            time.sleep(0.2)


def _tokens(client: imaplib.IMAP4) -> dict[str, str]:
    """
    Tokens by sequence number of the mailbox that is selected.
    """
    found = {}
    for part in client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (X-Token)])")[1]:
        if isinstance(part, tuple):
            token = _TOKEN.search(part[1])
            if token is not None:
                found[part[0].split()[0].decode()] = token[1].decode()
    return found


def _flags_by_token(client: imaplib.IMAP4, mailbox: str) -> dict[str, frozenset[str]]:
    if client.select(mailbox, readonly=True)[0] != "OK":
        return {}
    found: dict[str, frozenset[str]] = {}
    for part in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])")[1]:
        if isinstance(part, tuple):
            token, flags = _TOKEN.search(part[1]), _FLAGS.search(part[0])
            if token is not None and flags is not None:
                if token[1].decode() in found:
                    return {"doubled": frozenset({token[1].decode()})}
                found[token[1].decode()] = frozenset(flags[1].decode().split()) - {"\\Recent"}
    return found


def _difference(found: Mail, wanted: Mail | None) -> str:
    if wanted is None:
        return "nothing was under way"
    pieces = []
    for name in ("here", "there"):
        have, want = getattr(found, name), getattr(wanted, name)
        missing, more = sorted(want.keys() - have.keys()), sorted(have.keys() - want.keys())
        changed = sorted(token for token in want.keys() & have.keys() if want[token] != have[token])
        pieces.append(f"{name}: missing {missing[:4]}, more {more[:4]}, other flags {changed[:4]}")
    return "; ".join(pieces)


def main() -> int:
    """
    Kill as often as the command line says.
    """
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 30)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(seed, folder, tell=partial(print, flush=True))
        trial.run(kills)
    print(f"{kills} kills, seed {seed}: {trial.summary}; {len(trial.problems)} problems")
    for problem in trial.problems:
        print(problem)
    return bool(trial.problems)


if __name__ == "__main__":
    sys.exit(main())
