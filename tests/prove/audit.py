"""
What is wrong with a server that was started on what a power cut left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock

from tests.prove.clients import PASSWORD, Connection, read_mail
from tests.prove.house import REFUSED, House, awaited, start
from tests.prove.ledger import Ledger, People, Sent, token_of
from tests.support.disks import InlinePool, inline_disk, seeded
from tests.support.drive import Waited, now

#: Rounds of a minute in which what waits must find its way.
PATIENCE = 12


@define
class Findings:
    """
    Promises that were not kept, a sentence each.
    """

    lost: list[str] = field(factory=list)
    doubled: list[str] = field(factory=list)
    broken: list[str] = field(factory=list)

    def __iadd__(self, other: Findings) -> Findings:
        self.lost += other.lost
        self.doubled += other.doubled
        self.broken += other.broken
        return self

    @property
    def all(self) -> list[str]:
        """
        Every sentence.
        """
        return [
            *(f"lost: {one}" for one in self.lost),
            *(f"doubled: {one}" for one in self.doubled),
            *(f"broken: {one}" for one in self.broken),
        ]


@define(eq=False)
class Relayed:
    """
    What the other servers had before the cut.

    @ivar handed: the places in the log at which each recipient's message was taken.
    @ivar settled_at: the place in the log after which that is known for ever.
    """

    handed: dict[str, list[int]]
    settled_at: dict[str, int]

    @classmethod
    def of(cls, house: House) -> Relayed:
        """
        By the recipients' names, each of which is used once.
        """
        handed: dict[str, list[int]] = defaultdict(list)
        settled: dict[str, int] = {}
        for one in house.relay.handed:
            handed[one.name].append(one.at)
            at = house.spool.settled_at.get((one.queue_id, one.number))
            if at is not None:
                settled[one.name] = at
        return cls(handed, settled)

    def before(self, name: str, at: int) -> int:
        """
        How often it was taken before a cut.
        """
        return sum(place <= at for place in self.handed.get(name, ()))

    def is_settled(self, name: str, at: int) -> bool:
        """
        Whether a cut finds that written down.
        """
        return self.settled_at.get(name, at + 1) <= at


@define(eq=False)
class Audit:
    """
    One image, one audit.

    @ivar at: where the log was cut.
    """

    ledger: Ledger
    relayed: Relayed
    at: int
    time: float
    findings: Findings = field(factory=Findings)
    _house: House = field(init=False)

    def of_image(self, root: str) -> Findings:
        """
        Start the server there, let it recover, and compare.
        """
        clock = Clock()
        clock.advance(self.time)
        pool = InlinePool()
        try:
            self._house = now(start(inline_disk(root, clock=clock, pool=pool), clock, seeded(self.at), pool))
        except Waited:
            raise
        except Exception as problem:  # noqa: BLE001 (whatever keeps it from starting is a promise broken)
            self.findings.broken.append(f"the server does not start: {problem!r}")
            return self.findings
        try:
            self.of_house(self._house)
        finally:
            now(self._house.server.stop())
        return self.findings

    def of_house(self, house: House) -> Findings:
        """
        Let a started server recover, and compare.
        """
        self._house = house
        for check in (self._recover, self._people, self._messages, self._mail, self._sound):
            try:
                check()
            except Waited:
                raise
            except Exception as problem:  # noqa: BLE001 (what cannot be read is lost)
                self.findings.lost.append(f"{check.__name__.strip('_')}: {problem!r}")
        return self.findings

    def _recover(self) -> None:
        """
        Time passes until the queue is empty, and the checkpoints have been there.
        """
        house = self._house
        house.clock.advance(11)
        for _ in range(PATIENCE):
            waiting = now(house.spool.waiting())
            if not waiting:
                return
            house.clock.advance(61)
        self.findings.lost.append(f"still in the queue: {[str(one.id) for one in waiting]}")

    # --- Accounts, passwords, aliases ---------------------------------------------------------------------------------

    def _people(self) -> None:
        allowed = self.ledger.people.allowed(self.at)
        if not any(self._is(state) for state in allowed):
            found = [str(account.address) for account in now(self._house.operations.accounts())]
            self.findings.lost.append(f"accounts, passwords or aliases: {found} is none of {allowed}")

    def _is(self, state: People) -> bool:
        house = self._house
        addresses = {str(account.address) for account in now(house.operations.accounts())}
        aliases = {str(one.address): tuple(map(str, one.targets)) for one in now(house.operations.aliases())}
        if addresses != set(state.passwords) or aliases != state.aliases:
            return False
        for address, word in state.passwords.items():
            found = now(house.directory.login(address))
            if found is None or not now(house.server.resources.passwords.verify(word, found[1])):
                return False
        return True

    # --- Messages -----------------------------------------------------------------------------------------------------

    def _messages(self) -> None:
        house, at = self._house, self.at
        arrived: dict[str, Counter[str]] = {}
        reports: dict[str, Counter[str]] = {}
        for account in now(house.operations.accounts()):
            address = str(account.address)
            arrived[address], reports[address] = self._inbox(account.id)
        outward = Counter(one.name for one in house.relay.handed)
        gone = {token for one in self.ledger.removals if one.is_kept_at(at) for token in one.tokens}
        for sent in self.ledger.sent:
            self._judge(sent, arrived, outward, gone)
            self._judge_reports(sent, reports)
        for removal in self.ledger.removals:
            others = {
                token for one in self.ledger.removals if one is not removal and one.begun <= at for token in one.tokens
            }
            if removal.is_open_at(at):
                counts = {arrived[removal.account][token] for token in removal.tokens - others}
                if len(counts) > 1:
                    self.findings.broken.append(f"QUIT removed some of {sorted(removal.tokens)}, not all")
            elif removal.is_kept_at(at):
                back = [token for token in removal.tokens if arrived[removal.account][token]]
                if back:
                    self.findings.doubled.append(f"removed by POP3, and back: {back}")
        self.findings.lost += house.relay.torn

    def _judge(self, sent: Sent, arrived: dict[str, Counter[str]], outward: Counter[str], gone: set[str]) -> None:
        """
        One message and its recipients: once each if it was promised; all or none if it was on its way in.
        """
        at, token, found = self.at, sent.token, self.findings
        leaving = {token for one in self.ledger.removals if one.is_open_at(at) for token in one.tokens}
        counts: list[int] = []
        for address in sent.here:
            count = arrived.get(address, Counter())[token]
            is_collected = address.startswith("pop@")
            if is_collected and token in gone:
                continue
            if count > 1:
                found.doubled.append(f"{token} is in {address} {count} times")
            if is_collected and token in leaving:
                continue
            counts.append(count)
            if not count and sent.is_kept_at(at):
                found.lost.append(f"{token} is not in {address}")
        for name in sent.elsewhere:
            if name.startswith(REFUSED):
                continue
            before = self.relayed.before(name, at)
            total = before + outward[name]
            is_settled = self.relayed.is_settled(name, at)
            counts.append(min(total, 1))
            if not total and sent.is_kept_at(at):
                found.lost.append(f"{token} never reached {name}")
            if total > (2 if before and not is_settled else 1):
                found.doubled.append(f"{token} reached {name} {total} times")
        if sent.begun > at and any(counts):
            found.broken.append(f"{token} was not sent yet")
        if not sent.is_kept_at(at) and len(set(counts)) > 1:
            found.broken.append(f"{token} was not promised, and came to some: {counts}")

    def _judge_reports(self, sent: Sent, reports: dict[str, Counter[str]]) -> None:
        """
        One report on each message that somebody refused.
        """
        if sent.sender is None:
            return
        wanted = any(name.startswith(REFUSED) for name in sent.elsewhere)
        count = reports[sent.sender][sent.token]
        failed = sum(name.startswith(REFUSED) for name in sent.elsewhere)
        if wanted and not count and sent.is_kept_at(self.at):
            self.findings.lost.append(f"the report on {sent.token}")
        if count > failed:
            self.findings.doubled.append(f"{count} reports on {sent.token}")

    def _inbox(self, account: Any) -> tuple[Counter[str], Counter[str]]:
        """
        The messages and the reports in an INBOX, by token; every octet is compared.
        """
        messages: Counter[str] = Counter()
        reports: Counter[str] = Counter()
        view = now(now(self._house.store.open(account)).select("INBOX", claim_recent=False))
        for uid in view.snapshot.uids:
            content = now(view.open_content(uid))
            octets = now(content.read())
            content.close()
            token = token_of(octets)
            if b"multipart/report" in octets:
                reports[token] += 1
            else:
                messages[token] += 1
                if not octets.endswith(self.ledger.contents[token]):
                    self.findings.lost.append(f"octets of {token}: {octets[:300]!r}")
        now(view.close())
        return messages, reports

    # --- IMAP ---------------------------------------------------------------------------------------------------------

    def _mail(self) -> None:
        for (account, name), track in self.ledger.mail.items():
            ask = _imap(self._house, account)
            found = now(read_mail(ask, name))
            allowed = track.allowed(self.at)
            if found not in allowed:
                self.findings.lost.append(f"changes in mailboxes of {account}: {found} is none of {allowed}")
            self._names(account, name, ask)

    def _names(self, account: str, name: str, ask: Callable[[bytes], Any]) -> None:
        """
        What was given a UID still has it, and every octet.
        """
        mail = now(self._house.store.open(now(self._house.operations.find_account(account)).id))
        for mailbox in (f"{name}-Work", f"{name}-Done"):
            if mailbox not in {status.name for status in now(mail.mailboxes())}:
                # Whether it should be there was asked before.
                continue
            view = now(mail.select(mailbox, claim_recent=False))
            given = {
                one.uid: one
                for one in self.ledger.named
                if (one.account, one.mailbox) == (account, mailbox) and one.is_kept_at(self.at)
            }
            tokens: Counter[str] = Counter()
            for uid in view.snapshot.uids:
                content = now(view.open_content(uid))
                octets = now(content.read())
                content.close()
                token = token_of(octets)
                tokens[token] += 1
                if octets != self.ledger.contents[token]:
                    self.findings.lost.append(f"octets of {token}: {octets[:300]!r}")
                if uid in given and given[uid].token != token:
                    self.findings.broken.append(f"UID {uid} of {mailbox} was {given[uid].token}, and is {token}")
            self.findings.doubled += [f"{token} in {mailbox}" for token, count in tokens.items() if count > 1]
            now(view.close())

    # --- Databases and files ------------------------------------------------------------------------------------------

    def _sound(self) -> None:
        for finding in now(self._house.operations.check()):
            for problem in finding.problems:
                # An account is made, and removed, in two steps; the first decides.
                if "has no mail folder yet" not in problem and not ("former account" in problem and self._is_removing):
                    self.findings.broken.append(f"{finding.name}: {problem}")

    @property
    def _is_removing(self) -> bool:
        """
        Whether the cut came while the directory was being changed.
        """
        return any(step.is_open_at(self.at) for step in self.ledger.people.steps)


def _imap(house: House, account: str) -> Callable[[bytes], Any]:
    """
    A session; it asks commands whose answers come at once.
    """
    line = Connection(house, "imap")
    line.look()

    async def ask(said: bytes) -> bytes:
        answer = awaited(line.talk(b"t %s\r\n" % said, lambda data: b"\nt " in b"\n" + data))
        line.look()
        assert answer and b"\nt OK" in b"\n" + answer[0], answer
        heard: bytes = answer[0]
        return heard

    awaited(line.talk(b"", bool))
    line.look()
    now(ask(b"LOGIN %s %s" % (account.encode(), PASSWORD)))
    return ask
