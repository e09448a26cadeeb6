"""
Every verdict at every stage, through the real server and everything behind it, in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredSemaphore, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, inline_disk, seeded
from tests.support.drive import now
from tests.support.envelopes import envelope
from tests.support.hooks import Says
from tests.support.mailhouse import MailHouse, WatchedStore, memory_clock
from tests.support.smtp import HOSTNAME, MadeUpAuthenticator
from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.delivery.deciding import Deciding
from twisted_mail_server.delivery.logins import CheckedAuthenticator
from twisted_mail_server.disk.memory import MemoryStagedContent
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.model.queue import Fate, Outcome, QueueChange, RecipientState, Result
from twisted_mail_server.model.verdicts import AddFields, Answer, Defer, Quarantine, Redirect, Reject, Taken
from twisted_mail_server.servers.base import Terms, TlsUse
from twisted_mail_server.servers.smtp import SmtpFactory
from twisted_mail_server.spool.directory import Spool
from twisted_mail_server.spool.memory import MemorySpool
from twisted_mail_server.storage.memory import MemoryStore

TO_EVE = Redirect(Address.parse("eve@example.org"))
ALL = Redirect(Address.parse("all@example.org"))
SEEN = AddFields.of("X-Seen", "yes")
CONTENT = b"Subject: Hello\r\n\r\nHow are you?\r\n"


def one_by_one(answers: Sequence[Any]) -> Callable[..., Any]:
    """
    One answer after the other, and then none.
    """
    waiting = iter(answers)
    return lambda *_: next(waiting, None)


class Case(SynchronousTestCase):
    """
    A server and a client that sends one message.
    """

    service = Service.MX
    peer = "192.0.2.1"
    helo = "client.example"

    def start(self, *plugged: tuple[str, object], house: MailHouse | None = None) -> None:
        """
        A house with hooks, in which Ann and Eve live; it may share clock, directory, spool and store with another.
        """
        shared: dict[str, Any] = {}
        if house is not None:
            shared = {"clock": house.clock, "directory": house.directory, "spool": house.spool, "store": house.store}
        self.house = MailHouse(plugged=plugged, **shared)
        self.ann = self.house.add("ann@example.org")
        self.eve = self.house.add("eve@example.org")
        certificates = ThrowAwayCertificates()
        terms = Terms(
            self.service.value,
            HOSTNAME,
            self.house.clock,
            seeded(6),
            certificates,
            TlsUse.STARTTLS,
            allow_plaintext=True,
        )
        authenticator: Any = MadeUpAuthenticator()
        if self.house.hooks.login:
            authenticator = CheckedAuthenticator(authenticator, self.house.hooks)
        self.factory = SmtpFactory(
            terms,
            service=self.service,
            intake=self.house.intake,
            authenticator=authenticator,
            checks=self.house.hooks,
        )

    def hook(self, stage: str, answer: Any = None) -> Says:
        """
        A house with one hook.
        """
        hook = Says(stage, answer)
        self.start(("one", hook))
        return hook

    def connect(self) -> MemoryTransport:
        """
        A new connection; its greeting is not yet taken.
        """
        transport = MemoryTransport("127.0.0.1" if self.service is Service.SUBMISSION else self.peer)
        transport.connect(self.factory.buildProtocol(None))
        return transport

    def say(self, transport: MemoryTransport, line: bytes) -> str:
        """
        The last line that comes back.
        """
        transport.deliver(line)
        return transport.take().decode().rstrip().rpartition("\r\n")[2]

    def send(
        self,
        transport: MemoryTransport | None = None,
        recipients: tuple[str, ...] = ("ann@example.org",),
        content: bytes = CONTENT,
    ) -> list[str]:
        """
        The replies to EHLO, MAIL, RCPT, DATA and the content, up to the first that is no yes.
        """
        transport = transport or self.connect()
        replies = [transport.take().decode().rstrip()]
        if replies[0].startswith("220"):
            lines = [f"EHLO {self.helo}\r\n".encode(), b"MAIL FROM:<bob@example.net>\r\n"]
            lines += [f"RCPT TO:<{one}>\r\n".encode() for one in recipients]
            for line in [*lines, b"DATA\r\n", content + b".\r\n"]:
                replies.append(self.say(transport, line))
                if replies[-1][:1] not in ("2", "3"):
                    break
        return replies

    def junk(self, account: Account) -> list[bytes]:
        """
        What is in somebody's Junk.
        """
        return self.house.inbox(account, "Junk")


class ReceivedMailTests(Case):
    """
    What is decided while a message comes in.
    """

    #: The reply that carries a refusal of each stage: greeting, EHLO, MAIL, RCPT, DATA, content.
    STAGES = {"connection": 0, "hello": 2, "sender": 2, "recipient": 3, "header": 5, "content": 5}

    def test_accepted(self) -> None:
        """
        Hooks of all stages that have nothing to say change nothing.
        """
        hooks = {stage: Says(stage) for stage in (*self.STAGES, "delivery")}
        self.start(*hooks.items())
        self.assertTrue(self.send()[-1].startswith("250 2.0.0 Queued"))
        (stored,) = self.house.inbox(self.ann)
        self.assertTrue(stored.endswith(b"+0000\r\n" + CONTENT))
        self.assertEqual({1}, {len(hook.asked) for hook in hooks.values()})

    def test_rejected(self) -> None:
        """
        A rejection is the reply to what was asked about, and nothing is delivered.
        """
        for stage, place in self.STAGES.items():
            self.hook(stage, Reject("Not you.", 550, "5.7.1"))
            replies = self.send()
            code = 554 if stage == "connection" else 550
            self.assertEqual((place + 1, f"{code} 5.7.1 Not you."), (len(replies), replies[-1]), stage)
            self.assertEqual([], self.house.inbox(self.ann))
            self.assertEqual([], now(self.house.spool.waiting()))

    def test_deferred(self) -> None:
        """
        And so is "not now".
        """
        for stage, place in self.STAGES.items():
            self.hook(stage, Defer("Later."))
            replies = self.send()
            code = 421 if stage == "connection" else 451
            self.assertEqual((place + 1, f"{code} 4.7.1 Later."), (len(replies), replies[-1]), stage)
            self.assertEqual([], self.house.inbox(self.ann))

    def test_failed(self) -> None:
        """
        A hook that fails means "later", and the log tells of it.
        """
        for stage, place in self.STAGES.items():
            self.hook(stage, ValueError("bug"))
            replies = self.send()
            code = 421 if stage == "connection" else 451
            self.assertEqual(place + 1, len(replies), stage)
            self.assertTrue(replies[-1].startswith(f"{code} 4.3.0 A check"), replies)
            self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_time(self) -> None:
        """
        A hook that does not answer in time means "later", and one that does only makes it take longer.
        """
        for stage, place in self.STAGES.items():
            for is_late in (True, False):
                answer: Deferred[None] = Deferred()
                self.hook(stage, answer)
                transport = self.connect()
                replies = self.send(transport) if place else [""]
                self.assertEqual("", replies[-1], stage)
                if is_late:
                    self.house.clock.advance(limits.CHECK_TIMEOUT)
                else:
                    answer.callback(None)
                said = transport.take().decode()
                wanted = ("421" if stage == "connection" else "451") if is_late else ("220" if not place else "2")
                self.assertTrue(said.startswith(wanted), (stage, is_late, said))

    def test_quarantined(self) -> None:
        """
        What is quarantined lies in Junk, whoever said so.
        """
        for stage in self.STAGES:
            self.hook(stage, Quarantine("smells"))
            self.assertTrue(self.send()[-1].startswith("250"))
            self.assertEqual([], self.house.inbox(self.ann))
            self.assertEqual(1, len(self.junk(self.ann)), stage)

    def test_fields(self) -> None:
        """
        Fields stand on top of what the client sent, and nothing of that is changed.
        """
        for stage in self.STAGES:
            self.hook(stage, SEEN)
            self.assertTrue(self.send()[-1].startswith("250"))
            (stored,) = self.house.inbox(self.ann)
            self.assertIn(b"\r\nX-Seen: yes\r\nReceived: ", stored, stage)
            self.assertTrue(stored.endswith(b"+0000\r\n" + CONTENT))

    def test_fields_on_large_content(self) -> None:
        """
        Content of any size gets its fields.
        """
        self.hook("content", SEEN)
        content = CONTENT + b"x" * 70 + b"\r\n"
        content += (b"y" * 70 + b"\r\n") * (3 * limits.CONTENT_PIECE // 72)
        self.assertTrue(self.send(content=content)[-1].startswith("250"))
        (stored,) = self.house.inbox(self.ann)
        self.assertIn(b"\r\nX-Seen: yes\r\nReceived: ", stored)
        self.assertTrue(stored.endswith(b"+0000\r\n" + content))

    def test_fields_on_a_slow_disk(self) -> None:
        """
        The disk is waited for; when it fails, nothing is promised.
        """
        write = MemoryStagedContent.write

        def slow(content: MemoryStagedContent, data: bytes) -> Deferred[None]:
            write(content, data)
            return succeed(None)

        self.patch(MemoryStagedContent, "write", slow)
        self.hook("content", SEEN)
        self.assertEqual("250", self.send()[-1][:3])
        self.assertEqual(1, len(self.house.inbox(self.ann)))

        async def nothing(content: MemoryStagedContent, offset: int, length: int) -> bytes:
            return b""

        self.patch(MemoryStagedContent, "read", nothing)
        self.assertEqual("451 4.3.0 The content is shorter than it was.", self.send()[-1])
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_slow_header(self) -> None:
        """
        The disk is waited for after a header was asked about, at the end of a message without a body too.
        """
        write = MemoryStagedContent.write

        def slow(content: MemoryStagedContent, data: bytes) -> Deferred[None]:
            write(content, data)
            return succeed(None)

        self.patch(MemoryStagedContent, "write", slow)
        self.hook("header", SEEN)
        for content in (CONTENT, b"Subject: all\r\n"):
            self.assertEqual("250", self.send(content=content)[-1][:3])
        self.assertEqual(2, len(self.house.inbox(self.ann)))

    def test_redirected(self) -> None:
        """
        The mail goes to another address instead.
        """
        for stage in self.STAGES:
            self.hook(stage, TO_EVE)
            self.assertTrue(self.send()[-1].startswith("250"))
            self.assertEqual([], self.house.inbox(self.ann), stage)
            (stored,) = self.house.inbox(self.eve)
            self.assertIn(b"Delivered-To: eve@example.org\r\n", stored)

    def test_redirected_elsewhere(self) -> None:
        """
        A redirect may lead to another server, in our name, though the client may not send there.
        """
        for stage in self.STAGES:
            self.hook(stage, Redirect(Address.parse("carol@example.com")))
            self.assertTrue(self.send()[-1].startswith("250"))
            ((message, numbers, domain),) = self.house.relay.sent
            self.assertEqual(((0,), "example.com"), (numbers, domain))
            recipient = message.envelope.recipients[0]
            self.assertEqual("carol@example.com", str(recipient.address))

    def test_redirected_nowhere(self) -> None:
        """
        A redirect to nobody is refused like mail to nobody.
        """
        for stage, place in {**self.STAGES, "connection": 4, "hello": 4, "sender": 4}.items():
            self.hook(stage, Redirect(Address.parse("nobody@example.org")))
            replies = self.send()
            self.assertEqual((place + 1, "550 5.1.1"), (len(replies), replies[-1][:9]), stage)

    def test_redirect_in_a_circle(self) -> None:
        """
        A redirect of content to who had it already is a loop.
        """
        self.hook("content", TO_EVE)
        replies = self.send(content=b"Delivered-To: eve@example.org\r\n" + CONTENT)
        self.assertEqual("554 5.4.6", replies[-1][:9])

    def test_one_recipient(self) -> None:
        """
        What is said of one recipient concerns that one alone.
        """

        class Choosy(Says):
            async def _ask(self, envelope: Any, recipient: Address) -> Answer:
                self.asked.append((envelope, recipient))
                return Quarantine("chain letter") if recipient.local == "eve" else None

        hook = Choosy("recipient")
        self.start(("one", hook))
        self.send(recipients=("ann@example.org", "eve@example.org"))
        self.assertEqual((1, 0), (len(self.house.inbox(self.ann)), len(self.junk(self.ann))))
        self.assertEqual((0, 1), (len(self.house.inbox(self.eve)), len(self.junk(self.eve))))
        self.assertEqual([0, 1], [len(envelope.recipients) for envelope, _ in hook.asked])

    def test_whole_session(self) -> None:
        """
        What is said of a session holds for each of its messages, and is forgotten with it.
        """
        hook = self.hook("connection", [SEEN, Quarantine("strange")])
        transport = self.connect()
        self.send(transport)
        for line in (b"MAIL FROM:<>\r\n", b"RCPT TO:<ann@example.org>\r\n", b"DATA\r\n"):
            self.assertIn(self.say(transport, line)[0], "23")
        self.assertEqual("250", self.say(transport, CONTENT + b".\r\n")[:3])
        self.assertEqual(2, len(self.junk(self.ann)))
        self.assertEqual(1, len(hook.asked))
        (session,) = hook.asked[0]
        self.assertEqual("strange", self.house.hooks.decided(session.session).quarantine)
        transport.lose()
        self.assertEqual("", self.house.hooks.decided(session.session).quarantine)

    def test_each_name_once(self) -> None:
        """
        A client's name is asked about with the first MAIL after it, and again when it changes.
        """
        hook = self.hook("hello")
        transport = self.connect()
        for name in (b"a.example", b"a.example", b"b.example"):
            self.say(transport, b"EHLO " + name + b"\r\n")
            for _ in range(2):
                self.assertEqual("250", self.say(transport, b"MAIL FROM:<bob@example.net>\r\n")[:3])
                self.say(transport, b"RSET\r\n")
        self.assertEqual(["a.example", "b.example"], [origin.helo for (origin,) in hook.asked])

    def test_early_talker(self) -> None:
        """
        What a client says before it was greeted is answered then, in order.
        """
        answer: Deferred[None] = Deferred()
        self.hook("connection", answer)
        transport = self.connect()
        transport.deliver(b"EHLO client.example\r\nNOOP\r\n")
        self.assertEqual(b"", transport.take())
        answer.callback(None)
        said = transport.take().decode()
        self.assertTrue(said.startswith("220 "), said)
        self.assertIn("\r\n250 2.0.0", said)

    def test_client_goes(self) -> None:
        """
        When the client goes while a hook thinks, the hook is cancelled and nothing is kept.
        """
        for stage in self.STAGES:
            if stage == "content":
                continue
            answer: Deferred[None] = Deferred()
            self.hook(stage, answer)
            transport = self.connect()
            self.send(transport)
            transport.lose()
            self.assertTrue(answer.called, stage)
            self.assertEqual([], now(self.house.spool.waiting()))

    def test_client_goes_at_the_end(self) -> None:
        """
        When the whole message is there it is promised although the client has gone.
        """
        answer: Deferred[None] = Deferred()
        self.hook("content", answer)
        transport = self.connect()
        self.send(transport)
        transport.lose()
        answer.callback(None)
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_taken(self) -> None:
        """
        Who takes a content has it alone.
        """
        self.hook("content", Taken("kept elsewhere"))
        self.assertTrue(self.send()[-1].startswith("250 2.0.0 Queued"))
        self.assertEqual([], self.house.inbox(self.ann))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_taken_recipient(self) -> None:
        """
        A recipient whom a hook takes need not be known here, and a content check has to take the message.
        """
        contents = Says("content", Taken())
        self.start(("one", Says("recipient", Taken())), ("two", contents))
        self.assertEqual("250", self.send(recipients=("who@example.com",))[-1][:3])
        contents.answer = None
        self.assertEqual("451 4.3.0 Nobody here took", self.send(recipients=("who@example.com",))[-1][:26])

    def test_header(self) -> None:
        """
        The header is shown as it was received, with its empty line, before the body has come.
        """
        hook = self.hook("header", Reject("Spam."))
        transport = self.connect()
        transport.take()
        for line in (b"EHLO c\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<ann@example.org>\r\n", b"DATA\r\n"):
            self.say(transport, line)
        transport.deliver(b"Subject: spam\r\n\r\nBuy ")
        self.assertEqual([b"Subject: spam\r\n\r\n"], [header for _, header in hook.asked])
        self.assertEqual("550 5.7.1 Spam.", self.say(transport, b"now!\r\n.\r\n"))

    def test_content(self) -> None:
        """
        The content is shown whole, and read in pieces.
        """
        found: list[bytes] = []

        class Reading(Says):
            async def _ask(self, envelope: Any, content: Any) -> Answer:
                found.extend([await content.read(0, 10), await content.read(content.size - 14, 99)])
                return None

        self.start(("one", Reading("content")))
        self.send()
        self.assertEqual([b"Received: ", b"How are you?\r\n"], found)


class DiskTests(Case):
    """
    With the spool and its staged files on a disk.
    """

    def test_fields(self) -> None:
        """
        Fields are put on top of what is in memory and of what is in a file; nothing staged is left.
        """
        folder = folder_for(self)
        disk = inline_disk(folder)
        large = CONTENT + (b"y" * 70 + b"\r\n") * (3 * limits.CONTENT_PIECE // 72)
        for number, content in enumerate((CONTENT, large)):
            spool = Spool(disk, f"spool{number}", seeded(1), 0, memory_clock(), None)
            now(spool.open())
            hook = Says("content", SEEN)
            outer = MailHouse(spool=spool, store=WatchedStore(MemoryStore(memory_clock(), seeded(3), disk=disk)))
            self.start(("one", hook), house=outer)
            self.assertEqual("250", self.send(content=content)[-1][:3])
            (stored,) = self.house.inbox(self.ann)
            self.assertIn(b"\r\nX-Seen: yes\r\nReceived: ", stored)
            self.assertTrue(stored.endswith(b"+0000\r\n" + content))
            self.assertEqual([], [path for path in Path(folder).rglob("staging/*") if path.is_file()])
            now(spool.close())


class SubmittedMailTests(Case):
    """
    Mail from users.
    """

    service = Service.SUBMISSION

    def test_login(self) -> None:
        """
        A login that a hook refuses is none.
        """
        hook = self.hook("login", Reject("Not today.", 535, "5.7.0"))
        transport = self.connect()
        self.say(transport, b"EHLO client.example\r\n")
        login = b"AUTH PLAIN AGFubgBjb3JyZWN0IGhvcnNl\r\n"
        self.assertEqual("535 5.7.0 Not today.", self.say(transport, login))
        hook.answer = None
        self.assertEqual("235", self.say(transport, login)[:3])
        self.assertEqual(2, len(hook.asked))


class WayOutCase(Case):
    """
    A message in the spool.
    """

    def sent(self, stage: str, answer: Any = None, recipient: str = "ann@example.org") -> Says:
        """
        A house with one hook on the way out, and one message sent.
        """
        hook = self.hook(stage, answer)
        self.promise(recipient)
        return hook

    def promise(self, recipient: str, sender: str = "eve@example.org") -> None:
        """
        A message in the spool, from Eve by default.
        """
        staged = self.house.spool.stage()
        staged.write(CONTENT)
        made = envelope(recipient, sender=sender, received=int(self.house.clock.seconds()))
        self.message = now(self.house.spool.commit(self.house.spool.new_id(), made, staged))

    def fail_to_settle(self, fate: Fate, times: int) -> None:
        """
        The spool fails to record such a fate, so many times.
        """
        settle, calls = MemorySpool.settle, []

        async def failing(spool: MemorySpool, *args: Any) -> None:
            if args[0][0].state.fate is fate:
                calls.append(args)
                if len(calls) <= times:
                    raise OSError("gone")
            await settle(spool, *args)

        self.patch(MemorySpool, "settle", failing)

    @property
    def state(self) -> RecipientState:
        """
        How its recipient stands.
        """
        found = now(self.house.spool.find(self.message.id))
        assert found is not None
        return found.states[0]


class SentMailTests(WayOutCase):
    """
    What is decided before a message goes to its destination.
    """

    def test_delivery(self) -> None:
        """
        The hook before a mailbox is shown message, recipient, account and content; its verdict is carried out.
        """
        hook = self.sent("delivery")
        ((message, recipient, account, content),) = hook.asked
        self.assertEqual(
            (self.message.id, "ann@example.org", self.ann.id), (message.id, str(recipient.address), account.id)
        )
        self.assertEqual((len(CONTENT), b"Subject"), (content.size, now(content.read(0, 7))))
        self.assertEqual(1, len(self.house.inbox(self.ann)))
        self.sent("delivery", [Quarantine("spam"), SEEN])
        (stored,) = self.junk(self.ann)
        self.assertIn(b"Delivered-To: ann@example.org\r\nX-Seen: yes\r\nSubject: Hello\r\n", stored)
        self.assertEqual((Fate.DELIVERED, "Junk"), (self.state.fate, self.state.detail))
        self.sent("delivery", Taken("put into a database"))
        self.assertEqual((Fate.DELIVERED, "put into a database"), (self.state.fate, self.state.detail))
        self.assertEqual([], self.house.inbox(self.ann))

    def test_delivery_refused(self) -> None:
        """
        What is refused before a mailbox is reported to the sender; what is deferred is tried again, as mail to other servers is.
        """
        no = Reject("Ann does not want it.")
        self.sent("delivery", lambda message, *_: no if message.envelope.sender else None)
        self.assertEqual(Fate.FAILED, self.state.fate)
        (report,) = self.house.inbox(self.eve)
        self.assertIn(b"Ann does not want it.", report)
        hook = self.sent("delivery", Defer("Not now."))
        self.assertEqual((Fate.PENDING, "Not now."), (self.state.fate, self.state.detail))
        hook.answer = None
        self.house.clock.advance(299)
        self.assertEqual([], self.house.inbox(self.ann))
        self.house.clock.advance(60)
        self.assertEqual(1, len(self.house.inbox(self.ann)))
        self.assertEqual(2, len(hook.asked))

    def test_delivery_failed(self) -> None:
        """
        A failing hook is trouble of our own: it is asked again soon, and as often as it takes.
        """
        hook = self.sent("delivery", ValueError("bug"))
        for _ in range(20):
            self.house.clock.advance(300)
        self.assertEqual(Fate.PENDING, self.state.fate)
        self.assertLess(20, len(hook.asked))
        self.assertEqual(len(hook.asked), len(self.flushLoggedErrors(ValueError)))
        hook.answer = None
        self.house.clock.advance(300)
        self.assertEqual(Fate.DELIVERED, self.state.fate)

    def test_redirected(self) -> None:
        """
        A redirected message is a new one, marked so that it cannot come back.
        """
        self.hook("attempt", TO_EVE)
        self.promise("carol@example.com")
        self.assertEqual(Fate.RELAYED, self.state.fate)
        self.assertTrue(self.state.detail.startswith("redirected to <eve@example.org> as "))
        (stored,) = self.house.inbox(self.eve)
        self.assertIn(b"\r\nDelivered-To: carol@example.com\r\nSubject: Hello", stored)
        self.assertEqual([], self.house.relay.sent)

    def test_redirected_into_junk(self) -> None:
        """
        A redirected message may be quarantined there, and have fields for its new recipient.
        """
        self.hook(
            "delivery", lambda message, recipient, *_: None if recipient.named else [TO_EVE, Quarantine("spam"), SEEN]
        )
        self.promise("ann@example.org")
        self.assertEqual(Fate.RELAYED, self.state.fate)
        (stored,) = self.junk(self.eve)
        self.assertIn(b"\r\nX-Seen: yes\r\nDelivered-To: ann@example.org\r\nSubject: Hello\r\n", stored)

    def test_redirect_breaks(self) -> None:
        """
        Whatever goes wrong with a redirect, the message is still there, and tried again.
        """
        self.hook("attempt", TO_EVE)

        def broken(spool: MemorySpool, recipients: int = 1) -> MemoryStagedContent:
            raise ValueError("bug")

        patch = self.patch(MemorySpool, "stage", broken)
        deciding = Deciding(self.house.spool, self.house.clock, self.house.hooks)
        staged = MemoryStagedContent()
        staged.write(CONTENT)
        made = envelope("carol@example.com", received=int(self.house.clock.seconds()))
        self.message = now(self.house.spool.commit(self.house.spool.new_id(), made, staged))
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.assertEqual((Fate.PENDING, "An internal error"), (self.state.fate, self.state.detail[:17]))
        patch.restore()
        self.house.clock.advance(5)
        self.assertEqual(Fate.RELAYED, self.state.fate)
        # Where nobody knows how to redirect, it is deferred.
        other = evolve(self.message, id=self.house.spool.new_id())
        result = now(deciding.about_attempt(other, 0))
        self.assertEqual("Nothing can be redirected here.", getattr(result, "detail", ""))

    def test_content_from_the_spool(self) -> None:
        """
        A message that has waited is read from the spool.
        """
        hook = self.sent("attempt", Defer("Not now."), "carol@example.com")
        contents: list[bytes] = []

        async def read(message: Any, recipient: Any, content: Any) -> None:
            contents.append(await content.read(0, 7))

        hook.answer = read
        self.house.clock.advance(400)
        self.assertEqual([b"Subject"], contents)

    def test_redirect_to_a_list(self) -> None:
        """
        Of an alias to which mail is redirected, who had it already does not get it again.
        """
        self.hook("delivery", lambda message, recipient, *_: None if recipient.named else ALL)
        self.house.alias("all@example.org", "ann@example.org", "eve@example.org")
        self.promise("ann@example.org", "bob@example.org")
        self.assertEqual(Fate.RELAYED, self.state.fate)
        self.assertEqual((0, 1), (len(self.house.inbox(self.ann)), len(self.house.inbox(self.eve))))

    def test_turns(self) -> None:
        """
        Hooks are asked about so many recipients at a time; the others wait for their turn, and the end of the server.
        """
        for is_stopped in (False, True):
            answers: list[Deferred[None]] = [Deferred(), Deferred()]
            hook = self.hook("delivery", one_by_one(answers))
            self.patch(self.house.delivery._deciding, "_turns", DeferredSemaphore(2))
            for _ in range(5):
                self.promise("ann@example.org")
            self.assertEqual(2, len(hook.asked))
            if is_stopped:
                now(self.house.delivery.stop())
                self.assertEqual(5, len(now(self.house.spool.waiting())))
            else:
                for answer in answers:
                    answer.callback(None)
                self.assertEqual((5, 5), (len(hook.asked), len(self.house.inbox(self.ann))))

    def test_redirected_to_nobody(self) -> None:
        """
        A redirect that leads nowhere is a failure of that recipient.
        """
        self.hook("attempt", Redirect(Address.parse("nobody@example.org")))
        self.promise("carol@example.com")
        self.assertEqual(Fate.FAILED, self.state.fate)
        (report,) = self.house.inbox(self.eve)
        self.assertIn(b"5.1.1", report)

    def test_delivery_circle(self) -> None:
        """
        Two who redirect to each other get a report of it.
        """

        class Crossing(Says):
            async def _ask(self, message: Any, recipient: Any, *_: Any) -> Answer:
                self.asked.append((message, recipient))
                if message.envelope.sender is None:
                    return None
                return Redirect(Address(("ann" if recipient.address.local == "eve" else "eve"), "example.org"))

        hook = Crossing("delivery")
        self.start(("one", hook))
        self.promise("ann@example.org")
        (report,) = self.house.inbox(self.eve)
        self.assertIn(b"5.4.6", report)
        self.assertEqual(3, len(hook.asked))

    def test_redirect_repeated(self) -> None:
        """
        When the server dies between the new message and the old one's fate, the next try finds the new one.
        """
        hook = self.hook("attempt", TO_EVE)
        self.fail_to_settle(Fate.RELAYED, 2)
        self.promise("carol@example.com")
        stopping = Deferred.fromCoroutine(self.house.delivery.stop())
        self.house.clock.advance(5)
        self.successResultOf(stopping)
        self.assertEqual(2, len(self.flushLoggedErrors(OSError)))
        self.assertEqual((Fate.PENDING, 0), (self.state.fate, self.state.attempts))
        self.house.delivery = self.house.make_delivery()
        now(self.house.delivery.start())
        self.assertEqual(2, len(hook.asked))
        self.assertEqual(Fate.RELAYED, self.state.fate)
        self.assertEqual(1, len(self.house.inbox(self.eve)))

    def test_attempt(self) -> None:
        """
        The hook before another server is shown message, recipient and content; its verdict is carried out.
        """
        hook = self.sent("attempt", None, "carol@example.com")
        ((message, recipient, content),) = hook.asked
        self.assertEqual((self.message.id, "carol@example.com"), (message.id, str(recipient.address)))
        self.assertEqual(b"Subject", now(content.read(0, 7)))
        self.assertEqual(1, len(self.house.relay.sent))
        for answer, fate in (
            (Reject("Not there."), Fate.FAILED),
            (Defer("Not now."), Fate.PENDING),
            (Taken("by fax"), Fate.DELIVERED),
            (ValueError("bug"), Fate.PENDING),
        ):
            self.sent("attempt", answer, "carol@example.com")
            self.assertEqual([], self.house.relay.sent)
            self.assertEqual(fate, self.state.fate)
        self.flushLoggedErrors(ValueError)

    def test_attempt_waits(self) -> None:
        """
        What an operator decides while a hook thinks stands; when the server stops the recipient stays pending.
        """
        for stage, recipient in (("attempt", "carol@example.com"), ("delivery", "ann@example.org")):
            answer: Deferred[Any]
            for said in (None, TO_EVE):
                answer = Deferred()
                self.sent(stage, answer, recipient)
                now(self.house.spool.change(self.message.id, QueueChange.HOLD))
                answer.callback(said)
                self.assertEqual((Fate.HELD, []), (self.state.fate, self.house.inbox(self.ann)))
                self.assertEqual(([], []), (self.house.relay.sent, self.house.inbox(self.eve)))
            answer = Deferred()
            self.sent(stage, answer, recipient)
            now(self.house.delivery.stop())
            self.assertTrue(answer.called)
            self.assertEqual((Fate.PENDING, 0), (self.state.fate, self.state.attempts))

    def test_quarantine_elsewhere(self) -> None:
        """
        What is quarantined on its way to another server waits for an operator, and goes when it is released.
        """
        for stage in ("attempt", "sender"):
            self.hook(stage, Quarantine("strange"))
            self.house.alias("list@example.org", "carol@example.com")
            self.assertEqual("250", self.send(recipients=("list@example.org",))[-1][:3])
            (waiting,) = now(self.house.spool.waiting())
            self.message = waiting
            self.assertEqual((Fate.HELD, "quarantined: strange"), (self.state.fate, self.state.detail))
            self.assertEqual([], self.house.relay.sent)
            self.house.relay.answer = lambda message, number: Result(number, Outcome.DEFERRED, "busy", "4.7.1")
            now(self.house.spool.change(waiting.id, QueueChange.RELEASE))
            self.assertEqual(1, len(self.house.relay.sent))
            self.assertEqual((Fate.PENDING, "busy"), (self.state.fate, self.state.detail))
            if stage == "sender":
                # Decided once and released once: it is not held again.
                self.house.clock.advance(1000)
                self.assertEqual(2, len(self.house.relay.sent))

    def test_cannot_be_held(self) -> None:
        """
        What cannot be written down as held is not sent either; it is tried again.
        """
        self.hook("sender", Quarantine("strange"))
        self.house.alias("list@example.org", "carol@example.com")
        self.fail_to_settle(Fate.HELD, 1)
        self.send(recipients=("list@example.org",))
        (self.message,) = now(self.house.spool.waiting())
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))
        self.assertEqual(Fate.PENDING, self.state.fate)
        self.house.clock.advance(5)
        self.assertEqual(Fate.HELD, self.state.fate)
        self.assertEqual([], self.house.relay.sent)


class BounceTests(WayOutCase):
    """
    What is decided of reports.
    """

    def bounced(self, answer: Any) -> Says:
        """
        A message that nobody takes.
        """
        hook = self.hook("bounce", answer)
        self.house.relay.answer = lambda message, number: Result(number, Outcome.FAILED, "550 Unknown", "5.1.1")
        self.promise("carol@example.com")
        self.assertEqual(Fate.FAILED, self.state.fate)
        return hook

    def test_bounce(self) -> None:
        """
        The hook is shown the message, what happened, and the report.
        """
        hook = self.bounced(None)
        ((message, results, report),) = hook.asked
        self.assertEqual((self.message.id, [0]), (message.id, [one.number for one in results]))
        self.assertEqual("eve@example.org", str(report.envelope.recipients[0].address))
        self.assertEqual(1, len(self.house.inbox(self.eve)))

    def test_bounce_verdicts(self) -> None:
        """
        A report can be refused, redirected and given fields; a hook that fails changes nothing.
        """
        self.bounced(Reject("No reports today."))
        self.assertEqual([], self.house.inbox(self.eve))
        self.bounced([Redirect(Address.parse("ann@example.org")), SEEN])
        self.assertEqual([], self.house.inbox(self.eve))
        (report,) = self.house.inbox(self.ann)
        self.assertIn(b"\r\nX-Seen: yes\r\n", report)
        for answer in (ValueError("bug"), Quarantine("what?")):
            self.bounced(answer)
            self.assertEqual(1, len(self.house.inbox(self.eve)))
        self.flushLoggedErrors(ValueError)
