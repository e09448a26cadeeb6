"""
Install the programs that C{make interop} runs, from Debian's packages, and start none of them.

Debian's mail servers exclude one another: Postfix is installed, Exim and OpenSMTPD are unpacked into L{UNPACKED}.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: Program to package.
PROGRAMS = {
    "swaks": "swaks",
    "msmtp": "msmtp",
    "mutt": "mutt",
    "mbsync": "isync",
    "fetchmail": "fetchmail",
    "curl": "curl",
    "ip": "iproute2",
    "unbound": "unbound",
    "ldns-signzone": "ldnsutils",
    "postfix": "postfix",
}

#: What swaks needs for TLS and AUTH.
MORE = ["libio-socket-ssl-perl", "libnet-ssleay-perl", "libauthen-sasl-perl"]

#: Packages that cannot be installed beside Postfix, and a program of each.
APART = {"exim4-daemon-light": "usr/sbin/exim4", "opensmtpd": "usr/sbin/smtpd"}

#: Where they are unpacked.
UNPACKED = Path("/var/cache/mail-interop")

#: Debian asks this program whether a package may start its daemon.
POLICY = Path("/usr/sbin/policy-rc.d")

_LIBRARY = re.compile(r"^\s*Depends: (lib[^\s<]+)$", re.MULTILINE)


def main() -> int:
    """
    Install what is missing.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]
    packed = [package for package, program in APART.items() if not (UNPACKED / program).exists()]
    if not missing and not packed:
        return 0
    if os.geteuid() != 0:
        print(f"Please run this as root; it installs these packages: {' '.join(missing + packed)}", file=sys.stderr)
        return 1
    if not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    listed = subprocess.run(["apt-cache", "depends", *packed], capture_output=True, text=True, check=True).stdout
    libraries = sorted(set(_LIBRARY.findall(listed))) if packed else []
    # Neither another mail server of this machine nor the version of a library is to change for ours.
    install = [
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "--no-remove",
        "--no-upgrade",
        *missing,
        *MORE,
        *libraries,
    ]
    status = subprocess.run(install, env=environment, check=False).returncode
    if status == 0 and packed:
        _unpack(packed)
    return status


def _unpack(packages: list[str]) -> None:
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(UNPACKED)], check=True)


if __name__ == "__main__":
    sys.exit(main())
