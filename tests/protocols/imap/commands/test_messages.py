"""
CHECK, CLOSE, EXPUNGE, FETCH, STORE, COPY (RFC 3501 section 6.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model.changes import MessageRow

ONE = b"Subject: one\n\nBody.\n"


class Forgetful:
    """
    A view that remembers nothing of what was expunged.
    """

    def __init__(self, view: IMailboxView) -> None:
        self._view = view

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    async def fetch(self, uids: Sequence[int], **wishes: bool) -> list[MessageRow]:
        """
        UID 3 is gone.
        """
        return [row for row in await self._view.fetch(uids, **wishes) if row.uid != 3]


class MessagesTests(ImapTestCase):
    """
    A mailbox with three messages, the second of which has UID 3.
    """

    def setUp(self) -> None:
        """
        Select it.
        """
        super().setUp()
        self.add(ONE, ONE, ONE, ONE)
        line = self.line()
        line.receive(b"x SELECT INBOX\r\nx STORE 2 FLAGS.SILENT (\\Deleted)\r\nx EXPUNGE\r\n")
        self.assertIn(b"x OK Expunged.", line.take())

    def test_check(self) -> None:
        """
        CHECK is OK.
        """
        self.plays("""
            C: a CHECK
            S: a OK Checked.
        """)

    def test_close(self) -> None:
        """
        CLOSE expunges, says nothing of it, and leaves; in a mailbox open read-only it only leaves.
        """
        self.plays(r"""
            C: a STORE 1 FLAGS.SILENT (\Deleted)
            S: a OK ...
        """)
        self.line().receive(b"x EXAMINE INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: b CLOSE
            S: b OK Closed.
            C: c STATUS INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 3)
            S: c OK ...
        """)
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: d CLOSE
            S: d OK Closed.
            C: e CHECK
            S: e BAD ...
            C: f STATUS INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 2)
            S: f OK ...
        """)

    def test_fetch(self) -> None:
        """
        Messages are meant by number or by UID; what is beyond the last number is BAD, an unknown UID nothing.
        """
        self.plays(r"""
            C: a FETCH 2:* UID
            S: * 2 FETCH (UID 3)
            S: * 3 FETCH (UID 4)
            S: a OK Fetched.
            C: b UID FETCH 2:3,77 FLAGS
            S: * 2 FETCH (UID 3 FLAGS (\Recent))
            S: b OK Fetched.
            C: c UID FETCH 100:* UID
            S: * 3 FETCH (UID 4)
            S: c OK Fetched.
            C: d FETCH 4 UID
            S: d BAD There is no message of that number.
            C: e UID FETCH 77 UID
            S: e OK Fetched.
            C: f FETCH 1 FOO
            S: f BAD ...
            C: g FETCH 1
            S: g BAD ...
            C: h FETCH x FLAGS
            S: h BAD ...
            C: i FETCH 1 (UID) x
            S: i BAD ...
        """)

    def test_fetch_of_what_is_gone(self) -> None:
        """
        By number, a message that another session has expunged for good is NO, after those that are there; by UID it is nothing.
        """
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.expunge([3], only_deleted=False))
        selected = self.line().conversation.session.mailbox
        selected.view = Forgetful(selected.view)  # type: ignore[assignment]
        self.plays(r"""
            C: a FETCH 1:3 RFC822.SIZE
            S: * 1 FETCH (RFC822.SIZE 23)
            S: * 3 FETCH (RFC822.SIZE 23)
            S: a NO [EXPUNGEISSUED] Some of the messages were expunged meanwhile.
            C: b UID FETCH 1:3 RFC822.SIZE
            S: * 1 FETCH (UID 1 RFC822.SIZE 23)
            S: * 2 EXPUNGE
            S: b OK Fetched.
        """)

    def test_empty_mailbox(self) -> None:
        """
        In an empty mailbox no number is there, not even the star; by UID nothing is meant.
        """
        self.line().receive(b"x SELECT Trash\r\n")
        self.line().take()
        self.plays("""
            C: a FETCH * UID
            S: a BAD There is no message of that number.
            C: b UID FETCH 1:* UID
            S: b OK ...
            C: c SEARCH ALL
            S: * SEARCH
            S: c OK ...
        """)

    def test_store(self) -> None:
        """
        Flags are added, removed, replaced; each message is answered, also where nothing changes.
        """
        self.plays(r"""
            C: a STORE 1:2 +FLAGS (\Seen $x)
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 1 FETCH (FLAGS (\Seen $x \Recent))
            S: * 2 FETCH (FLAGS (\Seen $x \Recent))
            S: a OK Stored.
            C: b STORE 1 -flags \Seen \Draft
            S: * 1 FETCH (FLAGS ($x \Recent))
            S: b OK Stored.
            C: c UID STORE 3,99 FLAGS (\Flagged)
            S: * 2 FETCH (UID 3 FLAGS (\Flagged \Recent))
            S: c OK Stored.
            C: d STORE 2 +FLAGS ()
            S: * 2 FETCH (FLAGS (\Flagged \Recent))
            S: d OK Stored.
            C: e STORE 2 FLAGS ()
            S: * 2 FETCH (FLAGS (\Recent))
            S: e OK Stored.
            C: f STORE 2 FLAGS.SILENT \Seen
            S: f OK Stored.
            C: g FETCH 2 FLAGS
            S: * 2 FETCH (FLAGS (\Seen \Recent))
            S: g OK ...
        """)

    def test_store_malformed(self) -> None:
        """
        What is not to be stored is BAD.
        """
        self.plays(r"""
            C: a STORE 1 FLAGS (\Recent)
            S: a BAD ...
            C: b STORE 1 FLAGS
            S: b BAD ...
            C: c STORE 1 *FLAGS (\Seen)
            S: c BAD ...
            C: d STORE 9 FLAGS (\Seen)
            S: d BAD There is no message of that number.
            C: e STORE 1 FLAGS \Seen\Draft
            S: e BAD ...
            C: f STORE 1 FLAGS.SILENT (\Seen) x
            S: f BAD ...
        """)

    def test_too_many_keywords(self) -> None:
        """
        Keywords are bounded; when no further one can be made, PERMANENTFLAGS says so.
        """
        names = " ".join(f"k{number:02}" for number in range(58))
        self.plays(rf"""
            C: a STORE 1 FLAGS.SILENT ({names})
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft {names})
            S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft {names})] Flags permitted.
            S: a OK Stored.
            C: b STORE 1 +FLAGS (k99)
            S: b NO [LIMIT] ...
        """)

    def test_store_on_what_is_gone(self) -> None:
        """
        By number, that one of the messages is gone is NO, when the others are done; by UID, or in silence, it is nothing.
        """
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.expunge([3], only_deleted=False))
        self.plays(r"""
            C: a STORE 1:2 +FLAGS (\Seen)
            S: * 1 FETCH (FLAGS (\Seen \Recent))
            S: a NO [EXPUNGEISSUED] Some of the messages were expunged meanwhile.
            C: b STORE 1:2 +FLAGS.SILENT (\Draft)
            S: b OK Stored.
            C: c UID STORE 1:3 -FLAGS (\Seen)
            S: * 1 FETCH (UID 1 FLAGS (\Draft \Recent))
            S: * 2 EXPUNGE
            S: c OK Stored.
        """)

    def test_copy(self) -> None:
        """
        Copies are told by UID; copying nothing is OK without a code; the target must be there.
        """
        self.plays(r"""
            C: a COPY 1,3 Sent
            S: a OK [COPYUID 1700000002 1,4 1:2] Copied.
            C: b UID COPY 3,4 "Sent"
            S: b OK [COPYUID 1700000002 3:4 3:4] Copied.
            C: c UID COPY 77 Sent
            S: c OK Copied.
            C: d COPY 1 Nowhere
            S: d NO [TRYCREATE] ...
            C: e COPY 9 Sent
            S: e BAD ...
            C: f COPY 1
            S: f BAD ...
        """)

    def test_search(self) -> None:
        """
        SEARCH tells numbers, UID SEARCH UIDs, in one response that may be empty.
        """
        self.plays(r"""
            C: a SEARCH 2:3
            S: * SEARCH 2 3
            S: a OK Searched.
            C: b UID SEARCH 2:3
            S: * SEARCH 3 4
            S: b OK Searched.
            C: c SEARCH SEEN
            S: * SEARCH
            S: c OK Searched.
            C: d SEARCH CHARSET KOI8-Z ALL
            S: d NO [BADCHARSET ...] ...
            C: e SEARCH
            S: e BAD ...
            C: f SEARCH 9
            S: f BAD ...
            C: g SEARCH BODY body
            S: * SEARCH 1 2 3
            S: g OK ...
        """)
