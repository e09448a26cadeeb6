"""
L{twisted_mail_server.delivery.adapters.twistedmail}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.mail import smtp
from zope.interface import implementer

from tests.delivery.test_hooked_mail import CONTENT, WayOutCase
from twisted_mail_server.delivery.adapters.twistedmail import MessageDestination, TwistedMailDelivery
from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Fate


@implementer(smtp.IMessage)
class Noted:
    """
    A message that keeps what it is told.
    """

    def __init__(self, end: Any = None) -> None:
        self.end = end or succeed(None)
        self.lines: list[bytes] = []
        self.ended = ""

    def lineReceived(self, line: bytes) -> None:
        """
        One more.
        """
        self.lines.append(line)

    def eomReceived(self) -> Any:
        """
        The end.
        """
        self.ended = "whole"
        return self.end

    def connectionLost(self) -> None:
        """
        No end.
        """
        self.ended = "lost"


@implementer(smtp.IMessageDelivery)
class Delivery:
    """
    Takes mail for C{yes}, from everybody but C{bad}.
    """

    def __init__(self) -> None:
        self.messages: list[Noted] = []
        self.asked: list[tuple[Any, ...]] = []
        self.end: Any = None

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """
        Not asked.
        """
        raise AssertionError("There is one already.")

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """
        MAIL.
        """
        self.asked.append((helo, str(origin)))
        if origin.local == b"bad":
            raise smtp.SMTPBadSender(origin)
        return succeed(origin)

    def validateTo(self, user: Any) -> Any:
        """
        RCPT.
        """
        self.asked.append((str(user), str(user.orig), user.helo))
        if user.dest.local == b"later":
            return fail(smtp.SMTPServerError(450, b"Later."))
        if user.dest.local != b"yes":
            raise smtp.SMTPBadRcpt(user)
        return self.make

    def make(self) -> Noted:
        """
        One more message.
        """
        self.messages.append(Noted(self.end))
        return self.messages[-1]


@implementer(smtp.IMessageDeliveryFactory)
class Factory:
    """
    A delivery a session.
    """

    def __init__(self) -> None:
        self.made: list[Delivery] = []

    def getMessageDelivery(self) -> Delivery:
        """
        One more.
        """
        self.made.append(Delivery())
        return self.made[-1]


YES = ("yes@example.com",)


class DeliveryTests(WayOutCase):
    """
    C{IMessageDelivery} and its factory.
    """

    def deliver(self) -> Delivery:
        """
        A house with a delivery object.
        """
        delivery = Delivery()
        self.start(("one", TwistedMailDelivery(delivery, "mail.example.org")))
        return delivery

    def test_taken(self) -> None:
        """
        The object is asked about sender and recipients, and each of its messages gets the content in lines.
        """
        delivery = self.deliver()
        self.assertEqual("250", self.send(recipients=("yes@example.com", "yes@example.net"))[-1][:3])
        helo = (b"client.example", b"192.0.2.1")
        self.assertEqual(
            [
                (helo, "bob@example.net"),
                ("yes@example.com", "bob@example.net", helo),
                ("yes@example.net", "bob@example.net", helo),
            ],
            delivery.asked,
        )
        for message in delivery.messages:
            text = b"\r\n".join([*message.lines, b""])
            self.assertTrue(text.startswith(b"Received: from client.example") and text.endswith(CONTENT), text)
            self.assertEqual("whole", message.ended)

    def test_large(self) -> None:
        """
        Lines are whole wherever the content is cut, and a last one without its end is a line too.
        """
        delivery = self.deliver()
        content = b"Subject: x\r\n\r\n" + b"".join(
            b"%d %s\r\n" % (number, b"y" * 60) for number in range(limits.CONTENT_PIECE // 30)
        )
        self.send(recipients=YES, content=content)
        lines = delivery.messages[0].lines
        self.assertEqual(content, b"\r\n".join([*lines[lines.index(b"Subject: x") :], b""]))

    def test_refused(self) -> None:
        """
        What the object refuses is refused, for now or for ever.
        """
        self.deliver()
        self.assertEqual("550 5.7.1 Cannot receive for specified address", self.send()[-1])
        self.assertEqual("450 4.7.1 Later.", self.send(recipients=("later@example.com",))[-1])
        transport = self.connect()
        self.say(transport, b"EHLO client.example\r\n")
        self.assertEqual("550 5.7.1", self.say(transport, b"MAIL FROM:<bad@example.net>\r\n")[:9])

    def test_not_kept(self) -> None:
        """
        When a message cannot keep it, the client does.
        """
        for end, said in (
            (fail(OSError("disk")), "451 4.3.0 The message could not be kept; please try again later."),
            (fail(smtp.SMTPServerError(552, b"Full.")), "552 5.7.1 Full."),
        ):
            delivery = self.deliver()
            delivery.end = end
            self.assertEqual(said, self.send(recipients=YES)[-1])
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))

    def test_breaks(self) -> None:
        """
        A message that breaks takes the others with it, and they are told.
        """
        delivery = self.deliver()

        class Broken(Noted):
            def eomReceived(self) -> Any:
                raise ValueError("bug")

            def lineReceived(self, line: bytes) -> None:
                if line == b"":
                    raise ValueError("bug")

        first = Noted()
        made = iter([first, Broken()])
        delivery.make = lambda: next(made)  # type: ignore[method-assign]
        self.assertEqual("451", self.send(recipients=("yes@example.com", "yes@example.net"))[-1][:3])
        self.assertEqual("lost", first.ended)
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_waits(self) -> None:
        """
        The client hears "yes" when the message is safe.
        """
        delivery = self.deliver()
        delivery.end = Deferred()
        transport = self.connect()
        self.assertEqual("", self.send(transport, YES)[-1])
        delivery.end.callback(None)
        self.assertEqual(b"250", transport.take()[:3])

    def test_factory(self) -> None:
        """
        A factory makes one object for each session.
        """
        factory = Factory()
        self.start(("one", TwistedMailDelivery(factory, "mail.example.org")))
        self.send(recipients=YES)
        self.send(recipients=YES)
        self.assertEqual([1, 1], [len(one.messages) for one in factory.made])


class DestinationTests(WayOutCase):
    """
    C{IMessage} instead of a mailbox.
    """

    def test_delivered(self) -> None:
        """
        A recipient's message goes there, or to the mailbox where nothing is made for it.
        """
        made: list[Noted] = []

        def make(recipient: Any, account: Any) -> Noted | None:
            if recipient.address.local == "eve":
                return None
            made.append(Noted())
            return made[-1]

        self.start(("one", MessageDestination(make)))
        self.promise("ann@example.org")
        self.assertEqual((Fate.DELIVERED, "twisted.mail message"), (self.state.fate, self.state.detail))
        self.assertEqual(CONTENT, b"\r\n".join([*made[0].lines, b""]))
        self.assertEqual([], self.house.inbox(self.ann))
        self.promise("eve@example.org")
        self.assertEqual(1, len(self.house.inbox(self.eve)))

    def test_refused(self) -> None:
        """
        What it refuses is deferred or fails; a bug is trouble of our own.
        """
        for problem, fate in (
            (smtp.SMTPServerError(450, "Later."), Fate.PENDING),
            (smtp.SMTPServerError(550, "Never."), Fate.FAILED),
            (ValueError("bug"), Fate.PENDING),
        ):
            made = iter([Noted(fail(problem))])

            def make(recipient: Any, account: Any, made: Iterator[Noted] = made) -> Noted | None:
                return next(made, None)

            self.start(("one", MessageDestination(make)))
            self.promise("ann@example.org")
            self.assertEqual(fate, self.state.fate)
        self.flushLoggedErrors(ValueError)
