"""
Put into Junk what a filter in front of this server has marked.
"""

from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.interfaces import IHeaderCheck
from twisted_mail_server.message.headers import first
from twisted_mail_server.model.verdicts import Quarantine


@implementer(IHeaderCheck)
class SpamFlag:
    async def header(self, envelope, header):
        flag = first(header, b"X-Spam-Flag")
        if flag is not None and flag.text.upper() == b"YES":
            return Quarantine("marked as spam")


plugin = MailPlugin("spam-flag", lambda settings, services: SpamFlag())
