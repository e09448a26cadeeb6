"""
SMTP servers that throw mail away, so that only the protocol costs: aiosmtpd's and ours.

At their end both print how many messages and how many octets they were given.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from typing import cast

from attrs import define
from zope.interface import implementer

from twisted_mail_server.interfaces import IIntake, IMailTransaction, ISubmitter
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Origin, RecipientOptions, Service
from twisted_mail_server.model.queue import QueueId


def main(kind: str, port: str) -> None:
    """
    Run one of the two until the process is told to end.
    """
    tally = {"aiosmtpd": run_aiosmtpd, "ours": run_ours}[kind](int(port))
    print(tally.messages, tally.octets, flush=True)


@define
class Tally:
    """
    What was thrown away.
    """

    messages: int = 0
    octets: int = 0


def run_aiosmtpd(port: int) -> Tally:
    """
    With a handler that does what its own C{Sink} does, and counts.
    """
    from aiosmtpd.smtp import SMTP, Envelope, Session

    tally = Tally()

    class Sink:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            tally.messages += 1
            tally.octets += len(envelope.content or b"")
            return "250 OK"

    async def serve() -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told.set)
        async with await loop.create_server(lambda: SMTP(Sink(), hostname="mail.example.org"), "127.0.0.1", port):
            await told.wait()

    asyncio.run(serve())
    return tally


def run_ours(port: int) -> Tally:
    """
    The real sessions with an intake that forgets.
    """
    from twisted_mail_server.app.rounds import install_reactor

    # As the server's command line does it.
    install_reactor()

    from twisted.internet import reactor as installed
    from twisted.internet.interfaces import IReactorTime

    from twisted_mail_server.servers.listening import ListenerService
    from twisted_mail_server.servers.smtp import SmtpFactory
    from twisted_mail_server.servers.terms import Terms

    tally = Tally()
    terms = Terms("smtp", "mail.example.org", cast(IReactorTime, installed), os.urandom)
    factory = SmtpFactory(terms, service=Service.MX, intake=cast(IIntake, ForgetfulIntake(tally)))
    listener = ListenerService("smtp", f"tcp:{port}:interface=127.0.0.1", terms.clock)
    listener.startService()
    listener.open_to(factory)
    installed.run()
    return tally


@implementer(IMailTransaction)
@define(eq=False)
class ForgottenMail:
    """
    A message that goes nowhere.
    """

    queue_id: QueueId
    tally: Tally

    async def recipient(self, address: Address, options: RecipientOptions) -> None:
        """
        Fine.
        """

    async def begin_content(self) -> None:
        """
        Fine.
        """

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Fine.
        """
        self.tally.octets += len(data)
        return None

    async def finish(self) -> QueueId:
        """
        Fine.
        """
        self.tally.messages += 1
        return self.queue_id

    async def abandon(self) -> None:
        """
        Fine.
        """


@implementer(IIntake)
@define(eq=False)
class ForgetfulIntake:
    """
    Takes everything and keeps nothing.
    """

    tally: Tally

    async def begin(
        self, origin: Origin, sender: Address | None, options: MailOptions, submitter: ISubmitter | None
    ) -> IMailTransaction:
        """
        One more.
        """
        return cast(IMailTransaction, ForgottenMail(QueueId(bytes(16)), self.tally))
