"""
Send no reports to addresses that nobody reads.
"""

from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.interfaces import IBounceHook
from twisted_mail_server.model.verdicts import Reject


@implementer(IBounceHook)
class NoReply:
    async def bounce(self, message, results, report):
        if message.envelope.sender.local.lower() in ("noreply", "no-reply"):
            return Reject("Nobody would read it.")


plugin = MailPlugin("no-reply", lambda settings, services: NoReply())
