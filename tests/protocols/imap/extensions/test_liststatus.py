"""
LIST-STATUS (RFC 5819).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model.errors import NoSuchMailbox
from twisted_mail_server.protocols.imap.extensions import liststatus


class ListStatusTests(ImapTestCase):
    """
    The return option STATUS.
    """

    def test_example(self) -> None:
        """
        Each mailbox has its STATUS response behind it; what is no mailbox, or is told of for what is below it only, has none.
        """
        for name in ("bar/x", "foo/y"):
            now(self.mail.create_mailbox(name))
            now(self.mail.subscribe(name))
        now(self.mail.delete_mailbox("bar"))
        self.add(b"a: 1\n", b"a: 2\n", flags=("\\Seen",))
        self.add(b"a: 3\n")
        self.plays(r"""
            C: A01 LIST "" (INBOX foo bar) RETURN (STATUS (MESSAGES UNSEEN))
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * STATUS INBOX (MESSAGES 3 UNSEEN 1)
            S: * LIST (\NonExistent \HasChildren) "/" bar
            S: * LIST (\HasChildren) "/" foo
            S: * STATUS foo (MESSAGES 0 UNSEEN 0)
            S: A01 OK ...
            C: A02 LIST (SUBSCRIBED RECURSIVEMATCH) "" (I* f%) RETURN (STATUS (MESSAGES) CHILDREN)
            S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
            S: * STATUS INBOX (MESSAGES 3)
            S: * LIST (\HasChildren) "/" foo ("CHILDINFO" ("SUBSCRIBED"))
            S: A02 OK ...
            C: A03 LIST () "" INBOX RETURN (STATUS (UIDNEXT) STATUS (SIZE APPENDLIMIT))
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * STATUS INBOX (SIZE 18 APPENDLIMIT 100000)
            S: A03 OK ...
        """)

    def test_malformed(self) -> None:
        """
        The items are those of STATUS, in parentheses.
        """
        for option in ("STATUS", "STATUS ()", "STATUS MESSAGES", "STATUS (X-NEW)", "STATUS(MESSAGES)"):
            self.plays(f'C: a LIST "" * RETURN ({option})\nS: a BAD ...')

    def test_removed_meanwhile(self) -> None:
        """
        A mailbox that vanishes before all is known of it has no STATUS response.
        """

        async def vanished(*_: object) -> bytes:
            raise NoSuchMailbox("Gone.")

        self.patch(liststatus, "status_response", vanished)
        self.plays(r"""
            C: a LIST "" INBOX RETURN (STATUS (MESSAGES))
            S: * LIST (\HasNoChildren) "/" INBOX
            S: a OK ...
        """)
