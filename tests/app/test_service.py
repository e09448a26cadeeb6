"""
L{twisted_mail_server.app.service}, in processes of its own where twistd has a part in it.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.application.service import IServiceMaker
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from tests.support.twistd import ANY_PORTS, PATIENCE, ROOT, Foreground, end_daemon, finish
from twisted_mail_server.admin.control import Control
from twisted_mail_server.app import service as service_module
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.reloading import Reloaded
from twisted_mail_server.app.service import MailService, Options, makeService, run_blocking
from twisted_mail_server.app.wire import Server
from twisted_mail_server.model.errors import DiskFull, Refused
from twisted_mail_server.servers.listening import CannotStart

TELL = service_module.tell
TAC = str(ROOT / "mail.tac")


class FolderTestCase(SynchronousTestCase):
    """
    Works in an empty folder.
    """

    def setUp(self) -> None:
        """
        The folder.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def write(self, text: str) -> None:
        """
        The settings.
        """
        (self.folder / "mail.toml").write_text(text, "utf-8")


class ForegroundTests(FolderTestCase):
    """
    The server as C{make run} and C{mailctl serve} start it.
    """

    def test_life(self) -> None:
        """
        In a folder where nothing is configured but ports, and a living process's pidfile lies, a server starts, tells where it is
        and whose first account there is, greets, and ends gently.
        """
        self.write(ANY_PORTS)
        (self.folder / "twistd.pid").write_text(str(os.getpid()))
        server = Foreground(self.folder, "--python", TAC)
        self.addCleanup(server.stop)
        data = self.folder / "mail-data"
        first = data / "first-account.txt"
        self.assertEqual({"smtp", "imap"}, set(server.ports))
        with (
            socket.create_connection(("127.0.0.1", server.ports["smtp"]), PATIENCE) as smtp,
            socket.create_connection(("127.0.0.1", server.ports["imap"]), PATIENCE) as imap,
        ):
            replies, responses = smtp.makefile("rb"), imap.makefile("rb")
            self.assertEqual(b"220 ", replies.readline()[:4])
            self.assertEqual(b"* OK ", responses.readline()[:5])
            server.terminate()
            self.assertEqual(b"421 ", replies.readline()[:4])
            self.assertEqual(b"* BYE ", responses.readline()[:6])
            self.assertEqual((b"", b""), (replies.read(), responses.read()))
        self.assertEqual(-signal.SIGTERM, server.end())
        self.assertIn(f"mailserver: first account: demo@localhost, password in {first}.", server.said)
        self.assertIn(" info app.service: ready: ", server.log)
        self.assertIn(" info app.service: stopped", server.log)
        self.assertEqual((0o700, 0o600), (data.stat().st_mode & 0o777, first.stat().st_mode & 0o777))
        address, password = first.read_text("ascii").removesuffix("\n").split(" ")
        self.assertEqual("demo@localhost", address)
        self.assertRegex(password, r"\A[A-Za-z0-9_-]{20,}\Z")
        self.assertNotIn(password, server.log + "".join(server.said))

    def test_the_plugin_and_json(self) -> None:
        """
        C{twistd mailserver} reads the file it is given; its log is JSON if that says so, and a second start makes no second
        first account.
        """
        self.write(f"{ANY_PORTS}\n[log]\nformat = 'json'\n")
        (self.folder / "mail.toml").rename(self.folder / "other.toml")
        passwords = set()
        for _ in range(2):
            server = Foreground(self.folder, "mailserver", "--config", "other.toml")
            self.addCleanup(server.stop)
            self.assertEqual(-signal.SIGTERM, server.stop())
            passwords.add((self.folder / "mail-data" / "first-account.txt").read_text("ascii"))
            events = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
            (ready,) = [event for event in events if event["message"].startswith("ready: ")]
            self.assertEqual(("info", "app.service"), (ready["level"], ready["logger"]))
            self.assertIn(f"smtp 127.0.0.1:{server.ports['smtp']}", ready["listeners"])
            self.assertEqual("stopped", [event["message"] for event in events if event["logger"] == "app.service"][-1])
        self.assertEqual(1, len(passwords))


class DaemonTests(FolderTestCase):
    """
    The server in the background.
    """

    def test_life(self) -> None:
        """
        The terminal is told where log and first account will be; the parent ends with 0 when the server is up, and SIGTERM ends it.
        """
        self.write(ANY_PORTS)
        status, said = finish(self.folder, "mailserver")
        self.assertEqual(0, status)
        pid = int((self.folder / "twistd.pid").read_text())
        self.assertTrue(end_daemon(pid))
        self.assertEqual(
            [
                f"mailserver: data in {self.folder}/mail-data; the log is {self.folder}/twistd.log.",
                f"mailserver: a new server's first account is written to {self.folder}/mail-data/first-account.txt.",
            ],
            said.splitlines(),
        )
        log = (self.folder / "twistd.log").read_text("utf-8")
        self.assertIn(" info app.service: ready: smtp 127.0.0.1:", log)
        self.assertIn(" info app.service: stopped", log)
        self.assertFalse((self.folder / "twistd.pid").exists())


class FailedStartTests(FolderTestCase):
    """
    Starts that end with a line and a status that is not 0.
    """

    def fails_with(self, sentence: str, shortened: str) -> None:
        """
        In the foreground and in the background, from the plugin.
        """
        status, said = finish(self.folder, "--nodaemon", "--pidfile=", "mailserver")
        self.assertEqual((1, f"mailserver: {sentence}"), (status, said.splitlines()[-1]))
        self.assertEqual(1, said.count(sentence))
        self.assertNotIn("Traceback", said + (self.folder / "out").read_text("utf-8"))
        status, said = finish(self.folder, "mailserver")
        self.assertEqual(1, status)
        self.assertIn(f"An error has occurred: {shortened[:98].encode()!r}\n", said)
        log = (self.folder / "twistd.log").read_text("utf-8")
        self.assertIn(sentence, log)
        self.assertNotIn("Traceback", log)

    def test_port_taken(self) -> None:
        """
        A port that somebody else has.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            self.write(f'[[listener]]\nprotocol = "smtp"\nendpoint = "{endpoint}"\n')
            sentence = f"smtp on {endpoint}: Address already in use."
            self.fails_with(sentence, sentence)

    def test_no_data_directory(self) -> None:
        """
        A data directory that cannot be made, which is found when the ports are bound.
        """
        self.write(f"{ANY_PORTS}\n".replace("\n[[", 'data_dir = "mail.toml"\n[[', 1))
        sentence = f"data_dir: {self.folder}/mail.toml: File exists."
        self.fails_with(sentence, sentence)

    def test_wrong_settings(self) -> None:
        """
        Wrong settings, from the tac file and from the plugin: a line for each mistake, and nothing is made.
        """
        self.write("hostname = 1\ndomain = 2\n")
        complaints = [
            'mail.toml:1: hostname is 1. It must be a domain such as "example.org".',
            "mail.toml:2: domain is not a setting. Did you mean domains?",
        ]
        for arguments in (("--nodaemon", "--pidfile=", "mailserver"), ("--python", TAC)):
            status, said = finish(self.folder, *arguments)
            self.assertEqual((1, complaints), (status, said.splitlines()))
        self.assertEqual({"mail.toml", "out"}, {path.name for path in self.folder.iterdir()})


class MakingTests(FolderTestCase):
    """
    What happens before anything is opened.
    """

    def make(self, *arguments: str) -> MailService:
        """
        Make the service in the folder, quietly.
        """
        self.patch(os, "getcwd", lambda: str(self.folder))
        self.patch(os, "environ", {})
        self.said: list[str] = []
        self.patch(service_module, "tell", self.said.append)
        options = Options()
        options.parseOptions(arguments)
        return makeService(options)

    def test_nothing_configured(self) -> None:
        """
        There are the eight listeners of the built-in default, and nothing is made or bound yet.
        """
        service = self.make()
        self.assertEqual(
            ["smtp", "submission", "submission", "imap", "imap", "pop3", "pop3", "http"],
            [listener.protocol for listener in service.listeners],
        )
        self.assertEqual([[]] * 8, [listener.addresses() for listener in service.listeners])
        self.assertEqual([], list(self.folder.iterdir()))
        self.assertEqual(
            [
                f"mailserver: data in {self.folder}/mail-data; the log is twistd's: with -n this terminal, else twistd.log in "
                f"{self.folder}.",
                f"mailserver: a new server's first account is written to {self.folder}/mail-data/first-account.txt.",
            ],
            self.said,
        )

    def test_a_domain_needs_no_first_account(self) -> None:
        """
        Who names domains is told of no first account.
        """
        self.write('domains = ["a.example"]')
        self.make()
        self.assertEqual(1, len(self.said))

    def test_a_password_that_others_may_read(self) -> None:
        """
        A password in a file that others may read is warned of; one that cannot be read stops the start.
        """
        self.write(
            'domains = ["a.example"]\n[relay]\nsmarthost = "a.example:587"\nsmarthost_login = "ann"\n'
            'smarthost_password = { file = "secret" }'
        )
        with self.assertRaises(SystemExit) as caught:
            self.make()
        secret = self.folder / "secret"
        self.assertEqual(f"relay.smarthost_password: {secret}: No such file or directory.", caught.exception.code)
        secret.write_text("hush")
        secret.chmod(0o644)
        self.make()
        self.assertIn(f"mailserver: warning: {secret} holds a password", self.said[1])
        self.assertNotIn("hush", "".join(self.said))

    def test_where_the_log_is(self) -> None:
        """
        Under the plugin it is known where twistd logs.
        """
        self.patch(os, "getcwd", lambda: str(self.folder))
        from twisted_mail_server.app.service import _log_place

        for parent, place in (
            ({"nodaemon": True}, "the log is this terminal"),
            ({"nodaemon": True, "logfile": "-"}, "the log is this terminal"),
            ({"logfile": "x.log"}, f"the log is {self.folder}/x.log"),
            ({"rundir": "/srv"}, "the log is /srv/twistd.log"),
        ):
            options: Any = Options()
            options.parent = parent
            self.assertEqual(place, _log_place(options))

    def test_wrong_certificate(self) -> None:
        """
        A certificate that cannot be read is found before anything is opened.
        """
        self.write('[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n')
        with self.assertRaises(SystemExit) as caught:
            self.make()
        self.assertNotIsInstance(caught.exception, Exception)
        self.assertEqual(f"tls.certificate: there is no file {self.folder}/a.pem.", caught.exception.code)

    def test_named_on_the_command_line(self) -> None:
        """
        A file that is named must be there.
        """
        with self.assertRaises(SystemExit) as caught:
            self.make("-c", "gone.toml")
        self.assertEqual("gone.toml: No such file or directory.", caught.exception.code)

    def test_twistd_knows_it(self) -> None:
        """
        The plugin is found, once, under its own name.
        """
        (maker,) = [one for one in getPlugins(IServiceMaker) if one.tapname == "mailserver"]
        self.assertIs(Options, maker.options)
        self.assertIs(makeService, maker.makeService)


class BlockingTests(SynchronousTestCase):
    """
    Coroutines before the reactor runs.
    """

    def test_timers_and_results(self) -> None:
        """
        Timers run, and the result, or the failure, comes back.
        """
        clock = Clock()
        due: Deferred[int] = Deferred()
        clock.callLater(3, due.callback, 5)

        class Reactor:
            runUntilCurrent = staticmethod(lambda: clock.advance(1))

        async def wait() -> int:
            return await due

        async def fail() -> int:
            raise CannotStart("no")

        self.assertEqual(5, run_blocking(Reactor, wait()))
        self.assertRaises(CannotStart, run_blocking, Reactor, fail())

    def test_interrupted(self) -> None:
        """
        Control-C cancels what is waited for, so that it can clean up.
        """

        class Reactor:
            @staticmethod
            def runUntilCurrent() -> None:
                raise KeyboardInterrupt

        events = []

        async def wait() -> None:
            try:
                await Deferred()
            finally:
                events.append("cleaned up")

        self.assertRaises(CancelledError, run_blocking, Reactor, wait())
        self.assertEqual(["cleaned up"], events)


class LifeTests(FolderTestCase):
    """
    The service by itself, its reactor not running.
    """

    def setUp(self) -> None:
        """
        Nothing of this process is changed.
        """
        super().setUp()
        self.said: list[str] = []
        self.patch(service_module, "tell", self.said.append)
        self.patch(service_module, "adopt", lambda publisher, line: None)
        self.patch(service_module, "os", SimpleNamespace(umask=self.said.append, path=os.path))
        self.patch(sys, "setswitchinterval", self.said.append)

    def service(self, text: str) -> MailService:
        """
        A service whose paths are in the folder.
        """
        return MailService(parse_settings(text, base=str(self.folder), machine="host"), None, reactor)

    def test_life(self) -> None:
        """
        Bind, open, tell, stop; the process's umask and switch interval are what they should be.
        """
        service = self.service(ANY_PORTS)
        service.privilegedStartService()
        self.assertEqual([0o077], self.said)
        service.startService()
        self.assertEqual([0o077, 0.0005], self.said)
        places = [
            f"{listener.protocol} {address}" for listener in service.listeners for address in listener.addresses()
        ]
        service._ready()
        self.assertEqual(
            [
                f"mailserver: ready: {', '.join(places)}.",
                f"mailserver: first account: demo@localhost, password in {self.folder}/mail-data/first-account.txt.",
            ],
            self.said[2:],
        )
        run_blocking(reactor, stopped(service))
        self.assertEqual([[], []], [listener.addresses() for listener in service.listeners])

    def test_reload(self) -> None:
        """
        A service reloads once it has begun; while it runs SIGHUP is its own, and a reload that fails in a way nobody foresaw is logged.
        """
        service = self.service(ANY_PORTS)
        self.assertRaises(Refused, run_blocking, reactor, service.reload())
        before = signal.getsignal(signal.SIGHUP)
        service.privilegedStartService()
        service.startService()
        service._ready()
        self.assertNotEqual(before, signal.getsignal(signal.SIGHUP))
        self.assertEqual(Reloaded(), run_blocking(reactor, service.reload()))
        control = service._control
        assert control is not None
        for operation, key in (("status", "uptime"), ("reload", "changed")):
            self.assertIn(key, run_blocking(reactor, _answered(control._answers[operation])))

        async def wrong() -> None:
            raise Refused("No.")

        async def broken() -> None:
            raise ZeroDivisionError

        for problem in (wrong, broken):
            self.patch(service, "reload", problem)
            service._hung_up()
        self.assertEqual(1, len(self.flushLoggedErrors()))
        run_blocking(reactor, stopped(service))
        self.assertEqual(before, signal.getsignal(signal.SIGHUP))

    def test_no_control_socket(self) -> None:
        """
        A server that could not be asked does not start, and says why.
        """

        def fail(control: object) -> None:
            raise DiskFull("No socket can be made.")

        service = self.service(ANY_PORTS)
        self.patch(Control, "open", fail)
        service.privilegedStartService()
        with self.assertRaises(CannotStart) as caught:
            service.startService()
        self.assertEqual("No socket can be made.", str(caught.exception))
        run_blocking(reactor, stopped(service))

    def test_stopped_before_it_began(self) -> None:
        """
        It is not ready when it is stopped already; and stopping what never started is fine.
        """
        service = self.service(ANY_PORTS)
        run_blocking(reactor, stopped(service))
        service._ready()
        self.assertEqual([], self.said)

    def test_port_taken(self) -> None:
        """
        The terminal is told, in one line.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            service = self.service(f'[[listener]]\nprotocol = "smtp"\nendpoint = "{endpoint}"\n')
            self.assertRaises(CannotStart, service.privilegedStartService)
        self.assertEqual([f"mailserver: smtp on {endpoint}: Address already in use."], self.said[1:])

    def test_expected_failures(self) -> None:
        """
        Our own failures and the system's become one line; anything else is a bug, and stays what it is.
        """
        for problem, sentence in (
            (DiskFull("No room on the disk."), "No room on the disk."),
            (OSError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied."),
            (OSError("odd"), "odd."),
        ):

            async def fail(problem: Exception = problem) -> None:
                raise problem

            with self.assertRaises(CannotStart) as caught:
                service_module._or_cannot_start(reactor, fail())
            self.assertEqual(sentence, str(caught.exception))
            self.assertEqual(f"mailserver: {sentence}", self.said[-1])

        async def broken() -> None:
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, service_module._or_cannot_start, reactor, broken())

    def test_a_factory_that_fails(self) -> None:
        """
        What was opened is closed when the start fails late, so that no thread keeps the process alive.
        """
        threads = threading.active_count()
        service = self.service(ANY_PORTS)
        self.patch(Server, "factory", lambda server, listener: 1 / 0)
        service.privilegedStartService()
        self.assertRaises(ZeroDivisionError, service.startService)
        # One of an earlier test may have ended meanwhile.
        self.assertLessEqual(threading.active_count(), threads)
        run_blocking(reactor, stopped(service))

    def test_no_terminal(self) -> None:
        """
        Without a terminal nobody is told.
        """
        self.patch(sys, "__stderr__", None)
        TELL("nothing")
        terminal = StringIO()
        self.patch(sys, "__stderr__", terminal)
        TELL("something")
        self.assertEqual("something\n", terminal.getvalue())


async def _answered(operation: Callable[[], Awaitable[Any]]) -> Any:
    return await operation()


async def stopped(service: MailService) -> None:
    """
    Wait until it has stopped.
    """
    await service.stopService()
