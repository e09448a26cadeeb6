"""
Many sources behind one checker: a cred portal keeps a single checker for each kind of credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_mail_server.auth.credentials import IPasswordSecret, IProvedSecret, PasswordSecret, ProvedSecret
from twisted_mail_server.auth.hashing import Argon2Passwords, stand_in_keys
from twisted_mail_server.model.accounts import AccountId, ScramKeys


class PasswordSource(Protocol):
    """
    Something that knows some accounts.
    """

    def kinds(self) -> frozenset[Any]:
        """
        The kinds of credentials (interfaces) that it can check now, whoever logs in.
        """

    async def check(self, secret: PasswordSecret | ProvedSecret) -> AccountId | None:
        """
        The account, if this source knows it and the password is right; L{None} if it does not know it.

        @raise UnauthorizedLogin: it knows the account, and no.
        @raise MailError: it cannot tell now.
        """

    async def keys(self, name: str, hash_name: str) -> ScramKeys | None:
        """
        What a proof is checked with; L{None} if it does not know that account.

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
    #: 32 octets for a name, always the same, that nobody can guess.
    stand_in: Callable[[str], bytes]

    credentialInterfaces = (IPasswordSecret, IProvedSecret)

    def kinds(self) -> frozenset[Any]:
        """
        The kinds of credentials that every source can check: with another, those whose source cannot would be kept out.
        """
        every = [source.kinds() for source in self.sources]
        return frozenset.intersection(*every) if every else frozenset()

    def requestAvatarId(self, credentials: PasswordSecret | ProvedSecret) -> Deferred[bytes | tuple[()]]:
        """
        The account's id.

        @raise UnauthorizedLogin: nobody knows the account, or its password is another.
        """
        return Deferred.fromCoroutine(self._check(credentials))

    async def keys(self, name: str, hash_name: str) -> ScramKeys:
        """
        What a proof is checked with; for a name that nobody knows, made up.
        """
        made_up = stand_in_keys(self.stand_in(name), hash_name)
        for source in self.sources:
            found = await source.keys(name, hash_name)
            if found is not None:
                return found
        return made_up

    async def _check(self, secret: PasswordSecret | ProvedSecret) -> bytes | tuple[()]:
        for source in self.sources:
            found = await source.check(secret)
            if found is not None:
                return found.text.encode("ascii")
        if isinstance(secret, PasswordSecret):
            await self.passwords.verify(secret.password, None)
        raise UnauthorizedLogin("Nobody knows this name.")
