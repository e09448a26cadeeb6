"""
Tell a web server of new mail.
"""

import json
from io import BytesIO

from attrs import frozen
from twisted.web.client import Agent, FileBodyProducer, readBody
from zope.interface import implementer

from twisted_mail_server.app.kinds import Text
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import IMailboxHook
from twisted_mail_server.model.changes import MailboxChange


@frozen
class Settings:
    url: str = setting(Text("a URL"), "Who is told.")


@implementer(IMailboxHook)
@frozen
class Webhook:
    url: bytes
    agent: Agent

    async def changed(self, event):
        if MailboxChange.ARRIVED in event.changes:
            body = json.dumps({"account": str(event.account), "mailbox": event.mailbox}).encode()
            await readBody(await self.agent.request(b"POST", self.url, None, FileBodyProducer(BytesIO(body))))


plugin = MailPlugin("webhook", lambda it, services: Webhook(it.url.encode(), Agent(services.reactor)), Settings)
