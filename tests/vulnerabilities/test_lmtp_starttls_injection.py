"""
Commands injected before STARTTLS in LMTP and submission, to be obeyed after it (CVE-2011-0411, CVE-2021-33515 and their kin).

The same hole as in SMTP, where a server of its own often has its own code for it.  Here it is one engine: what is not yet read is
thrown away with the command, and all that was said before is forgotten.
"""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import THERE, AllServers
from tests.support.transports import TlsClient

HELLO = {"lmtp": b"LHLO me\r\n", "submission": b"EHLO me\r\n", "smtp": b"EHLO me\r\n"}
PLAIN = base64.b64encode(b"\0ana@example.org\0secret")
INJECTED = {
    "lmtp": b"LHLO evil\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nevil\r\n.\r\n",
    "submission": b"EHLO evil\r\nAUTH PLAIN " + PLAIN + b"\r\nMAIL FROM:<ana@example.org>\r\n",
    "smtp": b"EHLO evil\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<ana@example.org>\r\nBDAT 4 LAST\r\nevil",
}


class InjectionTests(SynchronousTestCase):
    """
    On whole sessions, with a mailbox behind them.
    """

    def setUp(self) -> None:
        """
        Ana lives here.
        """
        self.servers = AllServers()
        self.ana = self.servers.add("ana@example.org")

    def test_thrown_away(self) -> None:
        """
        At whatever octet the injected part is cut, none of it is obeyed or answered under TLS.
        """
        for service, injected in INJECTED.items():
            for cut in range(0, len(injected) + 1, 3):
                transport = self.servers.connect(service, THERE)
                transport.deliver(HELLO[service])
                transport.take()
                transport.deliver(b"STARTTLS\r\n" + injected[:cut])
                self.assertEqual(b"220 2.0.0 Ready to start TLS.\r\n", transport.take())
                self.assertEqual(0, transport.protocol.unread() if hasattr(transport.protocol, "unread") else 0)
                client = TlsClient(transport)
                self.assertEqual(b"250 2.0.0 Ok.\r\n", client.talk(b"NOOP\r\n"))
                self.assertEqual(b"503", client.talk(b"MAIL FROM:<ana@example.org>\r\n")[:3])
                transport.lose()
        self.assertEqual([], self.servers.house.inbox(self.ana))
        self.assertEqual(0, sum(len(factory.sessions) for factory in self.servers.factories.values()))

    def test_in_one_read_with_the_handshake(self) -> None:
        """
        Plain text in front of the handshake breaks it: there is no session, and nothing was done.
        """
        for service, injected in INJECTED.items():
            transport = self.servers.connect(service, THERE)
            transport.deliver(HELLO[service] + b"STARTTLS\r\n")
            transport.take()
            transport.deliver(injected)
            self.assertNotIn(b"250", transport.take())
            transport.lose()
        self.assertEqual([], self.servers.house.inbox(self.ana))

    def test_offered_once(self) -> None:
        """
        Under TLS there is no second STARTTLS, nor is what was known in clear known there.
        """
        for service, hello in HELLO.items():
            transport = self.servers.connect(service, THERE)
            transport.deliver(hello + b"STARTTLS\r\n")
            transport.take()
            client = TlsClient(transport)
            self.assertEqual(b"503", client.talk(b"RCPT TO:<ana@example.org>\r\n")[:3])
            self.assertNotIn(b"STARTTLS", client.talk(hello))
            self.assertEqual(b"5", client.talk(b"STARTTLS\r\n")[:1])
            transport.lose()
