"""
Refuse clients that a DNS blocklist knows (RFC 5782).
"""

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.kinds import Text, domain
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import IConnectionCheck
from twisted_mail_server.model.verdicts import Reject


@frozen
class Settings:
    zone: str = setting(Text('a domain such as "dnsbl.example.org"', domain), "Whose list is asked.")


@implementer(IConnectionCheck)
@frozen
class Blocklist:
    zone: str
    resolver: object

    async def connected(self, session):
        answer = await self.resolver.addresses(".".join(reversed(session.peer.split("."))) + "." + self.zone)
        return Reject(f"{session.peer} is listed in {self.zone}.") if answer.records else None


plugin = MailPlugin("blocklist", lambda settings, services: Blocklist(settings.zone, services.resolver), Settings)
