"""
Parameters of DSN: whatever is read can be written and read again, and nothing but L{SyntaxProblem} is raised.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Recipient, RecipientOptions
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.smtp.extensions.dsn import (
    parse_envid,
    parse_notify,
    parse_orcpt,
    parse_ret,
    write_mail,
    write_recipient,
)
from twisted_mail_server.protocols.smtp.vocabulary import Offers, OutgoingMail

_calm = settings(derandomize=True, max_examples=400, deadline=None, database=None)
_TEXT = st.text(st.sampled_from("aZ0+=;\\\\x{}2BFf \x00\nü用\u2028,SUCEDLAYNVR"), max_size=30)
_ORCPT = st.builds(lambda kind, text: f"{kind};{text}", st.sampled_from(("rfc822", "utf-8", "UTF-8", "x400")), _TEXT)
_PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=25)
_PRINTABLE_UTF8 = st.text(min_size=1, max_size=15).filter(str.isprintable)


class DsnInvariants(SynchronousTestCase):
    """
    Over generated input.
    """

    @_calm
    @given(st.one_of(_ORCPT, _TEXT))
    def test_read(self, text: str) -> None:
        """
        What is read is printable.
        """
        for parse in (parse_ret, parse_envid, parse_notify, parse_orcpt):
            try:
                value = parse(text)
            except SyntaxProblem:
                continue
            if isinstance(value, str):
                self.assertTrue(value.isprintable())

    @_calm
    @given(st.one_of(st.tuples(st.just("rfc822"), _PRINTABLE), st.tuples(st.just("utf-8"), _PRINTABLE_UTF8)))
    def test_written(self, parts: tuple[str, str]) -> None:
        """
        What goes on to another server says the same there, in ASCII.
        """
        kind, text = parts
        recipient = Recipient(Address("ana", "example.org"), options=RecipientOptions(orcpt=f"{kind};{text}"))
        envid = text if text.isascii() else "x"
        mail = OutgoingMail(sender=None, recipients=[], options=MailOptions(envid=envid), size=1, is_eight_bit=False)
        orcpt = write_recipient(Offers(), mail, recipient)
        written = write_mail(Offers(), mail)
        self.assertEqual((True, 1, 1), ((orcpt + written).isascii(), len(orcpt.split()), len(written.split())))
        self.assertEqual(f"{kind};{text}", parse_orcpt(orcpt.removeprefix("ORCPT=")))
        self.assertEqual(envid, parse_envid(written.removeprefix("ENVID=")))
