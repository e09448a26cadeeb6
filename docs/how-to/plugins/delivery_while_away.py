"""
Send on what comes for somebody who is away.
"""

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.kinds import Text
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import IDeliveryHook
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.verdicts import Redirect


@implementer(IDeliveryHook)
@frozen
class WhileAway:
    who: Address = setting(Text("an address", Address.parse), "Who is away.")
    deputy: Address = setting(Text("an address", Address.parse), "Who gets their mail.")

    async def deliver(self, message, recipient, account, content):
        return Redirect(self.deputy) if account.address == self.who else None


plugin = MailPlugin("while-away", lambda settings, services: settings, WhileAway)
