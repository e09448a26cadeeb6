"""
A Postfix that takes nothing from the machine's own settings: it receives mail, and puts that of its domain into Maildirs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

#: Seconds in which it has to end.
PATIENCE = 30

PROGRAM = "/usr/sbin/postfix"

_SETTINGS = """\
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
daemon_directory = /usr/lib/postfix/sbin
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
myhostname = {host}
inet_interfaces = {address}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{etc}/users
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
"""

_SERVICES = """\
{address}:{port} inet n - n - - smtpd
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


def configure(
    etc: Path,
    *,
    domain: str,
    people: Iterable[str],
    mail: Path,
    owner: int,
    address: str = "127.0.0.1",
    port: int = 25,
    more: Mapping[str, object] | None = None,
    services: str = "",
) -> None:
    """
    Write its settings.

    @param people: local parts of the domain.
    @param mail: where their Maildirs are going to be, of C{owner}'s.
    @param more: further settings of C{main.cf}.
    @param services: further lines of C{master.cf}.
    """
    (etc / "users").write_text("".join(f"{one}@{domain} {one}/\n" for one in people))
    settings = _SETTINGS.format(etc=etc, host=f"mx.{domain}", domain=domain, mail=mail, owner=owner, address=address)
    (etc / "main.cf").write_text(settings + "".join(f"{name} = {value}\n" for name, value in (more or {}).items()))
    (etc / "master.cf").write_text(_SERVICES.format(address=address, port=port) + services)


def stop(etc: Path) -> None:
    """
    End it: the process that was started is not its master.
    """
    subprocess.run([PROGRAM, "-c", etc, "stop"], capture_output=True, timeout=PATIENCE, check=False)
