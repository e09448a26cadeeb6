"""
The tutorial, followed word by word on a fresh machine: C{python -m tests.interop.fresh}, as root.

The machine is Debian 12 as C{debootstrap} makes it, in a folder, with namespaces of its own: the real ports are free there, and the
Internet is reached through C{slirp4netns}.  Its source is the working tree as it is now, and so is the page.  What
one sees is compared as in C{tests/test_documented_commands.py}.  How Debian's mirror and the package index are reached is taken from
this machine's own configuration.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.interop.install import POLICY
from tests.support.pages import Typed, steps
from tests.support.reader import NotAsShown, Reader
from tests.support.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "a-domain-of-your-own.md"

#: The machine as it came, kept so that the next one is made in seconds.
BASE = Path("/var/cache/mail-fresh")
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"

#: What a new machine has beside Debian's own minimum.
PACKAGES = "python3,python3-pip,ca-certificates"

#: Program to package, on this machine.
PROGRAMS = {"debootstrap": "debootstrap", "slirp4netns": "slirp4netns", "ip": "iproute2", "git": "git"}

#: Commands that are not typed on the fresh machine, and why.
LEFT_OUT = {re.compile(r"^certbot "): "It needs a name in DNS that leads here; a certificate is made instead."}

#: Where the repository, and the stand-in for systemd, are on the fresh machine.
SOURCE, STAND_IN = "/root/source", "/usr/local/lib/systemctl.py"

_SCRIPT = '#!/bin/sh\nexec python3 {stand_in} / {name} "$@"\n'


def main(words: list[str]) -> int:
    """
    Outside: make the machine and its network.  Inside: follow the tutorial.
    """
    if words[:1] == ["--inside"]:
        return _inside(Path(words[1]))
    if os.geteuid() != 0:
        print("This makes a machine and namespaces, and needs root.", file=sys.stderr)
        return 1
    _install()
    _make_base()
    with tempfile.TemporaryDirectory(prefix="fresh-") as folder:
        machine = Path(folder) / "machine"
        _run("cp", "-a", "--reflink=auto", str(BASE / SUITE), str(machine))
        return _apart(machine)


def _install() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        if not POLICY.exists():
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def _make_base() -> None:
    if (BASE / SUITE).exists():
        return
    BASE.mkdir(parents=True, exist_ok=True)
    making = BASE / f"{SUITE}.new"
    shutil.rmtree(making, ignore_errors=True)
    print(f"Making {BASE / SUITE}, which takes a minute.", flush=True)
    words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(making), _mirror()]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    making.rename(BASE / SUITE)


def _mirror() -> str:
    """
    The Debian mirror that this machine uses, if it uses one.
    """
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(place.read_text("utf-8") for place in places if place.is_file())
    found = re.search(r"^(?:URIs: *|deb (?:\[.*?\] )?)(https?://\S+/debian)/?(?:\s|$)", text, re.MULTILINE)
    return found[1] if found else MIRROR


def _apart(machine: Path) -> int:
    """
    In namespaces whose network is joined to ours by a program, follow the tutorial.
    """
    again = [sys.executable, "-m", "tests.interop.fresh", "--inside", str(machine)]
    inner = subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *again],
        stdin=subprocess.PIPE,
        cwd=ROOT,
    )
    first = Path(f"/proc/{inner.pid}/task/{inner.pid}/children")
    while not (number := first.read_text().strip()) and inner.poll() is None:
        time.sleep(0.05)
    ready, theirs = os.pipe()
    network = subprocess.Popen(
        ["slirp4netns", "--configure", "--mtu=65520", f"--ready-fd={theirs}", number, "tap0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
    )
    os.close(theirs)
    os.read(ready, 1)
    os.close(ready)
    try:
        inner.communicate(b"go\n")
    finally:
        network.terminate()
        network.wait()
    return inner.returncode


def _inside(machine: Path) -> int:
    sys.stdin.readline()
    _run("ip", "link", "set", "lo", "up")
    variables = dict(_variables())
    _furnish(machine, variables)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "DEBIAN_FRONTEND": "noninteractive",
        "SOURCE": SOURCE,
        **variables,
    }
    terminal = Terminal("/root", environment, within=["chroot", str(machine)], patience=900)
    began = time.monotonic()

    def told(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    todo = steps(TUTORIAL.read_text("utf-8"))
    try:
        Reader(TUTORIAL.name, terminal, Machine(machine), LEFT_OUT, told=told).follow(todo)
    except NotAsShown as problem:
        print(problem, file=sys.stderr)
        return 1
    finally:
        terminal.run("systemctl stop mailserver")
        terminal.close()
    count = sum(isinstance(step, Typed) and not step.is_hidden for step in todo)
    told(f"done: {count} commands, each of which showed what the page shows")
    return 0


class Machine:
    """
    A whole machine: everything is as the page says.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def typed(self, command: str) -> str:
        """
        As it is.
        """
        return command

    started = typed

    def seen(self, printed: str) -> str:
        """
        As it is.
        """
        return printed

    def write(self, path: str, text: str, *, adds: bool) -> None:
        """
        Write or go on with a file.
        """
        place = self._root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "a" if adds else "w", encoding="utf-8") as file:
            file.write(f"\n{text}" if adds else text)


def _furnish(machine: Path, variables: dict[str, str]) -> None:
    """
    What a machine has before anybody types: devices, a network, a systemd, and the package index as this machine reaches it.
    """
    for kind, place in (("proc", "proc"), ("tmpfs", "run")):
        _run("mount", "-t", kind, kind, str(machine / place))
    _run("mount", "--rbind", "/dev", str(machine / "dev"))
    # The one that slirp4netns answers at.
    (machine / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    (machine / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    policy = machine / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    # Whom this machine trusts, for a mirror of the index may have a certificate of its own.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", machine / "etc/ssl/certs")
    _make_source(machine / SOURCE.lstrip("/"))
    shutil.copy(ROOT / "tests/support/systemctl.py", f"{machine}{STAND_IN}")
    for name in ("systemctl", "journalctl"):
        script = machine / "usr/local/bin" / name
        script.write_text(_SCRIPT.format(stand_in=STAND_IN, name=name))
        script.chmod(0o755)
    (machine / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    for path in sorted({path for value in variables.values() for path in _local_paths(value)}):
        target = machine / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_dir():
            target.mkdir(exist_ok=True)
            _run("mount", "--bind", path, str(target))
        elif not target.exists():
            shutil.copy(path, target)


def _make_source(source: Path) -> None:
    """
    A repository of the files of this one, committed or not.
    """
    words = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        # One that was removed is listed until that is committed.
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    git = ["git", "-C", str(source), "-c", "user.name=fresh", "-c", "user.email=fresh@localhost"]
    for rest in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "The working tree"]):
        _run(*git, *rest)


def _variables() -> Iterator[tuple[str, str]]:
    """
    How this machine reaches the package index, and proxies: pip's configuration as variables.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for key, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE):
        yield f"PIP_{key.upper().replace('-', '_')}", value.replace("\\n", " ")
    for name, value in os.environ.items():
        if name.lower() in ("http_proxy", "https_proxy", "no_proxy", "ssl_cert_file"):
            yield name, value


def _local_paths(value: str) -> Iterator[str]:
    """
    Files and folders of this machine that a variable names.
    """
    for word in value.split():
        path = word.removeprefix("file://")
        if path.startswith("/") and Path(path).exists():
            # An index refers to files beside it.
            yield str(Path(path).parent) if word.startswith("file://") else path


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
