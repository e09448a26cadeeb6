"""
L{twisted_mail_server.relay.contents}
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.relay import Outside
from twisted_mail_server.message.downgrade import CannotConvert
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.relay.contents import Content, Sending

UTF8 = MailOptions(is_utf8=True)


class ContentTests(SynchronousTestCase):
    """
    What is sent.
    """

    def setUp(self) -> None:
        """
        A spool.
        """
        self.outside = Outside()

    def content(self, octets: bytes, options: MailOptions | None = None) -> Content:
        """
        A message's content.
        """
        message = self.outside.message("ann@example.org", content=octets, options=options)
        return Content(self.outside.spool, message, self.outside._run)

    def sending(self, content: Content) -> Sending:
        """
        It on its way to nobody.
        """
        return now(content.sending(Address("bob", "example.com"), ()))

    def test_eight_bit_at_the_end(self) -> None:
        """
        An octet above 127 is found wherever it is, in a message that is read in pieces.
        """
        long = b"x" * limits.CONTENT_PIECE
        self.assertTrue(self.sending(self.content(b"\r\n" + long + b"\xe4")).is_eight_bit)
        self.assertFalse(self.sending(self.content(b"\r\n" + long + b"a")).is_eight_bit)

    def test_it_is_looked_for_once(self) -> None:
        """
        The second transaction of a try knows what the first has found out.
        """
        content = self.content(b"\r\n\xe4", UTF8)
        self.sending(content)
        self.outside.spool._messages.clear()
        self.assertTrue(self.sending(content).is_eight_bit)

    def test_utf8_is_not_needed(self) -> None:
        """
        SMTPUTF8 is asked for where the header needs it, and not only because the sender had it.
        """
        self.assertFalse(self.sending(self.content(b"Subject: a\r\n\r\n\xc3\xa4", UTF8)).options.is_utf8)
        self.assertTrue(self.sending(self.content(b"Subject: \xc3\xa4\r\n\r\na", UTF8)).options.is_utf8)

    def test_in_words_of_a_connection(self) -> None:
        """
        A connection gets the whole message, in pieces, and from the first of them on it may have got out.
        """
        sending = self.sending(self.content(b"Subject: a\r\n\r\nHello\r\n"))
        outgoing = sending.outgoing()
        self.assertEqual((21, False), (outgoing.size, sending.is_begun))
        self.assertEqual(b"Hello", now(_awaited(outgoing.read(14, 5))))
        self.assertTrue(sending.is_begun)

    def test_shortened(self) -> None:
        """
        Content that is shorter than it was makes the message wait.
        """
        content = self.content(b"\r\nHello\r\n")
        content._message = evolve(content._message, size=100)
        failure_of(content.sending(None, ()), TemporaryFailure)

    def test_converted(self) -> None:
        """
        Converted content is what is read from then on; where that fails, nothing has changed.
        """
        content = self.content("\r\nGrüße aus Köln\r\n".encode())
        sending = self.sending(content)
        now(sending.convert())
        whole = now(content.read(0, content.size))
        self.assertTrue(whole.isascii())
        self.assertEqual((content.size, False), (len(whole), sending.is_eight_bit))
        content = self.content(b"Subject: \xe4\r\n\r\n")
        failure_of(content.convert(), CannotConvert)
        self.assertEqual(b"Subject: \xe4\r\n\r\n", now(content.read(0, 100)))


async def _awaited(waiting: object) -> object:
    return await waiting  # type: ignore[misc]
