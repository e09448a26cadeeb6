"""
A Maildir tree goes in, out and in again beside a running server, and is killed on the way.

Run by name: C{python -m tests.end_to_end.moving 20000}.  Digests, flags and dates are compared, each message counted: what a kill
lost or doubled would show.
"""

from __future__ import annotations

import imaplib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

from attrs import define, field

from tests.support.server import BINARIES, PATIENCE, Server

#: Folders of the tree, and the mailboxes they become.
FOLDERS = {"": "INBOX", ".Sent Items": "Sent", ".Lists.Cooking": "Lists/Cooking", ".Entw&APw-rfe": "Entwürfe"}

_LETTERS = {"D", "F", "P", "R", "S", "T"}
_KEYWORDS = ("$Label1", "Travel")

#: Times that a run which ended too soon is begun again.
_TRIES = 10

#: What is known of a message: its mailbox, digest, flags and date.
Known = tuple[str, bytes, frozenset[str], int]


def make_tree(root: Path, count: int, chance: random.Random) -> Counter[Known]:
    """
    A tree of C{count} messages, some of them large; what is in it.
    """
    known: Counter[Known] = Counter()
    for folder in FOLDERS:
        for place in ("cur", "new", "tmp"):
            (root / folder / place).mkdir(parents=True, exist_ok=True)
        (root / folder / "dovecot-keywords").write_text("".join(f"{n} {word}\n" for n, word in enumerate(_KEYWORDS)))
    names = list(FOLDERS)
    for number in range(count):
        folder = names[number % len(names)]
        lines = chance.choice((0, 3, 10, 40)) if number % 100 else 1500
        text = f"From: a@example.net\r\nSubject: {number // 3}\r\n\r\n" + "From here on it is only text.\r\n" * lines
        letters = {letter for letter in sorted(_LETTERS | {"a", "b"}) if chance.random() < 0.2}
        date = chance.randrange(1_000_000_000, 1_700_000_000)
        name = f"{date}.M{number}P{chance.randrange(10_000)}.host,S={len(text)}:2,{''.join(sorted(letters))}"
        path = root / folder / ("cur" if letters else "new") / name
        path.write_bytes(text.encode())
        os.utime(path, (date, date))
        flags = frozenset(_KEYWORDS[ord(letter) - ord("a")] if letter in "ab" else letter for letter in letters)
        known[(FOLDERS[folder], sha256(text.encode()).digest(), flags, date)] += 1
    return known


def read_tree(root: Path) -> Counter[Known]:
    """
    What is in a tree that was exported.
    """
    known: Counter[Known] = Counter()
    mailboxes = {"": "INBOX", ".Sent": "Sent", ".Lists.Cooking": "Lists/Cooking", ".Entw&APw-rfe": "Entwürfe"}
    for folder in [root, *root.glob(".*")]:
        mailbox = mailboxes.get("" if folder == root else folder.name, folder.name)
        words = folder / "dovecot-keywords"
        keywords = dict(line.split(" ", 1) for line in words.read_text().splitlines()) if words.exists() else {}
        for path in [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]:
            letters = path.name.partition(":2,")[2]
            flags = frozenset(
                letter if letter in _LETTERS else keywords[str(ord(letter) - ord("a"))] for letter in letters
            )
            known[(mailbox, sha256(path.read_bytes()).digest(), flags, int(path.stat().st_mtime))] += 1
    return known


@define
class Mover:
    """
    Runs C{mailctl}, and kills it as often as it was told to.
    """

    server: Server
    chance: random.Random
    #: Seconds, far less than what is left of the work.
    delay: float
    kills: list[str] = field(factory=list)

    def move(self, *arguments: str, kills: int = 0) -> None:
        """
        Do it to its end, after C{kills} runs that are killed on the way.
        """
        for number in range(kills):
            # A machine that is busy elsewhere may let it end first: then it is begun again.
            for _ in range(_TRIES):
                if self._killed(arguments, 100 * (number + 1) // (kills + 1)):
                    break
            else:
                raise AssertionError(f"{arguments} ended before it could be killed.")
        self.server.mailctl(*arguments)

    def _killed(self, arguments: tuple[str, ...], percent: int) -> bool:
        """
        Begin it, and kill it once it has told that so much is done, and a moment later; whether it was not done yet.
        """
        command = [str(BINARIES / "mailctl"), "--config", str(self.server.config), *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.server.folder
        ) as process:
            assert process.stderr is not None
            said = b"nothing"
            while said and _percent(said) < percent:
                said = process.stderr.readline()
            # Anywhere in what comes next: between two messages, within a commit, within a file.
            time.sleep(self.chance.random() * self.delay)
            process.kill()
            process.wait(PATIENCE)
        if process.returncode != -signal.SIGKILL:
            return False
        self.kills.append(f"{arguments[0]} at {said.decode().strip()}")
        return True


def _percent(said: bytes) -> int:
    found = re.search(rb"([0-9]+) %", said)
    return int(found[1]) if found else 0


def go(folder: Path, count: int, kills: tuple[int, int, int], *, is_served: bool) -> list[str]:
    """
    In, out and in again; when it was killed.

    @raise AssertionError: something was lost, doubled or changed.
    """
    chance = random.Random(count)
    expected = make_tree(folder / "tree", count, chance)
    server = Server(str(folder))
    if is_served:
        server.start()
    try:
        mover = Mover(server, chance, count * 2e-6)
        for name in ("ann", "bob"):
            server.add_account(f"{name}@example.org", "secret")
        mover.move("import", "maildir", "ann", str(folder / "tree"), kills=kills[0])
        mover.move("export", "maildir", "ann", str(folder / "out"), kills=kills[1])
        _compare(expected, read_tree(folder / "out"))
        mover.move("import", "maildir", "bob", str(folder / "out"), kills=kills[2])
        mover.move("export", "maildir", "bob", str(folder / "again"))
        _compare(expected, read_tree(folder / "again"))
        if is_served:
            with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
                client.login("bob@example.org", "secret")
                _, (said,) = client.select("INBOX")
                assert said is not None
                assert int(said) == sum(n for known, n in expected.items() if known[0] == "INBOX"), said
        return mover.kills
    finally:
        server.stop()


def _compare(expected: Counter[Known], found: Counter[Known]) -> None:
    lost, more = expected - found, found - expected
    if lost or more:
        raise AssertionError(f"{lost.total()} lost or changed, {more.total()} too many: {[*lost][:2]} {[*more][:2]}")


def main() -> None:
    """
    The number of messages is the first argument.
    """
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="moving-") as folder:
        for kill in go(Path(folder), count, (2, 1, 2), is_served=True):
            print("killed:", kill)
    print(f"{count} messages: in, out, in again; digests, flags and dates are equal; {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    main()
