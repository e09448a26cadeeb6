"""
SMTP servers that throw mail away, so that only the protocol costs: aiosmtpd's and ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any, cast

from attrs import define
from zope.interface import implementer

from twisted_mail_server.interfaces import IIntake, IMailTransaction, ISubmitter
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Origin, RecipientOptions, Service
from twisted_mail_server.model.queue import QueueId


def main(kind: str, port: str) -> None:
    """
    Run one of the two until the process is ended.
    """
    {"aiosmtpd": run_aiosmtpd, "ours": run_ours}[kind](int(port))


def run_aiosmtpd(port: int) -> None:
    """
    With its own C{Sink}.
    """
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(Sink(), hostname="mail.example.org"), "127.0.0.1", port
        )
        await server.serve_forever()

    asyncio.run(serve())


def run_ours(port: int) -> None:
    """
    The real sessions with an intake that forgets.
    """
    from twisted.internet import reactor as installed
    from twisted.internet.interfaces import IReactorTCP, IReactorTime

    from twisted_mail_server.servers.smtp import SmtpFactory
    from twisted_mail_server.servers.terms import Terms

    terms = Terms("smtp", "mail.example.org", cast(IReactorTime, installed), os.urandom)
    factory = SmtpFactory(terms, service=Service.MX, intake=cast(IIntake, ForgetfulIntake()))
    cast(IReactorTCP, installed).listenTCP(port, cast(Any, factory), interface="127.0.0.1")
    installed.run()


@implementer(IMailTransaction)
@define(eq=False)
class ForgottenMail:
    """
    A message that goes nowhere.
    """

    queue_id: QueueId

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
        return None

    async def finish(self) -> QueueId:
        """
        Fine.
        """
        return self.queue_id

    async def abandon(self) -> None:
        """
        Fine.
        """


@implementer(IIntake)
class ForgetfulIntake:
    """
    Takes everything and keeps nothing.
    """

    async def begin(
        self, origin: Origin, sender: Address | None, options: MailOptions, submitter: ISubmitter | None
    ) -> IMailTransaction:
        """
        One more.
        """
        return cast(IMailTransaction, ForgottenMail(QueueId(bytes(16))))
