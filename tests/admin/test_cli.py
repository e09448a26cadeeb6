"""
L{twisted_mail_server.admin.cli}: what is typed, and what is printed.
"""

from __future__ import annotations

import errno
import io
import json
import sys
from typing import Any

from attrs import evolve
from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from tests.admin.test_operations import operations_on
from tests.support.accounts import House
from tests.support.drive import now
from tests.support.printed import check_printed
from twisted_mail_server import __version__
from twisted_mail_server.admin.cli import tables
from twisted_mail_server.admin.cli.root import COMMANDS, build_command
from twisted_mail_server.admin.control import Answer
from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, Service
from twisted_mail_server.model.errors import BadSetting, TemporaryFailure
from twisted_mail_server.model.queue import Fate, QueuedMessage, QueueId, RecipientState, Settlement

EVE = Address("eve", "example.net")


class CliTestCase(SynchronousTestCase):
    """
    A command line on a house in memory.
    """

    def setUp(self) -> None:
        """
        An empty house, and nobody at the terminal.
        """
        self.house = House()
        self.operations = operations_on(self.house)
        self.is_terminal = False
        self.configs: list[str | None] = []
        self.data_dirs: list[str | None] = []
        self.served: list[str | None] = []
        self.asked: list[str] = []
        self.answers: list[Answer] = []
        self.problem: BaseException | None = None

    def run_work(self, config: str | None, work: Any, *, data_dir: str | None = None) -> Any:
        """
        In place of opening what the settings name.
        """
        self.configs.append(config)
        self.data_dirs.append(data_dir)
        if self.problem is not None:
            raise self.problem
        return now(_coroutine(work, self.operations))

    def ask_servers(self, config: str | None, operation: str) -> list[Answer]:
        """
        In place of asking what runs.
        """
        self.configs.append(config)
        self.asked.append(operation)
        return self.answers

    def mailctl(self, *arguments: str, stdin: str | bytes = b"", status: int = 0) -> Result:
        """
        What a call prints.
        """
        command = build_command(self.run_work, self.ask_servers, self.served.append, lambda: self.is_terminal)
        result = CliRunner().invoke(command, arguments, input=stdin)
        self.assertEqual(status, result.exit_code, result.output)
        return result

    def complaint(self, *arguments: str, stdin: str | bytes = b"", status: int = 1) -> str:
        """
        The one line that a call complains with; nothing is on standard output.
        """
        result = self.mailctl(*arguments, stdin=stdin, status=status)
        self.assertEqual("", result.stdout)
        (line,) = result.stderr.splitlines()
        self.assertTrue(line.startswith("mailctl: "), line)
        return line.removeprefix("mailctl: ")

    def as_json(self, *arguments: str, stdin: bytes = b"", status: int = 0) -> Any:
        """
        The JSON value that a call prints; its keys are those that the verb tells of.
        """
        value = json.loads(self.mailctl(*arguments, "--json", stdin=stdin, status=status).stdout)
        check_printed(self, arguments, value)
        return value

    def is_password(self, name: str, password: bytes) -> bool:
        """
        Whether that password is kept for an account.
        """
        found = now(self.house.directory.login(name))
        assert found is not None
        return now(self.house.passwords.verify(password, found[1]))


async def _coroutine(work: Any, operations: Operations) -> Any:
    return await work(operations)


class RootTests(CliTestCase):
    """
    What all commands share.
    """

    def test_help(self) -> None:
        """
        Help names every command, and opens nothing; without a command it goes to standard error.
        """
        text = self.mailctl("--help").stdout
        for command in ("account", "domain", "queue", "check", "serve"):
            self.assertIn(f"  {command} ", text)
        self.assertEqual(text, self.mailctl(status=2).stderr)
        self.assertEqual([], self.configs)

    def test_every_command_explains_itself(self) -> None:
        """
        Every command has a help text, and takes C{--json}, but for the one that prints a shell's script.
        """
        for command in COMMANDS:
            for one in getattr(command, "commands", {command.name: command}).values():
                self.assertTrue(one.help, one.name)
                if one.name != "completion":
                    self.assertIn("--json", [option for parameter in one.params for option in parameter.opts], one.name)

    def test_version(self) -> None:
        """
        The version is known.
        """
        self.assertEqual(f"mailctl {__version__}\n", self.mailctl("--version").stdout)

    def test_config(self) -> None:
        """
        The settings file that is named is used; else it is for others to say which.
        """
        self.mailctl("--config", "my.toml", "account", "list")
        self.mailctl("account", "list")
        self.assertEqual(["my.toml", None], self.configs)

    def test_serve(self) -> None:
        """
        The server is started with the same settings.
        """
        self.mailctl("--config", "my.toml", "serve")
        self.assertEqual((["my.toml"], []), (self.served, self.configs))

    def test_misuse(self) -> None:
        """
        Unknown commands, unknown options and missing arguments are one line and status 2.
        """
        self.assertIn("'accont'", self.complaint("accont", status=2))
        self.assertIn("--jsn", self.complaint("account", "list", "--jsn", status=2))
        self.assertIn("ADDRESS", self.complaint("account", "add", status=2))

    def test_failure(self) -> None:
        """
        What fails is one line and status 1; several things that are wrong with the settings are a line each.
        """
        self.problem = TemporaryFailure("The database is busy.")
        self.assertEqual("The database is busy.", self.complaint("check"))
        self.problem = BadSetting("mail.toml:1: one.\nmail.toml:2: two.")
        lines = self.mailctl("check", status=1).stderr.splitlines()
        self.assertEqual(["mailctl: mail.toml:1: one.", "mailctl: mail.toml:2: two."], lines)

    def test_system_failure(self) -> None:
        """
        What the system refuses is one line that names the file.
        """
        self.problem = PermissionError(13, "Permission denied", "/var/mail-data")
        self.assertEqual("/var/mail-data: Permission denied", self.complaint("check"))
        self.problem = OSError("something")
        self.assertEqual("the system: something", self.complaint("check"))

    def test_interrupted(self) -> None:
        """
        Who gives up is told that, with status 1.
        """
        self.problem = KeyboardInterrupt()
        self.assertEqual("\nmailctl: given up.\n", self.mailctl("check", status=1).stderr)

    def test_reader_left(self) -> None:
        """
        Where nobody reads on, nothing more is said.
        """
        self.problem = BrokenPipeError(errno.EPIPE, "Broken pipe")
        result = self.mailctl("check", status=1)
        self.assertEqual(("", ""), (result.stdout, result.stderr))

    def test_bug(self) -> None:
        """
        A bug is not dressed up as an expected failure.
        """
        self.problem = ZeroDivisionError()
        command = build_command(self.run_work, self.ask_servers, self.served.append, lambda: False)
        self.assertIsInstance(CliRunner().invoke(command, ["check"]).exception, ZeroDivisionError)

    def test_status_as_value(self) -> None:
        """
        The status can be had without an exit.
        """
        self.patch(sys, "stdout", io.StringIO())
        command = build_command(self.run_work, self.ask_servers, self.served.append, lambda: False)
        self.assertEqual(0, command.main(["account", "list", "--json"], standalone_mode=False))

    def test_control_characters(self) -> None:
        """
        A complaint carries nothing to the terminal that was not meant to be there.
        """
        self.assertNotIn("\x1b", self.complaint("account", "remove", "--yes", "\x1b[2J"))


class AccountTests(CliTestCase):
    """
    C{mailctl account}.
    """

    def add(self, address: str = "alice@example.org") -> None:
        """
        An account with the password C{secret}.
        """
        self.mailctl("account", "add", address, "--password-stdin", stdin=b"secret\n")

    def test_add(self) -> None:
        """
        An account is made; the end of the password's line is not part of it.
        """
        for number, stdin in enumerate((b"secret", b"secret\n", b"secret\r\n", b"secret\nmore\n")):
            result = self.mailctl("account", "add", f"user{number}@example.org", "--password-stdin", stdin=stdin)
            self.assertEqual(f"Added user{number}@example.org.\n", result.stdout)
            self.assertTrue(self.is_password(f"user{number}", b"secret"), stdin)

    def test_password_is_kept_whole(self) -> None:
        """
        Spaces and octets of any kind are part of a password.
        """
        self.mailctl("account", "add", "alice@example.org", "--password-stdin", stdin=b"  a \xff\x00b \n")
        self.assertTrue(self.is_password("alice", b"  a \xff\x00b "))

    def test_add_json(self) -> None:
        """
        With C{--json}, before or after the command, the account is one object.
        """
        account = self.as_json("account", "add", "alice@example.org", "--password-stdin", stdin=b"secret\n")
        self.assertEqual(["address", "id", "created", "disabled", "quota"], list(account))
        self.assertEqual(
            ("alice@example.org", 1_800_000_000, False), (account["address"], account["created"], account["disabled"])
        )
        again = json.loads(self.mailctl("--json", "account", "list").stdout)
        self.assertEqual([account], again)

    def test_json_is_of_one_call(self) -> None:
        """
        C{--json} in one call means nothing in the next.
        """
        self.as_json("account", "list")
        self.assertEqual("There are no accounts.\n", self.mailctl("account", "list").stdout)

    def test_no_password(self) -> None:
        """
        Without a terminal a password must come from somewhere.
        """
        for verb in ("add", "password"):
            self.assertIn("--password-stdin or --generate", self.complaint("account", verb, "alice@example.org"))
            for stdin in (b"", b"\n", b"\r\n"):
                self.assertEqual(
                    "There is no password on standard input.",
                    self.complaint("account", verb, "alice@example.org", "--password-stdin", stdin=stdin),
                )
        self.assertEqual([], self.configs)

    def test_long_password(self) -> None:
        """
        A password beyond the limit is refused, however long the line is.
        """
        for size in (1025, 1027, 5000):
            complaint = self.complaint(
                "account", "add", "alice@example.org", "--password-stdin", stdin=b"x" * size + b"\n"
            )
            self.assertIn("at most 1024 octets", complaint)

    def test_prompt(self) -> None:
        """
        At a terminal the password is asked for twice, on standard error, and not shown.
        """
        self.is_terminal = True
        result = self.mailctl("account", "add", "alice@example.org", stdin="ü secret\nü secret\n")
        self.assertEqual("Added alice@example.org.\n", result.stdout)
        self.assertNotIn("secret", result.output)
        self.assertTrue(self.is_password("alice", "ü secret".encode()))

    def test_prompt_again(self) -> None:
        """
        Two passwords that differ are asked for again; who gives up makes no account.
        """
        self.is_terminal = True
        result = self.mailctl("account", "add", "alice@example.org", stdin="one\ntwo\n", status=1)
        self.assertIn("mailctl: given up.", result.stderr)
        self.assertEqual([], self.configs)

    def test_generate(self) -> None:
        """
        A password can be made; it is printed once, and it works.
        """
        result = self.mailctl("account", "add", "alice@example.org", "--generate")
        first, second = result.stdout.splitlines()
        self.assertEqual("Added alice@example.org.", first)
        self.assertTrue(self.is_password("alice", second.removeprefix("Password: ").encode()))
        changed = self.as_json("account", "password", "alice", "--generate")
        self.assertTrue(self.is_password("alice", changed["password"].encode()))

    def test_two_passwords(self) -> None:
        """
        Reading one and making one exclude each other.
        """
        self.assertIn(
            "exclude each other",
            self.complaint("account", "add", "a@example.org", "--generate", "--password-stdin", status=2),
        )

    def test_no_address(self) -> None:
        """
        What is no address is told before a password is asked for.
        """
        self.is_terminal = True
        self.assertIn("alice is not an address", self.complaint("account", "add", "alice"))

    def test_exists(self) -> None:
        """
        An address that is taken is told.
        """
        self.add()
        complaint = self.complaint("account", "add", "Alice@example.org", "--password-stdin", stdin=b"x")
        self.assertIn("There is an account Alice@example.org already.", complaint)

    def test_list(self) -> None:
        """
        Accounts are a table, sorted by address.
        """
        self.add("bob@example.org")
        self.add("alice@example.org")
        lines = self.mailctl("account", "list").stdout.splitlines()
        self.assertRegex(lines[0], r"\AADDRESS +CREATED \(UTC\) +STATE +QUOTA +ID\Z")
        self.assertRegex(lines[1], r"\Aalice@example.org +2027-01-15 08:00:00 +active +- +[0-9a-f]{32}\Z")
        self.assertTrue(lines[2].startswith("bob@example.org "))
        self.assertEqual(3, len(lines))

    def test_password(self) -> None:
        """
        A password can be changed.
        """
        self.add()
        result = self.mailctl("account", "password", "alice", "--password-stdin", stdin=b"other\n")
        self.assertEqual("Changed the password of alice@example.org.\n", result.stdout)
        self.assertTrue(self.is_password("alice", b"other"))
        self.assertEqual(
            "There is no account bob.", self.complaint("account", "password", "bob", "--password-stdin", stdin=b"x")
        )

    def test_remove(self) -> None:
        """
        An account is removed with C{--yes}, and not without it where nobody can be asked.
        """
        self.add()
        self.assertIn("--yes", self.complaint("account", "remove", "alice@example.org"))
        self.assertEqual(1, len(now(self.operations.accounts())))
        self.assertEqual("Removed alice@example.org.\n", self.mailctl("account", "remove", "alice", "--yes").stdout)
        self.assertEqual([], now(self.operations.accounts()))
        self.add()
        self.assertEqual({"removed": "alice@example.org"}, self.as_json("account", "remove", "alice", "--yes"))

    def test_remove_asks(self) -> None:
        """
        At a terminal it asks first, and no is the answer it takes for granted.
        """
        self.add()
        self.is_terminal = True
        for answer in ("\n", "n\n", ""):
            self.mailctl("account", "remove", "alice", stdin=answer, status=1)
            self.assertEqual(1, len(now(self.operations.accounts())))
        self.mailctl("account", "remove", "alice", stdin="y\n")
        self.assertEqual([], now(self.operations.accounts()))


class DomainTests(CliTestCase):
    """
    C{mailctl domain}.
    """

    def test_list(self) -> None:
        """
        The domains of the settings and those of accounts are listed.
        """
        self.house.add("alice@example.net")
        self.assertEqual("DOMAIN\nexample.net\nexample.org\n", self.mailctl("domain", "list").stdout)
        self.assertEqual(["example.net", "example.org"], self.as_json("domain", "list"))


class QueueTests(CliTestCase):
    """
    C{mailctl queue}.
    """

    def commit(self, *states: RecipientState, sender: Address | None = EVE, login: str = "") -> QueueId:
        """
        A message with a recipient for each state.
        """
        spool = self.operations.spool
        content = spool.stage()
        content.write(b"x" * 3000)
        now(content.finish())
        queue_id = spool.new_id()
        recipients = tuple(Recipient(Address(f"user{number}", "example.org")) for number in range(len(states)))
        origin = Origin(Service.MX, "192.0.2.1", "client.example.net", "ESMTP", login=login)
        envelope = Envelope(origin, sender, recipients, received=1_800_000_000)
        now(spool.commit(queue_id, envelope, content))
        changes = [Settlement(queue_id, number, state) for number, state in enumerate(states)]
        now(spool.settle(changes))
        return queue_id

    def test_empty(self) -> None:
        """
        An empty queue says so.
        """
        self.assertEqual("The queue is empty.\n", self.mailctl("queue", "list").stdout)
        self.assertEqual([], self.as_json("queue", "list"))

    def test_ids(self) -> None:
        """
        For other programs the ids alone are told, a line each, and nothing where nothing waits; C{--json} is another way.
        """
        self.assertEqual("", self.mailctl("queue", "list", "--ids").stdout)
        ids = [self.commit(RecipientState()), self.commit(RecipientState(Fate.HELD))]
        self.commit(RecipientState(Fate.DELIVERED))
        self.assertEqual(sorted(map(str, ids)), sorted(self.mailctl("queue", "list", "--ids").stdout.splitlines()))
        self.assertIn("exclude each other", self.complaint("queue", "list", "--ids", "--json", status=2))

    def test_list(self) -> None:
        """
        What waits is a table: whose turn it is still, and why.
        """
        queue_id = self.commit(
            RecipientState(Fate.DELIVERED, "INBOX"), RecipientState(Fate.HELD, "no \x1b[2Jroom"), RecipientState()
        )
        self.commit(RecipientState(), sender=None)
        lines = self.mailctl("queue", "list").stdout.splitlines()
        self.assertRegex(lines[0], r"\AID +RECEIVED \(UTC\) +SIZE +TRIES +NEXT TRY +FROM +TO\Z")
        (line,) = (line for line in lines if line.startswith(str(queue_id)))
        self.assertRegex(
            line, r"2027-01-15 08:00:00 +2.9 KiB +0 +now +eve@example.net +user1@example.org \(no \?\[2Jroom\), user2@"
        )
        self.assertNotIn("user0", line)
        (report,) = (line for line in lines[1:] if not line.startswith(str(queue_id)))
        self.assertIn(" <> ", report)

    def test_list_json(self) -> None:
        """
        With C{--json} each message is an object with all its recipients.
        """
        queue_id = self.commit(RecipientState(Fate.HELD, "no room", 3, 1_800_000_060), login="eve")
        (message,) = self.as_json("queue", "list")
        self.assertEqual(
            {
                "id": str(queue_id),
                "received": 1_800_000_000,
                "size": 3000,
                "sender": "eve@example.net",
                "service": "smtp",
                "protocol": "ESMTP",
                "peer": "192.0.2.1",
                "helo": "client.example.net",
                "login": "eve",
                "recipients": [
                    {
                        "address": "user0@example.org",
                        "state": "held",
                        "detail": "no room",
                        "attempts": 3,
                        "changed": 1_800_000_060,
                        "due": None,
                    }
                ],
            },
            message,
        )
        self.assertEqual(message, self.as_json("queue", "show", str(queue_id)))

    def test_show(self) -> None:
        """
        One message is told of in full.
        """
        queue_id = self.commit(RecipientState(Fate.DELIVERED, "INBOX", 1, 1_800_000_060), RecipientState(), login="eve")
        text = self.mailctl("queue", "show", str(queue_id)).stdout
        for wanted in (
            str(queue_id),
            "2027-01-15 08:00:00",
            "192.0.2.1 (client.example.net)",
            "smtp, ESMTP",
            "2.9 KiB",
            "eve@example.net",
        ):
            self.assertIn(wanted, text)
        self.assertRegex(text, r"(?m)^Login +eve$")
        self.assertRegex(text, r"(?m)^user0@example.org +delivered +1 +2027-01-15 08:01:00 +- +INBOX$")
        self.assertRegex(text, r"(?m)^user1@example.org +pending +0 +- +now$")

    def test_show_local(self) -> None:
        """
        A message from a Unix socket came from here, and one without a login has no such line.
        """
        queue_id = self.commit(RecipientState())
        message = now(self.operations.queued(str(queue_id)))
        local = evolve(message, envelope=evolve(message.envelope, origin=evolve(message.envelope.origin, peer="")))

        async def found(*_: object) -> QueuedMessage:
            return local

        self.patch(type(self.operations.spool), "find", found)
        text = self.mailctl("queue", "show", str(queue_id)).stdout
        self.assertIn("local (client.example.net)", text)
        self.assertNotIn("Login", text)

    def test_show_nothing(self) -> None:
        """
        What is no id, or nobody's, is told in one line.
        """
        self.assertIn("32 hexadecimal digits", self.complaint("queue", "show", "17"))
        self.assertIn("There is no message", self.complaint("queue", "show", "f" * 32))


class CheckCommandTests(CliTestCase):
    """
    C{mailctl check}.
    """

    def test_good(self) -> None:
        """
        Where all is well the status is 0.
        """
        self.assertRegex(self.mailctl("check").stdout, r"(?m)^accounts +good$")
        found = self.as_json("check")
        self.assertTrue(found["ok"])
        self.assertIn({"name": "queue", "problems": []}, found["checks"])

    def test_bad(self) -> None:
        """
        Where something is wrong it is told, and the status is 1.
        """
        account = self.house.add("alice@example.org")
        text = self.mailctl("check", status=1).stdout
        self.assertRegex(text, r"(?m)^accounts +The account alice@example.org has no mail folder")
        found = self.as_json("check", status=1)
        self.assertFalse(found["ok"])
        self.assertEqual(1, len(found["checks"][0]["problems"]))
        now(self.house.store.create(account.id))
        self.assertTrue(self.as_json("check")["ok"])


class TableTests(SynchronousTestCase):
    """
    How values look.
    """

    def test_octets(self) -> None:
        """
        Sizes have a unit that suits them.
        """
        self.assertEqual(
            ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"], list(map(tables.octets, (0, 1023, 1024, 1024 * 1536)))
        )

    def test_printable(self) -> None:
        """
        Control characters become question marks; letters of all scripts stay.
        """
        self.assertEqual("a?b?ü漢", tables.printable("a\x1bb\x9bü漢"))
