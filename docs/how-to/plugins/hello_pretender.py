"""
Refuse clients that call themselves by our name.
"""

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.interfaces import IHelloCheck
from twisted_mail_server.model.verdicts import Reject


@implementer(IHelloCheck)
@frozen
class Pretender:
    hostname: str

    async def hello(self, session):
        if session.helo.lower() == self.hostname:
            return Reject(f"You are not {self.hostname}: I am.")


plugin = MailPlugin("pretender", lambda settings, services: Pretender(services.hostname))
