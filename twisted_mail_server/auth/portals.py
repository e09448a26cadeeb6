"""
Builds the one portal.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.cred.portal import Portal

from twisted_mail_server.auth.checkers.composite import CompositeChecker, PasswordSource
from twisted_mail_server.auth.checkers.local import LocalPasswords
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.auth.realm import MailRealm
from twisted_mail_server.interfaces import IDirectory, IMailStore


def build_portal(
    directory: IDirectory, store: IMailStore, passwords: Argon2Passwords, sources: Sequence[PasswordSource] = ()
) -> Portal:
    """
    A portal to the mail of the accounts in C{directory}; C{sources} are asked after the directory's own passwords.
    """
    checker = CompositeChecker((LocalPasswords(directory, passwords), *sources), passwords)
    return Portal(MailRealm(directory, store), [checker])
