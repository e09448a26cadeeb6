"""
The resolver against unbound, which validates (C{apt-get install unbound ldnsutils}; C{trial tests.interop.resolver}).

Zones are signed when the tests begin; unbound runs on loopback, in a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.trial.unittest import SkipTest, TestCase

from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.dns.resolver import Resolver
from twisted_mail_server.model.dns import DnsOutcome, MxRecord, RecordKind, TlsaRecord
from twisted_mail_server.model.errors import DnsFailure

reactor: Any = global_reactor

_SOA = "@ 300 IN SOA ns.{zone}. root.{zone}. 1 3600 600 864000 60\n@ 300 IN NS ns.{zone}.\nns 300 IN A 127.0.0.1\n"
_BIG = " ".join(['"' + "x" * 250 + '"'] * 16)
_RECORDS = f"""
@ 300 IN MX 10 mail
@ 300 IN MX 20 backup
mail 300 IN A 192.0.2.1
mail 300 IN AAAA 2001:db8::1
www 300 IN CNAME mail
big 300 IN TXT {_BIG}
_25._tcp.mail 300 IN TLSA 3 1 1 {"ab" * 32}
deep.down 300 IN A 192.0.2.3
"""
_CONF = """
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: "{folder}/unbound.log"
    interface: 127.0.0.1@{port}
    do-ip6: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor-file: "{folder}/secure.test.ds"
    trust-anchor-file: "{folder}/bogus.test.ds"
    local-zone: "test." nodefault
    domain-insecure: "plain.test"
remote-control:
    control-enable: no
"""
_ZONE = """
auth-zone:
    name: "{zone}"
    zonefile: "{file}"
    for-downstream: no
    for-upstream: yes
    fallback-enabled: no
"""


class UnboundTests(TestCase):
    """
    What unbound says, and what we make of it.
    """

    def setUp(self) -> None:
        """
        Zones, and unbound for them.
        """
        for program in ("unbound", "ldns-keygen", "ldns-signzone"):
            if shutil.which(program) is None:
                raise SkipTest(f"{program} is not installed.")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.port = _free_port()
        conf = _CONF.format(folder=self.folder, port=self.port)
        for zone in ("secure.test", "bogus.test", "plain.test"):
            conf += _ZONE.format(zone=zone, file=self._zone(zone))
        (self.folder / "unbound.conf").write_text(conf)
        process = subprocess.Popen(
            ["unbound", "-d", "-c", str(self.folder / "unbound.conf")], stderr=subprocess.DEVNULL
        )
        self.addCleanup(_end, process)
        _wait_for(self.port)
        self.resolver = Resolver(
            servers=[NameServer("127.0.0.1", self.port)], udp=reactor, tcp=reactor, clock=reactor, random=os.urandom
        )

    def _zone(self, zone: str) -> Path:
        """
        The file of a zone, signed unless it is plain; the bogus one's signatures are for other records.
        """
        file = self.folder / zone
        file.write_text(f"$ORIGIN {zone}.\n" + _SOA.format(zone=zone) + _RECORDS)
        if zone == "plain.test":
            return file
        run = ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone]
        key = subprocess.run(run, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["ldns-signzone", zone, key], cwd=self.folder, check=True, capture_output=True)
        (self.folder / f"{key}.ds").rename(self.folder / f"{zone}.ds")
        signed = self.folder / f"{zone}.signed"
        if zone == "bogus.test":
            signed.write_text(signed.read_text().replace("192.0.2.1", "192.0.2.66"))
        return signed

    async def test_secure(self) -> None:
        """
        What is signed is secure: records, aliases, and that there are none.
        """
        answer = await self.resolver.query("secure.test", RecordKind.MX)
        self.assertTrue(answer.is_secure)
        self.assertEqual({MxRecord(10, "mail.secure.test"), MxRecord(20, "backup.secure.test")}, set(answer.exchangers))
        answer = await self.resolver.query("_25._tcp.mail.secure.test", RecordKind.TLSA)
        self.assertEqual((True, (TlsaRecord(3, 1, 1, b"\xab" * 32),)), (answer.is_secure, answer.associations))
        answer = await self.resolver.query("missing.secure.test", RecordKind.A)
        self.assertEqual((DnsOutcome.NO_SUCH_NAME, True), (answer.outcome, answer.is_secure))
        answer = await self.resolver.query("down.secure.test", RecordKind.A)
        self.assertEqual((DnsOutcome.NO_DATA, True), (answer.outcome, answer.is_secure))
        self.assertLessEqual(answer.ttl, 60)
        answer = await self.resolver.addresses("www.secure.test")
        self.assertEqual({"192.0.2.1", "2001:db8::1"}, set(answer.addresses))
        self.assertEqual((True, "mail.secure.test"), (answer.is_secure, answer.canonical_name))

    async def test_plain(self) -> None:
        """
        What is not signed is not secure.
        """
        answer = await self.resolver.query("plain.test", RecordKind.MX)
        self.assertEqual((True, False), (answer.is_found, answer.is_secure))
        answer = await self.resolver.query("missing.plain.test", RecordKind.MX)
        self.assertEqual((DnsOutcome.NO_SUCH_NAME, False), (answer.outcome, answer.is_secure))

    async def test_bogus(self) -> None:
        """
        What is signed wrongly is no answer, while what is right beside it is.
        """
        with self.assertRaises(DnsFailure) as caught:
            await self.resolver.query("mail.bogus.test", RecordKind.A)
        self.assertIn("SERVFAIL", caught.exception.public)
        self.assertTrue((await self.resolver.query("mail.bogus.test", RecordKind.AAAA)).is_secure)

    async def test_large(self) -> None:
        """
        Four kilobytes of text come over TCP, whole and secure.
        """
        answer = await self.resolver.query("big.secure.test", RecordKind.TXT)
        self.assertEqual(((b"x" * 4000,), True), (answer.texts, answer.is_secure))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("unbound does not answer.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)
