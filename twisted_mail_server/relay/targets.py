"""
What a session with another server is for, and why there is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import field, frozen
from attrs.validators import in_

from twisted_mail_server.model.errors import MailError, Refused, Trouble
from twisted_mail_server.model.queue import Result
from twisted_mail_server.protocols.smtp.client_events import SessionOver
from twisted_mail_server.protocols.smtp.client_replies import describe
from twisted_mail_server.protocols.smtp.vocabulary import OutgoingMail

#: TLS for a L{Target}: none; where offered, with any certificate; or else no mail, with a certificate that is verified, by
#: STARTTLS or from the first octet (RFC 8314 section 3.3).
TLS_USES = ("off", "opportunistic", "required", "implicit")


@frozen
class Target:
    """
    A server to send to.
    """

    host: str
    #: An IP address.
    address: str
    port: int = 25
    #: Name and password.
    login: tuple[str, bytes] | None = field(default=None, repr=False)
    #: One of L{TLS_USES}.
    tls: str = field(default="opportunistic", validator=in_(TLS_USES))
    #: Whether it speaks LMTP (RFC 2033).
    is_lmtp: bool = False


@frozen(kw_only=True)
class Outgoing(OutgoingMail):
    """
    A message to be sent, with its content.
    """

    #: C{read(offset, length)} gives a piece of the content.
    read: Callable[[int, int], Awaitable[bytes]] = field(repr=False)


class ConnectFailed(MailError):
    """
    No session came about.
    """

    def __init__(self, over: SessionOver) -> None:
        super().__init__(over.text)
        #: What went wrong: C{Cause.TLS}, for one, may be worth another try without TLS.
        self.cause = over.cause
        self.status = over.status
        self.outcome = over.outcome
        #: As a report shows it; empty where the server said nothing.
        self.diagnostic = "" if over.reply is None else f"smtp; {describe(over.reply)}"

    def result(self, number: int, host: str = "") -> Result:
        """
        What it is for a recipient; C{host} is the server's name.
        """
        remote = host if self.diagnostic else ""
        return Result(number, self.outcome, self.public, self.status, self.diagnostic, remote)


class ConnectDeferred(ConnectFailed, Trouble):
    """
    There will be another time.
    """


class ConnectRefused(ConnectFailed, Refused):
    """
    This server does not want us (a greeting, or an answer to EHLO and HELO, of 5xx).
    """
