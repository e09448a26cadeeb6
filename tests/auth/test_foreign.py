"""
L{twisted_mail_server.auth.checkers.foreign}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.cred import strcred
from twisted.cred.checkers import ANONYMOUS, AllowAnonymousAccess, FilePasswordDB, ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.accounts import House, address
from tests.support.disks import seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.auth.checkers.foreign import ForeignChecker, check_description, make_checker
from twisted_mail_server.auth.credentials import PasswordSecret, ProvedSecret
from twisted_mail_server.auth.portals import build_authenticator
from twisted_mail_server.interfaces import IMailUser
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import (
    NO_PASSWORD,
    PlainSecret,
    ScramKeys,
    ScramProof,
    StoredCredentials,
)
from twisted_mail_server.model.errors import (
    AuthenticationFailed,
    BadSetting,
    LoginUnavailable,
    SyntaxProblem,
)


@implementer(ICredentialsChecker)
class MadeUpChecker:
    """
    Answers as it is told.
    """

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, bytes]] = []

    def requestAvatarId(self, credentials: Any) -> Any:
        """
        The answer.
        """
        self.asked.append((credentials.username, credentials.password))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class ForeignTests(SynchronousTestCase):
    """
    Somebody else's checker.
    """

    def setUp(self) -> None:
        """
        A house with one account whose password is elsewhere.
        """
        self.house = House()
        account = self.house.directory.add_account(address("ann@example.org"), StoredCredentials(NO_PASSWORD))
        self.ann = now(account)

    def ask(self, answer: Any, name: str = "ann@example.org") -> Any:
        """
        What a source with such a checker says.
        """
        self.checker = MadeUpChecker(answer)
        source = ForeignChecker("made-up:secret arguments", self.checker, self.house.directory, self.house.clock)
        return source.check(PasswordSecret(name, b"secret"))

    def test_yes(self) -> None:
        """
        The account of whom it names, at once or later.
        """
        for answer in (b"ann@example.org", b"ANN", succeed(b"ann"), "ann"):
            self.assertEqual(self.ann.id, now(self.ask(answer)))
        self.assertEqual([(b"ann@example.org", b"secret")], self.checker.asked)

    def test_no(self) -> None:
        """
        Its no lets others be asked.
        """
        self.assertIsNone(now(self.ask(UnauthorizedLogin())))
        self.assertIsNone(now(self.ask(fail(UnauthorizedLogin()))))

    def test_no_account(self) -> None:
        """
        Who has no account here, or a disabled one, is not let in, whatever the checker says; nor is nobody.
        """
        for answer in (b"bob@example.org", b"\xff", ANONYMOUS, None):
            failure_of(self.ask(answer), UnauthorizedLogin)
        now(self.house.directory.set_disabled(self.ann.id, True))
        failure_of(self.ask(b"ann"), UnauthorizedLogin)

    def test_down(self) -> None:
        """
        Whatever else it raises means that nobody can tell now.
        """
        for answer in (ZeroDivisionError(), fail(OSError("gone"))):
            failure_of(self.ask(answer), LoginUnavailable)
            (event,) = self.flushLoggedErrors()
            self.assertNotIn("secret", str(event))

    def test_silent(self) -> None:
        """
        One that does not answer in time is down.
        """
        asked = Deferred.fromCoroutine(self.ask(Deferred()))
        self.house.clock.advance(limits.CHECKER_TIMEOUT)
        self.failureResultOf(asked, LoginUnavailable)
        self.assertEqual(1, len(self.flushLoggedErrors()))

    def test_session_over(self) -> None:
        """
        A login that nobody waits for any more is cancelled, and no failure.
        """
        asked = Deferred.fromCoroutine(self.ask(Deferred()))
        asked.cancel()
        self.failureResultOf(asked, CancelledError)

    def test_passwords_only(self) -> None:
        """
        It knows nothing of proofs.
        """
        source = ForeignChecker("made-up", MadeUpChecker(b"ann"), self.house.directory, self.house.clock)
        proof = ScramProof("ann", "sha256", ScramKeys(b"", 1, b"", b""), True)
        self.assertIsNone(now(source.check(ProvedSecret("ann", proof))))
        self.assertIsNone(now(source.keys("ann", "sha256")))


class SettingTests(SynchronousTestCase):
    """
    Checkers by name.
    """

    def test_description(self) -> None:
        """
        A type that takes passwords, with arguments or without.
        """
        for text in ("file:/etc/passwords", "memory:ann:secret", "unix"):
            self.assertEqual(text, check_description(text))
        for text in ("", "nothing:x", "anonymous"):
            with self.assertRaises(SyntaxProblem, msg=text):
                check_description(text)

    def test_wrong_arguments(self) -> None:
        """
        What its plugin does not like is a wrong setting.
        """
        for text in ("file:", "memory:x", "nothing"):
            with self.assertRaises(BadSetting) as caught:
                make_checker(text)
            self.assertIn(f"auth.checkers: {text}: ", caught.exception.public)

    def test_no_passwords(self) -> None:
        """
        Nor is one good that takes other things than passwords.
        """
        self.patch(strcred, "makeChecker", lambda text: AllowAnonymousAccess())
        with self.assertRaises(BadSetting):
            make_checker("anonymous")


class WholeTests(SynchronousTestCase):
    """
    The directory's passwords, and two files of others, behind one portal.
    """

    def setUp(self) -> None:
        """
        Bob has a password here, Ann and Eve one elsewhere.
        """
        self.house = House()
        self.files = []
        for lines in ("ann@example.org:first\n", "ann@example.org:second\neve@example.org:second\nbob@example.org:x\n"):
            path = Path(self.mktemp())
            path.write_text(lines, encoding="ascii")
            self.files.append(path)
        for name in ("ann", "eve"):
            now(self.house.directory.add_account(address(f"{name}@example.org"), StoredCredentials(NO_PASSWORD)))
        self.house.add("bob@example.org", b"here")
        self.authenticator = build_authenticator(
            self.house.directory,
            self.house.store,
            self.house.passwords,
            self.house.clock,
            seeded(),
            [f"file:{path}" for path in self.files],
        )

    def break_down(self) -> None:
        """
        The files' disk is gone.
        """

        def fail(*_: object) -> None:
            raise OSError

        self.patch(FilePasswordDB, "requestAvatarId", fail)

    def log_in(self, name: str, password: bytes) -> Any:
        """
        A login under way.
        """
        secret = PlainSecret(f"{name}@example.org", password)
        return self.authenticator.login(secret, IMailUser, peer="", revoked=lambda reason: None)

    def test_in_order(self) -> None:
        """
        Whoever says yes first lets in; a password that is kept here is the only one of its account.
        """
        for name, password in (("ann", b"first"), ("ann", b"second"), ("eve", b"second"), ("bob", b"here")):
            self.assertEqual(f"{name}@example.org", str(now(self.log_in(name, password)).account.address))
        for name, password in (("ann", b"here"), ("bob", b"x"), ("eve", b"first"), ("joe", b"x"), ("ann", b"*")):
            failure_of(self.log_in(name, password), AuthenticationFailed)

    def test_offered(self) -> None:
        """
        None of the files has keys for SCRAM.
        """
        self.assertEqual(("PLAIN", "LOGIN"), self.authenticator.mechanisms(is_private=True))

    def test_down(self) -> None:
        """
        While one is down nobody can tell, though the next might say yes; passwords here are not concerned.
        """
        self.break_down()
        problem = failure_of(self.log_in("eve", b"second"), LoginUnavailable)
        assert isinstance(problem, LoginUnavailable)
        self.assertEqual(
            (454, "4.7.0", "UNAVAILABLE", "SYS/TEMP"),
            (problem.code, problem.enhanced, problem.imap_code, problem.pop3_code),
        )
        self.assertEqual("bob@example.org", str(now(self.log_in("bob", b"here")).account.address))
        self.flushLoggedErrors()

    def test_not_held_against_anybody(self) -> None:
        """
        A failure of theirs does not count as a guess.
        """
        self.break_down()
        for _ in range(2 * limits.FAILURES_PER_ACCOUNT):
            failure_of(self.log_in("ann", b"first"), LoginUnavailable)
        self.flushLoggedErrors()
