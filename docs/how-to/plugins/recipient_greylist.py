"""
Let strangers try twice: real servers do, many spammers do not (RFC 6647).
"""

from attrs import define, field
from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.interfaces import IRecipientCheck
from twisted_mail_server.model.verdicts import Defer


@implementer(IRecipientCheck)
@define
class Greylist:
    clock: object
    first_seen: dict = field(factory=dict)

    async def recipient(self, envelope, recipient):
        now = self.clock.seconds()
        if len(self.first_seen) > 100_000:
            self.first_seen.clear()
        first = self.first_seen.setdefault((envelope.origin.peer, envelope.sender, recipient), now)
        if envelope.origin.account is None and now - first < 300:
            return Defer("Greylisted; please try again in five minutes.")


plugin = MailPlugin("greylist", lambda settings, services: Greylist(services.reactor))
