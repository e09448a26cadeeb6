"""
From what the domain name system says to the places where a domain's mail is taken, in the order in which they are tried.

Two steps, between which the addresses of the hosts are asked for::

    MX records of the domain  --  exchangers  -->  hosts, the best first                     RFC 5321 section 5.1, RFC 7505
    addresses of those hosts  --  stops       -->  (host, address), as they are tried

A domain without MX records is its own exchanger; C{[192.0.2.1]} needs no question at all.  What is said here of a domain is for
ever (its C{code} is 5xx) or for now (4xx).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, groupby, zip_longest

from attrs import frozen

from ..model import limits
from ..model.dns import DnsAnswer, DnsOutcome
from ..model.errors import DnsFailure, MailError, MailLoop, Refused

#: What a null MX names (RFC 7505 section 3).
_NOWHERE = "."
#: Octets of chance that decide between equals.
_LOT = 4


class NoSuchDomain(Refused):
    """
    The domain does not exist, or no host in it could take mail (RFC 3463, X.1.2).
    """

    code, enhanced = 550, "5.1.2"


class TakesNoMail(Refused):
    """
    The domain says that it takes no mail (RFC 7505 section 4.2).
    """

    code, enhanced = 556, "5.1.10"


class NoWay(Refused):
    """
    The domain names hosts for its mail, and none of them has an address that mail can be sent to (RFC 3463, X.4.4).
    """

    code, enhanced = 550, "5.4.4"


@frozen
class Exchanger:
    """
    A host that takes a domain's mail.
    """

    host: str
    #: The lower, the better.
    preference: int = 0
    #: The domain names no exchanger, so that it is its own.
    is_implicit: bool = False


@frozen
class Stop:
    """
    One place to try.
    """

    #: As it was found: what a certificate is about, and what reports name.
    host: str
    address: str


def literal_address(domain: str) -> str | None:
    """
    The address in an address literal (RFC 5321 section 4.1.3); L{None} for a name.
    """
    if not domain.startswith("["):
        return None
    return domain[1:-1].removeprefix("ipv6:")


def exchangers(
    domain: str, answer: DnsAnswer, *, own_names: Collection[str], chance: Callable[[int], bytes]
) -> tuple[Exchanger, ...]:
    """
    The hosts that take mail for C{domain}, the best first, equals by lot; none that is no better than ourselves.

    @param answer: the domain's MX records.
    @param own_names: what this server is called.
    @raise NoSuchDomain: there is no such domain.
    @raise TakesNoMail: it takes no mail.
    @raise MailLoop: no host is better than this one, which does not know the domain.
    """
    if answer.outcome is DnsOutcome.NO_SUCH_NAME:
        raise NoSuchDomain(f"The domain {domain} does not exist.")
    # RFC 5321 section 5.1: an alias is processed as the name that it stands for.
    found = [Exchanger(answer.canonical_name, is_implicit=True)]
    if answer.is_found:
        found = [Exchanger(one.host, one.preference) for one in answer.exchangers if one.host != _NOWHERE]
        if not found:
            raise TakesNoMail(f"The domain {domain} takes no mail.")
    found.sort(key=lambda one: (one.preference, chance(_LOT)))
    found = list(_before(found, lambda one: one.host in own_names))
    if not found:
        raise _circle(domain)
    return tuple(found[: limits.RELAY_HOSTS])


def stops(
    domain: str,
    hosts: Sequence[Exchanger],
    answers: Mapping[str, DnsAnswer | DnsFailure],
    *,
    own_addresses: Collection[str],
    may_connect: Callable[[str], bool],
    prefer_ipv6: bool,
    chance: Callable[[int], bytes],
) -> tuple[Stop, ...]:
    """
    Where to try, in order: each host's addresses in turn, IPv6 and IPv4 alternating, equals by lot.

    @param answers: by host, its addresses, or why they are not known.  A host that is an address needs none.
    @param own_addresses: where this server takes mail.
    @param may_connect: whether an address may be connected to.
    @raise MailLoop: no host is better than this one, which does not know the domain.
    @raise DnsFailure: nowhere for now, for the addresses of a host are not known.
    @raise NoSuchDomain: the domain, its own exchanger, has no address.
    @raise NoWay: none of its exchangers has one that may be used.
    """
    known = {one.host: _addresses(one.host, answers) for one in hosts}
    usable = list(_before(hosts, lambda one: any(address in own_addresses for address in known[one.host])))
    if not usable:
        raise _circle(domain)
    each = max(2, limits.RELAY_ADDRESSES // len(usable))
    found = [
        Stop(one.host, address)
        for one in usable
        for address in _in_order(filter(may_connect, known[one.host]), prefer_ipv6, chance)[:each]
    ]
    if found:
        return tuple(found[: limits.RELAY_ADDRESSES])
    for one in usable:
        problem = answers.get(one.host)
        if isinstance(problem, DnsFailure):
            raise problem
    raise _without_addresses(domain, usable, known)


def is_public(address: str) -> bool:
    """
    Whether a mail server of somebody else can be there: not on this machine, not nobody, not everybody.

    Networks that are private to an organisation pass: mail may go on inside it.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, ipaddress.IPv4Address) and found.packed[0] in (0, 255):
        return False
    return not (found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local)


def _before(hosts: Sequence[Exchanger], is_us: Callable[[Exchanger], bool]) -> Iterator[Exchanger]:
    """
    Those that are better than ourselves; all, where we are none of them (RFC 5321 section 5.1).
    """
    for _, equals in groupby(hosts, lambda one: one.preference):
        group = list(equals)
        if any(map(is_us, group)):
            return
        yield from group


def _addresses(host: str, answers: Mapping[str, DnsAnswer | DnsFailure]) -> tuple[str, ...]:
    try:
        # No name, and yet some domains have such an exchanger.
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        answer = answers.get(host)
        return answer.addresses if isinstance(answer, DnsAnswer) else ()


def _in_order(addresses: Iterator[str], prefer_ipv6: bool, chance: Callable[[int], bytes]) -> list[str]:
    """
    Alternating, so that a host whose addresses of one kind cannot be reached is soon tried at one of the other.
    """
    drawn = sorted(addresses, key=lambda _: chance(_LOT))
    six, four = [one for one in drawn if ":" in one], [one for one in drawn if ":" not in one]
    both = zip_longest(six, four) if prefer_ipv6 else zip_longest(four, six)
    return [one for one in chain.from_iterable(both) if one is not None]


def _circle(domain: str) -> MailLoop:
    return MailLoop(f"Mail for {domain} would come back here: this server is its best exchanger, and does not know it.")


def _without_addresses(domain: str, hosts: Sequence[Exchanger], known: Mapping[str, tuple[str, ...]]) -> MailError:
    if any(known.values()):
        return NoWay(f"The hosts that take mail for {domain} have no address that mail can be sent to.")
    if hosts[0].is_implicit:
        return NoSuchDomain(f"No host takes mail for {domain}.")
    return NoWay(f"None of the hosts that take mail for {domain} has an address.")
