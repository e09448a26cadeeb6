"""
Other people's mail servers, and a resolver that knows where their domains' mail goes; for the inside of L{tests.interop.apart}.

Each is configured as a host of one domain that lives at one address, asks for TLS on its way out, and takes mail for anywhere from
127.0.0.1, which is where tests hand it mail.
"""

from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.interop.install import UNPACKED
from tests.support import postfix
from twisted_mail_server.tls.certificates import certificate_pem, key_pem, make_pair

#: Seconds until a program that does not answer counts as failed.
PATIENCE = 20

#: Who lives at each of them.
PEOPLE = ("bob", "jürgen")

#: An address that is taken, and whose mail then cannot be delivered.
LATE = "late"

#: An address at Postfix for which strangers are asked to come again, by the policy server at this port.
GREY, POLICY_PORT = "grey", 10023

#: Octets that they take.
MESSAGE_SIZE = 20_000_000


class Program:
    """
    A program that runs until it is ended.

    @ivar log_path: what it says.
    """

    #: What it is called.
    name = ""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = Path("/run/interop") / self.name
        self.log_path = self.folder / "log"

    def spawn(self, *words: str | Path, address: str, port: int) -> None:
        """
        Start it, and wait until it takes connections.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((address, port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise AssertionError(f"{self.name} did not start:\n{self.log()}")

    def stop(self) -> None:
        """
        End it.
        """
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self) -> str:
        """
        What it has said so far.
        """
        places = dict.fromkeys((self.folder / "log", self.log_path))
        return "".join(place.read_text("utf-8", "replace") for place in places if place.exists())


class Unbound(Program):
    """
    Knows the domains of the run, and that there is nothing else.
    """

    name = "unbound"

    def __init__(self, domains: dict[str, str], dead: tuple[str, str]) -> None:
        """
        @param domains: the address of each one's server.
        @param dead: one of them, and an address where nobody answers and that is better, says the domain.
        """
        super().__init__()
        self._domains, self._dead = domains, dead

    def start(self) -> None:
        """
        Start it.
        """
        self.folder.mkdir(parents=True)
        records = [f"local-data: '{line}'" for line in self._zone()]
        conf = [
            "server:",
            *(f"{name}: '/run/interop/unbound/{file}'" for name, file in (("directory", ""), ("pidfile", "pid"))),
            *("chroot: ''", "username: ''", "use-syslog: no", "logfile: ''", "verbosity: 1"),
            *("interface: 127.0.0.1@53", "do-ip6: no", "module-config: 'iterator'", "local-zone: '.' static"),
            *records,
            "remote-control:",
            "control-enable: no",
        ]
        (self.folder / "unbound.conf").write_text("\n".join(conf))
        self.spawn("unbound", "-d", "-c", self.folder / "unbound.conf", address="127.0.0.1", port=53)

    def _zone(self) -> Iterator[str]:
        for domain, address in self._domains.items():
            yield f"{domain}. 60 IN MX 10 mx.{domain}."
            yield f"mx.{domain}. 60 IN A {address}"
            if domain == self._dead[0]:
                yield f"{domain}. 60 IN MX 5 dead.{domain}."
                yield f"dead.{domain}. 60 IN A {self._dead[1]}"
            yield f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa. 60 IN PTR mx.{domain}."


class Peer(Program):
    """
    One mail server.
    """

    #: Whether it knows SMTPUTF8 (RFC 6531).
    speaks_utf8 = False
    #: What its log says of a connection, and of chunking (RFC 3030) on its way in and on its way out, where it knows that.
    connected = ""
    chunked_in = chunked_out = ""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.domain = f"{self.name}.example"
        self.host = f"mx.{self.domain}"
        self.mail = Path("/var/mail") / self.name

    def version(self) -> str:
        """
        Of the program.
        """
        raise NotImplementedError

    def start(self) -> None:
        """
        Start it.
        """
        raise NotImplementedError

    def maildir(self, person: str) -> Path:
        """
        Where somebody's mail is.
        """
        return self.mail / person

    def messages(self, person: str) -> list[bytes]:
        """
        Somebody's mail, with the line ends that it travelled with.
        """
        found = [*self.maildir(person).glob("new/*"), *self.maildir(person).glob("cur/*")]
        return [re.sub(rb"\r?\n", b"\r\n", one.read_bytes()) for one in found]

    def make_certificate(self, owner: str = "root") -> tuple[Path, Path]:
        """
        A certificate and a key of its own.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        pair = make_pair((self.host,), datetime.now(UTC))
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        certificate.write_bytes(certificate_pem(pair))
        key.write_bytes(key_pem(pair))
        key.chmod(0o600)
        os.chown(key, _number(owner), -1)
        return certificate, key

    def can_serve_tls(self) -> bool:
        """
        Whether a handshake with it succeeds: Debian 12's OpenSMTPD offers TLS and has lost its key each time, for it was written
        for an older OpenSSL (its issue 1171).
        """
        with smtplib.SMTP(self.address, timeout=PATIENCE) as client:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            try:
                client.starttls(context=context)
            except ssl.SSLError:
                return False
            return True

    def connections(self) -> int:
        """
        How many it has had.
        """
        return len(re.findall(self.connected, self.log()))


class Postfix(Peer):
    """
    Postfix.
    """

    name = "postfix"
    speaks_utf8 = True
    connected = r"postfix/smtpd.*: connect from"
    chunked_in = r" bdat=[0-9]"
    _etc = Path("/etc/postfix")

    def version(self) -> str:
        return _said("postconf", "-d", "-h", "mail_version")

    def start(self) -> None:
        certificate, key = self.make_certificate()
        self.mail.mkdir()
        os.chown(self.mail, _number("vmail"), _number("vmail"))
        for place in ("/var/spool/postfix", "/var/lib/postfix"):
            Path(place).mkdir()
        os.chown("/var/lib/postfix", _number("postfix"), -1)
        (self.folder / "access").write_text(f"{GREY}@{self.domain} greylisting\n")
        (self.folder / "transport").write_text(f"{LATE}@{self.domain} late:\n")
        postfix.configure(
            self._etc,
            domain=self.domain,
            people=(*PEOPLE, GREY, LATE),
            mail=self.mail,
            owner=_number("vmail"),
            address=self.address,
            more={
                "smtp_bind_address": self.address,
                "mynetworks": "127.0.0.1/32",
                "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
                "transport_maps": f"texthash:{self.folder}/transport",
                "message_size_limit": MESSAGE_SIZE,
                "smtpd_recipient_restrictions": f"check_recipient_access texthash:{self.folder}/access",
                "smtpd_restriction_classes": "greylisting",
                "greylisting": f"check_policy_service inet:127.0.0.1:{POLICY_PORT}",
                "smtputf8_enable": "yes",
                "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": f"{key}, {certificate}",
                "smtpd_tls_received_header": "yes",
                "smtpd_tls_loglevel": "1",
                "smtp_tls_security_level": "encrypt",
                "smtp_tls_loglevel": "1",
                "queue_run_delay": "2s",
                "minimal_backoff_time": "2s",
                "maximal_backoff_time": "5s",
                "maillog_file": self.log_path,
                "maillog_file_prefixes": "/run, /var",
            },
            services="late unix - n n - - pipe user=vmail argv=/bin/sh -c {exit 67}\n",
        )
        self.spawn(postfix.PROGRAM, "start-fg", address=self.address, port=25)

    def stop(self) -> None:
        if self.process is not None:
            postfix.stop(self._etc)
        super().stop()


class Exim(Peer):
    """
    Exim; it takes L{MESSAGES} messages of one connection, then says 421.
    """

    name = "exim"
    speaks_utf8 = True
    connected = r"SMTP connection from"
    chunked_in = r" <= .* K S="
    chunked_out = r" => .* K C="
    #: Of one connection.
    MESSAGES = 7
    program = UNPACKED / "usr/sbin/exim4"

    def version(self) -> str:
        return _said(str(self.program), "-bV").split()[2]

    def start(self) -> None:
        spool = Path("/var/spool/exim4")
        certificate, key = self.make_certificate("Debian-exim")
        self.log_path = spool / "log" / "main"
        for place in (spool, spool / "log", self.mail):
            place.mkdir()
            os.chown(place, _number("Debian-exim"), _number("Debian-exim"))
        conf = Path("/etc/exim4/exim4.conf")
        conf.parent.mkdir(exist_ok=True)
        conf.write_text(
            _EXIM.format(
                program=self.program,
                host=self.host,
                domain=self.domain,
                address=self.address,
                mail=self.mail,
                people=" : ".join(PEOPLE),
                late=LATE,
                certificate=certificate,
                key=key,
                messages=self.MESSAGES,
                size=MESSAGE_SIZE,
            )
        )
        conf.chmod(0o644)
        self.spawn(self.program, "-bdf", "-q2s", address=self.address, port=25)


_EXIM = """
exim_path = {program}
primary_hostname = {host}
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
spool_directory = /var/spool/exim4
log_file_path = /var/spool/exim4/log/%s
log_selector = +smtp_confirmation +smtp_connection +tls_cipher +received_recipients
local_interfaces = {address}
daemon_smtp_ports = 25
keep_environment =
domainlist ours = {domain}
acl_smtp_rcpt = check_recipient
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
rfc1413_query_timeout = 0s
message_size_limit = {size}
smtp_accept_max_per_connection = {messages}
smtp_accept_queue_per_connection = 1000
begin acl
check_recipient:
  accept hosts = 127.0.0.1
  accept domains = +ours
         verify = recipient
  deny message = relay not permitted
begin routers
seemingly:
  driver = accept
  domains = +ours
  local_parts = {late}
  verify_only
late:
  driver = redirect
  domains = +ours
  local_parts = {late}
  no_verify
  allow_fail
  data = :fail: nobody is there after all
here:
  driver = accept
  domains = +ours
  local_parts = {people}
  transport = maildir
elsewhere:
  driver = dnslookup
  domains = ! +ours
  transport = smtp
  no_more
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {mail}/$local_part_data
  create_directory
  user = Debian-exim
  message_prefix =
  message_suffix =
smtp:
  driver = smtp
  interface = {address}
  hosts_require_tls = *
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,1h,1s
"""


class OpenSmtpd(Peer):
    """
    OpenSMTPD.
    """

    name = "opensmtpd"
    connected = r"smtp connected address=10"
    program = UNPACKED / "usr/sbin/smtpd"

    def version(self) -> str:
        return _said(str(self.program), "-h").split("OpenSMTPD ")[1].split()[0]

    def start(self) -> None:
        certificate, key = self.make_certificate()
        self.mail.mkdir()
        os.chown(self.mail, _number("vmail"), _number("vmail"))
        Path("/var/spool/smtpd").mkdir(mode=0o711)
        conf = self.folder / "smtpd.conf"
        conf.write_text(
            _SMTPD.format(
                host=self.host,
                domain=self.domain,
                address=self.address,
                mail=self.mail,
                late=LATE,
                certificate=certificate,
                key=key,
                size=MESSAGE_SIZE,
            )
        )
        self.spawn(self.program, "-d", "-f", conf, address=self.address, port=25)


_SMTPD = """
pki ours cert "{certificate}"
pki ours key "{key}"
smtp max-message-size {size}
table people {{ "bob" = "vmail" }}
table late {{ "{late}" = "vmail" }}
listen on {address} port 25 hostname "{host}" tls pki ours
action "here" maildir "{mail}/%{{dest.user}}" virtual <people>
action "late" mda "exit 67" virtual <late>
action "elsewhere" relay src {address} helo "{host}" tls no-verify
match from any for domain "{domain}" rcpt-to "{late}@{domain}" action "late"
match from any for domain "{domain}" action "here"
match from local for any action "elsewhere"
"""


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return (done.stdout + done.stderr).strip()


def _number(name: str | int) -> int:
    """
    A user's, as C{/etc/passwd} of this moment has it.
    """
    if isinstance(name, int):
        return name
    for line in Path("/etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2])
    raise AssertionError(f"There is no user {name}.")
