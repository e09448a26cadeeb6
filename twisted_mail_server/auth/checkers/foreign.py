"""
Checkers that come with Twisted or from plugins (strcred), named in the settings.

A checker only proves passwords: mail is for the accounts of the directory.  It is asked about names that no earlier source has a
password for.  It can say yes or no, and not that it never heard of somebody: so after its no the next one is asked.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.cred import strcred
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail_server.auth.credentials import IPasswordSecret, PasswordSecret, ProvedSecret
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId, ScramKeys
from twisted_mail_server.model.errors import BadSetting, LoginUnavailable, SyntaxProblem

_log = Logger()


def check_description(text: str) -> str:
    """
    C{TYPE} or C{TYPE:ARGUMENTS}, where there is a checker of that type and it takes passwords.

    @raise SyntaxProblem: there is not.
    """
    kind = text.partition(":")[0]
    known = {factory.authType: factory for factory in strcred.findCheckerFactories()}
    if kind not in known:
        raise SyntaxProblem(f"There is no checker {kind}. There are: {', '.join(sorted(known))}.")
    if not _takes_passwords(known[kind].credentialInterfaces):
        raise SyntaxProblem(f"The checker {kind} does not take names and passwords.")
    return text


def make_checker(text: str) -> ICredentialsChecker:
    """
    The checker that a setting describes.

    @raise BadSetting: it does not take those arguments.
    """
    try:
        checker: ICredentialsChecker = strcred.makeChecker(text)
    except Exception as problem:
        # Whatever a plugin thinks of its arguments.
        raise BadSetting(f"auth.checkers: {text}: {problem or type(problem).__name__}") from problem
    if not _takes_passwords(checker.credentialInterfaces):
        raise BadSetting(f"auth.checkers: {text}: it does not take names and passwords.")
    return checker


def _takes_passwords(kinds: Any) -> bool:
    return any(IUsernamePassword.isOrExtends(kind) for kind in kinds)


@frozen
class ForeignChecker:
    """
    Somebody else's checker as a source.
    """

    #: As the settings have it, for the log.
    description: str
    checker: ICredentialsChecker
    directory: IDirectory
    clock: IReactorTime

    def kinds(self) -> frozenset[Any]:
        """
        Passwords.
        """
        return frozenset((IPasswordSecret,))

    async def keys(self, name: str, hash_name: str) -> ScramKeys | None:
        """
        It has none.
        """
        return None

    async def check(self, secret: PasswordSecret | ProvedSecret) -> AccountId | None:
        """
        The account of whom the checker says that it is.

        @raise UnauthorizedLogin: the checker says yes, and there is no such account, or it is disabled.
        @raise LoginUnavailable: the checker failed, or took too long.
        """
        if not isinstance(secret, PasswordSecret):
            return None
        try:
            avatar_id = await self._ask(secret)
        except UnauthorizedLogin:
            return None
        except CancelledError:
            # The session is over.
            raise
        except Exception as problem:
            # A checker that fails is not a wrong password.
            _log.failure("checker {checker} failed", checker=self.description.partition(":")[0])
            raise LoginUnavailable("Logins cannot be checked now. Try again later.") from problem
        name = avatar_id.decode("utf-8", "replace") if isinstance(avatar_id, bytes) else str(avatar_id or "")
        found = await self.directory.login(name)
        if found is None or found[0].is_disabled:
            _log.warn(
                "checker {checker} knows {login}, who has no account here, or a disabled one", **self._about(name)
            )
            raise UnauthorizedLogin("There is no such account.")
        return found[0].id

    def _about(self, name: str) -> dict[str, str]:
        return {"checker": self.description.partition(":")[0], "login": name}

    def _ask(self, secret: PasswordSecret) -> Deferred[Any]:
        asked: Deferred[Any] = maybeDeferred(self.checker.requestAvatarId, secret)
        return asked.addTimeout(limits.CHECKER_TIMEOUT, self.clock)
