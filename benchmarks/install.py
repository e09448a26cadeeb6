"""
Install what C{make bench} compares with and C{make profile} looks with; whatever is there already costs no time.

C{install.py peers}: Postfix and Dovecot from Debian's packages, and none of them is started; aiosmtpd comes with C{[dev]}.
C{install.py profiler}: also py-spy from PyPI, into the virtual environment beside this folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Programs to packages.
PROGRAMS = {
    ("/usr/sbin/postfix", "/usr/sbin/smtp-source", "/usr/sbin/smtp-sink"): ["postfix"],
    ("/usr/sbin/dovecot", "/usr/lib/dovecot/imap"): ["dovecot-imapd"],
    ("/usr/lib/dovecot/pop3",): ["dovecot-pop3d"],
}

#: Debian asks this program whether a package may start its daemon.
POLICY = Path("/usr/sbin/policy-rc.d")

ENVIRONMENT = Path(__file__).resolve().parent.parent / ".venv"
PROFILER = "py-spy>=0.4"


def main() -> int:
    """
    Install what is missing.
    """
    status = _install_peers()
    if not status and sys.argv[1:] == ["profiler"]:
        status = _install_profiler()
    return status


def _install_peers() -> int:
    missing = [
        name
        for programs, names in PROGRAMS.items()
        if not all(Path(program).exists() for program in programs)
        for name in names
    ]
    if not missing:
        return 0
    if os.geteuid() != 0:
        print(f"Please run this as root; it installs these packages: {' '.join(missing)}", file=sys.stderr)
        return 1
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--no-remove", "--no-upgrade", *missing]
    try:
        # Lists that are a little old are good enough, if the mirror does not answer.
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
        return subprocess.run(install, env=environment, check=False).returncode
    finally:
        if ours:
            POLICY.unlink()


def _install_profiler() -> int:
    if (ENVIRONMENT / "bin/py-spy").exists():
        return 0
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PROFILER]
    return subprocess.run([ENVIRONMENT / "bin/python", *install], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
