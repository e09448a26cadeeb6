"""
Run a program in a small machine of its own: C{python -m tests.interop.apart PROGRAM ARGUMENT ...}, as root.

It has a network that reaches nothing but itself, with L{ADDRESSES} on its loopback; its own C{/etc}, C{/run} and C{/var} in memory,
so that mail servers run on the paths and the ports that they were built for and leave nothing behind; and its own processes,
all of which end with the program.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.install import UNPACKED

#: Private ones (RFC 1918), for loopback itself is no place to which a server sends mail.
ADDRESSES = tuple(f"10.99.0.{number}" for number in range(1, 10))

#: Set inside.
MARK = "MAIL_INTEROP_APART"

#: Users and groups that mail servers want, with their numbers where the machine does not have them.
_USERS = {"Debian-exim": 64101, "opensmtpd": 64102, "opensmtpq": 64103, "vmail": 64104}

#: Empty, in memory.
_FRESH = ("/run", "/var/lib", "/var/mail", "/var/spool")


def main(words: list[str]) -> int:
    """
    Outside: make the namespaces.  Inside: furnish them, and run the program.
    """
    if words[:1] == ["--inside"]:
        _furnish(Path(words[1]))
        return subprocess.run(words[2:], env={**os.environ, MARK: "1"}, check=False).returncode
    if os.geteuid() != 0:
        print("This makes namespaces and needs root.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="apart-") as folder:
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        again = [sys.executable, "-m", "tests.interop.apart", "--inside", folder]
        return subprocess.run([*apart, *again, *words], check=False).returncode


def _furnish(folder: Path) -> None:
    _run("ip", "link", "set", "lo", "up")
    for address in ADDRESSES:
        _run("ip", "address", "add", f"{address}/32", "dev", "lo")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    _run("cp", "-a", "/etc", str(folder / "etc"))
    etc = folder / "etc"
    with open(etc / "passwd", "a") as passwd, open(etc / "group", "a") as group:
        known = [line.partition(":")[0] for line in (etc / "passwd").read_text().splitlines()]
        for name, number in _USERS.items():
            if name not in known:
                passwd.write(f"{name}:x:{number}:{number}::/nonexistent:/bin/sh\n")
                group.write(f"{name}:x:{number}:\n")
    for name, text in {
        "resolv.conf": "nameserver 127.0.0.1\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
        "aliases": "",
        "mailname": "localhost\n",
    }.items():
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_text(text)
    _run("mount", "--bind", str(etc), "/etc")
    for place in _FRESH:
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    libexec = UNPACKED / "usr/libexec"
    if libexec.is_dir():
        # OpenSMTPD was built with these two paths.
        Path("/usr/libexec").mkdir(exist_ok=True)
        _run("mount", "--bind", str(libexec), "/usr/libexec")
        Path("/var/lib/opensmtpd/empty").mkdir(parents=True)


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
