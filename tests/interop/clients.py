"""
Unmodified mail clients: swaks, msmtp, mutt, mbsync, fetchmail, curl, and Python's libraries.

Each sends or reads a message of its own, which must come through octet for octet where the client shows octets, and by its text
where it shows text.  Run by name: C{make interop} installs the programs and runs this.
"""

from __future__ import annotations

import imaplib
import os
import poplib
import pty
import select
import shutil
import smtplib
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

from imapclient import IMAPClient
from twisted.trial.unittest import SynchronousTestCase

from tests.support.server import Server

ANN, PASSWORD = "ann@example.org", "correct horse battery"

#: Seconds one program may take.
PATIENCE = 60


def message(token: str) -> bytes:
    """
    A small message that can be known again, with lines that test the protocols.
    """
    return (
        f"From: bob@example.net\r\nTo: {ANN}\r\nSubject: {token}\r\nMessage-ID: <{token}@example.net>\r\n"
        f"Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n\r\n"
        f"This is {token}.\r\n.\r\n..two dots\r\nFrom the start of a line\r\nend\r\n"
    ).encode()


class ClientsTestCase(SynchronousTestCase):
    """
    One server with one account for each test.
    """

    def setUp(self) -> None:
        """
        Start it.
        """
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(parents=True)
        self.server = Server(str(self.folder))
        self.server.add_account(ANN, PASSWORD)
        self.server.start()
        self.addCleanup(self.server.kill)
        self.ports = self.server.ports

    def run_program(self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> str:
        """
        Run a program to its end; what it said.
        """
        if shutil.which(words[0]) is None:
            self.fail(f"{words[0]} is not installed; make interop does that.")
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), **(env or {})},
            check=False,
        )
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        self.assertEqual(0, done.returncode, said)
        return said

    def write(self, name: str, text: str) -> str:
        """
        A private file in the test's folder; its path.
        """
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def imap(self) -> imaplib.IMAP4_SSL:
        """
        Python's own client, logged in.
        """
        client = imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=_trusting())
        client.login(ANN, PASSWORD)
        self.addCleanup(_quietly, client.shutdown)
        return client

    def deliver(self, token: str) -> None:
        """
        Put a message into INBOX through the front door.
        """
        with smtplib.SMTP("127.0.0.1", self.ports["smtp"]) as client:
            client.sendmail("bob@example.net", [ANN], message(token))
        self.wait_for(token)

    def wait_for(self, *tokens: str, mailbox: str = "INBOX", tries: int = 100) -> list[bytes]:
        """
        The messages of a mailbox, once all C{tokens} are among them.
        """
        client = self.imap()
        for _ in range(tries):
            self.assertEqual("OK", client.select(mailbox)[0])
            found = [part[1] for part in client.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]
            if all(any(token.encode() in one for one in found) for token in tokens):
                client.logout()
                return found
            time.sleep(0.05)
        self.fail(f"{tokens} did not arrive in {mailbox}: {found!r}")

    @property
    def certificate(self) -> str:
        """
        The server's own certificate, for clients that ask whom they talk to.
        """
        (found,) = [one for one in (self.folder / "mail-data").rglob("*.pem") if b"CERTIFICATE" in one.read_bytes()]
        return str(found)


class SendingTests(ClientsTestCase):
    """
    Programs that send.
    """

    def test_swaks(self) -> None:
        """
        swaks delivers with STARTTLS, and submits with PLAIN and LOGIN, with STARTTLS and under TLS.
        """
        base = ("swaks", "--server", "127.0.0.1", "--to", ANN)
        self.run_program(
            *base, "--port", str(self.ports["smtp"]), "--from", "bob@example.net", "--tls", "--body", "swaks-mx"
        )
        for mechanism in ("PLAIN", "LOGIN"):
            for port, tls in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
                login = ("--from", ANN, "--auth", mechanism, "--auth-user", ANN, "--auth-password", PASSWORD)
                body = ("--body", f"swaks-{mechanism}-{port}")
                self.run_program(*base, "--port", str(self.ports[port]), tls, *login, *body)
        self.wait_for("swaks-mx", "swaks-PLAIN-submission", "swaks-LOGIN-submissions")

    def test_swaks_refused(self) -> None:
        """
        swaks is told why mail for elsewhere is refused.
        """
        words = ("swaks", "--server", "127.0.0.1", "--to", "x@example.net", "--from", "bob@example.net")
        done = subprocess.run(
            (*words, "--port", str(self.ports["smtp"])), capture_output=True, timeout=PATIENCE, text=True, check=False
        )
        self.assertEqual(24, done.returncode)
        self.assertIn("550 5.7.1", done.stdout)

    def test_msmtp(self) -> None:
        """
        msmtp submits a file with STARTTLS.
        """
        config = self.write(
            "msmtprc",
            f"account default\nhost 127.0.0.1\nport {self.ports['submission']}\nfrom {ANN}\nuser {ANN}\n"
            f"password {PASSWORD}\nauth on\ntls on\ntls_starttls on\ntls_certcheck off\n",
        )
        self.run_program("msmtp", "--file", config, ANN, stdin=message("msmtp").replace(b"\r\n", b"\n"))
        self.wait_for("This is msmtp.")

    def test_curl(self) -> None:
        """
        curl delivers with STARTTLS, and submits under TLS.
        """
        path = self.write("mail.txt", message("curl-mx").decode())
        self.run_program(
            *("curl", "--silent", "--show-error", "--insecure", "--ssl-reqd", "--mail-from", "bob@example.net"),
            *("--mail-rcpt", ANN, "--upload-file", path, f"smtp://127.0.0.1:{self.ports['smtp']}"),
        )
        path = self.write("mail.txt", message("curl-submitted").decode())
        self.run_program(
            *("curl", "--silent", "--show-error", "--insecure", "--user", f"{ANN}:{PASSWORD}", "--mail-from", ANN),
            *("--mail-rcpt", ANN, "--upload-file", path, f"smtps://127.0.0.1:{self.ports['submissions']}"),
        )
        found = self.wait_for("curl-mx", "curl-submitted")
        self.assertTrue(any(one.endswith(message("curl-mx")) for one in found))

    def test_smtplib(self) -> None:
        """
        Python's smtplib submits with each mechanism it knows, and its message comes back octet for octet.
        """
        with smtplib.SMTP("127.0.0.1", self.ports["submission"]) as client:
            client.starttls(context=_trusting())
            client.login(ANN, PASSWORD)
            client.sendmail(ANN, [ANN], message("smtplib"))
        with smtplib.SMTP_SSL("127.0.0.1", self.ports["submissions"], context=_trusting()) as client:
            client.user, client.password = ANN, PASSWORD
            client.ehlo()
            client.auth("LOGIN", client.auth_login)
            client.sendmail(ANN, [ANN], message("smtplib-login"))
        found = self.wait_for("smtplib-login", "smtplib@")
        for token in ("smtplib", "smtplib-login"):
            self.assertTrue(any(one.endswith(message(token)) for one in found), token)


class ReadingTests(ClientsTestCase):
    """
    Programs that read.
    """

    def test_curl(self) -> None:
        """
        curl lists mailboxes, reads a message by IMAP, and lists and reads by POP3.
        """
        self.deliver("curl-reads")
        base = ("curl", "--silent", "--show-error", "--insecure", "--user", f"{ANN}:{PASSWORD}")
        self.assertIn("INBOX", self.run_program(*base, f"imaps://127.0.0.1:{self.ports['imaps']}/"))
        for url in (
            f"imaps://127.0.0.1:{self.ports['imaps']}/INBOX;MAILINDEX=1",
            f"pop3s://127.0.0.1:{self.ports['pop3s']}/1",
        ):
            self.assertIn(message("curl-reads").decode(), self.run_program(*base, url).replace("\r\r", "\r"))
        self.assertIn("1 ", self.run_program(*base, f"pop3s://127.0.0.1:{self.ports['pop3s']}/"))
        for scheme in ("imap", "pop3"):
            self.run_program(*base, "--ssl-reqd", f"{scheme}://127.0.0.1:{self.ports[scheme]}/")

    def test_fetchmail(self) -> None:
        """
        fetchmail takes all messages by POP3 and by IMAP, and leaves nothing behind.
        """
        for protocol, port in (("POP3", "pop3s"), ("IMAP", "imaps")):
            token = f"fetchmail-{protocol}"
            self.deliver(token)
            out = self.folder / f"{protocol}.out"
            config = self.write(
                f"fetchmailrc-{protocol}",
                f"poll 127.0.0.1 protocol {protocol} port {self.ports[port]}\n"
                f'  user "{ANN}" password "{PASSWORD}" ssl no sslcertck fetchall mda "/bin/cat >> {out}"\n',
            )
            self.run_program("fetchmail", "--fetchmailrc", config, "--pidfile", str(self.folder / "fetchmail.pid"))
            self.assertIn(f"This is {token}.", out.read_text())
            client = self.imap()
            self.assertEqual([b"0"], client.select("INBOX")[1])

    def test_mbsync(self) -> None:
        """
        mbsync keeps a Maildir and the account the same both ways: messages, flags, removal, mailboxes.
        """
        self.deliver("mbsync-down")
        maildir = self.folder / "Maildir"
        maildir.mkdir()
        config = self.write(
            "mbsyncrc",
            f'IMAPStore far\nHost localhost\nPort {self.ports["imaps"]}\nUser {ANN}\nPass "{PASSWORD}"\n'
            f"SSLType IMAPS\nCertificateFile {self.certificate}\nSystemCertificates no\n\n"
            f"MaildirStore near\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
        )
        sync = ("mbsync", "--config", config, "--all")
        self.run_program(*sync)
        (first,) = (maildir / "INBOX").glob("*/*")
        self.assertIn("This is mbsync-down.", first.read_text())

        # Up: a new message in a new mailbox, and a flag.
        self.run_program("mkdir", "-p", *(str(maildir / "Work" / one) for one in ("cur", "new", "tmp")))
        (maildir / "Work" / "new" / "1.up").write_bytes(message("mbsync-up").replace(b"\r\n", b"\n"))
        first.rename(maildir / "INBOX" / "cur" / (first.name.partition(":")[0] + ":2,FS"))
        self.run_program(*sync)
        self.assertIn(message("mbsync-up").split(b"\r\n\r\n")[1], self.wait_for("mbsync-up", mailbox="Work")[0])
        client = self.imap()
        client.select("INBOX")
        flags = client.fetch("1", "(FLAGS)")[1][0]
        assert isinstance(flags, bytes)
        self.assertIn(b"\\Flagged", flags)

        # Down again: the removal of one, and a flag of the other.
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.select("Work")
        client.store("1", "+FLAGS", "(\\Answered)")
        client.logout()
        self.run_program(*sync)
        self.assertEqual([], list((maildir / "INBOX").glob("cur/*")) + list((maildir / "INBOX").glob("new/*")))
        (second,) = (*(maildir / "Work" / "cur").glob("*"), *(maildir / "Work" / "new").glob("*"))
        self.assertIn("R", second.name.partition(":2,")[2])

        # And the removal of the other from here.
        second.unlink()
        self.run_program(*sync)
        client = self.imap()
        self.assertEqual([b"0"], client.select("Work")[1])

    def test_mutt(self) -> None:
        """
        mutt opens the mailbox by IMAP and by POP3, and copies all messages into a file.

        By POP3 it is told its mechanisms: it would choose SCRAM-SHA-256-PLUS, find that its library has no channel binding for
        TLS 1.3, cancel, and take the answer to that for the answer to USER.
        """
        self.deliver("mutt-reads")
        for scheme, port in (("imaps", "imaps"), ("pops", "pop3s")):
            out = self.folder / f"{scheme}.mbox"
            config = self.write(
                f"muttrc-{scheme}",
                f'set imap_user="{ANN}"\nset imap_pass="{PASSWORD}"\nset pop_user="{ANN}"\nset pop_pass="{PASSWORD}"\n'
                f'set certificate_file="{self.certificate}"\nset folder="{self.folder}"\n'
                "set confirmappend=no\nset confirmcreate=no\nset quit=yes\nset delete=no\nset mbox_type=mbox\nset move=no\n"
                'set pop_checkinterval=0\nset pop_authenticators="scram-sha-256:plain"\nset pop_delete=no\nset pop_last=no\n'
                "set mark_old=no\nset wait_key=no\n"
                f'push "<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><exit>"\n',
            )
            words = ["mutt", "-n", "-F", config, "-f", f"{scheme}://localhost:{self.ports[port]}/"]
            said = _in_terminal(words, self.folder)
            self.assertTrue(out.exists(), said)
            self.assertIn("This is mutt-reads.", out.read_text())

    def test_imaplib(self) -> None:
        """
        Python's imaplib appends, fetches, stores, copies, searches and expunges.
        """
        client = self.imap()
        self.assertEqual(
            "OK", client.append("INBOX", r"(\Seen)", '"18-Nov-2026 11:06:40 +0000"', message("imaplib"))[0]
        )
        client.select()
        part = client.fetch("1", "(BODY[] RFC822.SIZE FLAGS)")[1][0]
        assert isinstance(part, tuple)
        self.assertEqual(message("imaplib"), part[1])
        self.assertEqual([b"1"], client.search(None, "SEEN", "SUBJECT", '"imaplib"')[1])
        self.assertEqual("OK", client.copy("1", "Archive")[0])
        self.assertEqual("OK", client.uid("MOVE", "1", "Trash")[0])
        self.assertEqual([b"0"], client.select("INBOX")[1])
        client.select("Trash")
        client.store("1", "+FLAGS", r"\Deleted")
        self.assertEqual([b"1"], client.expunge()[1])
        self.assertEqual([message("imaplib")], self.wait_for("imaplib", mailbox="Archive"))

    def test_imapclient(self) -> None:
        """
        IMAPClient reads parsed answers: envelope, structure, flags, folders with their special use, IDLE.
        """
        with IMAPClient("127.0.0.1", self.ports["imaps"], ssl=True, ssl_context=_trusting()) as client:
            client.login(ANN, PASSWORD)
            folders = {name: flags for flags, _, name in client.list_folders()}
            self.assertIn(b"\\Sent", folders["Sent"])
            self.assertEqual("Drafts", client.find_special_folder(b"\\Drafts"))
            client.select_folder("INBOX")
            client.idle()
            self.deliver("imapclient")
            self.assertIn((1, b"EXISTS"), client.idle_check(timeout=10))
            client.idle_done()
            (uid,) = client.search(["SUBJECT", "imapclient"])
            answer: Any = client.fetch(
                [uid], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[TEXT]", "INTERNALDATE"]
            )[uid]
            self.assertEqual(b"imapclient", answer[b"ENVELOPE"].subject)
            self.assertEqual(b"example.net", answer[b"ENVELOPE"].from_[0].host)
            self.assertEqual((b"text", b"plain"), answer[b"BODYSTRUCTURE"][:2])
            self.assertEqual(message("imapclient").split(b"\r\n\r\n", 1)[1], answer[b"BODY[TEXT]"])
            client.add_flags([uid], ["$Important"])
            self.assertIn(b"$Important", client.get_flags([uid])[uid])
            client.create_folder("Entw\xfcrfe/\u65e5\u672c")
            client.move([uid], "Entw\xfcrfe/\u65e5\u672c")
            self.assertEqual({b"MESSAGES": 1}, client.folder_status("Entw\xfcrfe/\u65e5\u672c", ["MESSAGES"]))
            self.assertIn(b"UIDPLUS", client.capabilities())
            self.assertEqual("/", client.namespace().personal[0][1])

    def test_poplib(self) -> None:
        """
        Python's poplib lists, reads, removes, and finds nothing left.
        """
        self.deliver("poplib")
        client = poplib.POP3("127.0.0.1", self.ports["pop3"])
        client.stls(context=_trusting())
        client.user(ANN)
        client.pass_(PASSWORD)
        self.assertEqual(1, client.stat()[0])
        self.assertIn("UIDL", client.capa())
        lines = client.retr(1)[1]
        self.assertEqual(message("poplib").split(b"\r\n")[:-1], lines[-len(message("poplib").split(b"\r\n")) + 1 :])
        self.assertEqual(client.uidl(1).split()[1:2], [b"1"])
        client.dele(1)
        client.quit()
        again = poplib.POP3_SSL("127.0.0.1", self.ports["pop3s"], context=_trusting())
        again.user(ANN)
        again.pass_(PASSWORD)
        self.assertEqual((0, 0), again.stat())
        again.quit()


def _trusting() -> ssl.SSLContext:
    """
    A context for a server whose certificate it made itself.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _quietly(call: Any) -> None:
    try:
        call()
    except OSError:
        return


def _in_terminal(words: list[str], home: Path) -> str:
    """
    Run a program that wants a terminal until it ends; what it showed.
    """
    child, descriptor = pty.fork()
    if child == 0:
        os.environ.update(HOME=str(home), TERM="xterm", LINES="40", COLUMNS="120")
        os.execvp(words[0], words)
    shown, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                piece = os.read(descriptor, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    else:
        os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(descriptor)
    return shown.decode("utf-8", "replace")
