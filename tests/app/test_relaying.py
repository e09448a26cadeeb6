"""
Two whole servers in one process, one of which is the other's smarthost, over real sockets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.settings import Listener
from twisted_mail_server.app.wire import Server, start_server
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Origin, RecipientOptions, Service
from twisted_mail_server.model.errors import RelayDenied
from twisted_mail_server.model.queue import Fate, QueueId

REACTOR: Any = reactor
USER = Origin(Service.SUBMISSION, "127.0.0.1", "laptop", "ESMTPSA")
#: Seconds between two looks, and how many looks.
PAUSE, LOOKS = 0.02, 500
GREETING = "Subject: Grüße\r\n\r\nGrüße aus Köln.\r\n".encode()


class RelayingTests(TestCase):
    """
    From one server to another.
    """

    async def server(self, name: str, text: str) -> Server:
        """
        A server with its data in a folder of its own.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        settings = parse_settings(text, base=str(folder), machine=name)
        server = await start_server(settings, reactor, None)
        self.addCleanup(server.stop)
        return server

    def listen(self, server: Server) -> int:
        """
        The port of loopback at which it takes mail.
        """
        factory: Any = server.factory(Listener("smtp", "tcp:0:interface=127.0.0.1"))
        port = REACTOR.listenTCP(0, factory, interface="127.0.0.1")

        async def stop() -> None:
            await port.stopListening()
            await factory.drain()

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return int(port.getHost().port)

    async def submit(self, server: Server, *recipients: str) -> QueueId:
        """
        A message from one of its users.
        """
        sender = Address.parse("bob@near.example")
        incoming = await server.intake.begin(USER, sender, MailOptions(), None)
        for one in recipients:
            await incoming.recipient(Address.parse(one), RecipientOptions())
        await incoming.begin_content()
        waiting = incoming.write(GREETING)
        if waiting is not None:
            await waiting
        return await incoming.finish()

    async def fates(self, server: Server, queue_id: QueueId) -> list[tuple[Fate, str]]:
        """
        What becomes of each recipient, once that is known.
        """
        for _ in range(LOOKS):
            message = await server.resources.spool.find(queue_id)
            if message is not None and all(state.attempts for state in message.states):
                return [(state.fate, state.detail) for state in message.states]
            await deferLater(REACTOR, PAUSE)
        raise AssertionError("Nothing becomes of it.")

    async def test_to_a_smarthost(self) -> None:
        """
        Mail for elsewhere reaches the smarthost under TLS and ends in a mailbox there; a recipient whom it does not know fails,
        and the sender is told.
        """
        far = await self.server("far", 'hostname = "mail.far.example"\ndomains = ["far.example"]\n')
        await self.add(far, "ann@far.example")
        relay = f'[relay]\nsmarthost = "127.0.0.1:{self.listen(far)}"\nsmarthost_tls = "opportunistic"\n'
        near = await self.server("near", f'hostname = "mail.near.example"\ndomains = ["near.example"]\n{relay}')
        await self.add(near, "bob@near.example")
        fates = await self.fates(near, await self.submit(near, "ann@far.example", "eve@far.example"))
        self.assertEqual([Fate.RELAYED, Fate.FAILED], [fate for fate, _ in fates])
        self.assertIn("550 5.1.1", fates[1][1])
        content = await self.arrived(far, "ann@far.example")
        self.assertTrue(content.endswith(GREETING))
        self.assertIn(b"with ESMTPS", content)
        self.assertIn(b"eve@far.example", await self.arrived(near, "bob@near.example"))

    async def test_without_a_hostname(self) -> None:
        """
        A server whose settings do not say its name sends nothing out, and says so when the recipient is named.
        """
        near = await self.server("near", 'domains = ["near.example"]\n')
        with self.assertRaises(RelayDenied) as caught:
            await self.submit(near, "ann@far.example")
        self.assertEqual(
            "Mail for far.example is not relayed: the settings of this server do not say its hostname.",
            caught.exception.public,
        )

    async def add(self, server: Server, address: str) -> None:
        """
        Somebody who lives there.
        """
        resources = server.resources
        await resources.directory.add_account(Address.parse(address), await resources.passwords.store(b"secret"))

    async def arrived(self, server: Server, address: str) -> bytes:
        """
        The first message in somebody's INBOX.
        """
        found = await server.resources.directory.login(address)
        assert found is not None
        mail = await server.resources.store.open(found[0].id)
        for _ in range(LOOKS):
            view = await mail.select("INBOX", claim_recent=False)
            uids = list(view.snapshot.uids)
            if uids:
                content = await view.open_content(uids[0])
                octets = await content.read()
                content.close()
                await view.close()
                return octets
            await view.close()
            await deferLater(REACTOR, PAUSE)
        raise AssertionError("Nothing arrives.")
