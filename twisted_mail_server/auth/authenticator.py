"""
Logging in, as the protocols see it: a portal, and a brake on guessing.

Each decision is one log event C{login {login} {peer} {outcome}}, with C{outcome} one of C{accepted}, C{refused},
C{throttled} and C{failed}: a line that fail2ban can match.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.cred.error import LoginDenied, UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.auth.checkers.composite import CompositeChecker
from twisted_mail_server.auth.credentials import MECHANISMS, credentials_of
from twisted_mail_server.auth.throttle import Throttle
from twisted_mail_server.interfaces import IAuthenticator, ILogin, IMeters, Unmetered
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account, ScramStart, Secret
from twisted_mail_server.model.errors import (
    AuthenticationFailed,
    LoginUnavailable,
    MailError,
    TemporaryFailure,
    Throttled,
)
from twisted_mail_server.protocols.sasl.registry import known

_log = Logger()

#: Longest name that is looked at, or shown in the log: an address.
_NAME = limits.LOCAL_PART + 1 + limits.DOMAIN
#: Octets of chance in our part of a nonce.
_NONCE = 18


@implementer(ILogin)
@define(eq=False)
class Login:
    """
    A successful login, while it lasts.
    """

    avatar: Any
    account: Account
    _logout: Callable[[], None] | None = field(repr=False)

    def logout(self) -> None:
        """
        The session is over; harmless twice.
        """
        logout, self._logout = self._logout, None
        if logout is not None:
            logout()


@frozen
class _Session:
    """
    What the realm calls when a login must end.
    """

    revoked: Callable[[str], None]


@implementer(IAuthenticator)
@define(eq=False)
class Authenticator:
    """
    One portal for every protocol.
    """

    _portal: Portal
    #: The portal's only checker.
    _checker: CompositeChecker
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _throttle: Throttle = field(factory=Throttle)
    _meters: IMeters = field(factory=Unmetered)

    def mechanisms(self, *, is_private: bool) -> tuple[str, ...]:
        """
        The SASL mechanisms to offer: those whose outcome the portal can check, and whose secret nobody else can read.
        """
        if not is_private:
            return ()
        checked = self._checker.kinds()
        return known((name for kind, names in MECHANISMS if kind in checked for name in names), has_binding=True)

    async def keys(self, name: str, hash_name: str, *, peer: str) -> ScramStart:
        """
        What a SCRAM exchange starts from.

        @raise Throttled: too many failures; try later.
        @raise LoginUnavailable: nobody can tell now.
        """
        self._may_try(name, peer)
        try:
            keys = await self._checker.keys(name, hash_name)
        except TemporaryFailure as problem:
            self._tell(name, peer, "failed")
            raise LoginUnavailable(problem.public) from problem
        return ScramStart(keys, base64.b64encode(self._random(_NONCE)))

    async def login(self, secret: Secret, avatar: type, *, peer: str, revoked: Callable[[str], None]) -> Login:
        """
        Check a secret and give the avatar that provides the interface C{avatar}.

        @raise AuthenticationFailed: wrong name or password, or acting for somebody else.
        @raise Throttled: too many failures; try later.
        @raise LoginUnavailable: nobody can tell now.
        """
        name = self._may_try(secret.authcid, peer)
        try:
            login = await self._ask(secret, avatar, revoked)
        except (UnauthorizedLogin, LoginDenied):
            self._throttle.failed(peer, name, self._clock.seconds())
            self._tell(secret.authcid, peer, "refused")
            raise AuthenticationFailed("Wrong name or password.") from None
        except MailError as problem:
            self._tell(secret.authcid, peer, "failed")
            if isinstance(problem, TemporaryFailure):
                raise LoginUnavailable(problem.public) from problem
            raise
        self._throttle.succeeded(peer, name)
        self._tell(secret.authcid, peer, "accepted", account=str(login.account.id))
        return login

    def _may_try(self, login: str, peer: str) -> str:
        """
        The name under which failures are counted.

        @raise Throttled: there were too many.
        """
        name = login.strip().lower()[:_NAME]
        if self._throttle.wait(peer, name, self._clock.seconds()) > 0:
            self._tell(login, peer, "throttled")
            raise Throttled("Too many failed logins. Try again later.")
        return name

    async def _ask(self, secret: Secret, avatar: type, revoked: Callable[[str], None]) -> Login:
        if len(secret.authcid) > _NAME:
            # Nobody's name; the portal still takes its time to say so.
            secret = evolve(secret, authcid="")
        found: Any
        _, found, logout = await self._portal.login(credentials_of(secret), _Session(revoked), avatar)
        login = Login(found, found.account, logout)
        if not _is_oneself(secret, login.account):
            login.logout()
            raise LoginDenied("Nobody acts for somebody else here.")
        return login

    def _tell(self, login: str, peer: str, outcome: str, **more: str) -> None:
        # A login costs milliseconds: the look-up is nothing beside it.
        self._meters.counter("mail_logins_total", outcome)(1)
        tell = _log.info if outcome == "accepted" else _log.warn
        tell("login {login} {peer} {outcome}", login=shown(login), peer=peer or "-", outcome=outcome, **more)


def _is_oneself(secret: Secret, account: Account) -> bool:
    """
    Whether the authorization identity is empty, or the one who logged in (RFC 4616 section 2).
    """
    wanted = secret.authzid.lower()
    return not wanted or wanted in (secret.authcid.lower(), account.address.key)


def shown(name: str) -> str:
    """
    A login name as it may stand in a log line: one word, whatever the client sent.
    """
    text = "".join(character if character.isprintable() and character != " " else "?" for character in name[:_NAME])
    return text or "-"
