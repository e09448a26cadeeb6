"""
Clients that believe what they are told: however several sessions work on one mailbox, each client's picture of it is right.
"""

from __future__ import annotations

import re
from random import Random

from attrs import define, field

from tests.support.imap import ImapTestCase, Line

_EXISTS = re.compile(r"\* ([0-9]+) EXISTS")
_EXPUNGE = re.compile(r"\* ([0-9]+) EXPUNGE")
_FETCH = re.compile(r"\* ([0-9]+) FETCH \((.*)\)", re.DOTALL)
_UID = re.compile(r"UID ([0-9]+)")
_FLAGS = re.compile(r"FLAGS \(([^)]*)\)")
#: What the flags of a message are made of here.
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$one", "$two")


@define
class Known:
    """
    What a client knows of a message; nothing, at first.
    """

    uid: int | None = None
    flags: frozenset[str] | None = None


@define
class Client:
    """
    A client and its picture of the mailbox.
    """

    line: Line
    messages: list[Known] = field(factory=list)
    is_idling: bool = False
    is_read_only: bool = False
    count: int = 0

    def select(self, *, is_read_only: bool) -> None:
        """
        Open the mailbox, with a new picture.
        """
        self.messages = []
        self.is_read_only = is_read_only
        self.do("EXAMINE INBOX" if is_read_only else "SELECT INBOX")

    def do(self, command: str) -> str:
        """
        Do one command, and believe the answers; the tagged one.
        """
        self.count += 1
        tag = f"t{self.count}"
        self.line.receive(f"{tag} {command}\r\n".encode())
        if command == "IDLE":
            self.is_idling = True
            self.hear()
            return ""
        may_shrink = not command.startswith(("FETCH", "STORE", "SEARCH"))
        answers = self.line.take().decode().removesuffix("\r\n").split("\r\n* ")
        last, _, tagged = answers.pop().rpartition(f"{tag} ")
        for answer in [*answers, last.removesuffix("\r\n")]:
            self.believe(f"* {answer.removeprefix('* ')}", may_shrink)
        return tagged

    def hear(self) -> None:
        """
        Believe what comes while idling.
        """
        self.line.hear()
        for answer in self.line.take().decode().split("\r\n"):
            self.believe(answer, True)

    def done(self) -> None:
        """
        Idle no longer.
        """
        self.is_idling = False
        self.line.receive(b"DONE\r\n")
        for answer in self.line.take().decode().split("\r\n"):
            self.believe(answer, True)

    def believe(self, answer: str, may_shrink: bool) -> None:
        """
        Change the picture by one response.
        """
        if found := _EXISTS.fullmatch(answer):
            count = int(found[1])
            assert count >= len(self.messages), answer
            self.messages.extend(Known() for _ in range(count - len(self.messages)))
        elif found := _EXPUNGE.fullmatch(answer):
            assert may_shrink, answer
            del self.messages[int(found[1]) - 1]
        elif found := _FETCH.fullmatch(answer):
            self._believe_fetch(self.messages[int(found[1]) - 1], found[2])

    def _believe_fetch(self, message: Known, items: str) -> None:
        if uid := _UID.search(items):
            assert message.uid in (None, int(uid[1])), items
            message.uid = int(uid[1])
        if flags := _FLAGS.search(items):
            message.flags = frozenset(flags[1].split()) - {"\\Recent"}

    def check(self) -> None:
        """
        After NOOP, what a client knows is so.
        """
        self.do("NOOP")
        before = [message.flags for message in self.messages]
        for message in self.messages:
            message.flags = None
        if self.messages:
            assert self.do("FETCH 1:* (UID FLAGS)").startswith("OK")
        for known, message in zip(before, self.messages, strict=True):
            assert message.uid is not None
            assert known in (None, message.flags), (known, message)
        uids = [message.uid or 0 for message in self.messages]
        assert uids == sorted(set(uids)), uids


class ConsistencyTests(ImapTestCase):
    """
    Random work, the same in every run.
    """

    seeds = range(60)
    steps = 50

    def act(self, chance: Random, client: Client) -> None:
        """
        One thing that a client does.
        """
        count = len(client.messages)
        number = chance.randint(1, count) if count else 0
        numbers = f"{number}:{chance.randint(number, count)}" if count else ""
        uids = f"{chance.randint(1, 40)}:{chance.randint(1, 40)}"
        flags = " ".join(chance.sample(FLAGS, chance.randint(1, 3)))
        sign = chance.choice(("+", "-", ""))
        actions = [
            lambda: client.do(f"APPEND INBOX ({flags}) {{6+}}\r\na: b\r\n"),
            lambda: client.do("NOOP"),
            lambda: client.do("IDLE"),
            lambda: client.do("UID SEARCH ALL"),
            lambda: client.do(f"UID COPY {uids} INBOX"),
            lambda: client.do(f"UID FETCH {uids} BODY[]"),
            lambda: client.select(is_read_only=chance.random() < 0.3),
            lambda: client.do("SEARCH SEEN"),
            client.check,
        ]
        if not client.is_read_only:
            actions += [
                lambda: client.do("EXPUNGE"),
                lambda: client.do(f"UID EXPUNGE {uids}"),
                lambda: client.do(f"UID STORE {uids} {sign}FLAGS ({flags})"),
                lambda: client.do(f"UID MOVE {uids} {chance.choice(('INBOX', 'Trash'))}"),
            ]
        if count:
            actions += [
                lambda: client.do(f"FETCH {numbers} (UID BODY[])"),
                lambda: client.do(f"FETCH {numbers} FLAGS"),
                lambda: client.do(f"COPY {numbers} INBOX"),
            ]
        if count and not client.is_read_only:
            actions += [
                lambda: client.do(f"STORE {numbers} {sign}FLAGS ({flags})"),
                lambda: self.store_silently(client, number, sign, flags),
                lambda: client.do(f"MOVE {numbers} Trash"),
            ]
        chance.choice(actions)()

    def store_silently(self, client: Client, number: int, sign: str, flags: str) -> None:
        """
        The client changes its own picture first, and hears only what it cannot know.
        """
        message = client.messages[number - 1]
        changed = frozenset(flags.split())
        if not sign:
            message.flags = changed
        elif message.flags is not None:
            message.flags = message.flags | changed if sign == "+" else message.flags - changed
        client.do(f"STORE {number} {sign}FLAGS.SILENT ({flags})")

    def test_pictures(self) -> None:
        """
        Three clients append, mark, move, copy, expunge and idle; whenever one looks, its picture is right.
        """
        for seed in self.seeds:
            self.setUp()
            chance = Random(seed)
            self.add(*[b"a: b\n"] * 5)
            clients = [Client(self.line(number)) for number in ("", "2", "3")]
            for client in clients:
                client.select(is_read_only=False)
            for _ in range(self.steps):
                client = chance.choice(clients)
                if client.is_idling:
                    client.done()
                self.act(chance, client)
                for other in clients:
                    if other.is_idling:
                        other.hear()
            for client in clients:
                if client.is_idling:
                    client.done()
                client.check()
            sizes = {len(client.messages) for client in clients}
            self.assertEqual(1, len(sizes), seed)
