"""
Builds the one portal, and the authenticator in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.auth.authenticator import Authenticator
from twisted_mail_server.auth.checkers.composite import CompositeChecker, PasswordSource
from twisted_mail_server.auth.checkers.foreign import ForeignChecker, make_checker
from twisted_mail_server.auth.checkers.local import LocalPasswords
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.auth.realm import MailRealm
from twisted_mail_server.interfaces import IDirectory, IMailStore, IMeters, Unmetered


def build_authenticator(
    directory: IDirectory,
    store: IMailStore,
    passwords: Argon2Passwords,
    clock: IReactorTime,
    random: Callable[[int], bytes],
    checkers: Sequence[str] = (),
    meters: IMeters | None = None,
) -> Authenticator:
    """
    A portal to the mail of the accounts in C{directory}.

    @param checkers: descriptions of others' checkers (L{twisted.cred.strcred}), asked in order after the directory's own
        passwords.
    @raise BadSetting: one of them cannot be made.
    """
    foreign = [ForeignChecker(text, make_checker(text), directory, clock) for text in checkers]
    sources: list[PasswordSource] = [LocalPasswords(directory, passwords), *foreign]
    checker = CompositeChecker(sources, passwords, directory.stand_in)
    portal = Portal(MailRealm(directory, store), [checker])
    return Authenticator(portal, checker, clock, random, meters=meters or Unmetered())
