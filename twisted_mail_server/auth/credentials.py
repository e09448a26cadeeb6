"""
What a client says of itself, as credentials of L{twisted.cred}.
"""

from __future__ import annotations

from attrs import field, frozen
from twisted.cred.credentials import ICredentials, IUsernamePassword
from zope.interface import Attribute, implementer

from twisted_mail_server.model.accounts import PlainSecret, ScramProof, Secret


class IPasswordSecret(IUsernamePassword):
    """
    A name and a password in the clear, as PLAIN and LOGIN carry them (RFC 4616).
    """

    name: str = Attribute("The login name as it was given.")
    password: bytes = Attribute("The password as it was given.")


class IProvedSecret(ICredentials):
    """
    A name, and a proof that its password is known, as SCRAM brings it (RFC 5802).
    """

    name: str = Attribute("The login name as it was given.")
    proof: ScramProof = Attribute("What the exchange came to.")


#: The SASL mechanisms whose outcome is each kind of credentials: what is offered follows from what every source can check.
MECHANISMS = (
    (IProvedSecret, ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1")),
    (IPasswordSecret, ("PLAIN", "LOGIN")),
)


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


@implementer(IProvedSecret)
@frozen
class ProvedSecret:
    """
    A name and a proof.
    """

    name: str
    proof: ScramProof


def credentials_of(secret: Secret) -> PasswordSecret | ProvedSecret:
    """
    What a login is decided by, as credentials.
    """
    if isinstance(secret, PlainSecret):
        return PasswordSecret.of(secret)
    return ProvedSecret(secret.authcid, secret)
