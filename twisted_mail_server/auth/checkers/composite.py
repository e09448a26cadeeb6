"""
Many sources behind one checker: a cred portal keeps a single checker for each kind of credentials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_mail_server.auth.credentials import IPasswordSecret, PasswordSecret
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.model.accounts import AccountId


class PasswordSource(Protocol):
    """
    Something that knows some accounts.
    """

    async def check(self, secret: PasswordSecret) -> AccountId | None:
        """
        The account, if this source knows it and the password is right; L{None} if it does not know it.

        @raise UnauthorizedLogin: it knows the account, and no.
        @raise MailError: it cannot tell now.
        """


@implementer(ICredentialsChecker)
@frozen
class CompositeChecker:
    """
    The first source that knows the account decides.  A source that cannot tell now is a temporary failure, even if a
    later one might say yes: else its own accounts' passwords would be called wrong.
    """

    sources: Sequence[PasswordSource]
    passwords: Argon2Passwords

    credentialInterfaces = (IPasswordSecret,)

    def requestAvatarId(self, credentials: PasswordSecret) -> Deferred[bytes | tuple[()]]:
        """
        The account's id.

        @raise UnauthorizedLogin: nobody knows the account, or its password is another.
        """
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, secret: PasswordSecret) -> bytes | tuple[()]:
        for source in self.sources:
            found = await source.check(secret)
            if found is not None:
                return found.text.encode("ascii")
        await self.passwords.verify(secret.password, None)
        raise UnauthorizedLogin("Nobody knows this name.")
