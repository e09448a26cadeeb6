"""
A delivery object for twisted.mail, as its examples have them, and the two lines that run it here.
"""

from twisted.internet.defer import succeed
from twisted.mail import smtp
from zope.interface import implementer

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.delivery.adapters.twistedmail import TwistedMailDelivery


@implementer(smtp.IMessage)
class ConsoleMessage:
    def __init__(self):
        self.lines = []

    def lineReceived(self, line):
        self.lines.append(line)

    def eomReceived(self):
        print("New message:", b"\n".join(self.lines).decode("utf-8", "replace"))
        return succeed(None)

    def connectionLost(self):
        self.lines = None


@implementer(smtp.IMessageDelivery)
class ConsoleMessageDelivery:
    def receivedHeader(self, helo, origin, recipients):
        return b"Received: ConsoleMessageDelivery"

    def validateFrom(self, helo, origin):
        return origin

    def validateTo(self, user):
        if user.dest.local == b"console":
            return ConsoleMessage
        raise smtp.SMTPBadRcpt(user)


plugin = MailPlugin("console", lambda settings, services: TwistedMailDelivery(ConsoleMessageDelivery(), "localhost"))
