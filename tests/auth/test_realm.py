"""
L{twisted_mail_server.auth.realm}
"""

from __future__ import annotations

from typing import Any

from twisted.cred.error import LoginDenied, UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface
from zope.interface.verify import verifyObject

from tests.support.accounts import House, address, credentials
from tests.support.drive import now
from twisted_mail_server.auth.realm import REVOKED, MailRealm
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.interfaces import IMailUser, ISubmitter
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import SyntaxProblem


class Mind:
    """
    A session that remembers why it had to end.
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def revoked(self, reason: str) -> None:
        """
        End.
        """
        self.reasons.append(reason)


class RealmTests(SynchronousTestCase):
    """
    Avatars, and their end.
    """

    def setUp(self) -> None:
        """
        A realm with one account.
        """
        self.house = House()
        self.realm = MailRealm(self.house.directory, self.house.store)
        self.alice = self.house.add("alice@example.org")
        self.avatar_id = self.alice.id.text.encode()

    def avatar(self, *interfaces: Any, mind: object = None, avatar_id: Any = None) -> Any:
        """
        What the realm answers.
        """
        return self.successResultOf(self.realm.requestAvatar(avatar_id or self.avatar_id, mind, *interfaces))

    def test_submitter(self) -> None:
        """
        Somebody who sends gets to know as whom they may.
        """
        interface, avatar, _ = self.avatar(ISubmitter)
        self.assertIs(ISubmitter, interface)
        self.assertTrue(verifyObject(ISubmitter, avatar))
        self.assertEqual(self.alice, avatar.account)
        self.assertTrue(now(avatar.may_send_as(address("ALICE@example.org"))))
        self.assertFalse(now(avatar.may_send_as(address("bob@example.org"))))

    def test_reader(self) -> None:
        """
        Somebody who reads gets their mail.
        """
        interface, avatar, _ = self.avatar(IMailUser)
        self.assertIs(IMailUser, interface)
        self.assertTrue(verifyObject(IMailUser, avatar))
        self.assertEqual(self.alice.id, avatar.mail.account_id)
        self.assertIn("INBOX", [status.name for status in now(avatar.mail.mailboxes())])

    def test_first_known_interface(self) -> None:
        """
        Of several interfaces the first that is known is given.
        """

        class Other(Interface):
            pass

        self.assertIs(IMailUser, self.avatar(Other, IMailUser, ISubmitter)[0])
        self.failureResultOf(self.realm.requestAvatar(self.avatar_id, None, Other), NotImplementedError)

    def test_nobody(self) -> None:
        """
        Anonymous, unknown and impossible ids get nothing, and leave nothing behind.
        """
        self.failureResultOf(self.realm.requestAvatar((), None, ISubmitter), LoginDenied)
        self.failureResultOf(self.realm.requestAvatar(b"0" * 32, None, ISubmitter), UnauthorizedLogin)
        self.failureResultOf(self.realm.requestAvatar(b"../../etc", None, IMailUser), SyntaxProblem)
        self.assertEqual(0, self.realm.live_logins(AccountId("0" * 32)))

    def test_disabled(self) -> None:
        """
        A disabled account gets nothing, and what it has ends.
        """
        mind = Mind()
        self.avatar(ISubmitter, mind=mind)
        directory = self.house.directory
        assert isinstance(directory, MemoryDirectory)
        now(directory.set_disabled(self.alice.id, True))
        self.assertEqual([REVOKED], mind.reasons)
        self.failureResultOf(self.realm.requestAvatar(self.avatar_id, None, ISubmitter), UnauthorizedLogin)

    def test_revoked(self) -> None:
        """
        A new password ends all sessions of the account, and no others; one that fails keeps no other alive.
        """
        bob = self.house.add("bob@example.org")

        class Stubborn:
            def revoked(self, reason: str) -> None:
                raise ZeroDivisionError

        minds = [Mind(), Mind()]
        other = Mind()
        self.avatar(ISubmitter, mind=minds[0])
        self.avatar(ISubmitter, mind=Stubborn())
        self.avatar(ISubmitter, mind=None)
        self.avatar(IMailUser, mind=minds[1])
        self.avatar(IMailUser, mind=other, avatar_id=bob.id.text.encode())
        self.assertEqual(4, self.realm.live_logins(self.alice.id))
        now(self.house.directory.set_credentials(self.alice.id, credentials("new")))
        self.assertEqual([[REVOKED], [REVOKED], []], [mind.reasons for mind in (*minds, other)])
        self.assertEqual(0, self.realm.live_logins(self.alice.id))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_logout(self) -> None:
        """
        Who has logged out is not told any more, and may log out twice.
        """
        mind, other = Mind(), Mind()
        _, _, logout = self.avatar(ISubmitter, mind=mind)
        self.avatar(ISubmitter, mind=other)
        logout()
        logout()
        self.assertEqual(1, self.realm.live_logins(self.alice.id))
        now(self.house.directory.remove_account(self.alice.id))
        self.assertEqual(([], [REVOKED]), (mind.reasons, other.reasons))

    def test_change_during_login(self) -> None:
        """
        A login during which the password changes does not succeed.
        """
        opening: Deferred[Any] = Deferred()

        async def slow(account: object) -> Any:
            return await opening

        self.patch(type(self.house.store), "open", lambda store, account: slow(account))
        mind = Mind()
        login = self.realm.requestAvatar(self.avatar_id, mind, IMailUser)
        now(self.house.directory.set_credentials(self.alice.id, credentials("new")))
        opening.callback(object())
        self.failureResultOf(login, UnauthorizedLogin)
