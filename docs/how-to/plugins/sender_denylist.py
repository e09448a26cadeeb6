"""
Take no mail from some domains.
"""

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.kinds import ListOf, Text, domain
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import ISenderCheck
from twisted_mail_server.model.verdicts import Reject


@implementer(ISenderCheck)
@frozen
class Denylist:
    domains: tuple = setting(ListOf(Text('a domain such as "example.org"', domain)), "Unwelcome domains.", default=())

    async def sender(self, envelope):
        if envelope.sender is not None and envelope.sender.domain in self.domains:
            return Reject(f"We take no mail from {envelope.sender.domain}.")


# Its settings are all there is to it: they are the hook.
plugin = MailPlugin("denylist", lambda settings, services: settings, Denylist)
