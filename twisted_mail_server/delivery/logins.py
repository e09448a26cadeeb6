"""
Logins, with hooks that may refuse them.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from zope.interface import implementer

from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.interfaces import IAuthenticator, ILogin
from twisted_mail_server.model.accounts import ScramStart, Secret


@implementer(IAuthenticator)
@frozen
class CheckedAuthenticator:
    """
    Another authenticator, whose successful logins hooks are asked about.
    """

    _inner: IAuthenticator
    _hooks: Hooks

    def mechanisms(self, *, is_private: bool) -> tuple[str, ...]:
        """
        Those of the other.
        """
        return self._inner.mechanisms(is_private=is_private)

    async def keys(self, name: str, hash_name: str, *, peer: str) -> ScramStart:
        """
        Those of the other.
        """
        return await self._inner.keys(name, hash_name, peer=peer)

    async def login(self, secret: Secret, avatar: type, *, peer: str, revoked: Callable[[str], None]) -> ILogin:
        """
        Log in, then ask.

        @raise MailError: the secret is wrong, or a hook refuses.
        """
        login = await self._inner.login(secret, avatar, peer=peer, revoked=revoked)
        try:
            await self._hooks.run("login", self._hooks.login, login.account, peer)
        except BaseException:
            login.logout()
            raise
        return login
