"""
The servers that are compared, each on loopback, in a folder of its own, with nothing taken from the machine's own settings.

Peers have their usual durable settings: Postfix's Maildir delivery always syncs, Dovecot has C{mail_fsync = always}.  What is set
beside that makes them faster, not slower: Dovecot's login processes stay for many connections, and Postfix does not hold mail up
when more comes in than goes out.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher

from benchmarks.measuring import cpu_of, memory_of
from tests.support import postfix
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
        if people:
            subprocess.run(
                [sys.executable, "-m", "benchmarks.accounts", str(self.server.config), PASSWORD],
                input="".join(f"{one}@{DOMAIN}\n" for one in people),
                text=True,
                check=True,
            )

    def settings(self) -> str:
        """
        As they are set; the rest is as installed.
        """
        return self.server.config.read_text().strip()

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

    @property
    def process_id(self) -> int:
        """
        Of the one process.
        """
        assert self.server.process is not None
        return self.server.process.pid

    def cpu(self) -> float:
        """
        Seconds so far.
        """
        return cpu_of(self.process_id)

    def memory(self) -> float:
        """
        KiB now.
        """
        return memory_of(self.process_id)


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

    def configure(self) -> None:
        """
        Write its settings.
        """

    def settings(self) -> str:
        """
        As the program itself tells them.
        """
        return ""

    def start(self) -> None:
        """
        Start it.
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

    @property
    def process_id(self) -> int:
        """
        Of the first of its processes.
        """
        assert self.process is not None
        return self.process.pid

    def cpu(self) -> float:
        """
        Seconds so far.
        """
        return cpu_of(self.process_id)

    def memory(self) -> float:
        """
        KiB now.
        """
        return memory_of(self.process_id)


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

    @property
    def _etc(self) -> Path:
        return self.folder / "etc"

    def configure(self) -> None:
        queue, data = self.folder / "queue", self.folder / "data"
        for place in (self._etc, queue, data):
            place.mkdir()
        shutil.chown(data, "postfix")
        postfix.configure(
            self._etc,
            domain=DOMAIN,
            people=self._people,
            mail=self.mail,
            owner=_OWNER,
            port=self.ports["smtp"],
            more={
                "queue_directory": queue,
                "data_directory": data,
                "mynetworks": "127.0.0.0/8",
                "in_flow_delay": 0,
                "relayhost": f"[127.0.0.1]:{self._sink_port}",
                "smtp_tls_security_level": "none",
                "maillog_file": self.folder / "log",
                "maillog_file_prefixes": self.folder,
            },
        )

    def settings(self) -> str:
        """
        What is set, and after it those of its own settings that the figures depend on.
        """
        told = said("/usr/sbin/postconf", "-c", str(self._etc), "-n")
        usual = said("/usr/sbin/postconf", "-c", str(self._etc), *_POSTFIX_USUAL)
        return f"{told}\n# as installed:\n{usual}".replace(str(self.folder), "...")

    def start(self) -> None:
        self.configure()
        self.spawn(postfix.PROGRAM, "-c", self._etc, "start-fg")

    def stop(self) -> None:
        if self.process is not None:
            postfix.stop(self._etc)
        super().stop()

    def inbox(self, person: int) -> list[Path]:
        """
        The messages in somebody's Maildir.
        """
        return list((self.mail / self._people[person] / "new").glob("*"))

    def arrived(self, person: int) -> int:
        """
        How many there are.
        """
        try:
            return len(os.listdir(self.mail / self._people[person] / "new"))
        except FileNotFoundError:
            return 0


#: Settings that are not set.
_POSTFIX_USUAL = (
    "default_process_limit",
    "hash_queue_names",
    "qmgr_message_active_limit",
    "initial_destination_concurrency",
    "default_destination_concurrency_limit",
    "default_destination_recipient_limit",
    "smtp_connection_cache_on_demand",
    "smtpd_client_connection_count_limit",
    "smtpd_client_event_limit_exceptions",
)


class Dovecot(Peer):
    """
    Gives people their mail.
    """

    name = "Dovecot"

    def __init__(self, folder: Path, people: Sequence[str], mail_format: str, *, hashes: bool = True) -> None:
        """
        @param mail_format: C{maildir}, C{sdbox} or C{mdbox}.
        @param hashes: whether passwords are kept as hashes; if not, a login costs it nothing.
        """
        super().__init__(folder)
        self._people = people
        self._format = mail_format
        self._hashes = hashes
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3")}

    @property
    def _conf(self) -> Path:
        return self.folder / "dovecot.conf"

    def configure(self) -> None:
        pair = make_pair((f"mail.{DOMAIN}",), datetime.now(UTC))
        (self.folder / "certificate.pem").write_bytes(certificate_pem(pair))
        (self.folder / "key.pem").write_bytes(key_pem(pair))
        kept = f"{{ARGON2ID}}{_HASHER.hash(PASSWORD)}" if self._hashes else f"{{PLAIN}}{PASSWORD}"
        (self.folder / "users").write_text("".join(f"{one}@{DOMAIN}:{kept}\n" for one in self._people))
        settings = _DOVECOT.format(folder=self.folder, owner=_OWNER, format=self._format, **self.ports)
        self._conf.write_text(settings)

    def settings(self) -> str:
        """
        What is set, and after it those of its own settings that the figures depend on; not where the program and its ports are.
        """
        told = said("/usr/bin/doveconf", "-c", str(self._conf), "-n")
        told = re.sub(r"(?m)^ *inet_listener \w+ \{[^}]*\}\n|^#.*\n", "", told)
        usual = said("/usr/bin/doveconf", "-c", str(self._conf), *_DOVECOT_USUAL)
        return f"{told}\n# as installed:\n{usual}".replace(str(self.folder), "...")

    def start(self) -> None:
        self.configure()
        self.spawn("/usr/sbin/dovecot", "-F", "-c", self._conf)


#: Settings that are not set.
_DOVECOT_USUAL = (
    "auth_cache_size",
    "imap_hibernate_timeout",
    "mail_always_cache_fields",
    "mail_cache_fields",
    "mail_cache_min_mail_count",
    "mail_never_cache_fields",
    "maildir_copy_with_hardlinks",
    "maildir_stat_dirs",
    "maildir_very_dirty_syncs",
    "mdbox_rotate_size",
    "mmap_disable",
)


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
        root = Path(__file__).parent.parent
        program = (
            f"import sys; sys.path.insert(0, {str(root)!r}); from benchmarks import sinks; sinks.main(*sys.argv[1:])"
        )
        self.spawn(sys.executable, "-c", program, self.name, str(self.ports["smtp"]))

    def tally(self) -> tuple[int, int]:
        """
        After it has ended: how many messages it was given, and how many octets those had.
        """
        messages, octets = (self.folder / "said").read_text().split()[-2:]
        return int(messages), int(octets)


@contextlib.contextmanager
def running(*servers: Ours | Peer) -> Iterator[None]:
    """
    Start them, and end them at last.
    """
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield


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
