"""
C{twisted.mail}'s C{IMessageDelivery}, C{IMessageDeliveryFactory} and C{IMessage}, as hooks.

C{receivedHeader} is not asked: the message has a C{Received} of this server already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.mail._except import SMTPServerError
from twisted.mail.interfaces import IMessageDeliveryFactory
from zope.interface import implementer

from twisted_mail_server.delivery.adapters.sessions import Sessions
from twisted_mail_server.interfaces import IContentCheck, IDeliveryHook, IReadable, IRecipientCheck, ISenderCheck
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient
from twisted_mail_server.model.queue import QueuedMessage
from twisted_mail_server.model.verdicts import Answer, Defer, Reject, Taken

_log = Logger()

_NOT_KEPT = "The message could not be kept; please try again later."


class LikeMessage(Protocol):
    """
    C{twisted.mail.interfaces.IMessageSMTP}, known as C{twisted.mail.smtp.IMessage}.
    """

    def lineReceived(self, line: bytes) -> None:
        """
        A line, without its end.
        """

    def eomReceived(self) -> Deferred[Any]:
        """
        It is whole; fires once it is safe.
        """

    def connectionLost(self) -> None:
        """
        It will not become whole.
        """


@define(eq=False)
class LikeProtocol:
    """
    What a C{twisted.mail.smtp.User} asks of its protocol.
    """

    host: bytes


@define(eq=False)
class _State:
    delivery: Any
    makers: list[Callable[[], LikeMessage]] = field(factory=list)


@implementer(ISenderCheck, IRecipientCheck, IContentCheck)
class TwistedMailDelivery:
    """
    Lets a delivery object decide who may write to whom, and gives it the messages.

    @param delivery: provides C{IMessageDelivery}; or C{IMessageDeliveryFactory}, for one a session.
    @param hostname: completes addresses without a domain.
    """

    def __init__(self, delivery: Any, hostname: str) -> None:
        self._protocol = LikeProtocol(hostname.encode())
        is_factory = IMessageDeliveryFactory.providedBy(delivery)
        self._sessions: Sessions[_State] = Sessions(
            lambda origin: _State(delivery.getMessageDelivery() if is_factory else delivery)
        )

    async def sender(self, envelope: Envelope) -> Answer:
        """
        C{validateFrom}.
        """
        state = self._sessions.of(envelope.origin)
        state.makers = []
        try:
            await maybeDeferred(
                state.delivery.validateFrom, _helo(envelope.origin), self._smtp_address(envelope.sender)
            )
        except SMTPServerError as problem:
            return _verdict(problem)
        return None

    async def recipient(self, envelope: Envelope, recipient: Address) -> Answer:
        """
        C{validateTo}; whom it takes need not be known to this server.
        """
        # Imported late: this module of Twisted's chooses a reactor.
        from twisted.mail.smtp import User

        state, origin = self._sessions.of(envelope.origin), envelope.origin
        user = User(str(recipient).encode(), _helo(origin), self._protocol, self._smtp_address(envelope.sender))
        try:
            state.makers.append(await maybeDeferred(state.delivery.validateTo, user))
        except SMTPServerError as problem:
            return _verdict(problem)
        return Taken("twisted.mail delivery")

    async def content(self, envelope: Envelope, content: IReadable) -> Answer:
        """
        Give the message to each C{IMessage}; it is taken when all of them have it safe.
        """
        state = self._sessions.of(envelope.origin)
        makers, state.makers = state.makers, []
        try:
            await give(makers, content)
        except CancelledError:
            raise
        except SMTPServerError as problem:
            return _verdict(problem)
        except Exception:  # noqa: BLE001 (an object of somebody else: the client keeps the message)
            _log.failure("an IMessage did not keep a message")
            return Defer(_NOT_KEPT, enhanced="4.3.0")
        return Taken("twisted.mail delivery")

    def _smtp_address(self, address: Address | None) -> Any:
        from twisted.mail.smtp import Address as SmtpAddress

        return SmtpAddress(str(address or "").encode(), self._protocol.host)


@implementer(IDeliveryHook)
class MessageDestination:
    """
    Gives what would go into a mailbox here to an C{IMessage} instead.

    @param make: the C{IMessage} for a recipient; L{None} leaves the message to the mailbox.
    """

    def __init__(self, make: Callable[[Recipient, Account], LikeMessage | None]) -> None:
        self._make = make

    async def deliver(
        self, message: QueuedMessage, recipient: Recipient, account: Account, content: IReadable
    ) -> Answer:
        """
        Deliver it.
        """
        target = self._make(recipient, account)
        if target is None:
            return None
        try:
            await give([lambda: target], content)
        except SMTPServerError as problem:
            return _verdict(problem)
        return Taken("twisted.mail message")


async def give(makers: Sequence[Callable[[], LikeMessage]], content: IReadable) -> None:
    """
    A content, line by line, to each of the messages that are made, until all have it safe.  If one fails, those that were not told
    of the end learn that there will be none.
    """
    told = 0
    messages: list[LikeMessage] = []
    try:
        messages.extend(make() for make in makers)
        offset, rest = 0, b""
        while offset < content.size:
            piece = await content.read(offset, limits.CONTENT_PIECE)
            offset += len(piece) or content.size
            *lines, rest = (rest + piece).split(b"\r\n")
            for message in messages:
                for line in lines:
                    message.lineReceived(line)
        ends = []
        for message in messages:
            if rest:
                message.lineReceived(rest)
            told += 1
            ends.append(maybeDeferred(message.eomReceived))
    except BaseException:
        for message in messages[told:]:
            message.connectionLost()
        raise
    results = await DeferredList(ends, consumeErrors=True)
    for is_kept, result in results:
        if not is_kept:
            result.raiseException()


def _helo(origin: Origin) -> tuple[bytes, bytes]:
    return origin.helo.encode(), origin.peer.encode()


def _verdict(problem: SMTPServerError) -> Defer | Reject:
    text = problem.resp.decode("utf-8", "replace") if isinstance(problem.resp, bytes) else str(problem.resp)
    if 400 <= problem.code < 500:
        return Defer(text, problem.code, "4.7.1")
    return Reject(text, problem.code, "5.7.1")
