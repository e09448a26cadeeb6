"""
L{twisted_mail_server.app.command}
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.scripts import twistd
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.certificates import pair_for, pems
from tests.support.disks import folder_for
from twisted_mail_server.admin import control
from twisted_mail_server.app import command
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.wire import Resources, open_resources
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import BadSetting, TemporaryFailure

#: What the console script runs.
_SCRIPT = "from twisted_mail_server.app.command import main; main()"


class MemoryReactor:
    """
    A reactor that runs what is to be called, and ends when it is stopped, or when nothing more will happen.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.stops = 0
        self.triggers: list[tuple[str, str, Callable[[], object]]] = []

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        """
        Call it in C{run}.
        """
        self.calls.append(function)

    def run(self) -> None:
        """
        Call what is to be called.
        """
        for function in self.calls:
            function()

    def stop(self) -> None:
        """
        Count.
        """
        self.stops += 1

    def addSystemEventTrigger(self, phase: str, event: str, function: Callable[..., object], *args: Any) -> None:
        """
        Call it in C{interrupt}.
        """
        self.triggers.append((phase, event, lambda: function(*args)))

    def interrupt(self) -> object:
        """
        A signal came.
        """
        ((phase, event, function),) = self.triggers
        assert (phase, event) == ("before", "shutdown")
        return function()


class RunReactorTests(SynchronousTestCase):
    """
    One piece of work, and a reactor for as long as it takes.
    """

    def setUp(self) -> None:
        """
        A reactor that has not run.
        """
        self.reactor = MemoryReactor()

    def test_result(self) -> None:
        """
        The result of the work is the result, and the reactor stops.
        """

        async def work() -> int:
            return 17

        self.assertEqual(17, command.run_reactor(self.reactor, work))
        self.assertEqual(1, self.reactor.stops)
        self.assertIsNone(self.reactor.interrupt())

    def test_failure(self) -> None:
        """
        What the work raises is raised.
        """

        async def work() -> None:
            raise TemporaryFailure("Not now.")

        self.assertRaises(TemporaryFailure, command.run_reactor, self.reactor, work)
        self.assertEqual(1, self.reactor.stops)

    def test_stopped(self) -> None:
        """
        A reactor that is stopped by a signal means that somebody gave up: the work lets go of what it has, and the end waits for that.
        """
        closing: Deferred[None] = Deferred()
        waits: list[Any] = []

        async def work() -> None:
            self.reactor.callWhenRunning(lambda: waits.append(self.reactor.interrupt()))
            self.reactor.callWhenRunning(lambda: closing.callback(None))
            try:
                await Deferred()
            finally:
                await closing

        self.assertRaises(KeyboardInterrupt, command.run_reactor, self.reactor, work)
        self.assertIsNone(self.successResultOf(waits[0]))
        self.assertEqual(0, self.reactor.stops)


class OwnerTests(SynchronousTestCase):
    """
    Whom root becomes.
    """

    def setUp(self) -> None:
        """
        We are root, and what would be done is written down.
        """
        self.folder = folder_for(self)
        self.done: list[Any] = []
        self.status = os.stat(self.folder)
        self.patch(os, "geteuid", lambda: 0)
        for name in ("initgroups", "setgroups", "setgid", "setuid"):
            self.patch(os, name, lambda *args, name=name: self.done.append((name, *args)))

    def own(self, uid: int, gid: int) -> None:
        """
        Give the folder to somebody.
        """
        fields = list(self.status)
        fields[4:6] = [uid, gid]
        found = os.stat_result(fields)
        self.patch(os, "stat", lambda path: found)

    def test_owner(self) -> None:
        """
        Root becomes who owns the data directory: groups first, for afterwards that is not allowed.  The user's own group is one of
        them, whatever the group of the folder.
        """
        self.own(4242, 4343)

        class Entry:
            pw_name = "mail"
            pw_gid = 4444

        self.patch(pwd, "getpwuid", lambda uid: Entry)
        command.become_owner(self.folder)
        self.assertEqual([("initgroups", "mail", 4444), ("setgid", 4343), ("setuid", 4242)], self.done)

    def test_owner_without_name(self) -> None:
        """
        A user that has no name has its group alone.
        """
        self.own(4_242_424, 4343)
        command.become_owner(self.folder)
        self.assertEqual([("setgroups", [4343]), ("setgid", 4343), ("setuid", 4_242_424)], self.done)

    def test_stays(self) -> None:
        """
        Root stays root where root owns the directory, or there is none; others stay who they are.
        """
        self.own(0, 0)
        command.become_owner(self.folder)
        self.assertIsNone(command.owner_of(self.folder))
        self.own(4242, 4343)
        self.patch(os, "geteuid", lambda: 1000)
        command.become_owner(self.folder)
        self.assertEqual([], self.done)

    def test_no_directory(self) -> None:
        """
        A data directory that is not there yet has no owner.
        """
        self.assertIsNone(command.owner_of(os.path.join(self.folder, "absent")))


class AskTests(SynchronousTestCase):
    """
    What a running server is asked.
    """

    def test_place(self) -> None:
        """
        It is asked in the data directory that the settings name, by that directory's owner.
        """
        folder = folder_for(self)
        config = os.path.join(folder, "mail.toml")
        with open(config, "w") as file:
            file.write('data_dir = "data"\n')
        asked: list[object] = []
        self.patch(command, "become_owner", asked.append)

        def answer(*question: str) -> list[str]:
            asked.append(question)
            return ["an answer"]

        self.patch(control, "ask", answer)
        self.assertEqual(["an answer"], command.ask(config, "status"))
        data = os.path.join(folder, "data")
        self.assertEqual([data, (os.path.join(data, "run"), "status")], asked)


class ServeTests(SynchronousTestCase):
    """
    C{mailctl serve}.
    """

    def setUp(self) -> None:
        """
        A settings file, and a twistd that does nothing.
        """
        self.config = os.path.join(folder_for(self), "mail.toml")
        with open(self.config, "w") as file:
            file.write('hostname = "mail.example.org"\n')
        self.patch(sys, "argv", ["mailctl", "serve"])
        self.runs: list[list[str]] = []
        self.patch(twistd, "run", lambda: self.runs.append(sys.argv))

    def test_twistd(self) -> None:
        """
        It is twistd in the foreground, without a pid file, with the same settings.
        """
        command.serve(self.config)
        self.assertEqual([["twistd", "--nodaemon", "--pidfile=", "mailserver", "--config", self.config]], self.runs)

    def test_default_settings(self) -> None:
        """
        Without a settings file the plugin finds its own.
        """
        self.assertEqual(["--nodaemon", "--pidfile=", "mailserver"], command.twistd_arguments(None, None))

    def test_owner(self) -> None:
        """
        Started by root, it becomes the owner of the data directory once the ports are bound.
        """
        self.patch(command, "owner_of", lambda data_dir: (4242, 4343))
        command.serve(self.config)
        self.assertEqual(["--uid", "4242", "--gid", "4343", "mailserver"], self.runs[0][3:8])

    def test_wrong_settings(self) -> None:
        """
        Wrong settings are told before anything is started.
        """
        with open(self.config, "w") as file:
            file.write("hostnam = 1\n")
        self.assertRaises(BadSetting, command.serve, self.config)
        self.assertEqual([], self.runs)


@define(eq=False)
class Ended(ProcessProtocol):
    """
    A process that is to end, and what it wrote.
    """

    stdin: bytes
    output: dict[int, bytes] = field(factory=lambda: {1: b"", 2: b""})
    ended: Deferred[int] = field(factory=Deferred)

    def connectionMade(self) -> None:
        """
        Write what it is to read.
        """
        assert self.transport is not None
        self.transport.write(self.stdin)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep what it wrote.
        """
        self.output[childFD] += data

    def processEnded(self, reason: Failure) -> None:
        """
        Its status.
        """
        problem: Any = reason.value
        self.ended.callback(0 if reason.check(ProcessDone) else problem.exitCode)


class ProcessTests(TestCase):
    """
    The real command in a process of its own, beside a process that has the same data directory open.
    """

    def setUp(self) -> None:
        """
        A settings file.
        """
        self.folder = folder_for(self)
        self.config = os.path.join(self.folder, "mail.toml")
        self.text = 'data_dir = "data"\ndomains = ["example.org"]\n'
        with open(self.config, "w") as file:
            file.write(self.text)

    async def mailctl(self, *arguments: str, stdin: bytes = b"", status: int = 0) -> str:
        """
        What a call prints; its complaint if C{status} is not 0.
        """
        running: Any = reactor
        ended = Ended(stdin)
        path = os.pathsep.join(filter(None, sys.path))
        running.spawnProcess(
            ended,
            sys.executable,
            [sys.executable, "-c", _SCRIPT, "--config", self.config, *arguments],
            {**os.environ, "PYTHONPATH": path},
            self.folder,
        )
        self.assertEqual(status, await ended.ended, ended.output)
        self.assertEqual(b"", ended.output[1 if status else 2])
        return ended.output[2 if status else 1].decode()

    async def open(self) -> Resources:
        """
        What a running server has open.
        """
        resources = await open_resources(parse_settings(self.text, base=self.folder), reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(resources.close()))
        return resources

    async def test_without_server(self) -> None:
        """
        It works on an empty data directory, and makes what is missing; several processes in turn see each other's work.
        """
        self.assertEqual("There are no accounts.\n", await self.mailctl("account", "list"))
        added = json.loads(
            await self.mailctl("account", "add", "alice@example.org", "--password-stdin", "--json", stdin=b"secret\n")
        )
        self.assertEqual([added], json.loads(await self.mailctl("account", "list", "--json")))
        self.assertTrue(json.loads(await self.mailctl("check", "--json"))["ok"])
        self.assertEqual("The queue is empty.\n", await self.mailctl("queue", "list"))
        data = os.path.join(self.folder, "data")
        self.assertEqual([], os.listdir(os.path.join(data, "run")))
        self.assertEqual(0o700, os.stat(data).st_mode & 0o777)

    async def test_errors(self) -> None:
        """
        What goes wrong is one line and a status.
        """
        complaint = await self.mailctl("account", "remove", "bob", "--yes", status=1)
        self.assertEqual("mailctl: There is no account bob.\n", complaint)
        with open(self.config, "w") as file:
            file.write("domain = 1\n")
        complaint = await self.mailctl("check", status=1)
        self.assertRegex(complaint, r"\Amailctl: \S*mail.toml:1: .*\n\Z")
        self.assertRegex(await self.mailctl("nonsense", status=2), r"\Amailctl: .*\n\Z")

    async def test_beside_a_server(self) -> None:
        """
        A running server knows a new account at once, and hears of a new password and of a removal without being asked.
        """
        server = await self.open()
        told: list[AccountId] = []
        server.directory.listen(told.append)
        await self.mailctl("account", "add", "alice@example.org", "--password-stdin", stdin=b"secret\n")
        found = await server.directory.login("alice")
        assert found is not None
        account, credentials = found
        self.assertTrue(await server.passwords.verify(b"secret", credentials))
        self.assertEqual([account.id], await server.store.accounts())
        await self.mailctl("account", "password", "alice", "--password-stdin", stdin=b"other\n")
        await self.told(told, 1)
        await self.mailctl("account", "remove", "alice", "--yes")
        await self.told(told, 2)
        self.assertEqual([], await server.store.accounts())
        self.assertEqual([account.id, account.id], told)

    async def test_certificate(self) -> None:
        """
        A certificate that clients will not like is told of, and so is one that is not there.
        """
        for name, text in zip(("cert.pem", "key.pem"), pems(pair_for("localhost")), strict=True):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(text)
        self.text += 'hostname = "mail.example.org"\n[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
        resources = await self.open()
        self.assertEqual(
            ["The certificate is for localhost, and hostname is mail.example.org."],
            await command.check_certificate(resources),
        )
        self.text += '[[certificate]]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
        more = await self.open()
        # The second need not be for the server's own name.
        self.assertEqual(
            ["The certificate is for localhost, and hostname is mail.example.org."],
            await command.check_certificate(more),
        )
        os.unlink(os.path.join(self.folder, "key.pem"))
        with self.assertRaises(BadSetting):
            await command.check_certificate(resources)

    async def test_self_signed(self) -> None:
        """
        Without a certificate of the operator's there is nothing to check.
        """
        self.assertEqual([], await command.check_certificate(await self.open()))

    async def told(self, told: list[AccountId], count: int) -> None:
        """
        Wait for news.
        """
        clock: Any = reactor
        while len(told) < count:
            await deferLater(clock, 0.001)
