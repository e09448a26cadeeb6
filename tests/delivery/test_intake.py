"""
L{twisted_mail_server.delivery.intake}
"""

from __future__ import annotations

from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.drive import failure_of, now
from tests.support.envelopes import MESSAGE, ORIGIN, SUBMITTED
from tests.support.mailhouse import MailHouse
from twisted_mail_server.delivery.intake import Disabled, Incoming, NoRoom, RelayTerms, TooFast, TooManyRecipients
from twisted_mail_server.interfaces import ISubmitter
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, MailOptions, Origin, Recipient, RecipientOptions
from twisted_mail_server.model.errors import DiskFull, MailLoop, NoSuchAccount, NotAuthorized, OutOfTurn, RelayDenied
from twisted_mail_server.model.queue import Fate, QueueId
from twisted_mail_server.policies.rates import Rates


@implementer(ISubmitter)
@define
class Submitter:
    """
    Somebody who may send as themselves only.
    """

    account: Account

    async def may_send_as(self, address: Address) -> bool:
        """
        Only one's own address.
        """
        return address == self.account.address


class IntakeTests(SynchronousTestCase):
    """
    The one way in.
    """

    def setUp(self) -> None:
        """
        Two people live here.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")
        self.eve = self.house.add("eve@example.org")

    def begin(self, *recipients: str, origin: Origin = ORIGIN, sender: str | None = "bob@example.net") -> Incoming:
        """
        A transaction that is ready for content.
        """
        incoming = now(
            self.house.intake.begin(origin, None if sender is None else Address.parse(sender), MailOptions(), None)
        )
        for one in recipients:
            now(incoming.recipient(Address.parse(one), RecipientOptions()))
        now(incoming.begin_content())
        return incoming

    def send(self, content: bytes, *recipients: str, origin: Origin = ORIGIN) -> str:
        """
        Take a message in; its queue id.
        """
        incoming = self.begin(*recipients or ("ann@example.org",), origin=origin)
        incoming.write(content)
        return str(now(incoming.finish()))

    def test_delivered(self) -> None:
        """
        A message arrives with its trace on top and every other octet as it was sent.
        """
        queue_id = self.send(MESSAGE)
        (stored,) = self.house.inbox(self.ann)
        trace, rest = stored[: -len(MESSAGE)], stored[-len(MESSAGE) :]
        self.assertEqual(MESSAGE, rest)
        self.assertEqual(
            "Return-Path: <bob@example.net>\r\n"
            "Delivered-To: ann@example.org\r\n"
            "Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTP id\r\n"
            f"\t{queue_id} for <ann@example.org>; Wed, 18 Nov 2026\r\n"
            "\t11:06:40 +0000\r\n",
            trace.decode(),
        )

    def test_every_cut(self) -> None:
        """
        However the content arrives in pieces, the same message is stored.
        """
        for cut in range(len(MESSAGE) + 1):
            incoming = self.begin("ann@example.org")
            incoming.write(MESSAGE[:cut])
            incoming.write(MESSAGE[cut:])
            now(incoming.finish())
        self.assertEqual({MESSAGE}, {one[-len(MESSAGE) :] for one in self.house.inbox(self.ann)})
        self.assertEqual(1, len({one.count(b"\r\n") for one in self.house.inbox(self.ann)}))

    def test_no_header(self) -> None:
        """
        Content without a header, and no content at all, get their trace all the same; text does not become header by it.
        """
        contents = {
            b"\r\nBody only.\r\n": b"\r\nBody only.\r\n",
            b"": b"",
            b"no header here\r\n": b"\r\nno header here\r\n",
            b" folded into nothing\r\n": b"\r\n folded into nothing\r\n",
        }
        for content in contents:
            self.send(content)
        for stored, wanted in zip(self.house.inbox(self.ann), contents.values(), strict=True):
            self.assertTrue(stored.startswith(b"Return-Path: "))
            self.assertTrue(stored.endswith(b"+0000\r\n" + wanted))

    def test_endless_header(self) -> None:
        """
        A header beyond the limit is not kept back in memory for ever.
        """
        incoming = self.begin("ann@example.org")
        piece = b"X-Long: " + b"x" * 1014 + b"\r\n"
        for _ in range(limits.HEADER_SIZE // len(piece) + 2):
            incoming.write(piece)
        self.assertIsNone(incoming._header)
        now(incoming.finish())
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_several_recipients(self) -> None:
        """
        Each recipient has a copy with their own Delivered-To, and Received names none of them.
        """
        self.send(MESSAGE, "ann@example.org", "eve@example.org", "ANN@example.org")
        ((first,), (second,)) = self.house.inbox(self.ann), self.house.inbox(self.eve)
        self.assertIn(b"Delivered-To: ann@example.org\r\n", first)
        self.assertIn(b"Delivered-To: eve@example.org\r\n", second)
        self.assertNotIn(b" for <", first + second)

    def test_null_sender(self) -> None:
        """
        A report has an empty Return-Path.
        """
        incoming = self.begin("ann@example.org", sender=None)
        incoming.write(MESSAGE)
        now(incoming.finish())
        self.assertTrue(self.house.inbox(self.ann)[0].startswith(b"Return-Path: <>\r\n"))

    def test_refused_recipients(self) -> None:
        """
        Unknown people and other domains are refused at RCPT, and the transaction goes on.
        """
        incoming = self.begin("ann@example.org")
        failure_of(incoming.recipient(Address.parse("bob@example.org"), RecipientOptions()), NoSuchAccount)
        failure_of(incoming.recipient(Address.parse("bob@example.net"), RecipientOptions()), RelayDenied)
        incoming.write(MESSAGE)
        now(incoming.finish())
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_too_many_recipients(self) -> None:
        """
        Recipients beyond the limit are put off to another transaction (RFC 5321 section 4.5.3.1.10).
        """
        self.house.intake = self.house.make_intake(max_recipients=1)
        incoming = self.begin("ann@example.org")
        problem = failure_of(
            incoming.recipient(Address.parse("eve@example.org"), RecipientOptions()), TooManyRecipients
        )
        assert isinstance(problem, TooManyRecipients)
        self.assertEqual((452, "4.5.3"), (problem.code, problem.enhanced))

    def test_no_recipient(self) -> None:
        """
        DATA without a recipient is out of turn.
        """
        incoming = now(self.house.intake.begin(ORIGIN, None, MailOptions(), None))
        failure_of(incoming.begin_content(), OutOfTurn)

    def test_abandoned(self) -> None:
        """
        What is abandoned was never here; abandoning twice, or before any content, is harmless.
        """
        incoming = self.begin("ann@example.org")
        incoming.write(MESSAGE)
        now(incoming.abandon())
        now(incoming.abandon())
        self.assertEqual([], self.house.inbox(self.ann))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_sender_ownership(self) -> None:
        """
        A user sends as themselves or as nobody, not as somebody else (RFC 6409 section 6.1).
        """

        async def begin(sender: Address | None) -> object:
            return await self.house.intake.begin(SUBMITTED, sender, MailOptions(), Submitter(self.ann))

        now(begin(self.ann.address))
        now(begin(None))
        failure_of(begin(self.eve.address), NotAuthorized)

    def test_submission_is_mended(self) -> None:
        """
        What users submit gets a date and an id, and loses its blind copies; nothing else changes (RFC 6409 section 8).
        """
        self.send(
            b"Subject: x\r\nBcc: eve@example.org,\r\n ann@example.org\r\nTo: a\r\n\r\nBcc: body\r\n", origin=SUBMITTED
        )
        stored = self.house.inbox(self.ann)[0].decode()
        self.assertRegex(
            stored,
            r"\r\nDate: Wed, 18 Nov 2026 \d\d:\d\d:\d\d \+0000\r\n"
            r"Message-ID: <[0-9a-f]{32}@mail\.example\.org>\r\nSubject: x\r\nTo: a\r\n\r\nBcc: body\r\n$",
        )
        (story,) = now(self.house.spool.stories("ann@example.org", 5))
        self.assertIn(f"\r\nMessage-ID: <{story.message.envelope.message_id}>\r\n", stored)

    def test_mx_is_not_mended(self) -> None:
        """
        What other servers send is left as it is.
        """
        self.send(b"Bcc: eve@example.org\r\n\r\n")
        self.assertTrue(self.house.inbox(self.ann)[0].endswith(b"+0000\r\nBcc: eve@example.org\r\n\r\n"))

    def test_loop(self) -> None:
        """
        A message that was delivered to its recipient before is refused (554 5.4.6).
        """
        incoming = self.begin("ann@example.org")
        incoming.write(b"delivered-to: Ann@Example.org\r\n" + MESSAGE)
        problem = failure_of(incoming.finish(), MailLoop)
        assert isinstance(problem, MailLoop)
        self.assertEqual((554, "5.4.6"), (problem.code, problem.enhanced))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_loop_of_one(self) -> None:
        """
        Where only one of several recipients is in a loop, the others get the message, and the sender is told of that one.
        """
        queue_id = self.send(b"Delivered-To: ann@example.org\r\n" + MESSAGE, "ann@example.org", "eve@example.org")
        self.assertEqual(1, len(self.house.inbox(self.eve)))
        self.assertEqual([], self.house.inbox(self.ann))
        message = now(self.house.spool.find(QueueId.parse(queue_id)))
        assert message is not None
        self.assertEqual([Fate.FAILED, Fate.DELIVERED], [one.fate for one in message.states])
        self.assertIn("loop", message.states[0].detail)
        self.assertEqual(["example.net"], [domain for _, _, domain in self.house.relay.sent])

    def take(
        self, *recipients: str, origin: Origin = ORIGIN, sender: str | None = "bob@example.net"
    ) -> list[Recipient]:
        """
        Where mail for C{recipients} really goes.
        """
        incoming = self.begin(*recipients, origin=origin, sender=sender)
        return list(incoming._envelope.recipients)

    def test_aliases(self) -> None:
        """
        An alias is replaced by all it stands for, each once; the report names what RCPT named.
        """
        self.house.alias("all@example.org", "ann@example.org", "eve@example.org")
        self.house.alias("more@example.org", "all@example.org", "ann@example.org")
        found = self.take("more@example.org", "ann@example.org")
        self.assertEqual([self.ann.address, self.eve.address], [one.address for one in found])
        self.assertEqual(["more@example.org"] * 2, [str(one.named) for one in found])

    def test_forwarded(self) -> None:
        """
        An alias that leads elsewhere is followed for everybody, in our name; a bounce to that name finds its way back.
        """
        self.house.alias("away@example.org", "ann@elsewhere.example")
        (forwarded,) = self.take("away@example.org")
        self.assertEqual("ann@elsewhere.example", str(forwarded.address))
        assert forwarded.reverse_path is not None
        self.assertRegex(str(forwarded.reverse_path), r"^SRS0=\w\S{3}=..=example\.net=bob@example\.org$")
        (back,) = self.take(str(forwarded.reverse_path), sender=None)
        self.assertEqual("bob@example.net", str(back.address))
        (own,) = self.take("away@example.org", sender="ann@example.org")
        self.assertIsNone((own.reverse_path and own.reverse_path != self.ann.address) or None)
        failure_of(
            self.begin("ann@example.org").recipient(
                Address.parse("SRS0=XXXX=AA=example.net=bob@example.org"), RecipientOptions()
            ),
            NoSuchAccount,
        )

    def test_users_send_anywhere(self) -> None:
        """
        Users send to other domains under their own names.
        """
        (sent,) = self.take("bob@example.net", origin=SUBMITTED, sender="ann@example.org")
        self.assertEqual(("bob@example.net", None), (str(sent.address), sent.reverse_path))

    def test_nothing_goes_out(self) -> None:
        """
        Where nothing is relayed, users and aliases are told why (550 5.7.1).
        """
        self.house.intake = self.house.make_intake(relay=RelayTerms("set hostname in the settings first."))
        self.house.alias("away@example.org", "ann@elsewhere.example")
        for origin, recipient in ((SUBMITTED, "bob@example.net"), (ORIGIN, "away@example.org")):
            incoming = self.begin("ann@example.org", origin=origin)
            problem = failure_of(incoming.recipient(Address.parse(recipient), RecipientOptions()), RelayDenied)
            assert isinstance(problem, RelayDenied)
            self.assertIn("set hostname in the settings first.", problem.public)

    def test_some_of_a_group(self) -> None:
        """
        Where some of a group cannot get mail, the others do.
        """
        self.house.intake = self.house.make_intake(relay=RelayTerms("no."))
        self.house.alias("all@example.org", "ann@example.org", "bob@elsewhere.example")
        self.assertEqual([self.ann.address], [one.address for one in self.take("all@example.org")])

    def test_disabled(self) -> None:
        """
        Mail for an account that is shut for the moment is put off (450 4.2.1).
        """
        now(self.house.directory.set_disabled(self.eve.id, True))
        incoming = self.begin("ann@example.org")
        problem = failure_of(incoming.recipient(self.eve.address, RecipientOptions()), Disabled)
        assert isinstance(problem, Disabled)
        self.assertEqual((450, "4.2.1"), (problem.code, problem.enhanced))

    def test_quota(self) -> None:
        """
        An account whose quota is used up gets no more mail for now (452 4.2.2); below it, it does.
        """
        now(self.house.directory.set_quota(self.ann.id, 100))
        self.send(MESSAGE)
        incoming = self.begin("eve@example.org")
        problem = failure_of(incoming.recipient(self.ann.address, RecipientOptions()), NoRoom)
        assert isinstance(problem, NoRoom)
        self.assertEqual((452, "4.2.2"), (problem.code, problem.enhanced))

    def test_rate(self) -> None:
        """
        An account that sends to too many in an hour has to wait (452 4.7.1), and an hour later may go on; others do not wait with it.
        """
        self.house.intake = self.house.make_intake(relay=RelayTerms(rate=Rates(2)))
        ann = evolve(SUBMITTED, account=self.ann.id)
        self.take("a@example.net", "b@example.net", origin=ann)
        incoming = self.begin("ann@example.org", origin=evolve(SUBMITTED, account=self.eve.id))
        now(incoming.recipient(Address.parse("c@example.net"), RecipientOptions()))
        problem = failure_of(
            self.house.intake.recipients(Envelope(ann, None, ()), Address.parse("c@example.net"), RecipientOptions()),
            TooFast,
        )
        assert isinstance(problem, TooFast)
        self.assertEqual((452, "4.7.1"), (problem.code, problem.enhanced))
        self.house.clock.advance(3900)
        self.take("c@example.net", origin=ann)

    def test_too_many_hops(self) -> None:
        """
        A hundred hosts are a long way, and a hundred and one are a loop (RFC 5321 section 6.3); words in a subject are no hosts.
        """
        hop = b"Received: from a by b; Wed, 18 Nov 2026 11:06:40 +0000\r\n"
        self.send(hop * limits.RECEIVED_FIELDS + MESSAGE)
        self.send(b"Subject: " + b"received:" * 500 + b"\r\n\r\n")
        incoming = self.begin("ann@example.org")
        incoming.write(hop * (limits.RECEIVED_FIELDS + 1) + MESSAGE)
        failure_of(incoming.finish(), MailLoop)
        self.assertEqual(2, len(self.house.inbox(self.ann)))

    def test_no_room(self) -> None:
        """
        With no room for a message, MAIL is refused for the moment.
        """

        def no_room() -> None:
            raise DiskFull("Full.")

        self.patch(type(self.house.spool), "check_room", lambda _: no_room())
        failure_of(self.house.intake.begin(ORIGIN, None, MailOptions(), None), DiskFull)

    def test_slow_staging(self) -> None:
        """
        Where the staged content asks to be waited for, the end of the message waits too.
        """
        incoming = self.begin("ann@example.org")
        slow: Deferred[None] = Deferred()
        content = incoming._content
        assert content is not None
        original = content.write
        object.__setattr__(incoming, "_content", _Slow(content, original, slow))
        incoming.write(b"no header")
        finishing = Deferred.fromCoroutine(incoming.finish())
        self.assertNoResult(finishing)
        slow.callback(None)
        self.successResultOf(finishing)
        self.assertEqual(1, len(self.house.inbox(self.ann)))


class _Slow:
    """
    Staged content that wants to be waited for.
    """

    def __init__(self, content: object, original: object, slow: Deferred[None]) -> None:
        self._content, self._original, self._slow = content, original, slow

    def write(self, data: bytes) -> Deferred[None]:
        self._original(data)  # type: ignore[operator]
        return self._slow

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)
