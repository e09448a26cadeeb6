"""
L{twisted_mail_server.app.wire}
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.settings import DEFAULT_LISTENERS, Settings
from twisted_mail_server.app.wire import (
    FIRST_ACCOUNT,
    PROTOCOLS,
    Closing,
    Resources,
    _is_within,
    default_domain,
    named_certificates,
    open_resources,
    start_server,
)
from twisted_mail_server.interfaces import IMailUser
from twisted_mail_server.model.accounts import NO_PASSWORD, Account, PlainSecret, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import BadSetting, MailError, OverQuota
from twisted_mail_server.tls.certificates import certificate_pem, key_pem, make_pair


class WireTestCase(TestCase):
    """
    Works in an empty folder, on real threads.
    """

    def setUp(self) -> None:
        """
        The folder.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.threads = threading.active_count()

    def settings(self, text: str = "") -> Settings:
        """
        Settings whose paths are in the folder.
        """
        return parse_settings(text, base=str(self.folder), machine="mail.example.org")

    async def resources(self, text: str = "") -> Resources:
        """
        Opened, and closed at the end.
        """
        found = await open_resources(self.settings(text), reactor)
        self.addCleanup(lambda: found.close())
        return found

    @property
    def data(self) -> Path:
        """
        The data directory.
        """
        return self.folder / "mail-data"


class ResourcesTests(WireTestCase):
    """
    What a data directory holds.
    """

    async def test_open_and_close(self) -> None:
        """
        The data directory is made; after closing, harmlessly twice, no thread is left.
        """
        resources = await self.resources()
        self.assertEqual(str(self.data), resources.disk.root)
        self.assertEqual([], await resources.directory.accounts())
        self.assertEqual([], await resources.spool.waiting())
        await resources.close()
        await resources.close()
        self.assertEqual(self.threads, threading.active_count())
        self.assertEqual([], list((self.data / "run").iterdir()))

    async def test_two_at_once(self) -> None:
        """
        C{mailctl} works beside a server: what one adds the other finds.
        """
        one, two = await self.resources(), await self.resources()
        await one.directory.add_account(Address("a", "example.org"), await one.passwords.store(b"secret"))
        self.assertIsNotNone(await two.directory.login("a@example.org"))

    async def test_nothing_left_open(self) -> None:
        """
        What fails to open closes what was opened before it.
        """
        self.data.mkdir()
        (self.data / "directory.sqlite").mkdir()
        with self.assertRaises(MailError):
            await open_resources(self.settings(), reactor)
        self.assertEqual(self.threads, threading.active_count())

    async def test_no_folder(self) -> None:
        """
        A data directory that cannot be made is named.
        """
        self.data.write_text("")
        with self.assertRaises(BadSetting) as caught:
            await open_resources(self.settings(), reactor)
        self.assertEqual(f"data_dir: {self.data}: File exists.", caught.exception.public)

    async def test_names(self) -> None:
        """
        Domains, postmaster and default domain mean what the settings say.
        """
        resources = await self.resources(
            'domains = ["a.example", "b.example"]\npostmaster = "two@b.example"\n[auth]\ndefault_domain = "b.example"'
        )
        directory = resources.directory
        for name in ("one", "two"):
            await directory.add_account(Address(name, "b.example"), await resources.passwords.store(b"secret"))
        self.assertTrue(await directory.is_local("a.example"))
        self.assertFalse(await directory.is_local("c.example"))
        found = await directory.login("one")
        assert found is not None
        self.assertEqual("one@b.example", str(found[0].address))
        postmaster = await directory.lookup(Address("postmaster", "a.example"))
        assert isinstance(postmaster, Account)
        self.assertEqual("two@b.example", str(postmaster.address))

    async def test_subaddresses(self) -> None:
        """
        The separator of subaddresses is that of the settings.
        """
        resources = await self.resources('domains = ["a.example"]\nsubaddress_separator = "-"')
        await resources.directory.add_account(Address("one", "a.example"), await resources.passwords.store(b"secret"))
        self.assertIsInstance(await resources.directory.lookup(Address("one-x", "a.example")), Account)
        self.assertIsNone(await resources.directory.lookup(Address("one+x", "a.example")))

    async def test_quota(self) -> None:
        """
        The store asks the directory how much an account may have.
        """
        resources = await self.resources()
        directory = resources.directory
        account = await directory.add_account(Address("a", "a.example"), await resources.passwords.store(b"secret"))
        mail = await resources.store.open(account.id)
        for quota, is_taken in ((None, True), (7, False), (8, True)):
            await directory.set_quota(account.id, quota)
            staged = mail.stage()
            staged.write(b"four")
            await staged.finish()
            try:
                await mail.append("INBOX", [(staged, (), 0)])
            except OverQuota:
                self.assertFalse(is_taken, quota)
            else:
                self.assertTrue(is_taken, quota)
        self.assertEqual((8, 2), await mail.usage())

    def test_default_domain(self) -> None:
        """
        A bare login name is completed with what is set, else with the first domain, else with C{localhost}.
        """
        for text, domain in (
            ("", "localhost"),
            ('domains = ["b.example", "a.example"]', "b.example"),
            ('domains = ["b.example"]\n[auth]\ndefault_domain = "c.example"', "c.example"),
        ):
            self.assertEqual(domain, default_domain(self.settings(text)))

    async def test_closing(self) -> None:
        """
        Things are closed in the opposite order, whatever fails among them.
        """
        closed = []
        closing = Closing()

        async def waits() -> None:
            closed.append("first")

        def fails() -> None:
            raise RuntimeError("no")

        closing.add(waits)
        closing.add(fails)
        closing.add(lambda: closed.append("last"))
        await closing.close()
        await closing.close()
        self.assertEqual(["last", "first"], closed)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))


class ServerTests(WireTestCase):
    """
    The server on its resources.
    """

    async def test_nothing_configured(self) -> None:
        """
        A first account is made whose password opens its mail; every listener of the built-in default gets who answers.
        """
        server = await start_server(self.settings(), reactor, None)
        self.addCleanup(server.stop)
        self.assertEqual("demo@localhost", server.first_account)
        _, password = (self.data / FIRST_ACCOUNT).read_text("ascii").split()
        self.assertEqual(0o600, os.stat(self.data / FIRST_ACCOUNT).st_mode & 0o777)
        secret = PlainSecret("demo", password.encode())
        login = await server.authenticator.login(secret, IMailUser, peer="127.0.0.1", revoked=lambda reason: None)
        self.assertEqual("demo@localhost", str(login.account.address))
        self.assertIn("INBOX", [mailbox.name for mailbox in await login.avatar.mail.mailboxes()])
        login.logout()
        for listener in DEFAULT_LISTENERS:
            self.assertTrue(hasattr(server.factory(listener), "drain"), listener)
        # LMTP is for another server of the house: nobody listens for it unasked.
        self.assertEqual({*(listener.protocol for listener in DEFAULT_LISTENERS), "lmtp"}, set(PROTOCOLS))

    async def test_checkers(self) -> None:
        """
        Checkers of others that the settings name let in the accounts that have no password here.
        """
        file = self.folder / "passwords"
        file.write_text("ann:elsewhere\n", encoding="ascii")
        text = f'domains = ["a.example"]\n[auth]\ncheckers = ["file:{file}"]'
        server = await start_server(self.settings(text), reactor, None)
        self.addCleanup(server.stop)
        directory = server.resources.directory
        await directory.add_account(Address("ann", "a.example"), StoredCredentials(NO_PASSWORD))
        secret = PlainSecret("ann", b"elsewhere")
        login = await server.authenticator.login(secret, IMailUser, peer="127.0.0.1", revoked=lambda reason: None)
        self.assertEqual("ann@a.example", str(login.account.address))
        login.logout()
        self.assertEqual(("PLAIN", "LOGIN"), server.authenticator.mechanisms(is_private=True))

    async def test_wrong_checkers(self) -> None:
        """
        A checker that does not like its arguments is a wrong setting, and nothing is left open; one that is not there is told of
        before that.
        """
        with self.assertRaises(BadSetting) as caught:
            await start_server(self.settings('[auth]\ncheckers = ["memory:ann"]'), reactor, None)
        self.assertIn("auth.checkers: memory:ann: ", caught.exception.public)
        self.assertEqual(self.threads, threading.active_count())
        with self.assertRaises(BadSetting) as caught:
            self.settings('[auth]\ncheckers = ["nothing"]')
        self.assertIn("There is no checker nothing.", caught.exception.public)

    async def test_later_starts(self) -> None:
        """
        The first account is made once; it is named as long as its password's file lies there.
        """
        found = []
        for _ in range(2):
            server = await start_server(self.settings(), reactor, None)
            found.append((server.first_account, (self.data / FIRST_ACCOUNT).read_text("ascii")))
            await server.stop()
        self.assertEqual(found[0], found[1])
        (self.data / FIRST_ACCOUNT).unlink()
        server = await start_server(self.settings(), reactor, None)
        self.addCleanup(server.stop)
        self.assertIsNone(server.first_account)
        self.assertFalse((self.data / FIRST_ACCOUNT).exists())

    async def test_no_first_account(self) -> None:
        """
        Who names a domain, or has made an account, needs none.
        """
        server = await start_server(self.settings('domains = ["a.example"]'), reactor, None)
        await server.stop()
        self.assertIsNone(server.first_account)
        resources = await self.resources()
        await resources.directory.add_account(Address("a", "b.example"), await resources.passwords.store(b"secret"))
        await resources.close()
        server = await start_server(self.settings(), reactor, None)
        await server.stop()
        self.assertIsNone(server.first_account)
        self.assertFalse((self.data / FIRST_ACCOUNT).exists())

    async def test_failed_start(self) -> None:
        """
        A start that fails leaves nothing open.
        """
        self.data.mkdir()
        (self.data / "spool").write_text("")
        with self.assertRaises((MailError, OSError)):
            await start_server(self.settings(), reactor, None)
        self.assertEqual(self.threads, threading.active_count())

    async def test_certificates(self) -> None:
        """
        A certificate that the settings name is used; without, one is made in the data directory.
        """
        pair = make_pair(("a.example",), datetime(2026, 11, 1, tzinfo=UTC))
        (self.folder / "c.pem").write_bytes(certificate_pem(pair))
        (self.folder / "k.pem").write_bytes(key_pem(pair))
        settings = self.settings('[tls]\ncertificate = "c.pem"\nkey = "k.pem"')
        certificates = named_certificates(settings, reactor)
        server = await start_server(settings, reactor, certificates)
        await server.stop()
        self.assertIs(certificates, server.certificates)
        self.assertFalse((self.data / "tls").exists())
        self.assertIsNone(named_certificates(self.settings(), reactor))
        server = await start_server(self.settings(), reactor, None)
        await server.stop()
        self.assertTrue((self.data / "tls" / "certificate.pem").exists())

    def test_trusted_networks(self) -> None:
        """
        Only addresses inside are trusted; a Unix socket has none.
        """
        networks = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
        self.assertEqual(
            [True, False, True, False, False],
            [_is_within(peer, networks) for peer in ("192.0.2.9", "192.0.3.9", "2001:db8::1", "::1", "")],
        )
        self.assertFalse(_is_within("192.0.2.9", ()))
