"""
L{twisted_mail_server.delivery.adapters.aiosmtpd}, with handlers of aiosmtpd itself among others.
"""

from __future__ import annotations

import asyncio
import mailbox
from email.message import Message as EmailMessage
from io import StringIO
from typing import Any

from aiosmtpd.handlers import AsyncMessage, Debugging, Mailbox, Message, Sink

from tests.delivery.test_hooked_mail import CONTENT, Case
from tests.support.drive import now
from tests.support.envelopes import envelope
from twisted_mail_server.delivery.adapters.aiosmtpd import AiosmtpdHandler, LikeServer
from twisted_mail_server.delivery.adapters.sessions import Sessions
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, Envelope, MailOptions, Origin, Service
from twisted_mail_server.model.verdicts import Accept, Redirect


class Recording:
    """
    A handler of every kind of command, that keeps notes.
    """

    def __init__(self, **replies: str) -> None:
        self.replies = replies
        self.said: list[tuple[Any, ...]] = []

    async def handle_HELO(self, server: Any, session: Any, envelope: Any, hostname: str) -> str:
        """
        HELO.
        """
        self.said.append(("HELO", hostname, session.extended_smtp))
        return self.replies.get("HELO", f"250 {server.hostname}")

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str) -> str:
        """
        EHLO.
        """
        self.said.append(("EHLO", hostname, session.extended_smtp))
        session.noted = "here"
        return self.replies.get("EHLO", "250 HELP")

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """
        MAIL.
        """
        self.said.append(("MAIL", address, options, session.peer[0], session.host_name))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """
        RCPT.
        """
        self.said.append(("RCPT", address))
        envelope.rcpt_tos.append(address)
        return self.replies.get(address, "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """
        DATA.
        """
        self.said.append(("DATA", session.noted, envelope.mail_from, envelope.rcpt_tos))
        return self.replies.get("DATA", "250 OK")


class AiosmtpdTests(Case):
    """
    Handlers at work.
    """

    def run_handler(self, handler: object, **options: Any) -> None:
        """
        A house with a handler.
        """
        self.start(("one", AiosmtpdHandler(handler, "mail.example.org", **options)))

    def test_asked(self) -> None:
        """
        Each method is called with what aiosmtpd would give it, and what it keeps in the session is there later; we deliver.
        """
        handler = Recording(**{"eve@example.org": "550 5.7.1 Not Eve."})
        self.run_handler(handler)
        transport = self.connect()
        for line in (
            "EHLO client.example",
            "MAIL FROM:<bob@example.net> BODY=8BITMIME SIZE=100",
            "RCPT TO:<ann@example.org>",
            "RCPT TO:<eve@example.org>",
            "RCPT TO:<nobody@example.org>",
            "DATA",
        ):
            said = self.say(transport, line.encode() + b"\r\n")
        self.assertEqual("354", said[:3])
        self.assertEqual("250", self.say(transport, CONTENT + b".\r\n")[:3])
        self.assertEqual(
            [
                ("EHLO", "client.example", True),
                ("MAIL", "bob@example.net", ["SIZE=100", "BODY=8BITMIME"], "192.0.2.1", "client.example"),
                ("RCPT", "ann@example.org"),
                ("RCPT", "eve@example.org"),
                ("RCPT", "nobody@example.org"),
                ("DATA", "here", "bob@example.net", ["ann@example.org"]),
            ],
            handler.said,
        )
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_refusals(self) -> None:
        """
        What a handler refuses is refused with its words.
        """
        for command, place in (("EHLO", 2), ("MAIL", 2), ("ann@example.org", 3), ("DATA", 5)):
            self.run_handler(Recording(**{command: "554 5.6.0 No."}))
            replies = self.send()
            self.assertEqual((place + 1, "554 5.6.0 No."), (len(replies), replies[-1]))
            self.assertEqual([], self.house.inbox(self.ann))

    def test_helo(self) -> None:
        """
        HELO has its own method.
        """
        handler = Recording(HELO="521 5.7.1 No.")
        self.run_handler(handler)
        transport = self.connect()
        self.say(transport, b"HELO client.example\r\n")
        self.assertEqual("521 5.7.1 No.", self.say(transport, b"MAIL FROM:<>\r\n"))
        self.assertEqual([("HELO", "client.example", False)], handler.said)

    def test_takes(self) -> None:
        """
        A handler that takes messages gets those for any recipient, and nobody else does.
        """
        handler = Recording()
        self.run_handler(handler, takes=True)
        self.assertEqual("250", self.send(recipients=("who@example.com", "ann@example.org"))[-1][:3])
        self.assertEqual(["who@example.com", "ann@example.org"], handler.said[-1][-1])
        self.assertEqual([], self.house.inbox(self.ann))

    def test_other_recipient(self) -> None:
        """
        A handler that takes down another address redirects the mail.
        """

        class Rewriting:
            async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
                envelope.rcpt_tos.append("eve@example.org")
                return "250 OK"

            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
                return f"550 {envelope.rcpt_tos}"

        self.run_handler(Rewriting())
        self.assertEqual("550 5.0.0 ['eve@example.org']", self.send()[-1])
        handler = AiosmtpdHandler(Rewriting(), "mail.example.org")
        answer = now(handler.recipient(envelope(), Address.parse("ann@example.org")))
        self.assertEqual(Redirect(Address.parse("eve@example.org")), answer)

    def test_ehlo_with_responses(self) -> None:
        """
        The newer form of EHLO, that returns lines, is called as it wants to be.
        """

        class Offering:
            async def handle_EHLO(
                self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
            ) -> list[str]:
                return [*responses, "250-SIZE 10", "250 HELP"]

        handler = AiosmtpdHandler(Offering(), "mail.example.org")
        self.assertEqual([Accept(), Accept()], now(handler.hello(Origin(Service.MX, "", "client.example", "ESMTP"))))

    def test_nothing_to_say(self) -> None:
        """
        A handler that has none of the methods changes nothing.
        """
        self.run_handler(object())
        self.assertEqual("250", self.send()[-1][:3])
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_login(self) -> None:
        """
        A handler sees who has logged in, and over which TLS.
        """
        handler = AiosmtpdHandler(Recording(), "mail.example.org")
        origin = Origin(Service.SUBMISSION, "192.0.2.1", "c", "ESMTPSA", "TLSv1.3", AccountId("0" * 32), "ann")
        session = handler._state(origin).session
        self.assertEqual((True, b"ann", "TLSv1.3"), (session.authenticated, session.login_data, session.ssl))

    def test_options(self) -> None:
        """
        SMTPUTF8 is an option as well.
        """
        handler = Recording()
        options = MailOptions(BodyKind.EIGHT_BIT, is_utf8=True)
        made = Envelope(Origin(Service.MX, "", "c", "UTF8SMTP"), None, (), options)
        now(AiosmtpdHandler(handler, "mail.example.org").sender(made))
        self.assertEqual(("MAIL", "", ["BODY=8BITMIME", "SMTPUTF8"], "", "c"), handler.said[-1])

    # Handlers of aiosmtpd itself.

    def test_sink(self) -> None:
        """
        C{Sink} swallows everything.
        """
        self.run_handler(Sink(), takes=True)
        self.assertEqual("250", self.send()[-1][:3])
        self.assertEqual([], self.house.inbox(self.ann))

    def test_debugging(self) -> None:
        """
        C{Debugging} prints messages, in octets or in characters.
        """
        for decode_data in (False, True):
            stream = StringIO()
            self.run_handler(Debugging(stream), decode_data=decode_data)
            self.assertEqual("250", self.send()[-1][:3])
            self.assertIn("MESSAGE FOLLOWS", stream.getvalue())
            self.assertIn("How are you?", stream.getvalue())
            self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_mailbox(self) -> None:
        """
        C{Mailbox} keeps messages in a maildir.
        """
        folder = self.mktemp()
        self.run_handler(Mailbox(folder), takes=True)
        self.assertEqual("250", self.send(recipients=("who@example.com",))[-1][:3])
        (kept,) = mailbox.Maildir(folder)
        self.assertEqual(("Hello", "bob@example.net"), (kept["subject"], kept["x-mailfrom"]))
        self.assertEqual("who@example.com", kept["x-rcptto"])

    def test_message(self) -> None:
        """
        Subclasses of C{Message} and C{AsyncMessage} are given parsed messages.
        """
        found: list[EmailMessage] = []

        class Plain(Message):
            def handle_message(self, message: EmailMessage) -> None:
                found.append(message)

        class Waiting(AsyncMessage):
            async def handle_message(self, message: EmailMessage) -> None:
                found.append(message)

        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        for handler in (Plain(), Waiting(loop=loop)):
            self.run_handler(handler)
            self.assertEqual("250", self.send()[-1][:3])
        self.assertEqual(["Hello", "Hello"], [one["subject"] for one in found])

    def test_asyncio(self) -> None:
        """
        Where asyncio runs, a handler may wait for what is its own.
        """

        class Sleeping:
            async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
                await asyncio.sleep(0)
                return "250 OK" if server.loop is asyncio.get_running_loop() else "550 Where are we?"

        async def ask() -> Any:
            from twisted.internet.defer import Deferred

            handler = AiosmtpdHandler(Sleeping(), "mail.example.org")
            loop = asyncio.get_running_loop()
            return await Deferred.fromCoroutine(handler.sender(envelope())).asFuture(loop)

        self.assertEqual("250 OK", asyncio.run(ask()))
        self.assertIs(None, LikeServer("mail.example.org").loop)


class SessionsTests(Case):
    """
    L{Sessions}
    """

    def test_bounded(self) -> None:
        """
        A session is remembered while it is among the latest; one without an id is not at all.
        """
        sessions: Sessions[list[str]] = Sessions(lambda origin: [origin.session], limit=2)

        def of(session: str) -> list[str]:
            return sessions.of(Origin(Service.MX, "", "", "SMTP", session=session))

        one, two = of("1"), of("2")
        self.assertIs(one, of("1"))
        of("3")
        self.assertIs(one, of("1"))
        self.assertIsNot(two, of("2"))
        self.assertIsNot(of(""), of(""))
