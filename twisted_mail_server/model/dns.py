"""
What the domain name system says, as values (RFC 1034, 1035).

Names are in ASCII (A-labels), lower case, without the dot at the end; the root, which is also what a null MX names
(RFC 7505), is C{"."}.  An octet that has no place in such a text stands as C{\\DDD} (RFC 1035 section 5.1): a name with one
can be shown, and asked about nobody.
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from attrs import frozen


class RecordKind(Enum):
    """
    The types of records that somebody here asks for, with their numbers (RFC 1035 section 3.2.2, 3596, 6698).
    """

    A = 1
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    TLSA = 52


class DnsOutcome(Enum):
    """
    What the system knows for sure.  What it could not tell is a L{DnsFailure <twisted_mail_server.model.errors.DnsFailure>}.
    """

    #: There are records.
    FOUND = "found"
    #: The name is there, and has none of that kind (RFC 2308 section 2.2).
    NO_DATA = "no data"
    #: There is no such name (RFC 2308 section 2.1), or there cannot be one.
    NO_SUCH_NAME = "no such name"


@frozen
class MxRecord:
    """
    A mail exchanger (RFC 1035 section 3.3.9).
    """

    preference: int
    host: str


@frozen
class TlsaRecord:
    """
    A certificate, key or digest that a server's certificate must match (RFC 6698 section 2.1).
    """

    usage: int
    selector: int
    matching: int
    data: bytes


#: An A or AAAA record is its address, a PTR record the name it points to, a TXT record its strings joined.
DnsRecord = str | bytes | MxRecord | TlsaRecord


@frozen
class DnsAnswer:
    """
    A definite answer.
    """

    #: The name that was asked for.
    name: str
    #: The name that has the records, or lacks them: another one if C{name} is an alias.
    canonical_name: str
    #: In the order of the answer, which means nothing.
    records: tuple[DnsRecord, ...]
    #: A resolver that can be believed has validated every step to this answer (RFC 4035 section 4.9.3).
    is_secure: bool
    #: Seconds for which it may be kept from now on.
    ttl: int
    outcome: DnsOutcome

    @property
    def is_found(self) -> bool:
        """
        Whether there are records.
        """
        return self.outcome is DnsOutcome.FOUND

    @property
    def addresses(self) -> tuple[str, ...]:
        """
        A and AAAA records: addresses as text.
        """
        return tuple(one for one in self.records if isinstance(one, str))

    @property
    def pointers(self) -> tuple[str, ...]:
        """
        PTR records: names.
        """
        return self.addresses

    @property
    def texts(self) -> tuple[bytes, ...]:
        """
        TXT records: of each the strings joined, as RFC 7208 section 3.3 and RFC 6376 section 3.6.2.2 read them.
        """
        return tuple(one for one in self.records if isinstance(one, bytes))

    @property
    def exchangers(self) -> tuple[MxRecord, ...]:
        """
        MX records, in no order.
        """
        return tuple(one for one in self.records if isinstance(one, MxRecord))

    @property
    def associations(self) -> tuple[TlsaRecord, ...]:
        """
        TLSA records.
        """
        return tuple(one for one in self.records if isinstance(one, TlsaRecord))


def reverse_name(address: str) -> str:
    """
    The name whose PTR records tell the names of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).

    @raise ValueError: C{address} is no IP address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.reverse_pointer
