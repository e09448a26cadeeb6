"""
L{twisted_mail_server.app.reloading}, and what a running server is asked.
"""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path
from typing import Any, cast

from attrs import evolve
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.app.test_wire import WireTestCase
from tests.support.certificates import pair_for, pems
from tests.support.transports import MemoryTransport
from tests.support.twistd import PATIENCE, Foreground
from twisted_mail_server import __version__
from twisted_mail_server.admin.control import ask
from twisted_mail_server.app.notifying import notify
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.reloading import Reloaded, Reloader, matched, merge
from twisted_mail_server.app.settings import Listener, Settings
from twisted_mail_server.app.status import count_queue, describe
from twisted_mail_server.app.wire import Server, named_certificates, start_server
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, Service
from twisted_mail_server.model.errors import BadSetting, MailError
from twisted_mail_server.model.queue import Fate, QueuedMessage, QueueId, RecipientState
from twisted_mail_server.servers.base import Session, SessionFactory
from twisted_mail_server.servers.listening import ListenerService
from twisted_mail_server.telemetry.lag import ReactorLag

NAME = 'domains = ["a.example"]\n'
LOOPBACK = "interface=127.0.0.1"
SMTP = f'[[listener]]\nprotocol = "smtp"\nendpoint = "tcp:0:{LOOPBACK}"\n'
IMAP = f'[[listener]]\nprotocol = "imap"\nendpoint = "tcp:0:{LOOPBACK}"\n'
CERTIFICATE = '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'


def settings_of(text: str) -> Settings:
    """
    Settings somewhere.
    """
    return parse_settings(text, base="/", machine="mail.example.org")


class MergeTests(SynchronousTestCase):
    """
    What a running server can follow.
    """

    def test_nothing(self) -> None:
        """
        The same settings change nothing.
        """
        settings = settings_of(SMTP)
        merged = merge(settings, settings_of(SMTP))
        self.assertEqual((settings, (), ()), (merged.settings, merged.changed, merged.waiting))

    def test_all_that_changes(self) -> None:
        """
        Settings of sessions, names and listeners are followed, each told by its full name.
        """
        text = (
            'domains = ["a.example"]\n[auth]\nallow_plaintext = true\n[limits]\nmessage_size = "1 MiB"\n'
            f'[log]\nlevel = "warn"\n[pop3]\nlogin_delay = 5\n[[certificate]]\ncertificate = "a"\nkey = "b"\n{SMTP}{CERTIFICATE}'
        )
        new = settings_of(text)
        merged = merge(settings_of(""), new)
        self.assertEqual((new, ()), (merged.settings, merged.waiting))
        self.assertEqual(
            {
                "domains",
                "auth.allow_plaintext",
                "limits.message_size",
                "log.level",
                "pop3.login_delay",
                "certificate",
                "listener",
                "tls.certificate",
                "tls.key",
            },
            set(merged.changed),
        )

    def test_what_needs_a_restart(self) -> None:
        """
        What was opened by a setting goes by the old one, and is told; all else is followed.
        """
        old = settings_of("")
        merged = merge(
            old,
            settings_of(
                'hostname = "a.example"\ndata_dir = "elsewhere"\ndomains = ["a.example"]\n[limits]\nrecipients = 7\nconnections = 9\n'
                '[relay]\nconnections = 5\nprefer_ipv6 = true\n[spool]\nhistory = "1d"\n[auth]\ncheckers = ["memory:a:b"]\n'
            ),
        )
        self.assertEqual(
            {
                "hostname",
                "data_dir",
                "limits.recipients",
                "relay.connections",
                "relay.prefer_ipv6",
                "spool.history",
                "auth.checkers",
            },
            set(merged.waiting),
        )
        self.assertEqual({"domains", "limits.connections"}, set(merged.changed))
        expected = evolve(old, domains=("a.example",), limits=evolve(old.limits, connections=9))
        self.assertEqual(expected, merged.settings)

    def test_in_words(self) -> None:
        """
        What was done is said in one line.
        """
        self.assertEqual("nothing has changed", str(Reloaded()))
        self.assertEqual("changed: a, b", str(Reloaded(("a", "b"))))
        self.assertEqual("nothing has changed; a restart is needed for: c", str(Reloaded((), ("c",))))


class MatchTests(SynchronousTestCase):
    """
    Which listener is which.
    """

    def test_places(self) -> None:
        """
        A listener takes over the port of the one that is most like it, and each port goes to one only.
        """
        a, b = Listener("smtp", "tcp:1"), Listener("imap", "tcp:2")
        self.assertEqual([1, 0], matched([a, b], [b, a]))
        self.assertEqual([None, 0], matched([a], [b, a]))
        self.assertEqual([], matched([a], []))
        self.assertEqual([0], matched([a], [Listener("lmtp", "tcp:1", "off")]))
        free, other = Listener("smtp", "tcp:0"), Listener("imap", "tcp:0")
        self.assertEqual([1, 0, None], matched([free, other], [other, free, free]))
        self.assertEqual([1, 0], matched([free, other], [Listener("imap", "tcp:0", "off"), free]))


class ReloaderTests(WireTestCase):
    """
    A server in this process.
    """

    async def start(self, text: str) -> None:
        """
        With its listeners; a domain keeps it from making a first account.
        """
        text = self.text = NAME + text
        self.logged: list[Settings] = []
        settings = self.settings(text)
        self.server: Server = await start_server(settings, reactor, named_certificates(settings, reactor))
        self.addCleanup(self.server.stop)
        self.listeners = [self.listen(one) for one in settings.listeners]
        for listener, one in zip(self.listeners, settings.listeners, strict=True):
            listener.open_to(self.server.factory(one))
            listener.startService()
        self.addCleanup(self.stop)
        self.reloader = Reloader(
            self.server,
            self.listeners,
            lambda: self.settings(self.text),
            self.listen,
            lambda listener: listener.startService(),
            self.logged.append,
        )

    def listen(self, one: Listener) -> ListenerService:
        """
        A listener with nothing bound.
        """
        return ListenerService(one.protocol, one.endpoint, cast(Any, reactor))

    def stop(self) -> Deferred[Any]:
        """
        All listeners.
        """
        return gatherResults([one.stopService() for one in (*self.listeners, *self.reloader.retired)])

    def connect(self, listener: ListenerService) -> tuple[Session, MemoryTransport]:
        """
        A connection, in memory.
        """
        assert isinstance(listener.factory, SessionFactory)
        session = listener.factory.buildProtocol(None)
        assert isinstance(session, Session)
        transport = MemoryTransport("192.0.2.1")
        transport.connect(session)
        self.addCleanup(transport.lose)
        return session, transport

    def write_pair(self, *names: str, number: str = "") -> None:
        """
        A certificate and its key.
        """
        certificate, key = pems(pair_for(*names))
        (self.folder / f"c{number}.pem").write_bytes(certificate)
        (self.folder / f"k{number}.pem").write_bytes(key)

    async def refusal(self) -> str:
        """
        Why nothing changed.
        """
        with self.assertRaises(MailError) as caught:
            await self.reloader.reload()
        return str(caught.exception.public)

    async def test_settings(self) -> None:
        """
        Sessions that begin after a reload go by the new settings; those that are here go by the old, count on, and live on.
        """
        await self.start(SMTP)
        (listener,) = self.listeners
        before, old = listener.addresses(), self.connect(listener)
        self.text = f'domains = ["b.example"]\n[limits]\nmessage_size = "1 MiB"\nconnections_per_address = 1\n{SMTP}'
        self.assertEqual(
            {"domains", "limits.message_size", "limits.connections_per_address"},
            set((await self.reloader.reload()).changed),
        )
        self.assertEqual((before, [listener]), (listener.addresses(), self.listeners))
        self.assertEqual(["b.example"], await self.server.resources.directory.domains())
        self.assertEqual([self.server.resources.settings], self.logged)
        old[1].take()
        old[1].deliver(b"EHLO me\r\n")
        self.assertIn(b"250-SIZE 52428800\r\n", old[1].take())
        self.assertEqual(b"421", self.connect(listener)[1].take()[:3])
        old[1].lose()
        _, transport = self.connect(listener)
        transport.take()
        transport.deliver(b"EHLO me\r\n")
        self.assertIn(b"250-SIZE 1048576\r\n", transport.take())
        assert isinstance(listener.factory, SessionFactory)
        self.assertEqual(3, listener.factory.census.total)

    async def test_listeners(self) -> None:
        """
        One that is new answers; one that is gone takes no more connections, and those that it has live on; one that speaks something
        else now keeps its port.
        """
        await self.start(SMTP + IMAP)
        smtp, imap = self.listeners
        session, transport = self.connect(imap)
        transport.take()
        places = smtp.addresses()
        self.text = NAME + SMTP + SMTP.replace("smtp", "pop3")
        await self.reloader.reload()
        self.assertEqual(places, smtp.addresses())
        self.assertEqual(["smtp", "pop3"], [one.protocol for one in self.listeners])
        self.assertIs(imap, self.listeners[1])
        self.assertEqual(b"+OK", self.connect(imap)[1].take()[:3])
        transport.deliver(b"a NOOP\r\n")
        self.assertEqual(b"a OK", transport.take()[:4])
        self.text = NAME + SMTP
        await self.reloader.reload()
        self.assertEqual(([smtp], [imap], []), (self.listeners, self.reloader.retired, imap.addresses()))
        transport.deliver(b"b NOOP\r\n")
        self.assertEqual(b"b OK", transport.take()[:4])
        self.text = NAME + SMTP + IMAP
        await self.reloader.reload()
        self.assertEqual((2, [imap]), (len(self.listeners), self.reloader.retired))
        self.assertEqual(1, len(self.listeners[1].addresses()))
        self.assertFalse(session.is_lost)

    async def test_retired(self) -> None:
        """
        A listener that is gone is forgotten once its last connection is.
        """
        await self.start(SMTP + IMAP)
        imap = self.listeners[1]
        imap.setServiceParent(parent := _Parent())
        self.text = NAME + SMTP
        await self.reloader.reload()
        self.assertEqual([imap], self.reloader.retired)
        await self.reloader.reload()
        self.assertEqual(([], [imap]), (self.reloader.retired, parent.removed))

    async def test_certificates(self) -> None:
        """
        A new certificate is told of and shown; one whose key is not its own changes nothing.
        """
        self.write_pair("old.example")
        await self.start(CERTIFICATE + SMTP)
        self.write_pair("new.example")
        done = await self.reloader.reload()
        self.assertEqual(
            (("the certificate for new.example, valid until 2036-11-22",), ()), (done.changed, done.waiting)
        )
        certificates = self.server.certificates
        self.assertEqual(("new.example",), certificates.pairs[0].names)
        self.write_pair("b.example", number="2")
        self.text += '[[certificate]]\ncertificate = "c2.pem"\nkey = "k.pem"\n'
        self.assertEqual(
            f"The key in {self.folder}/k.pem does not belong to the certificate in {self.folder}/c2.pem.",
            await self.refusal(),
        )
        self.text = self.text.replace('key = "k.pem"\n', 'key = "k3.pem"\n').replace("k3", "k", 1)
        self.assertEqual(f"certificate[1].key: there is no file {self.folder}/k3.pem.", await self.refusal())
        self.text = self.text.replace("k3", "k2") + 'names = ["*.c.example"]\n'
        self.assertEqual(
            {"certificate", "the certificate for *.c.example, valid until 2036-11-22"},
            set((await self.reloader.reload()).changed),
        )
        self.assertEqual(2, len(certificates.pairs))

    async def test_self_signed(self) -> None:
        """
        Without a certificate in the settings, the self-signed one is shown again.
        """
        self.write_pair("a.example")
        await self.start(CERTIFICATE + SMTP)
        self.text = NAME + SMTP
        await self.reloader.reload()
        self.assertEqual(("mail.example.org", "localhost"), self.server.certificates.pairs[0].names)

    async def test_wrong_settings(self) -> None:
        """
        Settings that are wrong change nothing.
        """
        await self.start(SMTP)
        before = self.server.resources.settings
        self.text = "hostname = 1\n" + IMAP
        self.assertEqual('mail.toml:1: hostname is 1. It must be a domain such as "example.org".', await self.refusal())
        self.assertIs(before, self.server.resources.settings)
        self.assertEqual(["smtp"], [one.protocol for one in self.listeners])

    async def test_port_taken(self) -> None:
        """
        A port that cannot be had changes nothing, and what was bound before it is let go.
        """
        await self.start(SMTP)
        with socket.socket() as taken, socket.socket() as free:
            for one in (taken, free):
                one.bind(("127.0.0.1", 0))
            taken.listen()
            port = free.getsockname()[1]
            free.close()
            endpoint = f"tcp:{taken.getsockname()[1]}:{LOOPBACK}"
            self.text = 'domains = ["b.example"]\n' + SMTP + IMAP.replace("tcp:0", f"tcp:{port}")
            self.text += f'[[listener]]\nprotocol = "imap"\nendpoint = "{endpoint}"\n'
            self.assertEqual(f"imap on {endpoint}: Address already in use.", await self.refusal())
        with socket.socket() as again:
            self.assertNotEqual(0, again.connect_ex(("127.0.0.1", port)))
        self.assertEqual((["a.example"], 1), (await self.server.resources.directory.domains(), len(self.listeners)))

    async def test_openssl_will_not(self) -> None:
        """
        A certificate that OpenSSL refuses at the end changes nothing, and ports that were bound are let go.
        """
        await self.start(SMTP)
        made: list[ListenerService] = []
        listen = self.reloader._listen
        self.reloader._listen = lambda one: made.append(listen(one)) or made[-1]  # type: ignore[func-returns-value]

        def refuse(pairs: object) -> None:
            raise BadSetting("No.")

        self.patch(type(self.server.certificates), "replace", lambda self, pairs: refuse(pairs))
        self.text = NAME + SMTP + IMAP
        self.assertEqual("No.", await self.refusal())
        self.assertEqual([[]], [one.addresses() for one in made])
        self.assertEqual(1, len(self.listeners))

    async def test_at_the_end(self) -> None:
        """
        A server that stops reloads nothing.
        """
        await self.start(SMTP)
        self.reloader.stop()
        self.assertEqual("The server stops.", await self.refusal())

    async def test_status(self) -> None:
        """
        A server tells of itself, and of each listener; one that is gone is told of while it has connections.
        """
        await self.start(SMTP + IMAP)
        session, _ = self.connect(self.listeners[1])
        session.account = "ann@a.example"
        self.text = NAME + SMTP
        await self.reloader.reload()
        lag = ReactorLag(Clock())
        seconds = cast(Any, reactor).seconds()
        told = await describe(self.server, self.listeners, self.reloader.retired, lag, seconds - 5)
        self.assertEqual((__version__, 1, 0), (told["version"], told["logged_in"], told["open_accounts"]))
        self.assertGreaterEqual(told["uptime"], 5)
        self.assertEqual({"waiting": 0, "due": 0, "held": 0}, told["queue"])
        smtp, imap = told["listeners"]
        self.assertEqual(
            ("smtp", "starttls", 0, 0), tuple(smtp[key] for key in ("protocol", "tls", "connections", "total"))
        )
        self.assertEqual(
            ("imap", [], 1, 1, 1),
            tuple(imap[key] for key in ("protocol", "addresses", "connections", "total", "logged_in")),
        )


class _Parent:
    """
    Has services taken from it.
    """

    def __init__(self) -> None:
        self.removed: list[object] = []

    def addService(self, service: object) -> None:
        """
        One comes.
        """

    def removeService(self, service: object) -> None:
        """
        One goes.
        """
        self.removed.append(service)


class QueueTests(SynchronousTestCase):
    """
    The queue in three numbers.
    """

    def test_counts(self) -> None:
        """
        Messages are counted, not recipients: all, those that have a recipient that is due, and those that have one held.
        """

        def message(*states: RecipientState) -> QueuedMessage:
            recipients = tuple(Recipient(Address("a", "a.example")) for _ in states)
            envelope = Envelope(Origin(Service.SUBMISSION, "ESMTP", "a", "127.0.0.1"), None, recipients)
            return QueuedMessage(QueueId(bytes(16)), envelope, states, 10, b"")

        later, due = RecipientState(due=101), RecipientState(due=100)
        held, done = RecipientState(Fate.HELD), RecipientState(Fate.DELIVERED)
        messages = [message(later), message(due, due, done), message(later, held), message(held, due)]
        self.assertEqual({"waiting": 4, "due": 2, "held": 2}, count_queue(messages, 100))
        self.assertEqual({"waiting": 0, "due": 0, "held": 0}, count_queue([], 100))


class NotifyTests(SynchronousTestCase):
    """
    Word to systemd.
    """

    def test_abstract(self) -> None:
        """
        An abstract name is spoken to, and the lines arrive as one datagram.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind("")
            listening.setblocking(False)
            notify("@" + listening.getsockname()[1:].decode("ascii"), "A=1", "B=2")
            self.assertEqual(b"A=1\nB=2", listening.recv(100))

    def test_nobody(self) -> None:
        """
        Who does not want to know is told nothing, and who has gone keeps nobody.
        """
        notify("", "A=1")
        notify(str(Path(self.mktemp()).absolute()), "A=1")


class ProcessTests(SynchronousTestCase):
    """
    A server in a process of its own.
    """

    def setUp(self) -> None:
        """
        It tells what it does to a socket, as to systemd, and shows a certificate.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.told.close)
        self.told.settimeout(PATIENCE)
        self.told.bind("")
        self.write("old.example")
        self.settings = CERTIFICATE + f'{IMAP}tls = "implicit"\n'
        (self.folder / "mail.toml").write_text(self.settings)
        name = "@" + self.told.getsockname()[1:].decode("ascii")
        self.server = Foreground(self.folder, "mailserver", NOTIFY_SOCKET=name)
        self.addCleanup(self.server.stop)

    def write(self, name: str) -> None:
        """
        A certificate, and its key.
        """
        for file, pem in zip(("c.pem", "k.pem"), pems(pair_for(name)), strict=True):
            (self.folder / file).write_bytes(pem)

    def connect(self) -> ssl.SSLSocket:
        """
        An IMAP connection, greeted.
        """
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.server.ports["imap"]), PATIENCE)
        connection = context.wrap_socket(plain)
        self.addCleanup(connection.close)
        self.assertEqual(b"* OK", connection.recv(1000)[:4])
        return connection

    def shown(self) -> str:
        """
        For whom the certificate is that a new connection is shown.
        """
        found = self.connect().getpeercert(binary_form=True)
        names = {pair_for(name).certificate.public_bytes(Encoding.DER): name for name in ("old.example", "new.example")}
        assert found is not None
        return names[found]

    def hang_up(self) -> None:
        """
        SIGHUP, and all that becomes of it.
        """
        self.server.process.send_signal(signal.SIGHUP)
        first, second = self.told.recv(200).split(b"\n")
        self.assertEqual((b"RELOADING=1", b"MONOTONIC_USEC="), (first, second[:15]))
        self.assertEqual(b"READY=1", self.told.recv(200))

    def test_life(self) -> None:
        """
        SIGHUP changes a certificate for new handshakes, and an idle connection lives on; a broken file changes nothing, and the log
        says why; C{mailctl reload} is told too.
        """
        self.assertEqual(b"READY=1", self.told.recv(200))
        idle = self.connect()
        self.assertEqual("old.example", self.shown())
        self.write("new.example")
        self.hang_up()
        self.assertEqual("new.example", self.shown())
        (self.folder / "mail.toml").write_text(self.settings + "colour = 3\n")
        self.hang_up()
        sentence = "mail.toml:8: listener[1].colour is not a setting."
        self.assertIn(f" error app.reloading: the reload changed nothing: {sentence}", self.server.log)
        run = str(self.folder / "mail-data" / "run")
        (answer,) = ask(run, "reload")
        self.assertEqual((self.server.process.pid, sentence), (answer.pid, answer.error))
        self.assertEqual("new.example", self.shown())
        idle.sendall(b"a NOOP\r\n")
        self.assertEqual(b"a OK", idle.recv(1000)[:4])
        (self.folder / "mail.toml").write_text(self.settings + IMAP.replace("imap", "pop3"))
        (answer,) = ask(run, "reload")
        self.assertEqual({"changed": ["listener"], "waiting": []}, answer.result)
        (answer,) = ask(run, "status")
        listeners = answer.result["listeners"]
        self.assertEqual(["imap", "pop3"], [one["protocol"] for one in listeners])
        self.assertEqual(4, listeners[0]["total"])
        idle.sendall(b"b LOGOUT\r\n")
        self.assertEqual(b"* BYE", idle.recv(1000)[:5])
        self.assertEqual(-signal.SIGTERM, self.server.stop())
        self.assertNotIn("Traceback", self.server.log)
        self.assertEqual([], ask(run, "status"))
