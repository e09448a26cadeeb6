"""
L{twisted_mail_server.admin.cli.ledger} and L{twisted_mail_server.admin.cli.message}
"""

from __future__ import annotations

from attrs import evolve

from tests.admin.test_cli import CliTestCase
from tests.support.drive import now
from tests.support.envelopes import MESSAGE, SUBMITTED, envelope, spooled
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, Service
from twisted_mail_server.model.queue import Fate, QueueChange, QueuedMessage, RecipientState, Report, Settlement


class LedgerCommandTests(CliTestCase):
    """
    C{mailctl ledger verify}.
    """

    def test_all_is_well(self) -> None:
        """
        What was promised and what became of it, and that nothing is unaccounted for.
        """
        spool = self.operations.spool
        message = now(spooled(spool, MESSAGE, "ann@example.org", "eve@example.org"))
        now(spool.settle([Settlement(message.id, 0, RecipientState(Fate.DELIVERED, "INBOX", 1, 2000))]))
        text = self.mailctl("ledger", "verify").stdout
        self.assertRegex(text, r"(?m)^promised +2$")
        self.assertRegex(text, r"(?m)^pending +1$")
        self.assertRegex(text, r"(?m)^delivered +1$")
        self.assertIn("\nunaccounted = 0\n", text)
        self.assertEqual(
            {
                "promised": 2,
                "pending": 1,
                "held": 0,
                "delivered": 1,
                "relayed": 0,
                "failed": 0,
                "removed": 0,
                "unaccounted": 0,
                "problems": [],
            },
            self.as_json("ledger", "verify"),
        )

    def test_something_is_missing(self) -> None:
        """
        It is told, and the status says so too; C{check} finds it as well.
        """
        spool = self.operations.spool
        now(spooled(spool, MESSAGE))
        actual = now(spool.ledger())
        broken = evolve(actual, promised=3, problems=("The content of message 1 is gone.",))

        async def ledger(*, is_thorough: bool = False) -> object:
            return broken

        self.patch(type(spool), "ledger", lambda _, **kwargs: ledger(**kwargs))
        text = self.mailctl("ledger", "verify", status=1).stdout
        self.assertTrue(text.endswith("unaccounted = 2\nThe content of message 1 is gone.\n"), text)
        self.assertEqual(2, self.as_json("ledger", "verify", status=1)["unaccounted"])
        text = self.mailctl("check", status=1).stdout
        self.assertIn("Of 3 recipients promised, 2 are not accounted for.", text)
        self.assertIn("The content of message 1 is gone.", text)


class TraceTests(CliTestCase):
    """
    C{mailctl message trace}.
    """

    def commit(self, described: Envelope) -> QueuedMessage:
        """
        A message in the spool.
        """
        spool = self.operations.spool
        staged = spool.stage()
        staged.write(MESSAGE)
        return now(spool.commit(spool.new_id(), described, staged))

    def test_life(self) -> None:
        """
        Who, when, what was tried and what was said, where it is now: in the order in which it happened.
        """
        spool = self.operations.spool
        recipients = (
            Recipient(Address("eve", "example.net"), named=Address("sales", "example.org")),
            Recipient(Address("ann", "example.org"), quarantine="Looks like spam."),
        )
        message = self.commit(
            evolve(envelope(), origin=evolve(SUBMITTED, tls="TLSv1.3 X"), recipients=recipients, message_id="a@b")
        )
        now(spool.settle([Settlement(message.id, 1, RecipientState(Fate.DELIVERED, "Junk", 1, 1001))]))
        waits = RecipientState(Fate.PENDING, "mx.example.net said: 450 Busy", 1, 1002, 2000)
        now(spool.settle([Settlement(message.id, 0, waits)]))
        text = self.mailctl("message", "trace", "<a@b>").stdout
        self.assertRegex(text, r"To 1 +eve@example.net: pending, next try 1970-01-01 00:33:20")
        self.assertRegex(text, r"To 2 +ann@example.org: delivered Junk")
        self.assertRegex(
            text,
            r"(?s)00:16:40 +all +accepted +from 192.0.2.1 \(client.example\) by submission, ESMTPSA, TLSv1.3 X, login ann@example.org\n"
            r".*00:16:40 +1 +directed +from sales@example.org\n"
            r".*00:16:40 +2 +quarantined +Looks like spam.\n"
            r".*00:16:41 +2 +delivered +Junk\n"
            r".*00:16:42 +1 +deferred +mx.example.net said: 450 Busy\n",
        )
        report = Report(
            spool.new_id(),
            Envelope(
                Origin(Service.MX, "", "", "LOCAL"), None, (Recipient(Address("bob", "example.net")),), received=1003
            ),
            MESSAGE,
            message.id,
        )
        failed = RecipientState(Fate.FAILED, "mx.example.net said: 550 No", 2, 1003)
        now(spool.settle([Settlement(message.id, 0, failed)], [report]))
        text = self.mailctl("message", "trace", str(message.id)).stdout
        self.assertRegex(text, rf"00:16:43 +all +reported +to the sender, in message {report.id}")
        self.assertRegex(text, r"00:16:43 +1 +failed +mx.example.net said: 550 No")
        text = self.mailctl("message", "trace", str(report.id)).stdout
        self.assertRegex(text, r"accepted +a report of this server")
        self.assertRegex(text, r"From +<>")
        self.assertRegex(text, r"bob@example.net: pending, to be tried now")

    def test_removed(self) -> None:
        """
        An operator's removal is told once.
        """
        message = self.commit(envelope())
        now(self.operations.spool.change(message.id, QueueChange.REMOVE))
        text = self.mailctl("message", "trace", str(message.id)).stdout
        self.assertEqual(1, text.count("by an operator"))
        self.assertRegex(text, r"To 1 +ann@example.org: removed\n")

    def test_several(self) -> None:
        """
        The newest comes first, and no more than are wanted.
        """
        old, new = (self.commit(envelope(received=when)) for when in (10, 20))
        found = self.as_json("message", "trace", "bob@")
        self.assertEqual([str(new.id), str(old.id)], [one["id"] for one in found])
        self.assertEqual(
            {
                "at": 20,
                "recipient": None,
                "event": "accepted",
                "detail": "from 192.0.2.1 (client.example) by smtp, ESMTP",
            },
            found[0]["events"][0],
        )
        self.assertEqual("192.0.2.1", found[0]["origin"]["peer"])
        self.assertEqual([("ann@example.org", "pending")], [(r["address"], r["state"]) for r in found[0]["recipients"]])
        self.assertEqual([str(new.id)], [one["id"] for one in self.as_json("message", "trace", "bob@", "--limit", "1")])
        text = self.mailctl("message", "trace", "bob@").stdout
        self.assertLess(text.index(str(new.id)), text.index(str(old.id)))

    def test_nothing(self) -> None:
        """
        What nobody knows, and no question at all.
        """
        self.assertIn("No message is known by nobody@", self.complaint("message", "trace", "nobody@"))
        self.assertIn("No message is known by nothing", self.complaint("message", "trace", " "))
