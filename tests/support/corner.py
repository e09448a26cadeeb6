"""
A folder that looks like the machine of the manual to whoever types in it: no root, no port below 1024, nothing beyond loopback.

What differs is put in its place on the way in, and back on the way out: a path such as C{/etc/mailserver} lies below the folder, a
port such as 25 is one that is free, and mail for elsewhere finds nobody who answers for names.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import stat
import sys
from pathlib import Path

from tests.support.warm import WarmMailctl

ROOT = Path(__file__).resolve().parent.parent.parent
BINARIES = Path(sys.executable).parent

#: Where somebody is who reads "$ ".
HOME = "/home/you/mail"
SETTINGS = "/etc/mailserver/mail.toml"
SOURCE = "/usr/src/mailserver"

#: The ports of a server that nobody configured.
PORTS = (2525, 2587, 2465, 1143, 1993, 1110, 1995, 8080)

#: Below those that Linux gives to connections, and above those that have names.
_UNASKED = range(20_000, 32_000)
_given: set[int] = set()

_SCHEMES = {"smtp": 25, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "http": 80}
_URL = re.compile(rf"\b({'|'.join(_SCHEMES)})://(localhost|127\.0\.0\.1)(?::(\d+))?(?=[/\s\"']|$)")
_HOST = re.compile(r"(?<![/\w])(localhost|127\.0\.0\.1):(\d+)\b")
_PATH = re.compile(
    r"(?<![\w./:-])/(etc/(?:mailserver|mail|letsencrypt|systemd|environment|prometheus|dovecot|postfix)|opt/mailserver|var/(?:lib|backups|mail|vmail|log)|home|backup|srv|"
    r"usr/src|usr/local)\b"
)
_ENDPOINT = re.compile(r"""^endpoint = (["'])(tcp6?):(\d+)(?::interface=([^"']*))?\1""", re.MULTILINE)
_SMARTHOST = re.compile(r'^smarthost = "[a-z.]+:587"$', re.MULTILINE)
_OWNER = re.compile(r" (-[og] mailserver|--[ug]id mailserver)\b")

#: C{systemctl} and C{journalctl}.
_STAND_IN = """#!/bin/sh
cd {source} && exec {python} -m tests.support.systemctl {root} {name} "$@"
"""


class Corner:
    """
    One such folder.

    @ivar root: what is C{/} on the page.
    """

    def __init__(self, root: Path, warm: WarmMailctl) -> None:
        """
        @param warm: makes the C{mailctl} that is installed here.
        """
        self.root = root
        #: Port on the page to port here.
        self._ports: dict[int, int] = {}
        #: Place here to place on the page.
        self._places: dict[str, str] = {}
        self._dead = str(free_port())
        #: Where the smarthost of the page is here, and the certificate that it shows.
        self.smarthost = ("127.0.0.1:9", "")
        for folder in (HOME, SOURCE, "/etc/mailserver", "/etc/systemd/system", "/opt/mailserver", "/usr/local/bin"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        self.path("/opt/mailserver/bin").mkdir()
        warm.script(self.path("/opt/mailserver/bin/mailctl"))
        self.path("/opt/mailserver/bin/twistd").symlink_to(BINARIES / "twistd")
        for folder in (HOME, SOURCE):
            shutil.copy(ROOT / "mail.tac", self.path(folder))
            self.path(f"{folder}/.venv").mkdir()
            self.path(f"{folder}/.venv/bin").symlink_to(self.path("/opt/mailserver/bin"))
            self.path(f"{folder}/docs").symlink_to(ROOT / "docs")
        for name in ("systemctl", "journalctl"):
            script = self.path(f"/usr/local/bin/{name}")
            script.write_text(_STAND_IN.format(source=ROOT, python=sys.executable, root=root, name=name))
            script.chmod(0o755)

    def path(self, path: str) -> Path:
        """
        Where a path of the page is.
        """
        return self.root / path.lstrip("/")

    def environment(self) -> dict[str, str]:
        """
        The variables of somebody who types here.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAIL_", "PYTHON"))}
        path = f"{self.path('/usr/local/bin')}:{self.path('/opt/mailserver/bin')}:{BINARIES}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        if self.smarthost[1]:
            kept["SSL_CERT_FILE"] = self.smarthost[1]
        return {**kept, "PATH": path, "HOME": str(self.path("/home/you")), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def typed(self, command: str) -> str:
        """
        A command of the page, as it is typed here.  Users of the machine are not made here, so that nothing is made theirs.
        """
        command = _URL.sub(self._url, command)
        command = _HOST.sub(lambda found: f"127.0.0.1:{self.port(int(found[2]))}", command)
        return self._paths(_OWNER.sub("", command))

    def started(self, command: str) -> str:
        """
        C{make run} without what it sets up first; on other ports, if somebody uses its own.
        """
        if command == "make run":
            if not all(map(is_free, PORTS)):
                endpoints = "".join(
                    f'[[listener]]\nprotocol = "{protocol}"\nendpoint = "tcp:{port}:interface=127.0.0.1"\ntls = "{tls}"\n'
                    for port, (protocol, tls) in zip(PORTS, _UNCONFIGURED, strict=True)
                )
                self.write(f"{HOME}/mail.toml", endpoints, adds=False)
                shutil.copy(self.path(f"{HOME}/mail.toml"), self.path(f"{SOURCE}/mail.toml"))
            else:
                self._ports |= {port: port for port in PORTS}
            return recipe_of_run()
        return self.typed(command)

    def seen(self, printed: str) -> str:
        """
        What was printed here, as it would be on the page's machine.
        """
        for here, there in self._places.items():
            printed = printed.replace(here, there)
        for there_port, here_port in self._ports.items():
            printed = re.sub(rf"\b{here_port}\b", str(there_port), printed)
        return printed.replace(str(self.root), "")

    def write(self, path: str, text: str, *, adds: bool) -> None:
        """
        Write a file of the page.
        """
        if path.endswith(".toml"):
            text = _ENDPOINT.sub(self._endpoint, text)
            text = _SMARTHOST.sub(f'smarthost = "{self.smarthost[0]}"', text)
            if not adds:
                # Nobody there, and that is soon clear.
                text += f'\n[dns]\nresolvers = ["127.0.0.1:{self._dead}"]\ntimeout = "1s"\n'
        text = self._paths(_OWNER.sub("", text))
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "a" if adds else "w", encoding="utf-8") as file:
            file.write(f"\n{text}" if adds else text)
        if text.startswith("#!"):
            place.chmod(place.stat().st_mode | stat.S_IXUSR)

    def port(self, there: int) -> int:
        """
        The port here for one of the page.
        """
        return self._ports.setdefault(there, free_port())

    def _url(self, found: re.Match[str]) -> str:
        port = int(found[3] or _SCHEMES[found[1]])
        return f"{found[1]}://127.0.0.1:{self.port(port)}"

    def _endpoint(self, found: re.Match[str]) -> str:
        quote, kind, port, interface = found.groups()
        here = self.port(int(port))
        host = (interface or ("::" if kind == "tcp6" else "0.0.0.0")).replace("\\", "")
        self._places[f"127.0.0.1:{here}"] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"endpoint = {quote}tcp:{here}:interface=127.0.0.1{quote}"

    def _paths(self, text: str) -> str:
        return _PATH.sub(lambda found: f"{self.root}{found[0]}", text)


#: What a server that nobody configured speaks at L{PORTS}.
_UNCONFIGURED = (
    ("smtp", "starttls"),
    ("submission", "starttls"),
    ("submission", "implicit"),
    ("imap", "starttls"),
    ("imap", "implicit"),
    ("pop3", "starttls"),
    ("pop3", "implicit"),
    ("http", "off"),
)


def recipe_of_run() -> str:
    """
    What C{make run} runs once all is set up.
    """
    target = (ROOT / "Makefile").read_text("utf-8").partition("\nrun:")[2].partition("\n\n")[0]
    return target.partition("\texec $(BIN)/")[2].strip().replace("twistd", str(BINARIES / "twistd"), 1)


def free_port() -> int:
    """
    A port of loopback that nobody uses, and that nobody gets who asks the system for any port, until it is used.
    """
    while True:
        port = secrets.choice(_UNASKED)
        if port not in _given and is_free(port):
            _given.add(port)
            return port


def is_free(port: int) -> bool:
    """
    Whether nobody listens at a port of loopback.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
