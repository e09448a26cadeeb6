"""
Forwarded mail goes on in our name, so that its next host can check who sent it, and its bounces find their way back (SRS).
"""

from __future__ import annotations

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.model.addresses import Address
from twisted_mail_server.policies import srs

_DAY = 86_400


@frozen
class SenderRewriting:
    """
    Writes reverse-paths in our name, and reads them again.
    """

    _secret: bytes = field(repr=False)
    _clock: IReactorTime

    def forward(self, sender: Address, domain: str) -> Address | None:
        """
        The reverse-path for mail from C{sender} that an address of C{domain} forwards; L{None} if none can be written, and the
        sender's own stays.
        """
        return sender if sender.domain == domain else srs.rewrite(sender, domain, self._secret, self._day)

    def recover(self, address: Address) -> Address | None:
        """
        Whose mail it was that bounced to C{address}; L{None} if that is no reverse-path that we wrote not long ago.
        """
        return srs.recover(address, self._secret, self._day)

    @property
    def _day(self) -> int:
        return int(self._clock.seconds()) // _DAY
