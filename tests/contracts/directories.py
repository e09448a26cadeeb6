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
from twisted_mail_server.model.accounts import Account, AccountId, Alias, ScramKeys, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, NoSuchAccount, Refused

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
        account = now(self.directory.lookup(found))
        if account is None:
            return None
        assert isinstance(account, Account)
        return account.id

    def alias(self, text: str, *targets: str) -> Alias:
        """
        A new alias, C{@domain} for a catch-all.
        """
        made = Alias(
            Address("", text[1:]) if text.startswith("@") else address(text), tuple(address(one) for one in targets)
        )
        now(self.directory.set_alias(made))
        return made

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

    def test_subaddress(self) -> None:
        """
        A subaddress reaches whom the address before it reaches (RFC 5233 section 4), unless somebody has it as it is.
        """
        ann = self.add("ann@example.org")
        team = self.alias("team@example.org", "bob@example.com")
        self.assertEqual(ann, self.recipient(address("ann+lists@example.org")))
        self.assertEqual(ann, self.recipient(address("Ann+a+b@example.org")))
        self.assertEqual(team, now(self.directory.lookup(address("team+x@example.org"))))
        self.assertIsNone(self.recipient(address("nobody+ann@example.org")))
        self.assertIsNone(self.recipient(address("+ann@example.org")))
        whole = self.add("ann+lists@example.org")
        self.assertEqual(whole, self.recipient(address("ANN+lists@example.org")))
        news = self.alias("ann+news@example.org", "bob@example.com")
        self.assertEqual(news, now(self.directory.lookup(address("ann+news@example.org"))))

    def test_other_separator(self) -> None:
        """
        The separator is a setting, and empty means that there are no subaddresses.
        """
        for separator, sub in (("-", "ann-lists@example.org"), ("--", "ann--lists@example.org")):
            self.directory = self.make(LocalNames(["example.org"], "example.org", subaddress_separator=separator))
            ann = self.add("ann@example.org")
            self.assertEqual(ann, self.recipient(address(sub)))
            self.assertIsNone(self.recipient(address("ann+lists@example.org")))
        self.directory = self.make(LocalNames(["example.org"], "example.org", subaddress_separator=""))
        self.add("ann@example.org")
        self.assertIsNone(self.recipient(address("ann+lists@example.org")))

    def test_subaddressed_role(self) -> None:
        """
        A subaddress of a role is that role.
        """
        first = self.add("zoe@example.org")
        self.assertEqual(first, self.recipient(address("abuse+report@example.org")))

    def test_alias(self) -> None:
        """
        An alias is found whatever the case; its targets come sorted, each once, and may be anywhere.
        """
        made = self.alias("Team@example.org", "zoe@example.com", "ann@example.org", "ANN@example.org")
        found = now(self.directory.lookup(address("tEAM@example.org")))
        assert isinstance(found, Alias)
        self.assertEqual(Address("Team", "example.org"), found.address)
        self.assertEqual(["ann@example.org", "zoe@example.com"], [target.key for target in found.targets])
        self.assertEqual([found], now(self.directory.aliases()))
        self.assertEqual(made.address, found.address)

    def test_aliases(self) -> None:
        """
        All are listed, sorted by address; a catch-all has no local part.
        """
        for text in ("zoe@example.org", "Bob@example.org", "@example.org"):
            self.alias(text, "ann@example.org")
        listed = [alias.address.key for alias in now(self.directory.aliases())]
        self.assertEqual(["@example.org", "bob@example.org", "zoe@example.org"], listed)

    def test_new_targets(self) -> None:
        """
        An alias that is set again has the new targets, and none of the old.
        """
        self.alias("team@example.org", "a@example.com", "b@example.com")
        again = self.alias("TEAM@example.org", "c@example.com")
        self.assertEqual([again], now(self.directory.aliases()))

    def test_alias_or_account(self) -> None:
        """
        No address is both an account's and an alias.
        """
        self.add("ann@example.org")
        failure_of(self.directory.set_alias(Alias(address("ANN@example.org"), (address("b@c.d"),))), AccountExists)
        self.alias("team@example.org", "ann@example.org")
        failure_of(self.directory.add_account(address("Team@example.org"), credentials()), AccountExists)
        self.assertIsNone(now(self.directory.login("team@example.org")))

    def test_remove_alias(self) -> None:
        """
        A removed alias is gone, whatever the case; what is no alias cannot be removed so.
        """
        self.alias("team@example.net", "ann@example.org")
        ann = self.add("ann@example.org")
        now(self.directory.remove_alias(address("TEAM@example.net")))
        self.assertIsNone(self.recipient(address("team@example.net")))
        self.assertFalse(now(self.directory.is_local("example.net")))
        for text in ("team@example.net", "ann@example.org"):
            failure_of(self.directory.remove_alias(address(text)), NoSuchAccount)
        self.assertEqual(ann, self.recipient(address("ann@example.org")))
        self.assertEqual([], self.told)

    def test_catch_all(self) -> None:
        """
        A catch-all gets what is nobody's in its domain: the roles are somebody's, and so are subaddresses.
        """
        ann = self.add("ann@example.org")
        rest = self.alias("@example.org", "ann@example.org")
        self.assertEqual(rest, now(self.directory.lookup(address("whoever@example.org"))))
        self.assertEqual(rest, now(self.directory.lookup(address("whoever+x@example.org"))))
        for text in ("ann@example.org", "ann+x@example.org", "postmaster@example.org"):
            self.assertEqual(ann, self.recipient(address(text)), text)
        self.assertIsNone(self.recipient(address("whoever@example.net")))

    def test_alias_is_role(self) -> None:
        """
        An alias may be the postmaster: by its name, or because the settings name it.
        """
        self.directory = self.make(LocalNames(["example.org"], "example.org", address("team@example.org")))
        self.add("ann@example.org")
        team = self.alias("team@example.org", "ann@example.org")
        self.assertEqual(team, now(self.directory.lookup(address("postmaster@example.org"))))
        own = self.alias("abuse@example.org", "ann@example.org")
        self.assertEqual(own, now(self.directory.lookup(address("ABUSE@example.org"))))

    def test_disabled_is_no_role(self) -> None:
        """
        The roles' mail goes to the oldest account that is not disabled, while there is one.
        """
        first = self.add("ann@example.org")
        second = self.add("bob@example.org")
        now(self.directory.set_disabled(first, True))
        self.assertEqual(second, self.recipient(address("postmaster@example.org")))
        now(self.directory.set_disabled(second, True))
        self.assertEqual(first, self.recipient(address("postmaster@example.org")))

    def test_international_domain(self) -> None:
        """
        A domain is one domain, whichever way it is spelled (RFC 5890).
        """
        spelled = address("ann@B\u00fccher.example")
        ann = now(self.directory.add_account(Address("ann", "xn--bcher-kva.example"), credentials())).id
        self.assertEqual(ann, self.recipient(spelled))
        for domain in ("b\u00fccher.example", "B\u00dcCHER.example", "XN--BCHER-KVA.example"):
            self.assertTrue(now(self.directory.is_local(domain)), domain)
        self.assertFalse(now(self.directory.is_local("b\u00fcch er.example")))
        self.assertEqual(["example.org", "xn--bcher-kva.example"], now(self.directory.domains()))

    def test_added_domain(self) -> None:
        """
        A domain may be made local, and local no more.
        """
        for _ in range(2):
            now(self.directory.add_domain("Example.COM"))
        self.assertTrue(now(self.directory.is_local("example.com")))
        self.assertEqual(["example.com", "example.org"], now(self.directory.domains()))
        ann = self.add("ann@example.org")
        self.assertEqual(ann, self.recipient(address("postmaster@example.com")))
        now(self.directory.remove_domain("example.COM"))
        self.assertFalse(now(self.directory.is_local("example.com")))
        now(self.directory.remove_domain("example.com"))

    def test_domain_stays(self) -> None:
        """
        A domain that the settings declare, or that somebody is in, stays.
        """
        self.add("ann@example.net")
        self.alias("@example.com", "ann@example.net")
        for domain in ("example.org", "Example.NET", "example.com"):
            now(self.directory.add_domain(domain))
            failure_of(self.directory.remove_domain(domain), Refused)
            self.assertTrue(now(self.directory.is_local(domain)))

    def test_disable(self) -> None:
        """
        A disabled account says so, and whoever listens is told; when it is opened again nobody need hear.
        """
        alice = self.add("alice@example.org")
        now(self.directory.set_disabled(alice, True))
        self.assertEqual([alice], self.told)
        found = now(self.directory.lookup(address("alice@example.org")))
        assert isinstance(found, Account)
        self.assertTrue(found.is_disabled)
        now(self.directory.set_disabled(alice, False))
        self.assertEqual([alice], self.told)
        known = now(self.directory.login("alice"))
        assert known is not None
        self.assertFalse(known[0].is_disabled)
        for is_disabled in (True, False):
            failure_of(self.directory.set_disabled(NOBODY, is_disabled), NoSuchAccount)

    def test_quota(self) -> None:
        """
        A quota is kept with the account, and may be taken off.
        """
        alice = self.add("alice@example.org")
        for octets in (10**12, 0, None):
            now(self.directory.set_quota(alice, octets))
            found = now(self.directory.account(alice))
            assert found is not None
            self.assertEqual(octets, found.quota)
        self.assertEqual([], self.told)
        failure_of(self.directory.set_quota(NOBODY, 1), NoSuchAccount)

    def test_owns_alias(self) -> None:
        """
        One may send as an alias that leads only to oneself, however it gets there, and as no other.
        """
        ann = self.add("ann@example.org")
        bob = self.add("bob@example.org")
        self.alias("info@example.org", "ann+info@example.org", "round@example.org")
        self.alias("round@example.org", "info@example.org", "ann@example.org")
        self.alias("team@example.org", "ann@example.org", "bob@example.org")
        self.alias("out@example.org", "ann@example.org", "ann@example.com")
        self.alias("stale@example.org", "ann@example.org", "gone@example.org")
        self.alias("loop@example.org", "loop@example.org")
        self.alias("@example.net", "info@example.org")
        for text in ("info@example.org", "round@example.org", "ann+x@example.org", "anything@example.net"):
            self.assertTrue(now(self.directory.owns(ann, address(text))), text)
            self.assertFalse(now(self.directory.owns(bob, address(text))), text)
        for text in ("team", "out", "stale", "loop"):
            self.assertFalse(now(self.directory.owns(ann, address(f"{text}@example.org"))), text)

    def test_all_have_keys(self) -> None:
        """
        One account that may log in and has no keys for SCRAM is enough, and a disabled one does not count.
        """
        self.assertTrue(self.directory.all_have_keys())
        self.add("alice@example.org", FULL)
        self.assertTrue(self.directory.all_have_keys())
        bob = self.add("bob@example.org", credentials("imported"))
        self.assertFalse(self.directory.all_have_keys())
        now(self.directory.set_disabled(bob, True))
        self.assertTrue(self.directory.all_have_keys())
        now(self.directory.set_disabled(bob, False))
        now(self.directory.renew_credentials(bob, credentials("imported"), FULL))
        self.assertTrue(self.directory.all_have_keys())

    def test_stand_in(self) -> None:
        """
        What stands in for somebody is the same for every spelling of a name, and another for another name.
        """
        one = self.directory.stand_in("alice@example.org")
        self.assertEqual(32, len(one))
        for name in ("ALICE", "alice", "Alice@EXAMPLE.org"):
            self.assertEqual(one, self.directory.stand_in(name))
        self.assertEqual(4, len({one, *map(self.directory.stand_in, ("bob", "no such@ name", "alice@example.net"))}))

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
