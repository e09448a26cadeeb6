"""
Install the programs that L{tests.interop.clients} runs, from Debian's packages, and start none of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Program to package.
PROGRAMS = {
    "swaks": "swaks",
    "msmtp": "msmtp",
    "mutt": "mutt",
    "mbsync": "isync",
    "fetchmail": "fetchmail",
    "curl": "curl",
}

#: What swaks needs for TLS and AUTH.
MORE = ["libio-socket-ssl-perl", "libnet-ssleay-perl", "libauthen-sasl-perl"]

#: Debian asks this program whether a package may start its daemon.
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> int:
    """
    Install what is missing.
    """
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if not missing:
        return 0
    if os.geteuid() != 0:
        print(f"Please install these packages: {' '.join(missing)}", file=sys.stderr)
        return 1
    if not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, *MORE]
    return subprocess.run(install, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
