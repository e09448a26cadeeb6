"""
The servers that are compared, each on loopback, in a folder of its own, with nothing taken from the machine's own settings.

Peers have their usual durable settings: Postfix's Maildir delivery always syncs, Dovecot has C{mail_fsync = always}.  What is set
beside that makes them faster, not slower: Dovecot's login processes stay for many connections.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher

from benchmarks.measuring import cpu_of, memory_of
from tests.support.server import SETTINGS, Server
from twisted_mail_server.tls.certificates import certificate_pem, key_pem, make_pair

#: Seconds until a server that does not answer counts as failed.
PATIENCE = 30
DOMAIN = "example.org"
PASSWORD = "correct horse battery"
#: Numbers that are nobody's, for Postfix's and Dovecot's mail.
_OWNER = 64104
#: As ours; see L{twisted_mail_server.auth.hashing.argon2id}.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Ours:
    """
    Our server: one process.
    """

    name = "ours"

    def __init__(self, folder: Path, people: Sequence[str], more: str = "") -> None:
        """
        @param people: the local parts of its accounts.
        @param more: further settings.
        """
        folder.mkdir(parents=True)
        self.server = Server(str(folder), SETTINGS.replace("[auth]", f"{more}\n[auth]", 1))
        subprocess.run(
            [sys.executable, "-m", "benchmarks.accounts", str(self.server.config), PASSWORD],
            input="".join(f"{one}@{DOMAIN}\n" for one in people),
            text=True,
            check=True,
        )

    @property
    def ports(self) -> dict[str, int]:
        """
        By protocol.
        """
        return self.server.ports

    def start(self) -> None:
        """
        Start it.
        """
        self.server.start()

    def stop(self) -> None:
        """
        End it.
        """
        self.server.stop()

    def cpu(self) -> float:
        """
        Seconds so far.
        """
        assert self.server.process is not None
        return cpu_of(self.server.process.pid)

    def memory(self) -> float:
        """
        KiB now.
        """
        assert self.server.process is not None
        return memory_of(self.server.process.pid)


class Peer:
    """
    Somebody else's.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.folder = folder
        self.mail = folder / "mail"
        self.mail.mkdir()
        os.chown(self.mail, _OWNER, _OWNER)
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def version(self) -> str:
        """
        Of the program.
        """
        raise NotImplementedError

    def spawn(self, *words: str | Path) -> None:
        """
        Start it, and wait until it takes connections on every port.
        """
        with open(self.folder / "said", "ab") as said:
            self.process = subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/")
        for port in self.ports.values():
            self._wait_for(port)

    def _wait_for(self, port: int) -> None:
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'said').read_text()}")

    def stop(self) -> None:
        """
        End it.
        """
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(PATIENCE)

    def cpu(self) -> float:
        """
        Seconds so far.
        """
        assert self.process is not None
        return cpu_of(self.process.pid)

    def memory(self) -> float:
        """
        KiB now.
        """
        assert self.process is not None
        return memory_of(self.process.pid)


class Postfix(Peer):
    """
    Takes mail and puts it into Maildirs by itself (C{virtual(8)}), or brings it to a smarthost.
    """

    name = "Postfix"

    def __init__(self, folder: Path, people: Sequence[str], sink_port: int) -> None:
        super().__init__(folder)
        self._people = people
        self._sink_port = sink_port
        self.ports = {"smtp": free_port()}
        self.ports["submission"] = self.ports["smtp"]

    def version(self) -> str:
        return said("/usr/sbin/postconf", "-d", "-h", "mail_version")

    def start(self) -> None:
        """
        Start it.
        """
        etc, queue, data = (self.folder / name for name in ("etc", "queue", "data"))
        for place in (etc, queue, data):
            place.mkdir()
        shutil.chown(data, "postfix")
        (etc / "users").write_text("".join(f"{one}@{DOMAIN} {one}/\n" for one in self._people))
        settings = {
            "compatibility_level": "3.6",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "queue_directory": queue,
            "data_directory": data,
            "daemon_directory": "/usr/lib/postfix/sbin",
            "myhostname": f"mail.{DOMAIN}",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relayhost": f"[127.0.0.1]:{self._sink_port}",
            "smtp_tls_security_level": "none",
            "virtual_mailbox_domains": DOMAIN,
            "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": f"texthash:{etc}/users",
            "virtual_mailbox_limit": "0",
            "virtual_minimum_uid": "1",
            "virtual_uid_maps": f"static:{_OWNER}",
            "virtual_gid_maps": f"static:{_OWNER}",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder,
        }
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (etc / "master.cf").write_text(_MASTER.format(port=self.ports["smtp"]))
        self.spawn("/usr/sbin/postfix", "-c", etc, "start-fg")

    def stop(self) -> None:
        """
        End it: what was started is not its master.
        """
        subprocess.run(
            ["/usr/sbin/postfix", "-c", self.folder / "etc", "stop"], capture_output=True, timeout=PATIENCE, check=False
        )
        super().stop()

    def arrived(self, person: int) -> int:
        """
        Messages in somebody's Maildir.
        """
        try:
            return len(os.listdir(self.mail / self._people[person] / "new"))
        except FileNotFoundError:
            return 0


_MASTER = """
127.0.0.1:{port} inet n  -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Dovecot(Peer):
    """
    Gives people their mail.
    """

    name = "Dovecot"

    def __init__(self, folder: Path, people: Sequence[str], mail_format: str) -> None:
        """
        @param mail_format: C{maildir}, C{sdbox} or C{mdbox}.
        """
        super().__init__(folder)
        self._people = people
        self._format = mail_format
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3")}

    def version(self) -> str:
        return said("/usr/sbin/dovecot", "--version").split()[0]

    def start(self) -> None:
        """
        Start it.
        """
        pair = make_pair((f"mail.{DOMAIN}",), datetime.now(UTC))
        (self.folder / "certificate.pem").write_bytes(certificate_pem(pair))
        (self.folder / "key.pem").write_bytes(key_pem(pair))
        hashed = _HASHER.hash(PASSWORD)
        (self.folder / "users").write_text("".join(f"{one}@{DOMAIN}:{{ARGON2ID}}{hashed}\n" for one in self._people))
        conf = self.folder / "dovecot.conf"
        conf.write_text(_DOVECOT.format(folder=self.folder, owner=_OWNER, format=self._format, **self.ports))
        self.spawn("/usr/sbin/dovecot", "-F", "-c", conf)


_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap pop3
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
mail_fsync = always
mail_location = {format}:~/{format}
mail_max_userip_connections = 5000
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=ARGON2ID username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  client_limit = 5000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  process_limit = 5000
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
"""


class Sink(Peer):
    """
    A server that speaks SMTP and throws the mail away: nothing but the protocol costs.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        super().__init__(folder)
        self.name = kind
        self.ports = {"smtp": free_port()}

    def start(self) -> None:
        """
        Start it.
        """
        root = Path(__file__).parent.parent
        program = (
            f"import sys; sys.path.insert(0, {str(root)!r}); from benchmarks import sinks; sinks.main(*sys.argv[1:])"
        )
        self.spawn(sys.executable, "-c", program, self.name, str(self.ports["smtp"]))


def free_port() -> int:
    """
    One that nobody listens on at this moment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def said(*words: str) -> str:
    """
    What a program says.
    """
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return (done.stdout + done.stderr).strip()
