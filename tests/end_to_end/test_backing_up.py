"""
A backup of a real server that works meanwhile, and a server on what was restored.
"""

from __future__ import annotations

import imaplib
import json
import shutil
import tempfile
from pathlib import Path
from threading import Event, Thread

from twisted.trial.unittest import TestCase

from tests.support.server import SETTINGS, Server

PASSWORD = "secret"


def append(client: imaplib.IMAP4, number: int) -> None:
    """
    Put a message into INBOX; each tenth is large.
    """
    text = f"From: a@example.net\r\nSubject: {number}\r\n\r\n" + "Hello.\r\n" * (8000 if number % 10 == 0 else 1)
    said, _ = client.append("INBOX", "(\\Seen)", imaplib.Time2Internaldate(1_600_000_000 + number), text.encode())
    assert said == "OK", said


class BackupTests(TestCase):
    """
    C{mailctl backup} and C{mailctl restore} in processes of their own.
    """

    def setUp(self) -> None:
        """
        A server with one account.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="backup-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = self.begin("old", 'data_dir = "data"\n')
        self.server.add_account("ann@example.org", PASSWORD)
        self.server.start()

    def begin(self, name: str, more: str) -> Server:
        """
        A server in a folder of its own.
        """
        (self.folder / name).mkdir()
        server = Server(str(self.folder / name), more + SETTINGS)
        self.addCleanup(server.stop)
        return server

    def log_in(self, server: Server) -> imaplib.IMAP4:
        """
        A client in INBOX.
        """
        client = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        self.addCleanup(client.shutdown)
        client.login("ann@example.org", PASSWORD)
        client.select("INBOX")
        return client

    def test_running_server(self) -> None:
        """
        What was there when a backup began is in it, whole, though mail comes meanwhile; a server starts on what is made of it.
        """
        client, busy, is_enough = self.log_in(self.server), self.log_in(self.server), Event()
        for number in range(30):
            append(client, number)

        def work() -> None:
            number = 100
            while not is_enough.is_set():
                append(busy, number)
                busy.expunge()
                number += 1

        thread = Thread(target=work)
        thread.start()
        try:
            copy, new = self.folder / "copy", self.folder / "new"
            self.server.mailctl("backup", str(copy))
            self.server.mailctl("backup", str(copy))
        finally:
            is_enough.set()
            thread.join()
        found = json.loads(self.server.mailctl("restore", str(copy), "--verify", "--json"))
        self.assertTrue(found["ok"], found)
        self.server.mailctl("restore", str(copy), "--to", str(new))
        self.server.stop()
        restored = self.begin("other", f'data_dir = "{new}"\n')
        restored.start()
        client = self.log_in(restored)
        _, found = client.uid("SEARCH", "ALL")
        self.assertLessEqual(30, len(found[0].split()))
        _, (first, *_) = client.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE)")
        self.assertIn(b"\\Seen", first)
        _, whole = client.fetch("11", "(BODY.PEEK[])")
        assert isinstance(whole[0], tuple)
        self.assertIn(b"Subject: 10\r\n", whole[0][1])
