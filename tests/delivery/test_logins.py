"""
L{twisted_mail_server.delivery.logins}
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.hooks import Says
from tests.support.smtp import EVERYONE, PASSWORD, MadeUpAuthenticator
from twisted_mail_server.delivery.hooks import HookFailed, Hooks
from twisted_mail_server.delivery.logins import CheckedAuthenticator
from twisted_mail_server.interfaces import ISubmitter
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.errors import AuthenticationFailed
from twisted_mail_server.model.verdicts import Denied, Quarantine, Reject


class CheckedAuthenticatorTests(SynchronousTestCase):
    """
    Hooks at a login.
    """

    def setUp(self) -> None:
        """
        An authenticator with a hook.
        """
        self.inner = MadeUpAuthenticator()
        self.hook = Says("login")
        self.checked = CheckedAuthenticator(self.inner, Hooks.of(Clock(), [("one", self.hook)]))

    def login(self, password: bytes = PASSWORD) -> Any:
        """
        A login under way.
        """
        secret = PlainSecret("ann", password)
        return self.checked.login(secret, ISubmitter, peer="192.0.2.1", revoked=lambda reason: None)

    def test_accepted(self) -> None:
        """
        The hook is asked with account and peer, and the login goes on.
        """
        login = now(self.login())
        self.assertIs(self.inner.logins[0], login)
        self.assertEqual([(EVERYONE, "192.0.2.1")], self.hook.asked)
        self.assertEqual(0, self.inner.logins[0].logouts)

    def test_refused(self) -> None:
        """
        What the hook refuses is logged out at once.
        """
        self.hook.answer = Reject("Not from there.", 535, "5.7.0")
        problem = failure_of(self.login(), Denied)
        self.assertEqual("Not from there.", str(problem))
        self.assertEqual(1, self.inner.logins[0].logouts)

    def test_only_that(self) -> None:
        """
        A login can be accepted or refused; anything else is a failing hook.
        """
        self.hook.answer = Quarantine("strange")
        failure_of(self.login(), HookFailed)
        self.assertEqual(1, self.inner.logins[0].logouts)

    def test_wrong_password(self) -> None:
        """
        Nobody is asked about what failed already.
        """
        failure_of(self.login(b"wrong"), AuthenticationFailed)
        self.assertEqual([], self.hook.asked)

    def test_the_rest(self) -> None:
        """
        Mechanisms and keys are those of the other authenticator.
        """
        self.assertEqual(self.inner.mechanisms(is_private=True), self.checked.mechanisms(is_private=True))
        self.assertEqual((), self.checked.mechanisms(is_private=False))
        start = object()

        async def keys(name: str, hash_name: str, *, peer: str) -> object:
            return start if (name, hash_name, peer) == ("ann", "sha256", "192.0.2.1") else None

        self.patch(self.inner, "keys", keys)
        self.assertIs(start, now(self.checked.keys("ann", "sha256", peer="192.0.2.1")))
