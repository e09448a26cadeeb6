"""
Secrets in logs: passwords that a server writes down for whoever reads, keeps, or is sent its logs.

Twitter and GitHub had to tell everybody in 2018; mail servers did it in debug transcripts of AUTH and LOGIN.  Here no event holds
what a client said in an exchange, at whatever level; values that hold secrets do not show them; and a field whose name says that it
is one is masked as a last resort.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from twisted.logger import formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import LOGINS, AllServers, login
from tests.support.disks import seeded
from tests.support.smtp import collect_events
from twisted_mail_server.auth.authenticator import Authenticator
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.protocols.sasl.registry import BY_NAME
from twisted_mail_server.protocols.sasl.vocabulary import Means, decode_base64, encode_base64
from twisted_mail_server.telemetry.logs import line_format

NAME, RIGHT, WRONG = b"ana@example.org", b"pelikan-Tinte-4711", b"forelle-Blau-0815"
COMMAND = {"submission": b"AUTH %b %b\r\n", "imap": b"a AUTHENTICATE %b %b\r\n", "pop3": b"AUTH %b %b\r\n"}
PROMPT = {"submission": b"334 ", "imap": b"+ ", "pop3": b"+ "}


def forms(secret: bytes) -> list[str]:
    """
    A secret, and what base64 makes of it wherever it begins in a group of three.
    """
    found = [secret.decode(), secret.hex(), repr(secret)[2:-1]]
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret + b"\0")
        found.append(encoded[4 if before else 0 : -4].decode())
    return found


class SecretsTests(SynchronousTestCase):
    """
    Whole dialogues, and all that is logged of them.
    """

    def setUp(self) -> None:
        """
        An ear at every level.
        """
        self.events = collect_events(self)
        self.servers = AllServers()
        self.servers.add("ana@example.org", RIGHT)
        self.said: list[str] = [*forms(RIGHT), *forms(WRONG)]

    def written(self) -> str:
        """
        All that could be written of the events: sentences, lines of both forms, and the fields as they are.
        """
        text, programs = line_format("text", "debug"), line_format("json", "debug")
        parts: list[str] = []
        for event in self.events:
            parts += [
                formatEvent(event),
                text(event) or "",
                programs(event) or "",
                repr(sorted(event.items(), key=str)),
            ]
            failure: Any = event.get("log_failure")
            if failure is not None:
                parts.append(failure.getTraceback(detail="verbose"))
        return "\n".join(parts)

    def check(self) -> None:
        """
        No secret is in there.
        """
        written = self.written()
        self.assertIn("login ana@example.org", written)
        for secret in self.said:
            self.assertNotIn(secret, written)

    def test_passwords(self) -> None:
        """
        Not the right one, not the wrong one, which is often right elsewhere.
        """
        for service in LOGINS:
            for password in (RIGHT, WRONG):
                heard = self.servers.say(service, login(service, NAME, password))
                self.assertEqual(password == RIGHT, b"235 " in heard or b"a OK" in heard or b"Maildrop" in heard)
        self.check()

    def test_mechanisms(self) -> None:
        """
        Nor what a mechanism makes of them: PLAIN, LOGIN, and SCRAM's proofs.
        """
        for service in LOGINS:
            for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"):
                for password in (RIGHT, WRONG):
                    self.exchange(service, mechanism, password)
                self.servers.clock.advance(3600)
        self.check()

    def exchange(self, service: str, mechanism: str, password: bytes) -> None:
        """
        One whole exchange; what is said in it is a secret, too.
        """
        transport = self.servers.connect(service)
        transport.deliver(b"EHLO me\r\n" if service == "submission" else b"")
        transport.take()
        exchange = BY_NAME[mechanism].client(PlainSecret(NAME.decode(), password), Means(seeded(4), {}))
        initial = exchange.start()
        command = COMMAND[service] % (mechanism.encode(), b"" if initial is None else encode_base64(initial))
        transport.deliver(command.replace(b" \r\n", b"\r\n"))
        while (heard := transport.take()).startswith(PROMPT[service]):
            response = exchange.step(decode_base64(heard[len(PROMPT[service]) :].strip()))
            if b"p=" in response:
                self.said.append(response.rpartition(b"p=")[2].decode())
            if len(response) > len(NAME):
                self.said.append(encode_base64(response).decode())
            transport.deliver(encode_base64(response) + b"\r\n")
        transport.lose()

    def test_mistakes(self) -> None:
        """
        Nor what was said out of turn, misspelt, cut off, or on the wrong line.
        """
        plain = base64.b64encode(b"\0" + NAME + b"\0" + RIGHT)
        for service, said in (
            ("submission", b"EHLO me\r\nAUTH PLIAN " + plain + b"\r\n"),
            ("submission", b"AUTH PLAIN " + plain + b"\r\n"),
            ("submission", b"EHLO me\r\nAUTH PLAIN " + plain[:-1] + b"\r\n"),
            ("submission", b"EHLO me\r\n" + plain + b"\r\n" + RIGHT + b"\r\n"),
            ("submission", b"EHLO me\r\nAUTH LOGIN\r\n" + RIGHT + b"\r\n"),
            ("smtp", b"EHLO me\r\nAUTH PLAIN " + plain + b"\r\n"),
            ("imap", b"a LOGNI " + NAME + b" " + RIGHT + b"\r\n"),
            ("imap", b"a LOGIN " + NAME + b" " + RIGHT + b" x\r\n"),
            ("imap", RIGHT + b" LOGIN x\r\n"),
            ("imap", b'a LOGIN "' + NAME + b'" {100}\r\n' + RIGHT),
            ("pop3", b"PASS " + RIGHT + b"\r\n"),
            ("pop3", b"USER " + NAME + b"\r\nPAS " + RIGHT + b"\r\n"),
            ("pop3", b"APOP " + NAME + b" " + RIGHT + b"\r\n"),
        ):
            self.servers.say(service, said)
        self.servers.say("imap", login("imap", NAME, WRONG))
        self.check()

    def test_bugs(self) -> None:
        """
        Nor does the traceback of a failure in the midst of a login.
        """

        async def fail(*args: object) -> None:
            raise ZeroDivisionError("A bug.")

        self.patch(Authenticator, "_ask", fail)
        for service in LOGINS:
            self.servers.say(service, login(service, NAME, RIGHT))
        self.assertEqual(3, len(self.flushLoggedErrors(ZeroDivisionError)))
        # The brief form is what is written; the verbose one shows every variable, and nobody asks for it.
        text, programs = line_format("text", "debug"), line_format("json", "debug")
        written = "\n".join(f"{text(event)}\n{programs(event)}" for event in self.events)
        self.assertIn("ZeroDivisionError", written)
        for secret in self.said:
            self.assertNotIn(secret, written)

    def test_values(self) -> None:
        """
        The values that hold secrets do not show them.
        """
        secret = PlainSecret(NAME.decode(), RIGHT)
        for value in (secret, [secret], {"x": secret}):
            for form in forms(RIGHT):
                self.assertNotIn(form, repr(value))
        line = line_format("json", "debug")(
            {"log_format": "{password} {auth_token}", "password": "p1", "auth_token": "p2"}
        )
        self.assertNotIn("p1", json.dumps(line))
        self.assertNotIn("p2", json.dumps(line))
