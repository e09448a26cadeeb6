"""
The one way in: who may send what to whom, the trace fields, and the moment after which the mail is ours.

RFC 5321 sections 3.3, 4.4 and 6.3; RFC 6409 sections 6.1 and 8 for what users submit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from attrs import Factory, define, evolve, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.delivery.copying import copy_into
from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.delivery.routing import Destination, Local, Remote, Router
from twisted_mail_server.interfaces import (
    IIntake,
    IMailStore,
    IMailTransaction,
    IMeters,
    ISpool,
    IStagedContent,
    ISubmitter,
    Unmetered,
)
from twisted_mail_server.message import trace
from twisted_mail_server.message.dates import format_date
from twisted_mail_server.message.headers import add_fields, header_end, message_id_of
from twisted_mail_server.message.submission import mend
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, MailOptions, Origin, Recipient, RecipientOptions, Service
from twisted_mail_server.model.errors import (
    InUse,
    MailError,
    MailLoop,
    NotAuthorized,
    OutOfTurn,
    OverLimit,
    OverQuota,
    RelayDenied,
    TemporaryFailure,
    Throttled,
)
from twisted_mail_server.model.queue import QueueId
from twisted_mail_server.model.verdicts import Decision
from twisted_mail_server.policies.rates import Rates

_log = Logger()

LOOP = "The message has been delivered to this address before: it is in a loop."


@frozen
class RelayTerms:
    """
    Who may send mail out, and how much.
    """

    #: Why nothing goes out at all, for people; empty if something does.
    refusal: str = ""
    #: Recipients an account may have in an hour: a stolen password must not make a spam source.
    rate: Rates | None = None
    #: The reverse-path in our name for mail that is forwarded (SRS); C{None} where it keeps its own.
    rewrite: Callable[[Address, str], Address | None] = lambda sender, domain: None


@implementer(IIntake)
@frozen(eq=False)
class Intake:
    """
    Takes messages in, from every protocol.
    """

    spool: ISpool
    _router: Router
    _store: IMailStore
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _hostname: str
    max_recipients: int = limits.RECIPIENTS
    _relay: RelayTerms = RelayTerms(refusal="This server delivers to its own domains only.")
    hooks: Hooks = field(default=Factory(lambda self: Hooks(self._clock), takes_self=True))
    _meters: IMeters = field(factory=Unmetered)
    #: Counts messages that were promised.
    accepted: Mapping[Service, Callable[[float], object]] = field(
        init=False, default=Factory(lambda self: _counters(self._meters), takes_self=True)
    )

    async def begin(
        self, origin: Origin, sender: Address | None, options: MailOptions, submitter: ISubmitter | None
    ) -> Incoming:
        """
        MAIL: begin a transaction.

        @raise NotAuthorized: a user wants to send as somebody else (RFC 6409 section 6.1).
        @raise DiskFull: there is no room for a message now.
        """
        self.spool.check_room()
        if submitter is not None and sender is not None and not await submitter.may_send_as(sender):
            raise NotAuthorized(f"{submitter.account.address} may not send as <{sender}>.")
        envelope, hooks = Envelope(origin, sender, (), options), self.hooks
        decision = hooks.decided(origin.session)
        if hooks.sender:
            decision |= await hooks.run("sender", hooks.sender, envelope)
        return Incoming(self, envelope, self.spool.new_id(), decision)

    async def recipients(self, envelope: Envelope, address: Address, options: RecipientOptions) -> list[Recipient]:
        """
        RCPT: to whom mail for C{address} really goes.

        @raise NoSuchAccount: to nobody here.
        @raise RelayDenied: elsewhere, and this client may not send there.
        @raise Throttled: this account has sent to too many.
        @raise InUse: the account is disabled.
        @raise NoRoom: its quota is used up.
        """
        found = await self._found(envelope, address, options, await self._router.destinations(address))
        self._count(envelope.origin, len(found))
        return found

    async def redirected(
        self, envelope: Envelope, address: Address, options: RecipientOptions, named: Address | None
    ) -> list[Recipient]:
        """
        To whom mail really goes that a hook sends to C{address}: anywhere, as if an alias led there.

        @raise MailError: it cannot go there.
        """
        destinations = [
            evolve(one, is_forward=True) if isinstance(one, Remote) else one
            for one in await self._router.destinations(address)
        ]
        found = await self._found(envelope, named or address, options, destinations)
        _log.info("redirected mail for <{recipient}> to <{target}>", recipient=str(named or ""), target=str(address))
        return found

    async def _found(
        self, envelope: Envelope, address: Address, options: RecipientOptions, destinations: list[Destination]
    ) -> list[Recipient]:
        found: list[Recipient] = []
        problem: MailError | None = None
        for one in destinations:
            try:
                found.append(await self._recipient(envelope, address, options, one))
            except MailError as refused:
                problem = refused
        if not found:
            assert problem is not None
            raise problem
        return found

    async def _recipient(
        self, envelope: Envelope, named: Address, options: RecipientOptions, destination: Destination
    ) -> Recipient:
        address = destination.address
        alias = None if address.key == named.key or not named.domain else named
        if isinstance(destination, Local):
            await self._check_account(destination.account)
            return Recipient(address, options=options, named=alias)
        is_ours = envelope.origin.service is Service.SUBMISSION or destination.is_forward
        if not is_ours:
            raise RelayDenied(
                f"Mail for {address.domain} is not relayed for you: this server delivers to its own domains."
            )
        if self._relay.refusal:
            raise RelayDenied(f"Mail for {address.domain} is not relayed: {self._relay.refusal}")
        reverse_path = None
        if destination.is_forward and envelope.sender is not None:
            reverse_path = self._relay.rewrite(envelope.sender, named.domain)
        return Recipient(address, options=options, named=alias, reverse_path=reverse_path)

    async def _check_account(self, account: Account) -> None:
        if account.is_disabled:
            raise Disabled("This mailbox is disabled for the moment.")
        if account.quota is not None:
            octets, _ = await (await self._store.open(account.id)).usage()
            if octets >= account.quota:
                raise NoRoom("This mailbox is full.")

    def _count(self, origin: Origin, recipients: int) -> None:
        """
        @raise TooFast: the account has sent to as many as it may in an hour.
        """
        if origin.account is None or self._relay.rate is None:
            return
        wait = self._relay.rate.spend(origin.account.text, recipients, self._clock.seconds())
        if wait > 0:
            _log.warn(
                "{login} sends to more recipients than it may, and has to wait {seconds} seconds",
                login=origin.login,
                account=origin.account.text,
                peer=origin.peer,
                seconds=int(wait),
            )
            raise TooFast("You have sent to too many recipients in an hour; please try again later.")

    def seconds(self) -> int:
        """
        Now, in seconds since 1970.
        """
        return int(self._clock.seconds())

    def head(self, envelope: Envelope, queue_id: QueueId, block: bytes, added: bytes) -> bytes:
        """
        The header block as it is stored: trace on top, and for users what RFC 6409 section 8 lets us mend.
        """
        moment = datetime.fromtimestamp(envelope.received, UTC)
        origin = envelope.origin
        named = {str(one.named or one.address) for one in envelope.recipients}
        hop = trace.Hop(
            helo=origin.helo,
            address=origin.peer,
            host=self._hostname,
            protocol=origin.protocol,
            queue_id=str(queue_id),
            received=moment,
            recipient=named.pop() if len(named) == 1 else None,
            tls=origin.tls or None,
        )
        if origin.service is Service.SUBMISSION:
            message_id = f"<{self._random(16).hex()}@{self._hostname}>".encode("ascii", "replace")
            block = mend(block, date=format_date(moment), message_id=message_id)
        return add_fields(block, added, trace.received(hop))


@implementer(IMailTransaction)
@define(eq=False)
class Incoming:
    """
    One message on its way in.
    """

    _intake: Intake
    _envelope: Envelope
    queue_id: QueueId
    #: What hooks have decided of the whole message.
    _decision: Decision
    _recipients: dict[str, Recipient] = field(init=False, factory=dict)
    #: RCPT commands that were accepted.
    _accepted: int = field(init=False, default=0)
    #: Whether a hook accepted a recipient for itself.
    _is_taken_in_part: bool = field(init=False, default=False)
    _is_redirected: bool = field(init=False, default=False)
    _content: IStagedContent | None = field(init=False, default=None)
    #: What came of the header so far; C{None} once it is whole and written.
    _header: bytearray | None = field(init=False, factory=bytearray)
    #: The header as it was received, where content checks may redirect the message.
    _block: bytes = field(init=False, default=b"")

    async def recipient(self, address: Address, options: RecipientOptions) -> None:
        """
        RCPT: one more recipient.  The same address twice gets one copy.

        @raise TooManyRecipients: there are enough.
        """
        intake = self._intake
        if self._accepted >= intake.max_recipients:
            raise TooManyRecipients("Too many recipients for one message; please send it again to the rest.")
        if intake.hooks.recipient:
            found = await self._checked_recipients(address, options)
        else:
            found = await intake.recipients(self._envelope, address, options)
        for one in found:
            self._recipients.setdefault(one.address.key, one)
        self._accepted += 1

    async def _checked_recipients(self, address: Address, options: RecipientOptions) -> list[Recipient]:
        intake, hooks = self._intake, self._intake.hooks
        envelope = evolve(self._envelope, recipients=tuple(self._recipients.values()))
        decision = await hooks.run("recipient", hooks.recipient, envelope, address)
        if decision.taken:
            found: list[Recipient] = []
            self._is_taken_in_part = True
        elif decision.redirect is not None:
            found = await intake.redirected(self._envelope, decision.redirect, options, address)
        else:
            found = await intake.recipients(self._envelope, address, options)
        self._decision |= Decision(added=decision.added)
        return [evolve(one, quarantine=decision.quarantine) for one in found]

    async def begin_content(self) -> None:
        """
        DATA.

        @raise OutOfTurn: there is no recipient.
        """
        if not self._accepted:
            raise OutOfTurn("No recipient has been accepted.")
        recipients = tuple(self._recipients.values())
        self._envelope = evolve(self._envelope, recipients=recipients, received=self._intake.seconds())
        if self._decision.redirect is not None:
            await self._redirect()
        self._content = self._intake.spool.stage(recipients=max(1, len(self._envelope.recipients)))

    async def _redirect(self) -> None:
        """
        The whole message goes to the one address that a hook named, unless it does already.
        """
        if self._decision.redirect is not None and not self._is_redirected:
            self._is_redirected = True
            target = self._decision.redirect
            recipients = await self._intake.redirected(self._envelope, target, RecipientOptions(), None)
            self._envelope = evolve(self._envelope, recipients=tuple(recipients))

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Content; the header is kept back until it is whole.
        """
        assert self._content is not None
        header = self._header
        if header is None:
            return self._content.write(data)
        searched = max(0, len(header) - 3)
        header += data
        if header.find(b"\r\n\r\n", searched) >= 0 or header.startswith(b"\r\n") or len(header) > limits.HEADER_SIZE:
            return self._write_head()
        return None

    def _write_head(self) -> Awaitable[None] | None:
        assert self._header is not None
        received, self._header = bytes(self._header), None
        end = min(header_end(received), limits.HEADER_SIZE)
        if self._intake.hooks.header:
            return self._write_checked_head(received, end)
        return self._write_received(received, end)

    async def _write_checked_head(self, received: bytes, end: int) -> None:
        hooks = self._intake.hooks
        self._decision |= await hooks.run("header", hooks.header, self._envelope, received[:end])
        await self._redirect()
        pending = self._write_received(received, end)
        if pending is not None:
            await pending

    def _write_received(self, received: bytes, end: int) -> Awaitable[None] | None:
        assert self._content is not None
        block = received[:end]
        if self._intake.hooks.content:
            self._block = block
        self._envelope = without_loops(self._envelope, block)
        head = self._intake.head(self._envelope, self.queue_id, block, self._decision.added)
        self._envelope = evolve(self._envelope, message_id=message_id_of(head))
        return self._content.write(head + received[end:])

    async def finish(self) -> QueueId:
        """
        The content is whole: promise to deliver it.

        @raise MailLoop: it has been everywhere, or here, before (RFC 5321 section 6.3).
        """
        assert self._content is not None
        if self._header is not None:
            pending = self._write_head()
            if pending is not None:
                await pending
        if self._intake.hooks.content and await self._is_taken_whole():
            return self.queue_id
        if self._is_taken_in_part:
            raise TemporaryFailure("Nobody here took the message; please try again later.")
        if all(one.refusal for one in self._envelope.recipients):
            await self.abandon()
            raise MailLoop(self._envelope.recipients[0].refusal)
        if self._decision.quarantine:
            self._envelope = _quarantined(self._envelope, self._decision.quarantine)
        content, self._content = self._content, None
        message = await self._intake.spool.commit(self.queue_id, self._envelope, content)
        self._intake.accepted[self._envelope.origin.service](1)
        self._tell("accepted", message.size)
        return self.queue_id

    async def _is_taken_whole(self) -> bool:
        """
        Ask about the whole content; whether a hook keeps it, so that it is not ours to deliver.
        """
        assert self._content is not None
        hooks, content = self._intake.hooks, self._content
        await content.finish()
        decision = await hooks.run("content", hooks.content, self._envelope, content)
        if decision.taken:
            self._tell("left to a plugin", content.size)
            await self.abandon()
            return True
        self._decision |= decision
        if decision.redirect is not None:
            await self._redirect()
            self._envelope = without_loops(self._envelope, self._block)
        if decision.added:
            await self._put_on_top(decision.added)
        return False

    async def _put_on_top(self, added: bytes) -> None:
        """
        The same content with fields in front of it.
        """
        assert self._content is not None
        old, new = self._content, self._intake.spool.stage(recipients=max(1, len(self._envelope.recipients)))
        await copy_into(new, added, old)
        self._content = new
        await old.discard()

    def _tell(self, what: str, size: int) -> None:
        origin = self._envelope.origin
        _log.info(
            "{fate} {queue_id} from <{sender}> by {peer} for {recipients} recipients, {size} octets",
            fate=what,
            queue_id=str(self.queue_id),
            sender=str(self._envelope.sender or ""),
            peer=origin.peer,
            session=origin.session,
            service=origin.service.value,
            login=origin.login,
            recipients=len(self._envelope.recipients),
            size=size,
            quarantine=self._decision.quarantine,
        )

    async def abandon(self) -> None:
        """
        Nothing was promised.
        """
        content, self._content = self._content, None
        if content is not None:
            await content.discard()


class Disabled(InUse):
    """
    The recipient's account is shut (RFC 3463: mailbox disabled).
    """

    code, enhanced = 450, "4.2.1"


class NoRoom(OverQuota):
    """
    The recipient's quota is used up; that may change.
    """

    code, enhanced = 452, "4.2.2"


class TooFast(Throttled):
    """
    An account has sent to as many recipients as it may for now.
    """

    code, enhanced = 452, "4.7.1"


class TooManyRecipients(OverLimit):
    """
    A message has as many recipients as it may (RFC 5321 section 4.5.3.1.10).
    """

    code, enhanced = 452, "4.5.3"


def _counters(meters: IMeters) -> dict[Service, Callable[[float], object]]:
    return {service: meters.counter("mail_messages_accepted_total", service.value) for service in Service}


def without_loops(envelope: Envelope, block: bytes) -> Envelope:
    """
    The envelope with a refusal for each recipient that would get the message again.
    """
    lowered = block.lower()
    # Two plain searches spare nearly every message the reading of its fields.
    if lowered.count(b"received") > limits.RECEIVED_FIELDS and trace.count_received(block) > limits.RECEIVED_FIELDS:
        text = "The message has passed too many hosts: it is in a loop."
        return evolve(envelope, recipients=tuple(evolve(one, refusal=text) for one in envelope.recipients))
    if b"delivered-to" not in lowered:
        return envelope
    seen = trace.deliveries(block)
    recipients = tuple(
        evolve(one, refusal=LOOP) if str(one.address).lower() in seen else one for one in envelope.recipients
    )
    return evolve(envelope, recipients=recipients)


def _quarantined(envelope: Envelope, reason: str) -> Envelope:
    recipients = tuple(evolve(one, quarantine=one.quarantine or reason) for one in envelope.recipients)
    return evolve(envelope, recipients=recipients)
