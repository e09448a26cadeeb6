"""
IDLE (RFC 2177).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model.errors import TemporaryFailure

ONE = b"Subject: one\n\nBody.\n"


class IdleTests(ImapTestCase):
    """
    Waiting for news.
    """

    def select(self, *numbers: str) -> None:
        """
        Select INBOX, with three messages that are not recent.
        """
        self.add(ONE, ONE, ONE)
        now(self.mail.select("INBOX", claim_recent=True))
        for number in numbers:
            self.line(number).receive(b"x SELECT INBOX\r\n")
            self.line(number).take()

    def test_news_as_it_happens(self) -> None:
        """
        While idling the client hears at once of messages, flags, and what was expunged.
        """
        self.select("", "2")
        self.plays(r"""
            C: a IDLE
            S: + idling
            C2: b STORE 2 +FLAGS (\Deleted)
            S: * 2 FETCH (FLAGS (\Deleted))
            S2: * 2 FETCH (FLAGS (\Deleted))
            S2: b OK ...
            C2: c EXPUNGE
            S: * 2 EXPUNGE
            S2: * 2 EXPUNGE
            S2: c OK ...
        """)
        self.add(ONE)
        self.plays(r"""
            C2: d NOOP
            S: * 3 EXISTS
            S: * 0 RECENT
            S2: * 3 EXISTS
            S2: * 1 RECENT
            S2: d OK ...
            C: done
            S: a OK No longer idling.
            C: e NOOP
            S: e OK ...
        """)

    def test_news_from_before(self) -> None:
        """
        What had to wait until now is told at once.
        """
        self.select("", "2")
        self.plays(r"""
            C2: a STORE 1 FLAGS.SILENT (\Deleted)
            S2: a OK ...
            C2: b EXPUNGE
            S2: * 1 EXPUNGE
            S2: b OK ...
            C: c FETCH 1 UID
            S: * 1 FETCH (UID 1)
            S: c OK ...
            C: d IDLE
            S: + idling
            S: * 1 EXPUNGE
            C: DONE
            S: d OK ...
        """)

    def test_no_news_when_not_idling(self) -> None:
        """
        Before IDLE and after it nothing comes by itself.
        """
        self.select("", "2")
        self.plays(r"""
            C: a IDLE
            S: + idling
            C: DONE
            S: a OK ...
            C2: b STORE 1 +FLAGS.SILENT (\Seen)
            S2: b OK ...
            C: c NOOP
            S: * 1 FETCH (FLAGS (\Seen))
            S: c OK ...
        """)
        self.assertFalse(self.line().conversation.session.mailbox.view.is_listening)  # type: ignore[attr-defined]

    def test_without_mailbox(self) -> None:
        """
        Without a selected mailbox there is nothing to tell, and it works all the same.
        """
        self.plays("""
            C: a IDLE
            S: + idling
            C: DONE
            S: a OK ...
        """)

    def test_pipelined(self) -> None:
        """
        DONE may have been sent with IDLE, and commands behind it.
        """
        line = self.line()
        line.receive(b"a IDLE\r\nDONE\r\nb NOOP\r\n")
        self.assertEqual(b"+ idling\r\na OK No longer idling.\r\nb OK Nothing done.\r\n", line.take())

    def test_something_else(self) -> None:
        """
        Whatever is not DONE ends it with BAD; so does what is too long for DONE.
        """
        self.plays("""
            C: a IDLE
            S: + idling
            C: b NOOP
            S: a BAD Expected DONE.
            C: c NOOP
            S: c OK ...
            C: d IDLE x
            S: d BAD ...
        """)
        line = self.line()
        line.receive(b"e IDLE\r\n" + b"x" * 100)
        line.receive(b"\r\nf NOOP\r\n")
        self.assertEqual(
            b"+ idling\r\ne BAD [LIMIT] A line has at most 64 octets.\r\nf OK Nothing done.\r\n", line.take()
        )

    def test_mailbox_goes(self) -> None:
        """
        When the mailbox is deleted, there is BYE at once.
        """
        now(self.mail.create_mailbox("Work"))
        self.line().receive(b"x SELECT Work\r\n")
        self.line().take()
        self.plays("""
            C: a IDLE
            S: + idling
            C2: b DELETE Work
            S: * BYE The selected mailbox was deleted.
            S2: b OK ...
        """)
        self.assertTrue(self.line().conversation.is_over)

    def test_lost(self) -> None:
        """
        When the connection breaks, nobody listens any more.
        """
        self.select("")
        line = self.line()
        line.receive(b"a IDLE\r\n")
        view = line.conversation.session.mailbox.view
        self.assertTrue(line.conversation.session.is_idling)
        line.lose()
        self.assertFalse(line.conversation.session.is_idling)
        self.assertFalse(view.is_listening)  # type: ignore[attr-defined]

    def test_trouble(self) -> None:
        """
        When the news cannot be had, IDLE ends with NO.
        """
        self.select("")

        class Troubled:
            def listen(self, told: object) -> None:
                pass

            async def advance(self, *, keep_vanished: bool = False) -> None:
                raise TemporaryFailure("Not now.")

            def __getattr__(self, name: str) -> object:
                return getattr(view, name)

        selected = self.line().conversation.session.mailbox
        view = selected.view
        selected.view = Troubled()  # type: ignore[assignment]
        self.plays("""
            C: a IDLE
            S: + idling
            S: a NO [UNAVAILABLE] Not now.
        """)
