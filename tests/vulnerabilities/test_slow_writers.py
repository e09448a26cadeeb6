"""
Slow writers: a client that sends one octet a minute, and by that keeps a connection, its memory and a place in a count for days.

Slowloris did it to web servers in 2009; whoever measures silence only is open to it.  Here what must come within a time has a
deadline that no octet moves: a login, a TLS handshake, a PROXY header, the whole of DATA, and our own farewell.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import LOGINS, SERVICES, THERE, AllServers, WatchedTransport
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import TlsUse

OPENING = b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\n"


class SlowWriterTests(SynchronousTestCase):
    """
    One octet, and then a pause.
    """

    def setUp(self) -> None:
        """
        Ana lives here.
        """
        self.servers = AllServers()
        self.ana = self.servers.add("ana@example.org")

    def lasts(self, transport: WatchedTransport, said: bytes, pause: float, most: int) -> float:
        """
        Seconds until a client that says C{said}, over and over, one octet at a time, is rid of.
        """
        start = self.servers.clock.seconds()
        for number in range(most):
            if transport.is_ended:
                break
            at = number % len(said)
            transport.deliver(said[at : at + 1])
            transport.take()
            self.servers.clock.advance(pause)
        self.assertTrue(transport.is_ended)
        lasted: float = self.servers.clock.seconds() - start
        transport.lose()
        return lasted

    def test_login(self) -> None:
        """
        Where one must log in, all that comes before has one deadline: a command without end, whole commands, literals, exchanges.
        """
        for service in LOGINS:
            for said in (
                b"x",
                b"NOOP\r\n",
                b"a NOOP\r\n",
                b"a LOGIN {9}\r\n123456789",
                b"EHLO me\r\nAUTH LOGIN\r\nYQ==\r\n",
            ):
                transport = self.servers.connect(service, THERE)
                self.assertLessEqual(self.lasts(transport, said, 3, 1000), limits.LOGIN_TIMEOUT + 3)

    def test_handshake(self) -> None:
        """
        So has a handshake, begun by STARTTLS or at once.
        """
        starts = {"imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n", "lmtp": b"LHLO me\r\nSTARTTLS\r\n"}
        for service in SERVICES:
            transport = self.servers.connect(service, THERE)
            transport.deliver(starts.get(service, b"EHLO me\r\nSTARTTLS\r\n"))
            transport.take()
            lasted = self.lasts(transport, b"\x16\x03\x01\x3f\xff" + bytes(10_000), 3, 1000)
            self.assertLessEqual(lasted, limits.TLS_HANDSHAKE_TIMEOUT + 3)
        self.servers = AllServers(TlsUse.IMPLICIT)
        for service in SERVICES:
            lasted = self.lasts(self.servers.connect(service, THERE), b"\x16\x03\x01\x3f\xff" + bytes(10_000), 3, 1000)
            self.assertLessEqual(lasted, limits.TLS_HANDSHAKE_TIMEOUT + 3)

    def test_proxy_header(self) -> None:
        """
        And a PROXY header.
        """
        self.servers = AllServers(terms={"is_proxy": lambda peer: True})
        for service in SERVICES:
            lasted = self.lasts(self.servers.connect(service, THERE), b"PROXY TCP4 192.0.2.1", 1, 100)
            self.assertLessEqual(lasted, limits.PROXY_TIMEOUT + 1)

    def test_command(self) -> None:
        """
        Where nobody logs in, a command must end within the time that one is waited for; whole commands may come slowly.
        """
        for service in ("smtp", "lmtp"):
            for said in (b"x", b"MAIL FROM:<" + b"y" * 5000, OPENING.replace(b"\r\n", b" ")):
                lasted = self.lasts(self.servers.connect(service, THERE), said, 60, 1000)
                self.assertLessEqual(lasted, limits.SMTP_COMMAND_TIMEOUT + 60)
            transport = self.servers.connect(service, THERE)
            for _ in range(20):
                transport.deliver(b"NOOP\r\nNO")
                self.servers.clock.advance(limits.SMTP_COMMAND_TIMEOUT - 1)
                transport.deliver(b"OP\r\n")
            self.assertFalse(transport.is_ended)
            transport.lose()

    def test_data(self) -> None:
        """
        One octet of content a minute is ended after an hour, though never silent for long; nothing is delivered or kept.
        """
        for body in (b"DATA\r\n", b"BDAT 1000000 LAST\r\n"):
            transport = self.servers.connect("smtp", THERE)
            transport.deliver(OPENING + body)
            lasted = self.lasts(transport, b"x" * 60 + b"\r\n", 60, 1000)
            self.assertLessEqual(lasted, limits.SMTP_DATA_TOTAL + 60)
        self.assertEqual([], self.servers.house.inbox(self.ana))
        self.assertEqual(set(), self.servers.factory("smtp").sessions)

    def test_silence(self) -> None:
        """
        Who says nothing at all is ended after the time its state has.
        """
        for service in SERVICES:
            transport = self.servers.connect(service, THERE)
            self.servers.clock.advance(limits.LOGIN_TIMEOUT if service in LOGINS else limits.SMTP_COMMAND_TIMEOUT)
            self.assertTrue(transport.is_ended, service)
            transport.lose()

    def test_closing(self) -> None:
        """
        Who is told goodbye and does not go is cut off, whatever it still says.
        """
        for service in SERVICES:
            transport = self.servers.connect(service, THERE)
            transport.protocol.drain()
            for _ in range(limits.CLOSE_TIMEOUT):
                transport.deliver(b"x")
                self.servers.clock.advance(1)
            self.assertTrue(transport.is_aborted, service)
            transport.lose()

    def test_no_timers_left(self) -> None:
        """
        Nothing that was begun for such clients is left on the clock.
        """
        self.servers.clock.advance(1)
        before = len(self.servers.clock.getDelayedCalls())
        for service in SERVICES:
            for _ in range(10):
                transport = self.servers.connect(service, THERE)
                transport.deliver(b"x")
                transport.lose()
        self.assertEqual(before, len(self.servers.clock.getDelayedCalls()))
