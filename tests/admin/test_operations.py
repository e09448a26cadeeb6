"""
L{twisted_mail_server.admin.operations}
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import House
from tests.support.disks import inline_disk, seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.admin.operations import Finding, Operations
from twisted_mail_server.interfaces import IMailUser
from twisted_mail_server.model.accounts import AccountId, PlainSecret
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, Service
from twisted_mail_server.model.errors import (
    AccountExists,
    AuthenticationFailed,
    InUse,
    NoSuchAccount,
    Refused,
    SyntaxProblem,
    TemporaryFailure,
)
from twisted_mail_server.spool.memory import MemorySpool


def operations_on(house: House, *checks: Any) -> Operations:
    """
    Operations on a house, with an empty queue.
    """
    spool = MemorySpool(seeded(4), house.clock)
    # A disk for files that tests name by absolute paths.
    disk = inline_disk("/nowhere")
    return Operations(
        house.directory, house.store, spool, house.passwords, disk, seeded(5), house.clock.seconds, checks
    )


class OperationsTests(SynchronousTestCase):
    """
    All an administrator can do.
    """

    def setUp(self) -> None:
        """
        An empty house.
        """
        self.house = House()
        self.operations = operations_on(self.house)

    def log_in(self, name: str, password: bytes) -> Any:
        """
        A login that is under way.
        """
        return self.house.authenticator.login(
            PlainSecret(name, password), IMailUser, peer="", revoked=lambda reason: None
        )

    def add(self, text: str = "alice@example.org") -> AccountId:
        """
        The id of a new account.
        """
        return now(self.operations.add_account(text, b"secret")).id

    def test_add(self) -> None:
        """
        An account is there with its mailboxes, and may be used at once.
        """
        added = self.add()
        self.assertEqual([added], now(self.house.store.accounts()))
        mail = now(self.log_in("alice", b"secret")).avatar.mail
        self.assertIn("Drafts", [status.name for status in now(mail.mailboxes())])
        self.assertEqual(["example.org"], now(self.operations.domains()))

    def test_add_twice(self) -> None:
        """
        An address is given once.
        """
        self.add()
        failure_of(self.operations.add_account("ALICE@example.org", b"secret"), AccountExists)

    def test_add_nonsense(self) -> None:
        """
        What is no address with a named domain makes no account; the sentence says what was found.
        """
        for text in ("alice", "@example.org", "alice@", "alice@[127.0.0.1]", "a b@example.org", "alice@exa mple.org"):
            self.assertIn(text, failure_of(self.operations.add_account(text, b"secret"), SyntaxProblem).args[0])
        failure_of(self.operations.add_account("alice@example.org", b""), Refused)
        self.assertEqual([], now(self.operations.accounts()))

    def test_password(self) -> None:
        """
        A new password works, and the old one no more; the account is found by address, bare name or id.
        """
        added = self.add()
        for name in ("alice@example.org", "ALICE", added.text):
            now(self.operations.set_password(name, name.encode()))
            self.assertEqual(added, now(self.log_in("alice", name.encode())).account.id)
        failure_of(self.log_in("alice", b"secret"), AuthenticationFailed)
        self.assertEqual(
            "There is no account bob.",
            failure_of(self.operations.set_password("bob", b"secret"), NoSuchAccount).args[0],
        )

    def test_remove(self) -> None:
        """
        An account goes, and its mail with it.
        """
        self.add()
        self.assertEqual("alice@example.org", now(self.operations.remove_account("alice")))
        self.assertEqual([], now(self.operations.accounts()))
        self.assertEqual([], now(self.house.store.accounts()))
        failure_of(self.operations.remove_account("alice"), NoSuchAccount)
        failure_of(self.operations.remove_account("f" * 32), NoSuchAccount)

    def test_remove_while_open(self) -> None:
        """
        Mail that is still open stays for the moment: the account is gone all the same, and its id removes the mail later.
        """
        added = self.add()
        real = type(self.house.store).remove

        async def busy(*_: object) -> None:
            raise InUse("Open elsewhere.")

        self.patch(type(self.house.store), "remove", busy)
        sentence = failure_of(self.operations.remove_account("alice"), InUse).args[0]
        self.assertIn(f"mailctl account remove {added}", sentence)
        self.assertEqual([], now(self.operations.accounts()))
        self.patch(type(self.house.store), "remove", real)
        self.assertEqual(f"the mail of the former account {added}", now(self.operations.remove_account(added.text)))
        self.assertEqual([], now(self.house.store.accounts()))

    def test_remove_by_id(self) -> None:
        """
        The id of a living account removes that account.
        """
        self.assertEqual("alice@example.org", now(self.operations.remove_account(self.add().text)))

    def test_made_password(self) -> None:
        """
        A password that is made is long, of URL-safe characters, and another each time.
        """
        one, two = self.operations.make_password(), self.operations.make_password()
        self.assertNotEqual(one, two)
        self.assertRegex(one.decode(), r"\A[A-Za-z0-9_-]{24}\Z")

    def test_queue(self) -> None:
        """
        What waits is listed, and found by its id.
        """
        spool = self.operations.spool
        content = spool.stage()
        content.write(b"hello")
        now(content.finish())
        queue_id = spool.new_id()
        envelope = Envelope(
            Origin(Service.MX, "192.0.2.1", "there", "ESMTP"), None, (Recipient(Address("alice", "example.org")),)
        )
        now(spool.commit(queue_id, envelope, content))
        self.assertEqual([queue_id], [message.id for message in now(self.operations.queue())])
        self.assertEqual(queue_id, now(self.operations.queued(f" {str(queue_id).upper()} ")).id)

    def test_not_queued(self) -> None:
        """
        What is no id, or nobody's, is refused.
        """
        failure_of(self.operations.queued("17"), SyntaxProblem)
        failure_of(self.operations.queued("f" * 32), Refused)


class CheckTests(SynchronousTestCase):
    """
    Looking at everything.
    """

    def setUp(self) -> None:
        """
        A house with one account.
        """
        self.house = House()
        self.operations = operations_on(self.house)
        self.alice = now(self.operations.add_account("alice@example.org", b"secret"))

    def findings(self, operations: Operations | None = None) -> dict[str, tuple[str, ...]]:
        """
        What each check found.
        """
        return {finding.name: finding.problems for finding in now((operations or self.operations).check())}

    def test_good(self) -> None:
        """
        Where all is well nothing is found.
        """
        self.assertEqual({"accounts": (), "aliases": (), "mail": (), "queue": ()}, self.findings())

    def test_account_without_mail(self) -> None:
        """
        An account without mail is told of.
        """
        now(self.house.store.remove(self.alice.id))
        (problem,) = self.findings()["accounts"]
        self.assertIn("alice@example.org has no mail folder", problem)

    def test_mail_without_account(self) -> None:
        """
        Mail without an account is told of, and how to remove it.
        """
        now(self.house.directory.remove_account(self.alice.id))
        (problem,) = self.findings()["accounts"]
        self.assertIn(f"mailctl account remove {self.alice.id}", problem)

    def test_alias_to_nobody(self) -> None:
        """
        An alias that leads to nobody here is told of; whether somebody is elsewhere is not known.
        """
        now(self.operations.add_alias("@example.net", ["alice+x@example.org", "gone@example.org", "x@example.com"]))
        self.assertEqual(
            ("The alias @example.net leads to gone@example.org, and nobody has that address.",),
            self.findings()["aliases"],
        )

    def test_mail_that_cannot_be_opened(self) -> None:
        """
        Mail that cannot be opened is told of, and the rest is looked at all the same.
        """

        async def broken(*_: object) -> None:
            raise TemporaryFailure("The database failed.")

        self.patch(type(self.house.store), "open", broken)
        found = self.findings()
        self.assertIn(f"{self.alice.id} cannot be opened: The database failed.", found["mail"][0])
        self.assertEqual((), found["queue"])

    def test_further_checks(self) -> None:
        """
        Other checks may be given; one that cannot be done is a finding.
        """

        async def bad() -> list[str]:
            return ["one", "two"]

        async def unable() -> list[str]:
            raise TemporaryFailure("Not now.")

        found = now(operations_on(self.house, ("bad", bad), ("unable", unable)).check())
        self.assertEqual(
            [Finding("bad", ("one", "two")), Finding("unable", ("It could not be looked at: Not now.",))], found[4:]
        )
