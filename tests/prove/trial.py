"""
Read this first: one seed, from an empty disk to the audit of what cuts left.

::

    Trial.load()   clients work on the whole server; the disk keeps its log, the ledger its promises
    Trial.cuts()   places in the log: half of them anywhere, half just after an answer
    Trial.audit()  for each, a few of the folders that a power cut could have left; on each the server is started and compared
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from tests.prove.administrator import Administrator
from tests.prove.audit import Audit, Findings, Relayed
from tests.prove.clients import PASSWORD, Client, Collector, Connection, Sender, Writer
from tests.prove.house import START, House, ShuffledPool, awaited, start
from tests.prove.ledger import Ledger, Mail, People, Track
from tests.support.disks import call_now, memory_folder, seeded
from twisted_mail_server.disk.images import Replay, images
from twisted_mail_server.disk.operations import Snapshot
from twisted_mail_server.disk.recorded import RecordedDisk

ANN, BOB, POP = "ann@example.org", "bob@example.org", "pop@example.org"
TEAM = "team@example.org"

#: Turns of the loop without anything happening, after which something is stuck.
_PATIENCE = 20_000

#: The same, for what is to be at rest: two seconds of the clock.
_QUIET = 100


@define
class Account:
    """
    What a trial came to.
    """

    operations: int = 0
    promises: int = 0
    cuts: int = 0
    states: int = 0
    findings: Findings = field(factory=Findings)
    #: The first thing that was wrong, and where.
    first: str = ""


@define(eq=False)
class Trial:
    """
    One seed.
    """

    seed: int
    #: Seconds that a piece of the disk's work takes.
    pace: float = 0.0005
    chance: Random = field(init=False)
    folder: str = field(init=False)
    clock: Clock = field(init=False)
    pool: ShuffledPool = field(init=False)
    disk: RecordedDisk = field(init=False)
    house: House = field(init=False)
    ledger: Ledger = field(init=False)
    clients: list[Client] = field(init=False, factory=list)
    #: The place in the log at which the load begins.
    begun: int = field(init=False, default=0)
    _lines: list[Connection] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.folder = memory_folder()
        self.clock = Clock()
        self.clock.advance(START)
        self.pool = ShuffledPool(Random(self.chance.random()))
        self.disk = RecordedDisk(self.folder, self.clock, self.pool, call_now, seeded(self.seed))
        people = dict.fromkeys((ANN, BOB, POP), PASSWORD)
        self.ledger = Ledger(Track(People(people, {TEAM: (ANN, BOB)})))

    def close(self) -> None:
        """
        Let go of the disk.
        """
        self.disk.kill()
        self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def position(self) -> int:
        """
        Where the log is.
        """
        return len(self.disk.log.operations)

    def connect(self, service: str) -> Connection:
        """
        A connection that the trial looks after.
        """
        self._lines.append(Connection(self.house, service))
        return self._lines[-1]

    # --- The load -----------------------------------------------------------------------------------------------------

    def prepare(self, *, min_free_bytes: int = 0) -> None:
        """
        Start the server with a few people, and make the clients.
        """
        self.house = self.run(
            start(self.disk, self.clock, seeded(self.seed), self.pool, self.position, min_free_bytes=min_free_bytes)
        )
        for address in (ANN, BOB, POP):
            self.run(self.house.operations.add_account(address, PASSWORD))
        self.run(self.house.operations.add_alias(TEAM, [ANN, BOB]))
        self.begun = self.position()
        people = {ANN: (ANN,), BOB: (BOB,), POP: (POP,), TEAM: (ANN, BOB)}
        for name, account in (("s0", None), ("s1", None), ("u0", ANN), ("u1", BOB)):
            self.clients.append(Sender(name, self._chance(), self.ledger, self.connect, people, account))
        for name, account in (("w0", ANN), ("w1", BOB)):
            self.ledger.mail[account, name] = Track(Mail({}))
            self.clients.append(Writer(name, account, self._chance(), self.ledger, self.connect))
        self.clients.append(Collector(POP, self._chance(), self.ledger, self.connect))
        self.clients.append(Administrator(self.house, self._chance(), self.ledger, people))

    def load(self, rounds: int = 3, commands: int = 8) -> None:
        """
        Let the clients work, and more than a minute pass between the rounds: retries and checkpoints come then.
        """
        self.prepare()
        for _ in range(rounds):
            self.work(commands)

    def load_with_failed_syncs(self, rounds: int = 2, commands: int = 8) -> None:
        """
        The same on a disk whose fsyncs fail now and then.
        """
        self.prepare()
        self.work(3)
        for _ in range(rounds):
            for number in range(8):
                self.disk.fail_next("sync", "*", skip=self.chance.randrange(5, 20) * (number + 1))
            self.work(commands)
            self.disk.machine.faults.clear()
        self.work(3)

    def work(self, commands: int) -> None:
        """
        One round.
        """
        self.run(*(client.work(commands) for client in self.clients))
        self.rest()
        # Some of what the time brought is still under way when the next round begins.
        for _ in range(self.chance.randrange(12)):
            self._turn()

    def rest(self) -> None:
        """
        Finish what is under way, and let more than a minute pass.
        """
        self._drain()
        self.clock.advance(71)

    @property
    def refusals(self) -> int:
        """
        How often a client was told to try again later.
        """
        return sum(client.refusals for client in self.clients)

    def _chance(self) -> Random:
        return Random(self.chance.random())

    def run(self, *works: Any) -> Any:
        """
        Drive coroutines to their ends; the result of the first.
        """
        results = [awaited(work) for work in works]
        patience = self.clock.seconds() + max(_PATIENCE, _PATIENCE * self.pace * 200)
        while not all(results):
            self._turn()
            if self.clock.seconds() > patience:
                waiting = [(line.service, line.heard[-200:]) for line in self._lines if line.is_waiting]
                raise AssertionError(f"Something is stuck: {waiting}")
        for (result,) in results:
            if isinstance(result, Failure):
                result.raiseException()
        return results[0][0]

    def _turn(self) -> bool:
        """
        A little of everything; whether anything happened.
        """
        happened = sum(line.look() for line in self._lines) > 0
        happened = self.pool.step() or happened
        self.clock.advance(self.pace if happened else max(self.pace, 0.02))
        return happened

    def _drain(self) -> None:
        """
        Until nothing happens any more: not even somebody who tries again by the clock gets on.
        """
        idle = 0
        while idle < _QUIET:
            idle = 0 if self._turn() else idle + 1

    # --- The cuts -----------------------------------------------------------------------------------------------------

    def cuts(self, count: int) -> list[int]:
        """
        Places at which the power goes.
        """
        end = self.position()
        tracks: list[Track[Any]] = [self.ledger.people, *self.ledger.mail.values()]
        answers = [one.answered for track in tracks for one in track.steps]
        answers += [one.answered for one in (*self.ledger.sent, *self.ledger.removals)]
        answers += [one.at for one in self.house.relay.handed]
        telling = sorted({at + self.chance.randrange(2) for at in answers if at is not None and at < end})
        chosen = set(self.chance.sample(telling, min(len(telling), count // 2)))
        others = [at for at in range(self.begun, end) if at not in chosen]
        chosen.update(self.chance.sample(others, min(len(others), count - len(chosen))))
        return sorted(chosen)

    def audit(
        self, cuts: Sequence[int], states: int, stop: Callable[[Account], bool] = lambda account: False
    ) -> Account:
        """
        Cut at each of these places, and look at so many of the folders that could have left.
        """
        account = Account(self.position(), self.ledger.promised())
        relayed = Relayed.of(self.house)
        replay, into = Replay(self.disk.log), memory_folder()
        time = self.clock.seconds() + 5
        try:
            for at in cuts:
                account.cuts += 1
                snapshot = Snapshot(self.disk.log, at)
                for image in images(snapshot, self.chance, states, into, replay=replay):
                    account.states += 1
                    findings = Audit(self.ledger, relayed, at, time).of_image(image.path)
                    account.findings += findings
                    if findings.all and not account.first:
                        account.first = f"seed {self.seed}, cut at {at}, {image.kind[:60]}: {findings.all[0]}"
                    if stop(account):
                        return account
        finally:
            shutil.rmtree(into, ignore_errors=True)
        return account


def be_quiet() -> None:
    """
    For a process that does nothing else: what the server logs is not shown.
    """
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)


def try_seed(
    seed: int,
    cuts: int,
    states: int,
    *,
    rounds: int = 3,
    commands: int = 8,
    stop_early: bool = False,
    failing: bool = False,
) -> Account:
    """
    All of one seed.

    @param stop_early: the first broken promise is enough.
    @param failing: on a disk whose fsyncs fail now and then.
    """
    trial = Trial(seed)
    try:
        if failing:
            trial.load_with_failed_syncs()
        else:
            trial.load(rounds, commands)
        stop = (lambda account: bool(account.findings.all)) if stop_early else (lambda account: False)
        return trial.audit(trial.cuts(cuts), states, stop)
    finally:
        trial.close()
