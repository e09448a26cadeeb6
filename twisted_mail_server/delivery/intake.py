"""
The one way in: who may send what to whom, the trace fields, and the moment after which the mail is ours.

RFC 5321 sections 3.3, 4.4 and 6.3; RFC 6409 sections 6.1 and 8 for what users submit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import (
    IDirectory,
    IIntake,
    IMailTransaction,
    ISpool,
    IStagedContent,
    ISubmitter,
)
from twisted_mail_server.message import trace
from twisted_mail_server.message.dates import format_date
from twisted_mail_server.message.headers import add_fields, header_end
from twisted_mail_server.message.submission import mend
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, Envelope, Origin, Recipient, Service
from twisted_mail_server.model.errors import MailLoop, NotAuthorized, OutOfTurn, OverLimit
from twisted_mail_server.model.queue import QueueId

from .routing import route

_log = Logger()

LOOP = "The message has been delivered to this address before: it is in a loop."


@implementer(IIntake)
@define(eq=False)
class Intake:
    """
    Takes messages in, from every protocol.
    """

    _spool: ISpool
    _directory: IDirectory
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _hostname: str
    _max_recipients: int = limits.RECIPIENTS

    async def begin(
        self, origin: Origin, sender: Address | None, *, body: BodyKind, size: int, submitter: ISubmitter | None
    ) -> Incoming:
        """
        MAIL: begin a transaction.

        @raise NotAuthorized: a user wants to send as somebody else (RFC 6409 section 6.1).
        @raise DiskFull: there is no room for a message now.
        """
        self._spool.check_room()
        if submitter is not None and sender is not None and not await submitter.may_send_as(sender):
            raise NotAuthorized(f"{submitter.account.address} may not send as <{sender}>.")
        envelope = Envelope(origin, sender, (), body, size)
        return Incoming(self, envelope, self._spool.new_id())

    async def accept_recipient(self, address: Address) -> None:
        """
        RCPT: whether mail for that address can go anywhere; raises what L{route} does.
        """
        await route(self._directory, address)

    @property
    def max_recipients(self) -> int:
        """
        How many recipients one message may have.
        """
        return self._max_recipients

    @property
    def spool(self) -> ISpool:
        """
        Where messages go.
        """
        return self._spool

    def seconds(self) -> int:
        """
        Now, in seconds since 1970.
        """
        return int(self._clock.seconds())

    def head(self, envelope: Envelope, queue_id: QueueId, block: bytes) -> bytes:
        """
        The header block as it is stored: trace on top, and for users what RFC 6409 section 8 lets us mend.
        """
        moment = datetime.fromtimestamp(envelope.received, UTC)
        origin = envelope.origin
        only = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
        hop = trace.Hop(
            helo=origin.helo,
            address=origin.peer,
            host=self._hostname,
            protocol=origin.protocol,
            queue_id=str(queue_id),
            received=moment,
            recipient=None if only is None else str(only),
            tls=origin.tls or None,
        )
        if origin.service is Service.SUBMISSION:
            message_id = f"<{self._random(16).hex()}@{self._hostname}>".encode("ascii", "replace")
            block = mend(block, date=format_date(moment), message_id=message_id)
        return add_fields(block, trace.received(hop))


@implementer(IMailTransaction)
@define(eq=False)
class Incoming:
    """
    One message on its way in.
    """

    _intake: Intake
    _envelope: Envelope
    queue_id: QueueId
    _keys: set[str] = field(init=False, factory=set)
    _recipients: list[Recipient] = field(init=False, factory=list)
    _content: IStagedContent | None = field(init=False, default=None)
    #: What came of the header so far; C{None} once it is whole and written.
    _header: bytearray | None = field(init=False, factory=bytearray)

    async def recipient(self, address: Address) -> None:
        """
        RCPT: one more recipient.  The same address twice gets one copy.

        @raise OverLimit: there are too many.
        """
        if len(self._recipients) >= self._intake.max_recipients:
            raise TooManyRecipients("Too many recipients for one message; please send it again to the rest.")
        await self._intake.accept_recipient(address)
        if address.key not in self._keys:
            self._keys.add(address.key)
            self._recipients.append(Recipient(address))

    async def begin_content(self) -> None:
        """
        DATA.

        @raise OutOfTurn: there is no recipient.
        """
        if not self._recipients:
            raise OutOfTurn("No recipient has been accepted.")
        self._envelope = evolve(self._envelope, recipients=tuple(self._recipients), received=self._intake.seconds())
        self._content = self._intake.spool.stage(recipients=len(self._recipients))

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
        assert self._content is not None and self._header is not None
        received, self._header = bytes(self._header), None
        end = min(header_end(received), limits.HEADER_SIZE)
        block = received[:end]
        self._envelope = _without_loops(self._envelope, block)
        return self._content.write(self._intake.head(self._envelope, self.queue_id, block) + received[end:])

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
        if all(one.refusal for one in self._envelope.recipients):
            await self.abandon()
            raise MailLoop(self._envelope.recipients[0].refusal)
        content, self._content = self._content, None
        message = await self._intake.spool.commit(self.queue_id, self._envelope, content)
        origin = self._envelope.origin
        _log.info(
            "accepted {queue_id} from <{sender}> by {peer} for {recipients} recipients, {size} octets",
            queue_id=str(self.queue_id),
            sender=str(self._envelope.sender or ""),
            peer=origin.peer,
            service=origin.service.value,
            login=origin.login,
            recipients=len(self._envelope.recipients),
            size=message.size,
        )
        return self.queue_id

    async def abandon(self) -> None:
        """
        Nothing was promised.
        """
        content, self._content = self._content, None
        if content is not None:
            await content.discard()


class TooManyRecipients(OverLimit):
    """
    A message has as many recipients as it may (RFC 5321 section 4.5.3.1.10).
    """

    code, enhanced = 452, "4.5.3"


def _without_loops(envelope: Envelope, block: bytes) -> Envelope:
    """
    The envelope with a refusal for each recipient that would get the message again.
    """
    lowered = block.lower()
    # Two plain searches spare nearly every message the reading of its fields.
    if lowered.count(b"received:") > limits.RECEIVED_FIELDS and trace.count_received(block) > limits.RECEIVED_FIELDS:
        text = "The message has passed too many hosts: it is in a loop."
        return evolve(envelope, recipients=tuple(evolve(one, refusal=text) for one in envelope.recipients))
    if b"delivered-to:" not in lowered:
        return envelope
    seen = trace.deliveries(block)
    recipients = tuple(
        evolve(one, refusal=LOOP) if str(one.address).lower() in seen else one for one in envelope.recipients
    )
    return evolve(envelope, recipients=recipients)
