"""
Refuse messages with a known virus in them; tell of all others that somebody has looked.
"""

from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.interfaces import IContentCheck
from twisted_mail_server.model.verdicts import AddFields, Reject

#: The test file that every scanner takes for a virus.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PIECE = 256 * 1024


@implementer(IContentCheck)
class Antivirus:
    async def content(self, envelope, content):
        for offset in range(0, content.size, PIECE):
            # The pieces overlap: a virus may lie across two of them.
            if EICAR in await content.read(offset, PIECE + len(EICAR)):
                return Reject("There is a virus in it.", 554, "5.7.1")
        return AddFields.of("X-Virus-Scanned", "yes, for one virus")


plugin = MailPlugin("antivirus", lambda settings, services: Antivirus())
