"""
The way out, wired: from settings to a resolver, to a relay, and to the terms on which mail is taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any

from twisted.logger import Logger

from twisted_mail_server.delivery.intake import RelayTerms
from twisted_mail_server.delivery.outcomes import Schedule
from twisted_mail_server.delivery.rewriting import SenderRewriting
from twisted_mail_server.dns.resolv import NameServer, parse_resolv_conf
from twisted_mail_server.dns.resolver import Resolver
from twisted_mail_server.interfaces import IDisk, IResolver, ISpool
from twisted_mail_server.policies.rates import Rates
from twisted_mail_server.relay.connections import Connector
from twisted_mail_server.relay.manager import RelayManager
from twisted_mail_server.relay.routing import Routes, Smarthost
from twisted_mail_server.tls.outbound import OutboundTls

from .settings import Listener, RelaySettings, Settings

_log = Logger()

#: Where the machine says whom to ask.
RESOLV_CONF = "/etc/resolv.conf"
#: Below the data directory: what shows us that we wrote a reverse-path.
SRS_SECRET = "srs-secret"
_SRS_OCTETS = 32

_UNNAMED = "the settings of this server do not say its hostname."
# An endpoint's argument, a colon in which has a backslash before it.
_INTERFACE = re.compile(r":interface=((?:\\.|[^:\\])+)")


async def build_resolver(settings: Settings, disk: IDisk, reactor: Any, random: Callable[[int], bytes]) -> Resolver:
    """
    One that asks those in the settings, else those of the machine.
    """
    servers = settings.dns.resolvers or await disk.run(_machine_servers, disk)
    return Resolver(
        servers=servers, udp=reactor, tcp=reactor, clock=reactor, random=random, timeout=settings.dns.timeout
    )


def _machine_servers(disk: IDisk) -> tuple[NameServer, ...]:
    try:
        text = disk.read(RESOLV_CONF).decode("utf-8", "replace")
    except OSError as problem:
        _log.warn("{file} cannot be read: {reason}", file=RESOLV_CONF, reason=problem.strerror)
        text = ""
    return parse_resolv_conf(text)


def build_relay(
    settings: Settings,
    disk: IDisk,
    spool: ISpool,
    resolver: IResolver,
    reactor: Any,
    random: Callable[[int], bytes],
    login: tuple[str, bytes] | None,
) -> RelayManager | None:
    """
    The way out; L{None} while the settings do not say what this server is called: no server should hear a name that was guessed.
    """
    relay = settings.relay
    if not settings.is_hostname_set:
        return None
    routes = Routes(
        resolver=resolver,
        random=random,
        own_names=frozenset((settings.hostname,)),
        own_addresses=frozenset(own_addresses(settings.listeners)),
        prefer_ipv6=relay.prefer_ipv6,
    )
    connector = Connector(
        clock=reactor,
        connect=reactor,
        hello_name=settings.hostname,
        random=random,
        tls=OutboundTls(),
        connect_timeout=relay.connect_timeout,
        command_timeout=relay.command_timeout,
    )
    return RelayManager(
        spool=spool,
        routes=routes,
        connector=connector,
        clock=reactor,
        run=disk.run,
        smarthost=_smarthost(relay, login),
        connections=relay.connections,
        connections_per_destination=relay.connections_per_destination,
    )


def _smarthost(relay: RelaySettings, login: tuple[str, bytes] | None) -> Smarthost | None:
    place = relay.smarthost
    return None if place is None else Smarthost(place.host, place.port, relay.smarthost_tls, login)


def own_addresses(listeners: Iterable[Listener]) -> Iterator[str]:
    """
    The addresses at which mail is taken from anybody, as far as the settings name them.
    """
    for listener in listeners:
        found = _INTERFACE.search(listener.endpoint)
        if listener.protocol == "smtp" and found is not None:
            try:
                yield str(ip_address(found[1].replace("\\", "")))
            except ValueError:
                # Some other name of an interface.
                continue


def relay_terms(settings: Settings, rewriting: SenderRewriting) -> RelayTerms:
    """
    Who may send mail out, and how much.
    """
    most = settings.submission.recipients_per_hour
    return RelayTerms(
        refusal="" if settings.is_hostname_set else _UNNAMED,
        rate=Rates(most) if most else None,
        rewrite=rewriting.forward,
    )


def schedule(settings: Settings) -> Schedule:
    """
    When to try again, and when to give up.
    """
    relay = settings.relay
    return Schedule(relay.retry_schedule, relay.expire_after, relay.delay_warning)


async def sender_rewriting(disk: IDisk, clock: Any, random: Callable[[int], bytes]) -> SenderRewriting:
    """
    Writes reverse-paths that this data directory recognises for ever.
    """
    return SenderRewriting(await disk.run(_srs_secret, disk, random), clock)


def _srs_secret(disk: IDisk, random: Callable[[int], bytes]) -> bytes:
    if not disk.exists(SRS_SECRET):
        disk.write_file(SRS_SECRET, random(_SRS_OCTETS))
    return disk.read(SRS_SECRET)
