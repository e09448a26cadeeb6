"""
What a name means here: which domains are local, who is meant by C{postmaster}, and what a bare login name stands for.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from twisted_mail_server.model.addresses import Address, parse_local_part
from twisted_mail_server.model.errors import SyntaxProblem

#: Local parts that reach somebody in every local domain (RFC 5321 section 4.5.1, RFC 2142 section 2).
ROLES = frozenset({"postmaster", "abuse"})


def _in_lower_case(domains: Iterable[str]) -> frozenset[str]:
    return frozenset(domain.lower() for domain in domains)


def _one_in_lower_case(domain: str) -> str:
    return domain.lower()


@frozen
class LocalNames:
    """
    The settings that give names their meaning.
    """

    #: Domains that are local even when nobody lives there.
    declared_domains: frozenset[str] = field(default=frozenset(), converter=_in_lower_case)
    #: Completes a bare login name, and a bare C{postmaster}.
    default_domain: str = field(default="localhost", converter=_one_in_lower_case)
    #: Whose account gets mail for the roles, where no account has such a name.
    postmaster: Address | None = None

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

    def is_role(self, address: Address) -> bool:
        """
        Whether mail for it must reach somebody, if its domain is local.
        """
        return address.local.lower() in ROLES

    def is_declared(self, domain: str) -> bool:
        """
        Whether a domain is local because the settings say so.
        """
        return domain == self.default_domain or domain in self.declared_domains
