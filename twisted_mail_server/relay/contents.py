"""
What is sent of a message: its octets as the spool has them, or converted for a server that lacks an extension.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import define, evolve, field

from twisted_mail_server.interfaces import ISpool
from twisted_mail_server.message.downgrade import is_seven_bit_header, seven_bit
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, MailOptions, Recipient
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.model.queue import QueuedMessage

from .connections import Outgoing


@define(eq=False)
class Content:
    """
    The content of one message during one try.
    """

    _spool: ISpool
    _message: QueuedMessage
    #: Calls a function in a thread.
    _run: Callable[..., Awaitable[Any]]
    #: Whether octets above 127 are in it; L{None} until somebody has looked.
    _is_eight_bit: bool | None = field(init=False, default=None)
    _has_plain_header: bool | None = field(init=False, default=None)
    _converted: bytes | None = field(init=False, default=None)

    async def sending(self, sender: Address | None, recipients: Sequence[tuple[int, Recipient]]) -> Sending:
        """
        What a connection is to carry to some recipients.

        @raise TemporaryFailure: the content cannot be read.
        """
        options = self._message.envelope.options
        is_eight_bit = self._converted is None and (
            options.body is not BodyKind.SEVEN_BIT or await self._has_eight_bit()
        )
        if self._converted is not None:
            options = evolve(options, body=BodyKind.SEVEN_BIT)
        if options.is_utf8 and await self._is_header_plain():
            # RFC 6531 section 3.4: it is asked for where it is needed; whether the addresses need it they show themselves.
            options = evolve(options, is_utf8=False)
        return Sending(self, sender, recipients, options, is_eight_bit)

    async def convert(self) -> None:
        """
        From now on, send it in 7 bits.

        @raise CannotConvert: that is not possible.
        @raise TemporaryFailure: the content cannot be read.
        """
        whole = await self.read(0, self.size)
        self._converted = await self._run(seven_bit, whole)

    @property
    def size(self) -> int:
        """
        Octets.
        """
        return self._message.size if self._converted is None else len(self._converted)

    async def read(self, offset: int, length: int) -> bytes:
        """
        A piece.

        @raise TemporaryFailure: the content cannot be read.
        """
        if self._converted is not None:
            return self._converted[offset : offset + length]
        return await self._spool.read(self._message, offset, length)

    async def _has_eight_bit(self) -> bool:
        """
        Whether it is 8-bit although its sender did not say so.
        """
        if self._is_eight_bit is None:
            offset = 0
            while offset < self.size:
                piece = await self.read(offset, limits.CONTENT_PIECE)
                if not piece:
                    raise TemporaryFailure("The content is shorter than it was.")
                if not piece.isascii():
                    break
                offset += len(piece)
            self._is_eight_bit = offset < self.size
        return self._is_eight_bit

    async def _is_header_plain(self) -> bool:
        if self._has_plain_header is None:
            self._has_plain_header = is_seven_bit_header(await self.read(0, limits.HEADER_SIZE))
        return self._has_plain_header


@define(eq=False)
class Sending:
    """
    One transaction of a message.
    """

    content: Content
    sender: Address | None
    recipients: Sequence[tuple[int, Recipient]]
    options: MailOptions
    is_eight_bit: bool
    #: Whether a part of the content may have been sent: from then on the other side may have the message, whatever it says.
    is_begun: bool = field(init=False, default=False)

    async def convert(self) -> None:
        """
        Send it in 7 bits, here and from now on.

        @raise CannotConvert: that is not possible.
        @raise TemporaryFailure: the content cannot be read.
        """
        await self.content.convert()
        self.options, self.is_eight_bit = evolve(self.options, body=BodyKind.SEVEN_BIT), False

    def outgoing(self) -> Outgoing:
        """
        In the words of a connection.
        """
        return Outgoing(
            sender=self.sender,
            recipients=self.recipients,
            options=self.options,
            size=self.content.size,
            is_eight_bit=self.is_eight_bit,
            read=self.read,
        )

    async def read(self, offset: int, length: int) -> bytes:
        """
        A piece of the content, on its way out.

        @raise TemporaryFailure: it cannot be read.
        """
        self.is_begun = True
        return await self.content.read(offset, length)
