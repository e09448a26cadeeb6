"""
What every directory promises: C{IDirectory}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.accounts import address, credentials
from tests.support.drive import failure_of, now
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import AccountId, ScramKeys, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, NoSuchAccount

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _Base
else:
    _Base = object

NOBODY = AccountId("0" * 32)
FULL = StoredCredentials(
    "$argon2id$full", ScramKeys(b"salt", 15_000, b"stored", b"server"), ScramKeys(b"\x00\xff", 4096, b"", b"k")
)


class DirectoryContract(_Base):
    """
    Tests for every directory.
    """

    def make(self, names: LocalNames) -> IDirectory:
        """
        An empty directory whose clock is C{self.clock}.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        A directory of example.org.
        """
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.directory = self.make(LocalNames(["example.org"], "example.org"))
        self.told: list[AccountId] = []
        self.directory.listen(self.told.append)

    def add(self, text: str, kept: StoredCredentials | None = None) -> AccountId:
        """
        The id of a new account.
        """
        return now(self.directory.add_account(address(text), kept or credentials())).id

    def recipient(self, found: Address) -> AccountId | None:
        """
        The id of whoever gets mail for an address.
        """
        account = now(self.directory.recipient(found))
        return None if account is None else account.id

    def test_interface(self) -> None:
        """
        It has every method of the interface.
        """
        self.assertTrue(verifyObject(IDirectory, self.directory))

    def test_account(self) -> None:
        """
        An account is found by its id, as it was made.
        """
        made = now(self.directory.add_account(address("Alice@Example.ORG"), credentials()))
        self.assertEqual(Address("Alice", "example.org"), made.address)
        self.assertEqual(1_800_000_000, made.created)
        self.assertFalse(made.is_disabled)
        self.assertEqual(made, now(self.directory.account(made.id)))
        self.assertIsNone(now(self.directory.account(NOBODY)))

    def test_ids_differ(self) -> None:
        """
        An address that is given again means somebody else: the id is never reused.
        """
        first = self.add("alice@example.org")
        now(self.directory.remove_account(first))
        self.assertNotEqual(first, self.add("alice@example.org"))

    def test_taken(self) -> None:
        """
        An address is taken in every spelling of its case.
        """
        self.add("alice@example.org")
        failure_of(self.directory.add_account(address("ALICE@example.org"), credentials()), AccountExists)
        self.assertEqual(1, len(now(self.directory.accounts())))

    def test_accounts(self) -> None:
        """
        Everyone is listed, sorted by address.
        """
        for text in ("zoe@example.org", "Bob@example.org", "alice@example.net"):
            self.add(text)
        listed = [str(account.address) for account in now(self.directory.accounts())]
        self.assertEqual(["alice@example.net", "Bob@example.org", "zoe@example.org"], listed)

    def test_domains(self) -> None:
        """
        Local are the domains of the settings and those of accounts, as long as there is one.
        """
        self.assertEqual(["example.org"], now(self.directory.domains()))
        added = self.add("alice@example.net")
        self.assertEqual(["example.net", "example.org"], now(self.directory.domains()))
        for domain in ("example.org", "EXAMPLE.org", "example.net"):
            self.assertTrue(now(self.directory.is_local(domain)), domain)
        self.assertFalse(now(self.directory.is_local("example.com")))
        self.assertFalse(now(self.directory.is_local("sub.example.org")))
        now(self.directory.remove_account(added))
        self.assertFalse(now(self.directory.is_local("example.net")))

    def test_recipient(self) -> None:
        """
        A recipient is found whatever the case, and only with the right domain.
        """
        alice = self.add("alice@example.org")
        self.assertEqual(alice, self.recipient(address("aLiCe@EXAMPLE.org")))
        self.assertIsNone(self.recipient(address("bob@example.org")))
        self.assertIsNone(self.recipient(address("alice@example.net")))

    def test_quoted_recipient(self) -> None:
        """
        A local part that needs quotes is a local part like others.
        """
        odd = self.add('"an odd\\" @ one"@example.org')
        self.assertEqual(odd, self.recipient(address('"AN odd\\" @ one"@example.org')))

    def test_postmaster(self) -> None:
        """
        C{postmaster} and C{abuse} are the first account, in every local domain and no other (RFC 5321 section 4.5.1).
        """
        self.assertIsNone(self.recipient(Address("postmaster", "example.org")))
        first = self.add("zoe@example.net")
        self.add("alice@example.org")
        for local in ("postmaster", "Postmaster", "ABUSE"):
            self.assertEqual(first, self.recipient(Address(local, "example.org")), local)
            self.assertEqual(first, self.recipient(Address(local, "example.net")), local)
            self.assertIsNone(self.recipient(Address(local, "example.com")), local)

    def test_bare_postmaster(self) -> None:
        """
        C{<postmaster>} without a domain reaches somebody, and other bare names nobody (RFC 5321 section 4.1.1.3).
        """
        first = self.add("zoe@example.net")
        self.assertEqual(first, self.recipient(Address("PostMaster", "")))
        own = self.add("postmaster@example.org")
        self.assertEqual(own, self.recipient(Address("PostMaster", "")))
        self.assertIsNone(self.recipient(Address("nobody", "")))

    def test_own_postmaster(self) -> None:
        """
        An account that is called postmaster gets its domain's mail, and no other's.
        """
        first = self.add("zoe@example.net")
        own = self.add("postmaster@example.org")
        self.assertEqual(own, self.recipient(Address("postmaster", "example.org")))
        self.assertEqual(first, self.recipient(Address("abuse", "example.org")))
        self.assertEqual(first, self.recipient(Address("postmaster", "example.net")))

    def test_named_postmaster(self) -> None:
        """
        The settings name who gets the roles' mail; while that account is missing, it is the first.
        """
        self.directory = self.make(LocalNames(["example.org"], "example.org", address("bob@example.net")))
        first = self.add("alice@example.org")
        self.assertEqual(first, self.recipient(Address("postmaster", "example.org")))
        named = self.add("BOB@example.net")
        self.assertEqual(named, self.recipient(Address("postmaster", "example.org")))
        self.assertEqual(named, self.recipient(Address("abuse", "example.net")))

    def test_login(self) -> None:
        """
        One logs in by address, or by its local part in the default domain; what is kept of the password comes back whole.
        """
        alice = self.add("alice@example.org", FULL)
        for name in ("alice@example.org", "ALICE", "Alice@Example.Org"):
            found = now(self.directory.login(name))
            assert found is not None
            self.assertEqual(alice, found[0].id)
            self.assertEqual(FULL, found[1])

    def test_no_login(self) -> None:
        """
        A name that is nobody's, or no name at all, is found as nobody.
        """
        self.add("alice@example.org")
        self.add("bob@example.net")
        for name in (
            "",
            "carol",
            "bob",
            "alice@",
            "@example.org",
            "a b",
            "alice@example.org@x",
            "\0",
            "ålice",
            "x" * 999,
        ):
            self.assertIsNone(now(self.directory.login(name)), name)

    def test_owns(self) -> None:
        """
        One may send as whom one gets the mail for.
        """
        alice = self.add("alice@example.org")
        bob = self.add("bob@example.org")
        self.assertTrue(now(self.directory.owns(alice, address("ALICE@example.org"))))
        self.assertTrue(now(self.directory.owns(alice, address("postmaster@example.org"))))
        self.assertFalse(now(self.directory.owns(bob, address("alice@example.org"))))
        self.assertFalse(now(self.directory.owns(bob, address("bob@example.com"))))

    def test_remove(self) -> None:
        """
        A removed account is gone in every respect, and whoever listens is told.
        """
        alice = self.add("alice@example.org")
        now(self.directory.remove_account(alice))
        self.assertEqual([alice], self.told)
        self.assertIsNone(now(self.directory.account(alice)))
        self.assertIsNone(now(self.directory.login("alice")))
        self.assertIsNone(self.recipient(address("alice@example.org")))
        self.assertEqual([], now(self.directory.accounts()))

    def test_remove_nobody(self) -> None:
        """
        Who is not there cannot be removed, and nobody is told.
        """
        failure_of(self.directory.remove_account(NOBODY), NoSuchAccount)
        self.assertEqual([], self.told)

    def test_set_credentials(self) -> None:
        """
        A new password replaces the old, and whoever listens is told.
        """
        alice = self.add("alice@example.org", FULL)
        now(self.directory.set_credentials(alice, credentials("two")))
        self.assertEqual([alice], self.told)
        found = now(self.directory.login("alice"))
        assert found is not None
        self.assertEqual(credentials("two"), found[1])

    def test_set_nobodys_credentials(self) -> None:
        """
        Nobody gets no password.
        """
        failure_of(self.directory.set_credentials(NOBODY, credentials()), NoSuchAccount)
        self.assertEqual([], self.told)

    def test_renew(self) -> None:
        """
        The same password in a better form ends no session.
        """
        alice = self.add("alice@example.org", credentials("old form"))
        now(self.directory.renew_credentials(alice, credentials("old form"), FULL))
        found = now(self.directory.login("alice"))
        assert found is not None
        self.assertEqual(FULL, found[1])
        self.assertEqual([], self.told)

    def test_renew_too_late(self) -> None:
        """
        A password that was changed meanwhile is not put back, and a removed account is not missed.
        """
        alice = self.add("alice@example.org", credentials("changed"))
        now(self.directory.renew_credentials(alice, credentials("old form"), FULL))
        found = now(self.directory.login("alice"))
        assert found is not None
        self.assertEqual(credentials("changed"), found[1])
        now(self.directory.renew_credentials(NOBODY, credentials(), FULL))

    def test_failing_listener(self) -> None:
        """
        A listener that fails keeps none of the others from hearing, nor the change from being made.
        """

        def fail(account: AccountId) -> None:
            raise ZeroDivisionError

        heard: list[AccountId] = []
        self.directory.listen(fail)
        self.directory.listen(heard.append)
        alice = self.add("alice@example.org")
        now(self.directory.remove_account(alice))
        self.assertEqual([alice], heard)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_no_secret_shown(self) -> None:
        """
        What is kept of a password shows in no representation.
        """
        self.add("alice@example.org", FULL)
        found = repr(now(self.directory.login("alice"))) + repr(self.directory)
        self.assertNotIn("argon2id", found)
        self.assertNotIn("stored", found.replace("stored_key", ""))
