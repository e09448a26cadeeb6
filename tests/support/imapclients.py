"""
Clients that believe what an IMAP server tells them, and complain where that cannot be so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field

from tests.support.imap import Line
from twisted_mail_server.protocols.imap.session import Settings

_TOKEN = re.compile(rb'(\()|(\))|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|((?:[^ ()"{\r\n\[]|\[[^\]]*\])+)')
_COUNTED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|RECENT)")
_FETCH = re.compile(rb"\* (\d+) FETCH ")
_VANISHED = re.compile(rb"\* VANISHED (\(EARLIER\) )?(\S+)")
_CODE = re.compile(rb"(?:\*|\w+) (?:OK|NO) \[(HIGHESTMODSEQ|UIDVALIDITY|UIDNEXT|MODIFIED) ([^\]]+)\]")


def numbers_of(text: bytes) -> list[int]:
    """
    The numbers of a set.
    """
    found: list[int] = []
    for piece in text.split(b","):
        low, _, high = piece.partition(b":")
        found.extend(range(int(low), int(high or low) + 1))
    return found


def responses_of(octets: bytes) -> list[bytes]:
    """
    Cut what was said into responses, literals included.
    """
    found: list[bytes] = []
    start = place = 0
    while place < len(octets):
        end = octets.index(b"\r\n", place)
        literal = re.search(rb"\{(\d+)\}\Z", octets[place:end])
        place = end + 2
        if literal is not None:
            place += int(literal[1])
            continue
        found.append(octets[start : place - 2])
        start = place
    return found


def items_of(octets: bytes) -> dict[str, Any]:
    """
    The items of a FETCH response: names and values; lists are lists.
    """
    stack: list[list[Any]] = [[]]
    place = 0
    while place < len(octets):
        found = _TOKEN.match(octets, place)
        if found is None:
            place += 1
            continue
        place = found.end()
        if found[1]:
            stack.append([])
        elif found[2]:
            last = stack.pop()
            stack[-1].append(last)
        elif found[4]:
            stack[-1].append(octets[place : place + int(found[4])])
            place += int(found[4])
        else:
            stack[-1].append(found[3] if found[3] is not None else found[5].decode())
    values = stack[0][0]
    return dict(zip(values[::2], values[1::2], strict=True))


@define
class Known:
    """
    What a client knows of a message.
    """

    uid: int
    flags: frozenset[str] | None = None
    modseq: int = 0


@define
class Truth:
    """
    The mailbox as it is.
    """

    flags: dict[int, frozenset[str]] = field(factory=dict)
    modseqs: dict[int, int] = field(factory=dict)
    uidnext: int = 1
    highest: int = 0


@define
class Heard:
    """
    What came in answer to a command, before it is believed.
    """

    responses: list[bytes]
    #: The tagged one.
    last: bytes

    @property
    def is_ok(self) -> bool:
        """
        Whether it ended well.
        """
        return self.last.split(b" ", 2)[1] == b"OK"


@define(eq=False)
class Client:
    """
    A client and its picture of a mailbox.
    """

    #: What it enables, in capitals; nothing for plain IMAP4rev1.
    enables: str
    connect: Callable[[], Line]
    line: Line = field(init=False)
    messages: list[Known] = field(factory=list)
    uidvalidity: int = 0
    highest: int = 0
    is_selected: bool = False
    is_idling: bool = False
    is_read_only: bool = False
    count: int = 0
    _fetched: int = 0
    _last_uid: int = 0

    def __attrs_post_init__(self) -> None:
        self.enter()

    @property
    def knows_modseq(self) -> bool:
        """
        Whether it is told MODSEQs.
        """
        return self.enables in ("CONDSTORE", "QRESYNC")

    @property
    def uids(self) -> list[int]:
        """
        The UIDs in its picture.
        """
        return [message.uid for message in self.messages]

    def enter(self) -> None:
        """
        Log in; what it knew of a mailbox it still knows.
        """
        self.line = self.connect()
        self.is_selected = self.is_idling = False
        self.ask("LOGIN fred secret")
        if self.enables:
            self.ask(f"ENABLE {self.enables}")

    def ask(self, command: str) -> Heard:
        """
        Send a command that comes to an end.
        """
        self.count += 1
        tag = f"t{self.count}"
        self.line.receive(f"{tag} {command}\r\n".encode())
        responses = responses_of(self.line.take())
        assert responses and responses[-1].startswith(tag.encode()), (command, responses)
        return Heard(responses[:-1], responses[-1])

    def idle(self) -> None:
        """
        Begin to idle.
        """
        self.line.receive(b"i IDLE\r\n")
        self.is_idling = True

    def hear(self, truth: Truth) -> None:
        """
        Believe what comes while idling.
        """
        self.line.hear()
        for response in responses_of(self.line.take()):
            self.believe(response, truth, may_shrink=True)

    def done(self, truth: Truth) -> None:
        """
        Idle no longer.
        """
        self.is_idling = False
        self.line.receive(b"DONE\r\n")
        responses = responses_of(self.line.take())
        self.believe_all(Heard(responses[:-1], responses[-1]), truth, may_shrink=True)

    def believe_all(self, heard: Heard, truth: Truth, *, may_shrink: bool, is_asked: bool = False) -> None:
        """
        Believe all of an answer; then reckon the highest MODSEQ as RFC 7162 section 6 says.

        @param is_asked: FETCH responses were asked for.
        """
        for response in (*heard.responses, heard.last):
            self.believe(response, truth, may_shrink=may_shrink, is_asked=is_asked)
        codes = [
            found[2]
            for response in (*heard.responses, heard.last)
            if (found := _CODE.match(response)) and found[1] == b"HIGHESTMODSEQ"
        ]
        self.highest = int(codes[-1]) if codes else max(self.highest, self._fetched)
        self._fetched = 0

    def believe(self, response: bytes, truth: Truth, *, may_shrink: bool, is_asked: bool = False) -> None:
        """
        Change the picture by one response.
        """
        if found := _COUNTED.fullmatch(response):
            number, kind = int(found[1]), found[2]
            if kind == b"EXISTS":
                self._grow(number, truth)
            elif kind == b"EXPUNGE":
                assert may_shrink and self.enables != "QRESYNC", response
                del self.messages[number - 1]
            else:
                assert self.enables != "IMAP4rev2", response
        elif found := _VANISHED.fullmatch(response):
            assert not found[1] and may_shrink and self.enables == "QRESYNC", response
            gone = set(numbers_of(found[2]))
            assert gone <= set(self.uids), response
            self.messages = [message for message in self.messages if message.uid not in gone]
        elif found := _FETCH.match(response):
            self._fetch(self.messages[int(found[1]) - 1], items_of(response[found.end() :]), truth, is_asked)

    def _grow(self, count: int, truth: Truth) -> None:
        fresh = [uid for uid in sorted(truth.flags) if uid > self._last_uid]
        assert count == len(self.messages) + len(fresh), (count, self.messages, fresh)
        self.messages.extend(map(Known, fresh))
        self._last_uid = truth.uidnext - 1

    def _fetch(self, message: Known, items: Mapping[str, Any], truth: Truth, is_asked: bool) -> None:
        if not is_asked:
            assert "UID" in items or not self.enables, items
            assert ("MODSEQ" in items) == self.knows_modseq, items
        assert int(items.get("UID", message.uid)) == message.uid, (items, message)
        if "FLAGS" in items:
            message.flags = frozenset(items["FLAGS"]) - {"\\Recent"}
            assert "\\Recent" not in items["FLAGS"] or self.enables != "IMAP4rev2", items
            assert self.highest <= truth.highest
        if "MODSEQ" in items:
            modseq = int(items["MODSEQ"][0])
            assert modseq >= message.modseq, ("MODSEQ went back", items, message)
            assert modseq <= truth.highest, (items, truth)
            message.modseq = modseq
            self._fetched = max(self._fetched, modseq)

    def select(self, truth: Truth, *, is_read_only: bool) -> None:
        """
        Open the mailbox with a new picture.
        """
        self._opened(self.ask(f"{'EXAMINE' if is_read_only else 'SELECT'} INBOX"), truth, [], is_read_only)

    def resync(self, truth: Truth, known: str, match: str) -> None:
        """
        Open the mailbox with what is known of it, and check that nothing got lost.
        """
        cached = {message.uid: evolve(message) for message in self.messages}
        heard = self.ask(f"SELECT INBOX (QRESYNC ({self.uidvalidity} {self.highest}{known}{match}))")
        vanished: set[int] = set()
        rest: list[bytes] = []
        for response in heard.responses:
            found = _VANISHED.fullmatch(response)
            if found is None:
                rest.append(response)
                continue
            assert found[1] and not vanished and not any(map(_FETCH.match, rest)), heard
            vanished.update(numbers_of(found[2]))
        assert not vanished & set(truth.flags) and max(vanished, default=0) < truth.uidnext, heard
        told = set(numbers_of(known.strip().encode())) if known else set(range(1, truth.uidnext))
        lost = {uid for uid in cached if uid not in truth.flags and uid not in vanished and uid in told}
        assert not lost, (lost, heard, cached)
        kept = [cached.get(uid, Known(uid)) for uid in sorted(truth.flags)]
        self._opened(Heard(rest, heard.last), truth, kept, False)
        for message in self.messages:
            if message.uid in told and message.flags is not None:
                assert message.flags == truth.flags[message.uid], (message, truth, heard)

    def _opened(self, heard: Heard, truth: Truth, kept: list[Known], is_read_only: bool) -> None:
        assert heard.is_ok, heard
        self.messages, self._last_uid, self._fetched = [], 0, 0
        self.is_selected, self.is_read_only = True, is_read_only
        known = {message.uid: message for message in kept}
        for response in heard.responses:
            if found := _CODE.match(response):
                if found[1] == b"UIDVALIDITY":
                    self.uidvalidity = int(found[2])
                elif found[1] == b"HIGHESTMODSEQ":
                    self.highest = int(found[2])
                elif found[1] == b"UIDNEXT":
                    assert int(found[2]) == truth.uidnext, heard
            self.believe(response, truth, may_shrink=False, is_asked=True)
            if response.endswith(b"EXISTS"):
                self.messages = [known.get(uid, Known(uid)) for uid in self.uids]
        assert self.uids == sorted(truth.flags), (self.uids, truth)
        assert self.highest == truth.highest, (self.highest, truth)
        self._fetched = 0

    def check(self, truth: Truth) -> None:
        """
        After NOOP, the picture is right.
        """
        self.believe_all(self.ask("NOOP"), truth, may_shrink=True)
        assert self.uids == sorted(truth.flags), (self.uids, truth)
        for message in self.messages:
            assert message.flags in (None, truth.flags[message.uid]), (message, truth)
            if self.knows_modseq and message.modseq:
                assert message.modseq == truth.modseqs[message.uid], (message, truth)
        if self.knows_modseq:
            assert self.highest == truth.highest, (self.highest, truth)


def connected(settings: Settings) -> Line:
    """
    A new connection.
    """
    line = Line()
    line.begin(settings)
    line.take()
    return line
