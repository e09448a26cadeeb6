"""
Large messages go out at night.
"""

from datetime import UTC, datetime

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.kinds import Size
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import IAttemptHook
from twisted_mail_server.model.verdicts import Defer


@frozen
class Settings:
    large: int = setting(Size(0, 2**40), "What is larger than this waits.", default=10 * 2**20)


@implementer(IAttemptHook)
@frozen
class AtNight:
    large: int
    clock: object

    async def attempt(self, message, recipient, content):
        if content.size > self.large and 6 <= datetime.fromtimestamp(self.clock.seconds(), UTC).hour < 22:
            return Defer("It is large, and waits for the night.")


plugin = MailPlugin("at-night", lambda settings, services: AtNight(settings.large, services.reactor), Settings)
