"""
One session: who, which mailbox, and what its client knows of that mailbox (RFC 3501 sections 3, 5.2 and 7.4.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import chain, compress
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from ...interfaces import IAccountMail, IAuthenticator, ILogin, IMailboxView
from ...model import limits
from ...model.accounts import Account
from ...model.changes import Changes, Reflagged
from ...model.errors import OutOfTurn, Refused
from ...model.flags import SYSTEM_BITS, SYSTEM_NAMES, Keywords
from ...model.mailboxes import SEPARATOR
from ...model.numbers import SequenceSet, format_set
from ..sasl.registry import known
from . import wire
from .cursor import SAVED
from .fetch_vocabulary import FlagWriter
from .reading import Ended, Incoming
from .revisions import REV1, REV2, Revision
from .search_memory import MailboxMemory, SearchMemory
from .states import State

if TYPE_CHECKING:
    from .vocabulary import Registry


class Driver(Protocol):
    """
    Who moves the octets of a conversation: a transport with its clock, or a test.
    """

    @property
    def peer(self) -> str:
        """
        The client's address.
        """

    @property
    def is_private(self) -> bool:
        """
        Whether a password may travel: under TLS, or where the settings allow it without.
        """

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """
        What binds a login to the TLS connection, by type; empty without TLS.
        """

    @property
    def can_start_tls(self) -> bool:
        """
        Whether C{start_tls} would work now.
        """

    @property
    def is_closing(self) -> bool:
        """
        Whether the connection is gone, or about to be: what fails now, fails because of that.
        """

    @property
    def is_leaving(self) -> bool:
        """
        Whether no further command is to be begun.
        """

    def now(self) -> int:
        """
        Seconds since 1970.
        """

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Send; an awaitable is to be waited for before more is sent.
        """

    def wait(self) -> Awaitable[None]:
        """
        Return once octets have come, or after the next C{ring}, or at once if there was one since the last C{wait}.
        """

    def ring(self) -> None:
        """
        There may be news.
        """

    def breathe(self) -> Awaitable[None]:
        """
        Return when other sessions had their turn.
        """

    def start_tls(self) -> None:
        """
        What is sent from now on, and received, is under TLS.
        """

    def entered(self, account: Account) -> None:
        """
        Somebody has logged in.
        """

    def revoke(self, reason: str) -> None:
        """
        Who has logged in may no longer: end the session.
        """

    def broke_off(self, reason: str) -> None:
        """
        Content could not be sent to its end: tell the log; the conversation is over.
        """

    def failed(self, problem: Exception, doing: str) -> None:
        """
        There is a bug: tell the log.
        """


@frozen
class Settings:
    """
    What is the same for all sessions of one listener.
    """

    hostname: str
    authenticator: IAuthenticator
    registry: Registry
    separator: str = SEPARATOR
    #: What ID tells (RFC 2971).
    identity: tuple[tuple[bytes, bytes], ...] = ()
    message_size: int = limits.MESSAGE_SIZE
    #: The largest literal that may come without being asked for (RFC 7888): C{None} is LITERAL+, anything else LITERAL-.
    unasked_literal: int | None = None
    #: What searches remember; listeners may share it.
    search_memory: SearchMemory = field(factory=SearchMemory)


@define
class Selected:
    """
    The selected mailbox, and what the client has been told of it.
    """

    view: IMailboxView
    is_read_only: bool
    keywords: Keywords
    #: Flags that the client knows already, until the next news.
    known: dict[int, Reflagged] = field(factory=dict)
    #: What the client takes for the highest MODSEQ of the mailbox (RFC 7162 section 6).
    believed_modseq: int = 0
    #: UIDs that the last SEARCH with SAVE found (RFC 5182).
    saved: tuple[int, ...] = ()

    def knows(self, changed: Iterable[Reflagged]) -> None:
        """
        The client has been told of those flags, or made them so and wants no echo.  Flags with a keyword that it has not heard
        of yet could not be told in full, so they are told again.
        """
        limit = 1 << SYSTEM_BITS + len(self.keywords.names)
        self.known.update([(one.uid, one) for one in changed if one.mask < limit])

    def believes(self, modseq: int) -> None:
        """
        The client was told of a MODSEQ.
        """
        self.believed_modseq = max(self.believed_modseq, modseq)

    def messages(self, numbers: SequenceSet, *, by_uid: bool) -> list[tuple[int, int]]:
        """
        Sequence number and UID of each message meant, in ascending order.

        @raise SyntaxProblem: a sequence number is beyond the last message.
        """
        uids = self.view.snapshot.uids
        if numbers is SAVED:
            saved = frozenset(self.saved)
            return [pair for pair in enumerate(uids, 1) if pair[1] in saved] if saved else []
        found: list[tuple[int, int]] = []
        if by_uid:
            for low, high in numbers.bounded(uids[-1]) if uids else ():
                start = bisect_left(uids, low)
                found += enumerate(uids[start : bisect_right(uids, high)], start + 1)
            return found
        for low, high in numbers.select_ranges(len(uids)):
            found += enumerate(uids[low - 1 : high], low)
        return found


class Session:
    """
    What commands act on.
    """

    def __init__(self, settings: Settings, driver: Driver) -> None:
        self.settings = settings
        self.registry = settings.registry
        self.driver = driver
        self.incoming = Incoming(self.wait, self._ask)
        self.login: ILogin | None = None
        self.mail: IAccountMail | None = None
        self.selected: Selected | None = None
        #: The tag of the command that is under way.
        self.tag = b"*"
        #: What ENABLE has enabled, or what else enables it, in capitals (RFC 5161).
        self.enabled: frozenset[bytes] = frozenset()
        self.is_over = False
        self.failed_logins = 0
        #: What the client calls itself (RFC 2971).
        self.client: dict[bytes, bytes | None] = {}
        #: Whether a command waits for more from the client, or for news.
        self.is_waiting = False
        #: Whether that command is IDLE.
        self.is_idling = False
        self._out: list[bytes] = []
        self._out_size = 0

    # --- Where it stands

    @property
    def state(self) -> State:
        """
        RFC 3501 section 3.
        """
        if self.is_over:
            return State.LOGOUT
        if self.selected is not None:
            return State.SELECTED
        return State.NOT_AUTHENTICATED if self.login is None else State.AUTHENTICATED

    @property
    def account(self) -> IAccountMail:
        """
        The mail of who has logged in.

        @raise OutOfTurn: nobody has.
        """
        if self.mail is None:
            raise OutOfTurn("Log in first.")
        return self.mail

    @property
    def mailbox(self) -> Selected:
        """
        The selected mailbox.

        @raise OutOfTurn: there is none.
        """
        if self.selected is None:
            raise OutOfTurn("Select a mailbox first.")
        return self.selected

    @property
    def writable(self) -> Selected:
        """
        The selected mailbox, if it may be changed.

        @raise Refused: it was opened by EXAMINE.
        """
        selected = self.mailbox
        if selected.is_read_only:
            raise Refused("The mailbox is open read-only.")
        return selected

    @property
    def revision(self) -> Revision:
        """
        What the client speaks.
        """
        return REV2 if REV2.name in self.enabled else REV1

    @property
    def has_utf8_names(self) -> bool:
        """
        Whether mailbox names travel in UTF-8 (RFC 6855 section 3).
        """
        return self.revision.has_utf8_names or b"UTF8=ACCEPT" in self.enabled

    @property
    def tells_modseq(self) -> bool:
        """
        Whether the client has shown that it knows MODSEQ (RFC 7162 section 3.1).
        """
        return b"CONDSTORE" in self.enabled

    @property
    def tells_vanished(self) -> bool:
        """
        Whether VANISHED stands for EXPUNGE (RFC 7162 section 3.2.10).
        """
        return b"QRESYNC" in self.enabled

    @property
    def search_memory(self) -> MailboxMemory:
        """
        What earlier searches know of the selected mailbox.
        """
        view = self.mailbox.view
        return self.settings.search_memory.of((self.account.account_id, view.mailbox_id, view.uidvalidity))

    def enable(self, names: Iterable[bytes], *, is_selecting: bool = False) -> None:
        """
        From now on the session is so.  With CONDSTORE, the client is told the highest MODSEQ of the mailbox that it has selected,
        unless SELECT is just telling it (RFC 7162 section 3.1).
        """
        knew_modseq = self.tells_modseq
        self.enabled = self.enabled.union(names)
        selected = self.selected
        if self.tells_modseq and not knew_modseq and selected is not None and not is_selecting:
            selected.believed_modseq = selected.view.snapshot.modseq
            self.put(wire.condition(b"OK", "The highest so far.", b"HIGHESTMODSEQ %d" % selected.believed_modseq))

    def modseq_code(self) -> bytes:
        """
        HIGHESTMODSEQ, where the client would else take it for something different (RFC 7162 sections 3.2.7 and 6).

        What it is told counts as told: so whoever asks sends it.  While an EXPUNGE waits to be told, that is less than the
        MODSEQ of flags that the client knows of.
        """
        selected = self.selected
        if selected is None or not self.tells_modseq:
            return b""
        modseq = selected.view.snapshot.modseq
        believed, selected.believed_modseq = selected.believed_modseq, modseq
        return b"" if believed == modseq else b"HIGHESTMODSEQ %d" % modseq

    @property
    def recent(self) -> frozenset[int]:
        """
        UIDs that are shown with C{\\Recent}.
        """
        return self.mailbox.view.recent if self.revision.tells_recent else frozenset()

    def ways_in(self) -> list[bytes]:
        """
        What CAPABILITY tells of logging in (RFC 3501 section 6.2).
        """
        words = [f"AUTH={mechanism}".encode("ascii") for mechanism in self.mechanisms]
        if not self.may_login:
            words.append(b"LOGINDISABLED")
        if self.driver.can_start_tls:
            words.append(b"STARTTLS")
        return words

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """
        What AUTHENTICATE takes now.
        """
        names = self.settings.authenticator.mechanisms(is_private=self.driver.is_private)
        return known(names, has_binding=bool(self.driver.channel_bindings))

    @property
    def may_login(self) -> bool:
        """
        Whether LOGIN is taken: it says what PLAIN says (RFC 3501 section 6.2.3).
        """
        return "PLAIN" in self.mechanisms

    def enter(self, login: ILogin) -> None:
        """
        Somebody has logged in.
        """
        self.login = login
        self.mail = login.avatar.mail
        self.incoming.may_skip = limits.IMAP_SKIPPED
        self.driver.entered(login.account)

    async def leave(self) -> None:
        """
        No mailbox is selected any more.
        """
        selected, self.selected = self.selected, None
        if selected is not None:
            await selected.view.close()

    async def wait(self) -> None:
        """
        Send what is to be sent, then wait, in the middle of a command, for something to come.
        """
        await self.flush()
        self.is_waiting = True
        try:
            await self.driver.wait()
        finally:
            self.is_waiting = False

    async def breathe(self) -> None:
        """
        Let others have their turn in the middle of long work.
        """
        await self.driver.breathe()

    def mailbox_name(self, name: str) -> bytes:
        """
        C{mailbox}, as this client reads it, from the inner form of a name.
        """
        return wire.mailbox(name, self.settings.separator, is_utf8=self.has_utf8_names)

    # --- What goes out

    def put(self, octets: bytes) -> None:
        """
        Have a short answer sent with what follows it.
        """
        self._out.append(octets)
        self._out_size += len(octets)

    async def write(self, octets: bytes) -> None:
        """
        Send, and wait while too much waits to be sent.
        """
        self.put(octets)
        if self._out_size >= limits.IMAP_COALESCED:
            await self.flush()

    async def flush(self) -> None:
        """
        Send what was put.
        """
        if self._out:
            waiting = self.driver.write(self.take_output())
            if waiting is not None:
                await waiting

    def take_output(self) -> bytes:
        """
        What was put and is not sent yet: whoever takes it sends it.
        """
        octets = b"".join(self._out)
        self._out.clear()
        self._out_size = 0
        return octets

    def _ask(self) -> None:
        self.put(b"+ Go ahead.\r\n")

    # --- News

    async def news(self, *, defers_expunge: bool = False) -> None:
        """
        Tell what happened in the selected mailbox since the client heard of it last.

        @raise Ended: the mailbox is gone.  RFC 3501 has no way to unselect it without being asked: its response code CLOSED came
            later (RFC 7162), and RFC 2180 section 3.3 lets the server end the connection.
        """
        selected = self.selected
        if selected is None:
            return
        before = selected.view.snapshot.uids
        changes = await selected.view.advance(keep_vanished=defers_expunge)
        if changes.is_deleted:
            await self.leave()
            raise Ended("The selected mailbox was deleted.", is_expulsion=False)
        if changes.vanished and self.tells_vanished:
            await self.write(b"* VANISHED %b\r\n" % format_set(changes.vanished))
        elif changes.vanished:
            # From the last to the first: no number that is still to come changes (RFC 3501 section 7.4.1).
            numbers = [bisect_left(before, uid) + 1 for uid in reversed(changes.vanished)]
            await self.write(b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers]))
        await self.tell(changes)

    async def tell(self, changes: Changes) -> None:
        """
        Tell of new messages, new keywords, and flags that others have changed.
        """
        selected = self.mailbox
        if changes.arrived:
            self.put(self.sizes())
        self.tell_keywords(selected)
        known, selected.known = selected.known, {}
        unknown: Sequence[Reflagged] = changes.reflagged
        if known and self.tells_modseq:
            unknown = [one for one in unknown if known.get(one.uid) != one]
        elif known:
            masks = {uid: one.mask for uid, one in known.items()}
            unknown = [one for one in unknown if masks.get(one.uid) != one.mask]
        if unknown:
            await self.write(self.flag_responses(unknown))

    def sizes(self) -> bytes:
        """
        C{EXISTS}, and C{RECENT} for who knows it.
        """
        view = self.mailbox.view
        exists = b"* %d EXISTS\r\n" % len(view.snapshot.uids)
        return exists + b"* %d RECENT\r\n" % len(view.recent) if self.revision.tells_recent else exists

    def flag_responses(self, changed: Iterable[Reflagged], *, with_uid: bool = False, is_quiet: bool = False) -> bytes:
        """
        C{FETCH} responses with the flags of those messages that the client can number.

        Who knows MODSEQ is told that too, and the UID (RFC 7162 section 3.2.4).

        @param with_uid: tell the UID in any case.
        @param is_quiet: tell the MODSEQ only.
        """
        selected = self.mailbox
        numbers, told = _numbered(selected.view.snapshot.uids, list(changed))
        if not told:
            return b""
        uids, masks, modseqs = zip(*told, strict=True)
        forms: list[bytes] = []
        columns: list[Sequence[object]] = [numbers]
        if with_uid or self.tells_modseq or self.revision.tells_uid_in_news:
            forms.append(b"UID %d")
            columns.append(uids)
        if not is_quiet:
            forms.append(b"FLAGS %b")
            columns.append(FlagWriter(selected.view.snapshot.keywords).column(masks, uids, self.recent))
        if self.tells_modseq:
            forms.append(b"MODSEQ (%d)")
            columns.append(modseqs)
            selected.believes(max(modseqs))
        line = b"* %%d FETCH (%b)\r\n" % b" ".join(forms)
        return (line * len(told)) % tuple(chain.from_iterable(zip(*columns, strict=True)))

    def tell_keywords(self, selected: Selected) -> None:
        """
        Tell which flags there are, if keywords came up that the client has not heard of (RFC 3501 section 7.2.6).
        """
        keywords = selected.view.snapshot.keywords
        if keywords.names != selected.keywords.names:
            selected.keywords = keywords
            self.put(flags_response(keywords))
            if not selected.is_read_only:
                self.put(permanent_flags(keywords))


def flags_response(keywords: Keywords) -> bytes:
    """
    C{FLAGS} (RFC 3501 section 7.2.6).
    """
    return b"* FLAGS %b\r\n" % wire.flag_list((*SYSTEM_NAMES, *keywords.names))


def permanent_flags(keywords: Keywords, *, is_read_only: bool = False) -> bytes:
    """
    C{PERMANENTFLAGS} (RFC 3501 section 7.1): C{\\*} says that new keywords can be made.
    """
    if is_read_only:
        return wire.condition(b"OK", "Read-only.", b"PERMANENTFLAGS ()")
    names = (*SYSTEM_NAMES, *keywords.names)
    flags = wire.flag_list(names if keywords.is_full else (*names, "\\*"))
    return wire.condition(b"OK", "Flags permitted.", b"PERMANENTFLAGS " + flags)


def _numbered(uids: array[int], changed: list[Reflagged]) -> tuple[Sequence[int], list[Reflagged]]:
    """
    Those of the messages that the client can number, and their sequence numbers.
    """
    wanted = [one.uid for one in changed]
    first = bisect_left(uids, wanted[0]) if wanted else 0
    if uids[first : first + len(wanted)].tolist() == wanted:
        return range(first + 1, first + 1 + len(wanted)), changed
    places = [bisect_left(uids, uid) for uid in wanted]
    there = [place < len(uids) and uids[place] == uid for place, uid in zip(places, wanted, strict=True)]
    return [place + 1 for place in compress(places, there)], list(compress(changed, there))
