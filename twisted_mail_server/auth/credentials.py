"""
What a client says of itself, as credentials of L{twisted.cred}.
"""

from __future__ import annotations

from attrs import field, frozen
from twisted.cred.credentials import IUsernamePassword
from zope.interface import Attribute, implementer

from twisted_mail_server.model.accounts import PlainSecret


class IPasswordSecret(IUsernamePassword):
    """
    A name and a password in the clear, as PLAIN and LOGIN carry them (RFC 4616).
    """

    name: str = Attribute("The login name as it was given.")
    password: bytes = Attribute("The password as it was given.")


#: The SASL mechanisms whose outcome is each kind of credentials: what is offered follows from what the portal's checkers take.
MECHANISMS = ((IPasswordSecret, ("PLAIN", "LOGIN")),)


@implementer(IPasswordSecret)
@frozen
class PasswordSecret:
    """
    A name and a password; checkers written for L{IUsernamePassword} take it too.
    """

    name: str
    password: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: PlainSecret) -> PasswordSecret:
        """
        What a SASL exchange ended with.
        """
        return cls(secret.authcid, secret.password)

    @property
    def username(self) -> bytes:
        """
        The name as octets.
        """
        return self.name.encode("utf-8", "replace")

    def checkPassword(self, password: bytes) -> bool:
        """
        Whether C{password} is the one that was given.
        """
        return self.password == password
