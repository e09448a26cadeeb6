"""
Install the servers that C{make bench} compares with, from Debian's packages, and start none of them; aiosmtpd comes with C{[dev]}.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Program to packages.
PROGRAMS = {
    "/usr/sbin/postfix": ["postfix"],
    "/usr/sbin/dovecot": ["dovecot-imapd", "dovecot-pop3d"],
}

#: Debian asks this program whether a package may start its daemon.
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    """
    Install what is missing.
    """
    missing = [name for program, names in PROGRAMS.items() if not Path(program).exists() for name in names]
    if not missing:
        return 0
    if os.geteuid() != 0:
        print(f"Please run this as root; it installs these packages: {' '.join(missing)}", file=sys.stderr)
        return 1
    if not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--no-remove", "--no-upgrade", *missing]
    return subprocess.run(install, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
