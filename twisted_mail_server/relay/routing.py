"""
Asks the domain name system where a domain's mail goes; what follows from its answers is decided in
L{twisted_mail_server.policies.routes}.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, DeferredList

from twisted_mail_server.interfaces import IResolver
from twisted_mail_server.model.dns import DnsAnswer, RecordKind
from twisted_mail_server.model.errors import DnsFailure
from twisted_mail_server.policies.routes import Exchanger, NoWay, Stop, exchangers, is_public, literal_address, stops


@frozen
class Smarthost:
    """
    The one server that takes everything.
    """

    host: str
    port: int
    #: C{off}, C{opportunistic}, C{required}, C{implicit}.
    tls: str
    login: tuple[str, bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """
        How it is told apart from a domain.
        """
        return f"{self.host}:{self.port}"


@frozen(kw_only=True)
class Routes:
    """
    Finds the places where a domain's mail is taken.
    """

    resolver: IResolver
    #: Octets by chance, as many as are asked for.
    random: Callable[[int], bytes]
    #: What this server is called, and where it takes mail: mail for elsewhere is not sent there.
    own_names: Collection[str] = field(default=frozenset())
    own_addresses: Collection[str] = field(default=frozenset())
    #: Whether an address that DNS names may be connected to.
    may_connect: Callable[[str], bool] = is_public
    prefer_ipv6: bool = False

    async def of_domain(self, domain: str) -> tuple[Stop, ...]:
        """
        Where to try for a domain or address literal, in order.

        @raise Refused: it never takes mail.
        @raise DnsFailure: nobody knows for now.
        """
        literal = literal_address(domain)
        if literal is not None:
            if not self.may_connect(literal) or literal in self.own_addresses:
                raise NoWay(f"No mail can be sent to {domain}.")
            return (Stop(literal, literal),)
        answer = await self.resolver.query(domain, RecordKind.MX)
        hosts = exchangers(domain, answer, own_names=self.own_names, chance=self.random)
        return await self._stops(domain, hosts, self.may_connect, self.own_addresses)

    async def of_host(self, host: str) -> tuple[Stop, ...]:
        """
        Where to try for one host that was named to us, wherever it is.

        @raise Refused: it has no address.
        @raise DnsFailure: nobody knows for now.
        """
        return await self._stops(host, [Exchanger(host, is_implicit=True)], lambda _: True, ())

    async def _stops(
        self,
        domain: str,
        hosts: Sequence[Exchanger],
        may_connect: Callable[[str], bool],
        own_addresses: Collection[str],
    ) -> tuple[Stop, ...]:
        names = [one.host for one in hosts if not _is_address(one.host)]
        # All at once: one that knows no answer keeps the others waiting no longer than itself.
        asked = [Deferred.fromCoroutine(self._addresses(name)) for name in names]
        answers: dict[str, DnsAnswer | DnsFailure] = {}
        found: list[tuple[bool, Any]] = await DeferredList(asked, consumeErrors=True)
        for name, (is_answer, result) in zip(names, found, strict=True):
            if not is_answer:
                result.raiseException()
            answers[name] = result
        return stops(
            domain,
            hosts,
            answers,
            own_addresses=own_addresses,
            may_connect=may_connect,
            prefer_ipv6=self.prefer_ipv6,
            chance=self.random,
        )

    async def _addresses(self, host: str) -> DnsAnswer | DnsFailure:
        try:
            return await self.resolver.addresses(host)
        except DnsFailure as problem:
            return problem


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
