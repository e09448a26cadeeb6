"""
Compression: small input that becomes large (bombs), and secrets that show in how well they compress (CRIME, CVE-2012-4929; BREACH).

None is offered: no COMPRESS in IMAP (RFC 4978) or anywhere, none in TLS, and nothing here unpacks what a message carries.
"""

from __future__ import annotations

import ast
from pathlib import Path

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

import twisted_mail_server
from tests.support.allservers import AllServers, login
from twisted_mail_server.tls import contexts

ASKING = {
    "smtp": b"EHLO me\r\n",
    "submission": login("submission") + b"EHLO me\r\n",
    "lmtp": b"LHLO me\r\n",
    "imap": b"x CAPABILITY\r\n" + login("imap") + b"y CAPABILITY\r\nz SELECT INBOX\r\nw CAPABILITY\r\n",
    "pop3": b"CAPA\r\n" + login("pop3") + b"CAPA\r\n",
}
#: What unpacks.
UNPACKERS = {"zlib", "gzip", "bz2", "lzma", "zipfile", "tarfile", "brotli", "zstandard"}


class CompressionTests(SynchronousTestCase):
    """
    It is not there.
    """

    def test_not_offered(self) -> None:
        """
        No service names it, in any state, and IMAP's command is none.
        """
        servers = AllServers()
        servers.add("ana@example.org")
        for service, said in ASKING.items():
            heard = servers.say(service, said)
            self.assertNotIn(b"COMPRESS", heard.upper())
            self.assertNotIn(b"DEFLATE", heard.upper())
        heard = servers.say("imap", login("imap"), b"c COMPRESS DEFLATE\r\n")
        self.assertIn(b"\r\nc BAD ", heard)

    def test_tls(self) -> None:
        """
        TLS does not compress either.
        """
        self.assertTrue(contexts._OPTIONS & SSL.OP_NO_COMPRESSION)

    def test_nothing_unpacks(self) -> None:
        """
        No module of ours imports anything that unpacks.
        """
        for path in Path(twisted_mail_server.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names = {one.name.partition(".")[0] for one in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names = {(node.module or "").partition(".")[0]}
                else:
                    continue
                self.assertEqual(set(), names & UNPACKERS, path)
