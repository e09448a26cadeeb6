"""
Addresses: whatever is read is written back as itself, and nothing but L{SyntaxProblem} is raised.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import SyntaxProblem

#: Characters that matter to the grammar, and some that do not.
_TEXT = st.text(st.sampled_from('aZ0.@"\\ []:-_IPv6+\x00\r\n<>ü\u2028\ud800\u200d\u0308例。'), max_size=40)
_LOCAL = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=32)
_DOMAIN = st.from_regex(r"\A[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,3}\Z")

_rarely = settings(derandomize=True, max_examples=400, deadline=None, database=None)


class AddressInvariants(SynchronousTestCase):
    """
    Over generated input.
    """

    @_rarely
    @given(_TEXT)
    def test_read(self, text: str) -> None:
        """
        What is read can be written and read again, and is one line without control characters.
        """
        try:
            address = Address.parse(text)
        except SyntaxProblem:
            return
        written = str(address)
        self.assertEqual(address, Address.parse(written))
        self.assertTrue(written.replace("\u200d", "").isprintable(), written)
        self.assertTrue(address.domain.isascii(), written)
        self.assertEqual(address.key, Address.parse(written.swapcase().replace("IPV6", "IPv6")).key)

    @_rarely
    @given(_LOCAL, _DOMAIN)
    def test_written(self, local: str, domain: str) -> None:
        """
        Any printable local part survives being written and read.
        """
        address = Address(local, domain)
        self.assertEqual(address, Address.parse(str(address)))

    @_rarely
    @given(_TEXT)
    def test_login_name(self, text: str) -> None:
        """
        A login name is an address or nobody's, never a failure.
        """
        address = LocalNames([], "example.org").login_address(text)
        if address is not None:
            self.assertTrue(address.domain)
            self.assertTrue(address.local)
