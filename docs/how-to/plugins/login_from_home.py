"""
Some accounts may log in from some networks only, whatever the protocol.
"""

from ipaddress import ip_address

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.app.kinds import ListOf, Text, network
from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.app.settings import setting
from twisted_mail_server.interfaces import ILoginCheck
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.verdicts import Reject


@implementer(ILoginCheck)
@frozen
class FromHome:
    accounts: tuple = setting(ListOf(Text("an address", Address.parse)), "Who.", default=())
    networks: tuple = setting(ListOf(Text('a network such as "192.0.2.0/24"', network)), "From where.", default=())

    async def logged_in(self, account, peer):
        if account.address in self.accounts and not any(ip_address(peer) in one for one in self.networks):
            return Reject("Log in from your office, please.", 535, "5.7.0")


plugin = MailPlugin("from-home", lambda settings, services: settings, FromHome)
