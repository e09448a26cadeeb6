"""
Several clients on one mailbox, of every kind there is, against a model: whatever they do, nobody is told anything wrong, and
nobody who listens misses anything.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.imap import NOW, Passwords, account_id_of, counting
from tests.support.imapclients import Client, Heard, Truth, connected, numbers_of
from tests.support.stores import arrival
from twisted_mail_server.interfaces import IMailStore
from twisted_mail_server.model.flags import SEEN
from twisted_mail_server.model.numbers import format_set
from twisted_mail_server.protocols.imap.registry import IMAP
from twisted_mail_server.protocols.imap.session import Settings
from twisted_mail_server.storage.memory import MemoryStore, MemoryView

#: What the flags of a message are made of here.
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$one", "$two")
#: What each client enables.
KINDS = ("", "IMAP4rev2", "CONDSTORE", "QRESYNC")
_MODIFIED = re.compile(rb"\[MODIFIED ([^\]]+)\]")

_clients = strategies.integers(0, len(KINDS) - 1)
_places = strategies.integers(0, 11)
_flags = strategies.sets(strategies.sampled_from(FLAGS), min_size=1, max_size=3).map(sorted)


class Mailbox(RuleBasedStateMachine):
    """
    One mailbox, and a client of each kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = self.make_store()
        self.settings = Settings("mail.example.org", Passwords(self.store, {"fred": b"secret"}), IMAP)
        self.mail = now(self.store.open(account_id_of("fred")))
        self.arrivals = 0
        self.truth = Truth()
        self.deliver(5, [])
        self.clients = [Client(kind, lambda: connected(self.settings)) for kind in KINDS]

    def make_store(self) -> IMailStore:
        """
        An empty store.
        """
        return MemoryStore(self.clock, counting())

    def forgetting(self) -> AbstractContextManager[object]:
        """
        Meanwhile the store does not know what was expunged.
        """
        return patch.object(MemoryView, "vanished_since", _nothing)

    def teardown(self) -> None:
        """
        In the end, every picture is right.
        """
        for client in self.clients:
            self.ready(client)
            client.check(self.truth)
        now(self.store.close())

    # What is so

    def look(self, *, flags: dict[int, frozenset[str]], added: int = 0) -> None:
        """
        See how the mailbox is now, and that it is as it should be.

        @param flags: what should be left of the messages that were there, and how.
        @param added: how many should be new.
        """
        before = self.truth
        view = now(self.mail.select("INBOX", claim_recent=False))
        snapshot = view.snapshot
        truth = Truth(uidnext=snapshot.uidnext, highest=snapshot.modseq)
        for uid, mask, modseq in zip(snapshot.uids, snapshot.masks, snapshot.modseqs, strict=True):
            truth.flags[uid] = frozenset(snapshot.keywords.flags(mask))
            truth.modseqs[uid] = modseq
        now(view.close())
        kept = {uid: one for uid, one in truth.flags.items() if uid < before.uidnext}
        assert kept == flags, (set(kept.items()) ^ set(flags.items()), before)
        assert len(truth.flags) == len(flags) + added and truth.highest >= before.highest, (before, flags, truth)
        for uid, modseq in truth.modseqs.items():
            if before.flags.get(uid) == truth.flags[uid]:
                assert modseq == before.modseqs[uid], (uid, before, truth)
            else:
                assert before.highest < modseq <= truth.highest, (uid, before, truth)
        if len(flags) < len(before.flags):
            assert truth.highest > before.highest, (before, truth)
        self.truth = truth

    def ready(self, client: Client) -> None:
        """
        Have it idle no longer, and a mailbox open.
        """
        if client.is_idling:
            client.done(self.truth)
        if not client.is_selected:
            client.select(self.truth, is_read_only=False)

    def finish(
        self, client: Client, heard: Heard, flags: dict[int, frozenset[str]], *, added: int = 0, **how: bool
    ) -> None:
        """
        A command was answered: check what it did, then have everybody believe what they hear.
        """
        self.look(flags=flags, added=added)
        client.believe_all(heard, self.truth, **how)
        self.everybody_hears()

    def everybody_hears(self) -> None:
        """
        Those that idle are told at once.
        """
        for client in self.clients:
            if client.is_idling:
                client.hear(self.truth)

    def chosen(self, number: int, low: int, high: int, by_uid: bool) -> tuple[Client, str, list[int]]:
        """
        A client, a set as it would write it, and the UIDs that it means.
        """
        client = self.clients[number]
        self.ready(client)
        first, last = sorted((low, high))
        if by_uid:
            base = client.uids[0] if client.messages else 1
            uids = [uid for uid in client.uids if base + first <= uid <= base + last]
            return client, f"{base + first}:{base + last}", uids
        count = len(client.messages)
        if not count:
            return client, "", []
        first, last = sorted((low % count, high % count))
        return client, f"{first + 1}:{last + 1}", client.uids[first : last + 1]

    # What happens

    @rule(count=strategies.integers(1, 3), flags=_flags)
    def deliver(self, count: int, flags: list[str]) -> None:
        """
        Mail comes.
        """
        arrivals = []
        for _ in range(count):
            self.arrivals += 1
            arrivals.append(arrival(self.arrivals, flags=tuple(flags)))
        now(self.mail.deliver(arrivals))
        self.look(flags=dict(self.truth.flags), added=count)
        if hasattr(self, "clients"):
            self.everybody_hears()

    @rule(number=_clients, flags=_flags)
    def append(self, number: int, flags: list[str]) -> None:
        """
        A client puts a message there.
        """
        client = self.clients[number]
        self.ready(client)
        heard = client.ask(f"APPEND INBOX ({' '.join(flags)}) {{6+}}\r\na: b\r\n")
        assert heard.is_ok, heard
        self.finish(client, heard, dict(self.truth.flags), added=1, may_shrink=True)

    @rule(
        number=_clients,
        low=_places,
        high=_places,
        by_uid=strategies.booleans(),
        sign=strategies.sampled_from(("+", "-", "")),
        flags=_flags,
        is_silent=strategies.booleans(),
        since=strategies.sampled_from((None, None, "message", "highest", "old")),
    )
    def store_flags(
        self,
        number: int,
        low: int,
        high: int,
        by_uid: bool,
        sign: str,
        flags: list[str],
        is_silent: bool,
        since: str | None,
    ) -> None:
        """
        STORE, in all its forms.
        """
        client, numbers, uids = self.chosen(number, low, high, by_uid)
        if not numbers or client.is_read_only:
            return
        condition, limit = "", None
        if client.knows_modseq and since is not None:
            modseqs = [message.modseq for message in client.messages if message.uid in uids]
            limit = {"message": max(modseqs, default=0), "highest": client.highest, "old": self.truth.highest // 2}[
                since
            ]
            condition = f" (UNCHANGEDSINCE {limit})"
        silent = ".SILENT" if is_silent else ""
        heard = client.ask(f"{'UID ' * by_uid}STORE {numbers}{condition} {sign}FLAGS{silent} ({' '.join(flags)})")
        modified: set[int] = set()
        if (found := _MODIFIED.search(heard.last)) is not None:
            told = numbers_of(found[1])
            modified = set(told) if by_uid else {client.uids[one - 1] for one in told}
        after, changed = dict(self.truth.flags), frozenset(flags)
        for uid in uids:
            if uid in after and uid not in modified:
                self._check_condition(client, uid, sign, changed, limit)
                after[uid] = _stored(after[uid], sign, changed)
        assert modified <= {uid for uid in uids if uid in after and self.truth.modseqs[uid] > (limit or 0)}, heard
        if is_silent:
            for message in client.messages:
                is_changed = message.uid in uids and message.uid in after and message.uid not in modified
                if is_changed and (message.flags is not None or not sign):
                    message.flags = _stored(message.flags or frozenset(), sign, changed)
        self.finish(client, heard, after, may_shrink=by_uid)
        for message in client.messages:
            if message.uid in modified:
                assert message.flags == self.truth.flags[message.uid], (message, heard)

    def _check_condition(self, client: Client, uid: int, sign: str, flags: frozenset[str], limit: int | None) -> None:
        """
        A message was changed that may have been changed before: then those flags were not (RFC 7162 section 3.1.12).
        """
        if limit is not None and self.truth.modseqs[uid] > limit:
            assert sign, uid
            known = next(message for message in client.messages if message.uid == uid)
            if known.flags is not None:
                assert known.flags & flags == self.truth.flags[uid] & flags, (uid, known)

    @rule(
        number=_clients,
        low=_places,
        high=_places,
        by_uid=strategies.booleans(),
        what=strategies.sampled_from(("FLAGS", "BODY[]", "(UID FLAGS BODY[TEXT])", "FLAGS +")),
    )
    def fetch(self, number: int, low: int, high: int, by_uid: bool, what: str) -> None:
        """
        FETCH, which may set C{\\Seen}.
        """
        client, numbers, uids = self.chosen(number, low, high, by_uid)
        if not numbers:
            return
        what = what.replace("FLAGS +", "(FLAGS MODSEQ)" if client.knows_modseq else "FLAGS")
        after = dict(self.truth.flags)
        if "BODY" in what and not client.is_read_only:
            for message in client.messages:
                # What the session takes for seen stays as it is, even if another has just taken the flag away.
                if message.uid in uids and message.uid in after and not self.is_seen(client, message.uid):
                    after[message.uid] |= {"\\Seen"}
        heard = client.ask(f"{'UID ' * by_uid}FETCH {numbers} {what}")
        self.finish(client, heard, after, may_shrink=by_uid, is_asked=True)

    @staticmethod
    def is_seen(client: Client, uid: int) -> bool:
        """
        Whether the client's session knows a message as seen.
        """
        snapshot = client.line.conversation.session.mailbox.view.snapshot
        return bool(snapshot.masks[snapshot.uids.index(uid)] & SEEN)

    @rule(number=_clients, low=_places, high=_places, is_all=strategies.booleans())
    def expunge(self, number: int, low: int, high: int, is_all: bool) -> None:
        """
        EXPUNGE and UID EXPUNGE.
        """
        client, numbers, uids = self.chosen(number, low, high, True)
        if client.is_read_only:
            return
        heard = client.ask("EXPUNGE" if is_all else f"UID EXPUNGE {numbers}")
        gone = {uid for uid, flags in self.truth.flags.items() if "\\Deleted" in flags and (is_all or uid in uids)}
        if gone and client.enables == "QRESYNC":
            assert b"[HIGHESTMODSEQ " in heard.last, heard
        after = {uid: flags for uid, flags in self.truth.flags.items() if uid not in gone}
        self.finish(client, heard, after, may_shrink=True)

    @rule(
        number=_clients,
        low=_places,
        high=_places,
        by_uid=strategies.booleans(),
        into=strategies.sampled_from(("INBOX", "Trash")),
    )
    def move(self, number: int, low: int, high: int, by_uid: bool, into: str) -> None:
        """
        MOVE to another mailbox, or within this one.
        """
        client, numbers, uids = self.chosen(number, low, high, by_uid)
        if not numbers or client.is_read_only:
            return
        heard = client.ask(f"{'UID ' * by_uid}MOVE {numbers} {into}")
        there = [uid for uid in uids if uid in self.truth.flags]
        after = {uid: flags for uid, flags in self.truth.flags.items() if uid not in there}
        self.finish(client, heard, after, added=len(there) if into == "INBOX" else 0, may_shrink=True)

    @rule(
        number=_clients,
        low=_places,
        high=_places,
        by_uid=strategies.booleans(),
        into=strategies.sampled_from(("INBOX", "Trash")),
    )
    def copy(self, number: int, low: int, high: int, by_uid: bool, into: str) -> None:
        """
        COPY.
        """
        client, numbers, uids = self.chosen(number, low, high, by_uid)
        if not numbers:
            return
        heard = client.ask(f"{'UID ' * by_uid}COPY {numbers} {into}")
        there = [uid for uid in uids if uid in self.truth.flags]
        added = len(there) if into == "INBOX" else 0
        self.finish(client, heard, dict(self.truth.flags), added=added, may_shrink=True)

    @rule(
        number=_clients,
        low=_places,
        high=_places,
        flag=strategies.sampled_from(("SEEN", "UNSEEN", "KEYWORD $one")),
        by_uid=strategies.booleans(),
        has_numbers=strategies.booleans(),
    )
    def search(self, number: int, low: int, high: int, flag: str, by_uid: bool, has_numbers: bool) -> None:
        """
        SEARCH, then use what it saved.
        """
        client, numbers, _ = self.chosen(number, low, high, False)
        keys = f"{numbers} {flag}" if has_numbers and numbers else flag
        heard = client.ask(f"{'UID ' * by_uid}SEARCH RETURN (SAVE COUNT) {keys}")
        may_shrink = by_uid and keys == flag
        before = client.uids
        count = next(int(one.rpartition(b" ")[2]) for one in heard.responses if one.startswith(b"* ESEARCH"))
        self.finish(client, heard, dict(self.truth.flags), may_shrink=may_shrink)
        left = client.uids
        heard = client.ask("FETCH $ UID")
        shown = [
            one for one in heard.responses if one.endswith(b")") and b" FETCH (UID " in one and b"FLAGS" not in one
        ]
        assert len(shown) <= count and (len(shown) == count or left != before), (count, heard)
        self.finish(client, heard, dict(self.truth.flags), may_shrink=False, is_asked=True)

    @rule(number=_clients, is_read_only=strategies.booleans())
    def select(self, number: int, is_read_only: bool) -> None:
        """
        SELECT and EXAMINE.
        """
        client = self.clients[number]
        self.ready(client)
        client.select(self.truth, is_read_only=is_read_only)

    @rule(number=_clients)
    def look_up(self, number: int) -> None:
        """
        Ask for all flags, and compare.
        """
        client = self.clients[number]
        self.ready(client)
        client.check(self.truth)
        if client.messages:
            heard = client.ask(f"UID FETCH 1:* (UID FLAGS{' MODSEQ' if client.knows_modseq else ''})")
            client.believe_all(heard, self.truth, may_shrink=True, is_asked=True)
        client.check(self.truth)

    @rule(number=_clients)
    def idle(self, number: int) -> None:
        """
        IDLE; DONE comes before the next command.
        """
        client = self.clients[number]
        self.ready(client)
        client.idle()
        client.hear(self.truth)

    @rule(number=_clients)
    def lose(self, number: int) -> None:
        """
        The connection breaks, and the client comes back; QRESYNC comes when it selects.
        """
        client = self.clients[number]
        client.line.lose()
        client.enter()
        if client.enables != "QRESYNC" or not client.uidvalidity:
            self.ready(client)

    def overtake(self, client: Client, command: str) -> None:
        """
        Another client expunges a message, then marks one; then C{client} says something.
        """
        self.ready(client)
        self.move(0, 1, 1, False, "Trash")
        self.store_flags(0, 0, 1, False, "+", ["$two"], True, None)
        if len(client.messages) >= 3 and not client.is_read_only:
            heard = client.ask(command)
            after = dict(self.truth.flags)
            if command.startswith("STORE"):
                after.update({uid: after[uid] | {"$two"} for uid in client.uids[:2] if uid in after})
                for message in client.messages[:2]:
                    message.flags = None if message.flags is None else message.flags | {"$two"}
            is_fetch = command.startswith("FETCH")
            self.finish(client, heard, after, may_shrink=command == "NOOP", is_asked=is_fetch)

    @precondition(lambda self: self.clients[3].uidvalidity)
    @rule(
        overtaken=strategies.sampled_from((None, "STORE 1:2 +FLAGS.SILENT ($two)", "FETCH 1:3 (FLAGS MODSEQ)", "NOOP")),
        is_lost=strategies.booleans(),
        is_forgotten=strategies.booleans(),
        names_uids=strategies.booleans(),
        sample=strategies.lists(_places, max_size=4),
    )
    def resync(
        self, overtaken: str | None, is_lost: bool, is_forgotten: bool, names_uids: bool, sample: list[int]
    ) -> None:
        """
        QRESYNC, after the connection broke or without that; perhaps others changed something just before, and the client could not be
        told all of it.
        """
        client = self.clients[3]
        if overtaken is not None:
            self.overtake(client, overtaken)
        if client.is_idling:
            client.done(self.truth)
        if is_lost:
            client.line.lose()
            client.enter()
        uids = client.uids
        known = f" {format_set(uids).decode()}" if names_uids and uids else ""
        places = sorted({place % len(uids) for place in sample}) if uids else []
        match = ""
        if places:
            numbers = format_set(place + 1 for place in places).decode()
            match = f" ({numbers} {format_set(uids[place] for place in places).decode()})"
        with self.forgetting() if is_forgotten else nullcontext():
            client.resync(self.truth, known, match)


def _stored(flags: frozenset[str], sign: str, changed: frozenset[str]) -> frozenset[str]:
    if not sign:
        return changed
    return flags | changed if sign == "+" else flags - changed


async def _nothing(view: MemoryView, modseq: int) -> None:
    return None


class ConsistencyTests(SynchronousTestCase):
    """
    The machine at work.
    """

    machine: ClassVar[type[Mailbox]] = Mailbox
    bounds: ClassVar[dict[str, Any]] = {"max_examples": 120, "stateful_step_count": 40}

    def test_clients(self) -> None:
        """
        Flags, expunges and MODSEQs are told right and in time, and QRESYNC loses none.
        """
        run_state_machine_as_test(
            self.machine, settings=settings(derandomize=True, deadline=None, database=None, **self.bounds)
        )
