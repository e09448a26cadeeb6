"""
L{twisted_mail_server.admin.cli}: the commands that change domains, aliases, quotas and the queue.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.admin.test_cli import CliTestCase
from tests.support.drive import now
from tests.support.envelopes import MESSAGE, spooled
from tests.support.stores import append
from twisted_mail_server.admin.cli.tables import octets, until
from twisted_mail_server.admin.sizes import parse_size
from twisted_mail_server.interfaces import IMailUser
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.model.queue import Fate, QueueChange, QueuedMessage, QueueId, RecipientState, Settlement


class AccountChangeTests(CliTestCase):
    """
    C{mailctl account disable|enable|quota}.
    """

    def test_disable(self) -> None:
        """
        An account is shut and opened again.
        """
        alice = self.house.add("alice@example.org")
        self.assertEqual("Disabled alice@example.org.\n", self.mailctl("account", "disable", "alice").stdout)
        self.assertRegex(self.mailctl("account", "list").stdout, r"alice@example.org +\S+ \S+ +disabled")
        self.assertEqual(evolve(alice, is_disabled=True), now(self.house.directory.account(alice.id)))
        self.assertEqual("Enabled alice@example.org.\n", self.mailctl("account", "enable", alice.id.text).stdout)
        self.assertEqual(alice, now(self.house.directory.account(alice.id)))
        self.assertTrue(self.as_json("account", "disable", "alice")["disabled"])
        self.assertIn("no account bob", self.complaint("account", "enable", "bob"))

    def test_set_quota(self) -> None:
        """
        A quota is set, changed and taken off.
        """
        alice = self.house.add("alice@example.org")
        for size, bound, words in (
            ("5GiB", 5 * 2**30, "may have 5.0 GiB now"),
            ("1 mb", 1_000_000, "may have 976.6 KiB now"),
            ("none", None, "has no quota now"),
        ):
            said = self.mailctl("account", "quota", "alice", size).stdout
            self.assertEqual(f"alice@example.org {words}.\n", said)
            self.assertEqual(evolve(alice, quota=bound), now(self.house.directory.account(alice.id)))
        self.assertEqual(1000, self.as_json("account", "quota", "alice", "1000")["quota"])
        self.assertRegex(self.mailctl("account", "list").stdout, r"active +1000 B")
        self.assertIn("is no size", self.complaint("account", "quota", "alice", "much"))

    def test_show_quota(self) -> None:
        """
        Without a size it tells what there is.
        """
        alice = self.house.add("alice@example.org")
        append(now(self.house.store.open(alice.id)), "INBOX", b"x" * 500, b"y" * 1000)
        self.assertRegex(self.mailctl("account", "quota", "alice").stdout, r"(?m)^alice@example.org +1.5 KiB +2 +- +-$")
        self.mailctl("account", "quota", "alice", "2000")
        self.assertRegex(
            self.mailctl("account", "quota", "alice").stdout, r"(?m)^alice@example.org +1.5 KiB +2 +2.0 KiB +75 %$"
        )
        self.assertEqual(
            {"address": "alice@example.org", "quota": 2000, "used": 1500, "messages": 2},
            self.as_json("account", "quota", "alice"),
        )


class ImportTests(CliTestCase):
    """
    C{--hash} and C{--no-password}.
    """

    HASH = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

    def kept(self, name: str) -> str:
        """
        The hash that is kept.
        """
        found = now(self.house.directory.login(name))
        assert found is not None
        return found[1].password_hash

    def test_hash(self) -> None:
        """
        A hash that was made elsewhere is kept as it is; the first login makes it ours, and SCRAM is offered again.
        """
        text = self.mailctl("account", "add", "ann@example.org", "--hash", stdin=f"{self.HASH}\n").stdout
        self.assertEqual("Added ann@example.org.\n", text)
        self.assertEqual(self.HASH, self.kept("ann"))
        self.assertNotIn("SCRAM-SHA-256", self.house.authenticator.mechanisms(is_private=True))
        login = self.house.authenticator.login(
            PlainSecret("ann", b"U*U"), IMailUser, peer="", revoked=lambda reason: None
        )
        self.assertEqual("ann@example.org", str(now(login).account.address))
        self.assertTrue(self.kept("ann").startswith("$argon2id$"))
        self.assertIn("SCRAM-SHA-256", self.house.authenticator.mechanisms(is_private=True))
        self.mailctl("account", "password", "ann", "--hash", stdin=f"{{BLF-CRYPT}}{self.HASH}\r\n")
        self.assertEqual(self.HASH, self.kept("ann"))

    def test_no_password(self) -> None:
        """
        An account may be left to a checker, and given a password later.
        """
        self.mailctl("account", "add", "ann@example.org", "--no-password")
        self.assertEqual("*", self.kept("ann"))
        self.mailctl("account", "password", "ann", "--password-stdin", stdin="secret")
        self.assertTrue(self.is_password("ann", b"secret"))
        self.mailctl("account", "password", "ann", "--no-password")
        self.assertEqual("*", self.kept("ann"))

    def test_wrong(self) -> None:
        """
        What is no hash, nothing at all, and two ways at once.
        """
        add = ("account", "add", "ann@example.org", "--hash")
        self.assertIn("no hash that is known here", self.complaint(*add, stdin="secret\n"))
        self.assertIn("no hash that is known here", self.complaint(*add, stdin="caf\u00e9\n"))
        self.assertIn("no hash on standard input", self.complaint(*add))
        self.assertIn("--generate and --hash exclude each other", self.complaint(*add, "--generate", status=2))
        self.assertEqual([], now(self.operations.accounts()))


class DomainChangeTests(CliTestCase):
    """
    C{mailctl domain add|remove}.
    """

    def test_add_and_remove(self) -> None:
        """
        A domain becomes local, and stops to be.
        """
        self.assertEqual("Added example.com.\n", self.mailctl("domain", "add", "Example.COM").stdout)
        self.assertIn("example.com", self.as_json("domain", "list"))
        self.assertEqual("Removed example.com.\n", self.mailctl("domain", "remove", "example.com").stdout)
        self.assertNotIn("example.com", self.as_json("domain", "list"))
        self.assertEqual({"domain": "example.net"}, self.as_json("domain", "add", "example.net"))

    def test_refused(self) -> None:
        """
        What is no domain, not local, declared, or in use.
        """
        self.house.add("alice@example.net")
        for wrong in ("no domain", "[192.0.2.1]", ""):
            self.assertIn("is not a domain", self.complaint("domain", "add", wrong))
        self.assertEqual("example.com is not a local domain.", self.complaint("domain", "remove", "example.com"))
        self.assertIn("declared in the settings", self.complaint("domain", "remove", "example.org"))
        self.assertIn("accounts or aliases", self.complaint("domain", "remove", "example.net"))


class AliasTests(CliTestCase):
    """
    C{mailctl alias}.
    """

    def test_add(self) -> None:
        """
        An alias leads to its targets, and to further ones when it is added again.
        """
        said = self.mailctl("alias", "add", "team@example.org", "zoe@example.com", "ann@example.org").stdout
        self.assertEqual("team@example.org leads to ann@example.org, zoe@example.com.\n", said)
        more = self.as_json("alias", "add", "TEAM@example.org", "bob@example.org", "Zoe@example.com")
        self.assertEqual(["ann@example.org", "bob@example.org", "Zoe@example.com"], more["targets"])

    def test_list(self) -> None:
        """
        Aliases are a table; a catch-all is written as its domain.
        """
        self.assertEqual("There are no aliases.\n", self.mailctl("alias", "list").stdout)
        self.mailctl("alias", "add", "@example.org", "ann@example.org")
        self.mailctl("alias", "add", "info@example.org", "ann@example.org", "bob@example.org")
        lines = self.mailctl("alias", "list").stdout.splitlines()
        self.assertRegex(lines[1], r"\A@example.org +ann@example.org\Z")
        self.assertRegex(lines[2], r"\Ainfo@example.org +ann@example.org, bob@example.org\Z")
        self.assertEqual({"address": "@example.org", "targets": ["ann@example.org"]}, self.as_json("alias", "list")[0])

    def test_remove(self) -> None:
        """
        A target is taken out, or the whole alias; with its last target it is gone.
        """
        self.mailctl("alias", "add", "team@example.org", "ann@example.org", "bob@example.org", "eve@example.org")
        left = self.mailctl("alias", "remove", "team@example.org", "BOB@example.org").stdout
        self.assertEqual("team@example.org leads to ann@example.org, eve@example.org.\n", left)
        self.assertIn("does not lead to bob", self.complaint("alias", "remove", "team@example.org", "bob@example.org"))
        self.assertEqual("Removed team@example.org.\n", self.mailctl("alias", "remove", "team@example.org").stdout)
        self.assertIn("no alias team@example.org", self.complaint("alias", "remove", "team@example.org"))
        self.mailctl("alias", "add", "@example.org", "ann@example.org")
        gone = self.as_json("alias", "remove", "@example.org", "ann@example.org")
        self.assertEqual({"address": "@example.org", "targets": []}, gone)
        self.assertEqual([], self.as_json("alias", "list"))

    def test_refused(self) -> None:
        """
        What is no address, or an account's.
        """
        self.house.add("ann@example.org")
        self.assertIn("ann is not an address", self.complaint("alias", "add", "ann", "bob@example.org"))
        self.assertIn("bob is not an address", self.complaint("alias", "add", "x@example.org", "bob"))
        self.assertIn("There is an account", self.complaint("alias", "add", "ann@example.org", "bob@example.org"))
        self.assertIn("is not a domain", self.complaint("alias", "add", "@", "bob@example.org"))
        self.complaint("alias", "add", "x@example.org", status=2)


class QueueChangeTests(CliTestCase):
    """
    C{mailctl queue hold|release|retry|remove}.
    """

    def commit(self, state: RecipientState | None = None) -> QueuedMessage:
        """
        A message that waits.
        """
        message = now(spooled(self.operations.spool, MESSAGE))
        if state is not None:
            now(self.operations.spool.settle([Settlement(message.id, 0, state)]))
        return message

    def fates(self, queue_id: QueueId) -> set[Fate]:
        """
        Of its recipients.
        """
        return {state.fate for state in now(self.operations.queued(str(queue_id))).states}

    def test_hold_and_release(self) -> None:
        """
        What is held waits for its release, whatever the time.
        """
        one, other = self.commit(), self.commit()
        said = self.mailctl("queue", "hold", str(one.id), str(other.id)).stdout
        self.assertEqual(f"Holding {one.id}.\nHolding {other.id}.\n", said)
        self.assertEqual({Fate.HELD}, self.fates(one.id) | self.fates(other.id))
        self.assertRegex(self.mailctl("queue", "list").stdout, r" held ")
        self.assertRegex(self.mailctl("queue", "show", str(one.id)).stdout, r" held +0 +\S+ \S+ +-")
        self.assertEqual(f"Released {one.id}.\n", self.mailctl("queue", "release", str(one.id)).stdout)
        self.assertEqual({Fate.PENDING}, self.fates(one.id))

    def test_retry(self) -> None:
        """
        What is due later is tried at once.
        """
        soon = int(self.operations.now()) + 7500
        message = self.commit(RecipientState(Fate.PENDING, "mx.example said: 450 4.2.1 Busy", 3, soon - 10_000, soon))
        shown = self.mailctl("queue", "show", str(message.id)).stdout
        self.assertRegex(shown, r"pending +3 .* \(in 2h 5m\) +mx.example said: 450 4.2.1 Busy")
        self.assertRegex(self.mailctl("queue", "list").stdout, r" 3 +in 2h 5m ")
        self.assertEqual(soon, self.as_json("queue", "show", str(message.id))["recipients"][0]["due"])
        self.assertEqual(f"Trying {message.id}.\n", self.mailctl("queue", "retry", str(message.id)).stdout)
        self.assertRegex(self.mailctl("queue", "list").stdout, r" 3 +now ")

    def test_remove(self) -> None:
        """
        A message is taken out with C{--yes}, and not without it where nobody can be asked; at a terminal it asks.
        """
        message = self.commit()
        self.assertIn("--yes", self.complaint("queue", "remove", str(message.id)))
        self.is_terminal = True
        self.mailctl("queue", "remove", str(message.id), "f" * 32, stdin="n\n", status=1)
        self.assertEqual({Fate.PENDING}, self.fates(message.id))
        self.mailctl("queue", "remove", str(message.id), stdin="y\n")
        self.assertEqual({Fate.REMOVED}, self.fates(message.id))
        other = self.commit()
        (removed,) = self.as_json("queue", "remove", "--yes", str(other.id))
        self.assertEqual("removed", removed["recipients"][0]["state"])

    def test_nothing(self) -> None:
        """
        What is no id, or does not wait, is told in one line.
        """
        done = self.commit(RecipientState(Fate.DELIVERED, "INBOX"))
        for verb in QueueChange:
            yes = ["--yes"] if verb is QueueChange.REMOVE else []
            self.assertIn("hexadecimal", self.complaint("queue", verb.value, *yes, "17"))
            self.assertIn("waits in the queue", self.complaint("queue", verb.value, *yes, str(done.id)))


class WordsTests(SynchronousTestCase):
    """
    Sizes and times for people.
    """

    def test_until(self) -> None:
        """
        A time to come in its two largest units.
        """
        for seconds, expected in (
            (-5, "now"),
            (0, "now"),
            (59, "in 59s"),
            (60, "in 1m"),
            (61, "in 1m 1s"),
            (3600, "in 1h"),
            (3605, "in 1h"),
            (90_000, "in 1d 1h"),
            (864_000, "in 10d"),
        ):
            self.assertEqual(expected, until(1000 + seconds, 1000.5 if seconds < 0 else 1000.0))

    def test_octets(self) -> None:
        """
        A size in a unit of its own magnitude.
        """
        sizes = [octets(size) for size in (0, 1023, 1024, 1536 * 1024, 5 * 2**30)]
        self.assertEqual(["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "5.0 GiB"], sizes)

    def test_sizes(self) -> None:
        """
        A number, with a unit or without; nothing else.
        """
        for text, expected in (("0", 0), ("17", 17), ("2 KiB", 2048), ("3gb", 3 * 10**9), (" 1TiB ", 2**40)):
            self.assertEqual(expected, parse_size(text))
        for wrong in ("", "-1", "1.5GB", "GB", "1 XB", "9" * 19, "9" * 18 + "TiB", "1 K"):
            with self.assertRaises(SyntaxProblem):
                parse_size(wrong)
