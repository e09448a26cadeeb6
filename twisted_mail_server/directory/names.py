"""
What a name means here: which domains are local, who is meant by C{postmaster} and by C{ann+lists}, and what a bare login name
stands for.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from twisted_mail_server.model.addresses import Address, parse_domain, parse_local_part
from twisted_mail_server.model.errors import SyntaxProblem

#: Local parts that reach somebody in every local domain (RFC 5321 section 4.5.1, RFC 2142 section 2).
ROLES = frozenset({"postmaster", "abuse"})

#: What stands between a local part and its subaddress where nobody says otherwise.
SUBADDRESS_SEPARATOR = "+"
_LONGEST_SEPARATOR = 8


def domain_key(domain: str) -> str:
    """
    The form by which domains are compared here: lower case, and A-labels (RFC 5890), as those of every L{Address} are.
    """
    try:
        return domain.lower() if domain.isascii() else parse_domain(domain)
    except SyntaxProblem:
        # Nobody's.
        return domain


def check_separator(text: str) -> str:
    """
    A separator for subaddresses, or an empty string.

    @raise SyntaxProblem: it is too long, or cannot stand in a local part.
    """
    if len(text) > _LONGEST_SEPARATOR:
        raise SyntaxProblem(f"A separator has at most {_LONGEST_SEPARATOR} characters.")
    # Between two letters, for a local part neither begins nor ends with a dot.
    parse_local_part(f"a{text}a")
    return text


def _keys(domains: Iterable[str]) -> frozenset[str]:
    return frozenset(map(domain_key, domains))


@frozen
class LocalNames:
    """
    The settings that give names their meaning.
    """

    #: Domains that are local even when nobody lives there.
    declared_domains: frozenset[str] = field(default=frozenset(), converter=_keys)
    #: Completes a bare login name, and a bare C{postmaster}.
    default_domain: str = field(default="localhost", converter=domain_key)
    #: Whose account gets mail for the roles, where no account has such a name.
    postmaster: Address | None = None
    #: What stands between a local part and its subaddress (RFC 5233 section 4); empty where there are none.
    subaddress_separator: str = SUBADDRESS_SEPARATOR

    def login_address(self, name: str) -> Address | None:
        """
        The address that a login name stands for; L{None} when it can be nobody's.
        """
        try:
            if "@" in name:
                return Address.parse(name)
            return Address(parse_local_part(name), self.default_domain)
        except SyntaxProblem:
            return None

    def completed(self, address: Address) -> Address:
        """
        C{<postmaster>} without a domain (RFC 5321 section 4.1.1.3) means the default domain's.
        """
        return address if address.domain else Address(address.local, self.default_domain)

    def without_subaddress(self, address: Address) -> Address:
        """
        The address that C{address} is a subaddress of; itself, when it is none.
        """
        separator = self.subaddress_separator
        base = address.local.partition(separator)[0] if separator else ""
        return Address(base, address.domain) if base else address

    def is_role(self, address: Address) -> bool:
        """
        Whether mail for it must reach somebody, if its domain is local.
        """
        return self.without_subaddress(address).local.lower() in ROLES

    def is_declared(self, domain: str) -> bool:
        """
        Whether a domain, in the form of its key, is local because the settings say so.
        """
        return domain == self.default_domain or domain in self.declared_domains

    def spelling(self, name: str) -> str:
        """
        One spelling of a login name for all that mean the same.
        """
        address = self.login_address(name)
        return name.lower() if address is None else address.key
