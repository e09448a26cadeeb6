"""
The plugins that the manual shows, each found the way the server finds it, and run on real mail in memory.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from shutil import copyfile
from types import ModuleType
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from tests.delivery.test_hooked_mail import WayOutCase
from tests.support.disks import seeded
from tests.support.drive import now
from tests.support.mailhouse import MailHouse, as_store
from twisted_mail_server.app.plugins import Services, installed_plugins, make_hooks
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.delivery.mailboxevents import MailboxEvents
from twisted_mail_server.dns.memory import MemoryResolver
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.model.queue import Fate, Outcome, Result

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "plugins"

#: Lines that a plugin needs; empty ones do not count.
LONGEST = 30

ZONES = "99.2.0.192.bl.example. A 127.0.0.2\n"


class ExampleCase(WayOutCase):
    """
    One example at a time, installed in a package of its own.
    """

    packages = 0

    def install(self, name: str) -> ModuleType:
        """
        A package with one of the files, where Twisted finds plugins.
        """
        ExampleCase.packages += 1
        root = Path(self.mktemp())
        package = root / f"example_plugins_{ExampleCase.packages}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", "utf-8")
        copyfile(FOLDER / f"{name}.py", package / f"{name}.py")
        sys.path.insert(0, str(root.resolve()))
        self.addCleanup(sys.path.remove, str(root.resolve()))
        return import_module(package.name)

    def use(self, name: str, table: str = "", service: Service = Service.MX) -> None:
        """
        A house with an example in it, turned on by settings: C{table} is its own, without the first line.
        """
        package = self.install(name)
        (plugin,) = installed_plugins(package)
        text = f"[plugin.{plugin}]\nenabled = true\n{table}"
        settings = parse_settings(text, base="/", installed=lambda: installed_plugins(package))
        outer = MailHouse()
        self.reactor = MemoryReactorClock()
        self.reactor.advance(outer.clock.seconds())
        clock = self.reactor if name == "mailbox_webhook" else outer.clock
        resolver = MemoryResolver(ZONES)
        services = Services(
            clock,
            seeded(9),
            "mail.example.org",
            outer.directory,
            as_store(outer.store),
            outer.spool,
            resolver,
            self.in_thread,
        )
        self.service = service
        self.start(*make_hooks(settings.plugins, services), house=outer)

    async def in_thread(self, function: Any, *args: Any) -> Any:
        """
        At once.
        """
        return function(*args)


class ExampleTests(ExampleCase):
    """
    One test for each file.
    """

    def test_all_are_here(self) -> None:
        """
        Every file in the folder has its test, and is short.
        """
        for path in FOLDER.glob("*.py"):
            self.assertTrue(hasattr(self, f"test_{path.stem}"), path.name)
            lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
            self.assertLessEqual(len(lines), LONGEST, path.name)

    def test_the_page(self) -> None:
        """
        The page names every file, its Python can be compiled, and its first plugin is one of the files.
        """
        page = (FOLDER.parent / "extend.md").read_text("utf-8")
        for path in FOLDER.glob("*.py"):
            self.assertIn(f"](plugins/{path.name})", page)
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        for block in blocks:
            compile(block, "extend.md", "exec")
        code = (FOLDER / "sender_denylist.py").read_text("utf-8").partition('"""\n\n')[2]
        self.assertEqual(code.replace("# Its settings are all there is to it: they are the hook.\n", ""), blocks[0])

    def test_connection_blocklist(self) -> None:
        """
        Who is listed gets no further than the greeting.
        """
        self.use("connection_blocklist", 'zone = "bl.example"')
        self.assertEqual("250", self.send()[-1][:3])
        self.peer = "192.0.2.99"
        self.assertEqual(["554 5.7.1 192.0.2.99 is listed in bl.example."], self.send())

    def test_hello_pretender(self) -> None:
        """
        Nobody else is us.
        """
        self.use("hello_pretender")
        self.assertEqual("250", self.send()[-1][:3])
        self.helo = "Mail.Example.org"
        self.assertEqual("550 5.7.1 You are not mail.example.org: I am.", self.send()[-1])

    def test_login_from_home(self) -> None:
        """
        Someone who may log in from elsewhere only may not log in from here.
        """
        for networks, code in (("192.0.2.0/24", "535"), ("127.0.0.0/8", "235")):
            table = f'accounts = ["someone@example.org"]\nnetworks = ["{networks}"]'
            self.use("login_from_home", table, Service.SUBMISSION)
            transport = self.connect()
            self.say(transport, b"EHLO client.example\r\n")
            self.assertEqual(code, self.say(transport, b"AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl\r\n")[:3])

    def test_sender_denylist(self) -> None:
        """
        A sender's domain may be unwelcome.
        """
        self.use("sender_denylist", 'domains = ["example.net"]')
        self.assertEqual("550 5.7.1 We take no mail from example.net.", self.send()[-1])
        self.use("sender_denylist", 'domains = ["example.com"]')
        self.assertEqual("250", self.send()[-1][:3])

    def test_recipient_greylist(self) -> None:
        """
        The second try comes through, if it is not too soon.
        """
        self.use("recipient_greylist")
        self.assertEqual("451 4.7.1", self.send()[-1][:9])
        self.house.clock.advance(299)
        self.assertEqual("451 4.7.1", self.send()[-1][:9])
        self.house.clock.advance(1)
        self.assertEqual("250", self.send()[-1][:3])

    def test_header_spam_flag(self) -> None:
        """
        What is marked lies in Junk.
        """
        self.use("header_spam_flag")
        self.send(content=b"X-Spam-Flag: Yes\r\nSubject: x\r\n\r\nx\r\n")
        self.send()
        self.assertEqual((1, 1), (len(self.junk(self.ann)), len(self.house.inbox(self.ann))))

    def test_content_antivirus(self) -> None:
        """
        The test virus is found, even across two pieces; clean mail is marked.
        """
        self.use("content_antivirus")
        virus = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*\r\n"
        for padding in (0, 256 * 1024 - 250):
            content = b"Subject: x\r\n\r\n" + b"y" * (padding % 64) + b"\r\n" + (b"z" * 62 + b"\r\n") * (padding // 64)
            self.assertEqual("554 5.7.1 There is a virus in it.", self.send(content=content + virus)[-1])
        self.assertEqual("250", self.send()[-1][:3])
        (stored,) = self.house.inbox(self.ann)
        self.assertIn(b"\r\nX-Virus-Scanned: yes, for one virus\r\nReceived: ", stored)

    def test_delivery_while_away(self) -> None:
        """
        The deputy gets the mail.
        """
        self.use("delivery_while_away", 'who = "ann@example.org"\ndeputy = "eve@example.org"')
        self.send()
        self.assertEqual((0, 1), (len(self.house.inbox(self.ann)), len(self.house.inbox(self.eve))))

    def test_attempt_at_night(self) -> None:
        """
        What is large waits for the night, what is small does not.
        """
        self.use("attempt_at_night", "large = 10")
        # It is shortly after eleven.
        self.promise("carol@example.com")
        self.assertEqual("It is large, and waits for the night.", self.state.detail)
        for _ in range(12):
            self.house.clock.advance(3600)
        self.assertEqual(Fate.RELAYED, self.state.fate)
        self.use("attempt_at_night")
        self.promise("carol@example.com")
        self.assertEqual(Fate.RELAYED, self.state.fate)

    def test_bounce_no_reply(self) -> None:
        """
        Only who reads them gets reports.
        """
        self.use("bounce_no_reply")
        robot = self.house.add("no-reply@example.org")
        self.house.relay.answer = lambda message, number: Result(number, Outcome.FAILED, "550 Unknown", "5.1.1")
        self.promise("carol@example.com", "no-reply@example.org")
        self.promise("carol@example.com")
        self.assertEqual((0, 1), (len(self.house.inbox(robot)), len(self.house.inbox(self.eve))))

    def test_mailbox_webhook(self) -> None:
        """
        New mail makes a request.
        """
        self.use("mailbox_webhook", 'url = "http://127.0.0.1:8080/mail"')
        events = MailboxEvents(self.house.hooks, self.house.clock)
        self.house.store.observe(events.happened)
        self.send()
        self.house.clock.advance(0)
        ((host, port, *_),) = self.reactor.tcpClients
        self.assertEqual(("127.0.0.1", 8080), (host, port))
        events.stop()

    def test_aiosmtpd_handler(self) -> None:
        """
        The handler takes what is for it, and prints it.
        """
        self.use("aiosmtpd_handler")
        self.assertEqual("550 5.0.0 not relaying to that domain", self.send()[-1])
        with redirect_stdout(StringIO()) as printed:
            self.assertEqual("250", self.send(recipients=("who@example.com",))[-1][:3])
        self.assertIn("Message from bob@example.net\nMessage for ['who@example.com']\n", printed.getvalue())
        self.assertIn("\n> How are you?\n", printed.getvalue())
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_twisted_mail_delivery(self) -> None:
        """
        The delivery object takes what is for it, and prints it.
        """
        self.use("twisted_mail_delivery")
        self.assertEqual("550", self.send()[-1][:3])
        with redirect_stdout(StringIO()) as printed:
            self.assertEqual("250", self.send(recipients=("console@example.com",))[-1][:3])
        self.assertIn("Subject: Hello\n\nHow are you?\n", printed.getvalue())
