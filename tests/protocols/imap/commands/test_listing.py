"""
LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase


class ListTests(ImapTestCase):
    """
    LIST.
    """

    def setUp(self) -> None:
        """
        A little hierarchy.
        """
        super().setUp()
        for name in ("a", "a/b", "a/b/c", "d/e"):
            now(self.mail.create_mailbox(name))
        now(self.mail.delete_mailbox("d"))

    def test_delimiter(self) -> None:
        """
        An empty pattern asks for the delimiter.
        """
        self.plays(r"""
            C: a LIST "" ""
            S: * LIST (\Noselect) "/" ""
            S: a OK ...
            C: b LIST foo/ ""
            S: * LIST (\Noselect) "/" ""
            S: b OK ...
            C: c LSUB "" ""
            S: * LSUB (\Noselect) "/" ""
            S: c OK ...
        """)

    def test_wildcards(self) -> None:
        """
        A star means every level, a percent sign one; levels that are no mailboxes are told of.
        """
        self.plays(r"""
            C: a LIST "" %
            S: * LIST (\HasNoChildren \Archive) "/" Archive
            S: * LIST (\HasNoChildren \Drafts) "/" Drafts
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * LIST (\HasNoChildren \Junk) "/" Junk
            S: * LIST (\HasNoChildren \Sent) "/" Sent
            S: * LIST (\HasNoChildren \Trash) "/" Trash
            S: * LIST (\HasChildren) "/" a
            S: * LIST (\Noselect \HasChildren) "/" d
            S: a OK ...
            C: b LIST "" a*
            S: * LIST (\HasChildren) "/" a
            S: * LIST (\HasChildren) "/" a/b
            S: * LIST (\HasNoChildren) "/" a/b/c
            S: b OK ...
            C: c LIST a/ %
            S: * LIST (\HasChildren) "/" a/b
            S: c OK ...
            C: d LIST "" %/%
            S: * LIST (\HasChildren) "/" a/b
            S: * LIST (\HasNoChildren) "/" d/e
            S: d OK ...
            C: e LIST "" inbox
            S: * LIST (\HasNoChildren) "/" INBOX
            S: e OK ...
            C: f LIST "" Nowhere
            S: f OK ...
            C: g LIST "" *c
            S: * LIST (\HasNoChildren) "/" a/b/c
            S: g OK ...
        """)

    def test_malformed(self) -> None:
        """
        Both arguments are needed, and have to be readable.
        """
        self.plays("""
            C: a LIST ""
            S: a BAD ...
            C: b LIST "" &A*
            S: b BAD ...
            C: c LIST * *
            S: c BAD ...
        """)


class DottedTests(ImapTestCase):
    """
    Another separator.
    """

    separator = "."

    def test_dots(self) -> None:
        """
        Names go in and out with the separator of the settings; a slash in a name is one of its letters.
        """
        self.plays(r"""
            C: a CREATE a.b/c
            S: a OK ...
            C: b LIST "" a*
            S: * LIST (\HasChildren) "." a
            S: * LIST (\HasNoChildren) "." a.b/c
            S: b OK ...
            C: c LIST a. %
            S: * LIST (\HasNoChildren) "." a.b/c
            S: c OK ...
            C: d STATUS a.b/c (MESSAGES)
            S: * STATUS a.b/c (MESSAGES 0)
            S: d OK ...
            C: e NAMESPACE
            S: * NAMESPACE (("" ".")) NIL NIL
            S: e OK ...
        """)
        self.assertEqual("a/b.c", now(self.mail.status("a/b.c")).name)


class LsubTests(ImapTestCase):
    """
    LSUB.
    """

    def setUp(self) -> None:
        """
        Some subscriptions, and no others.
        """
        super().setUp()
        for name in now(self.mail.subscriptions()):
            now(self.mail.unsubscribe(name))
        for name in ("comp/mail/mime", "comp/mail/misc", "work", "work/this"):
            now(self.mail.subscribe(name))

    def test_star(self) -> None:
        """
        A star reaches the names themselves.
        """
        self.plays(r"""
            C: a LSUB "" *
            S: * LSUB () "/" comp/mail/mime
            S: * LSUB () "/" comp/mail/misc
            S: * LSUB () "/" work
            S: * LSUB () "/" work/this
            S: a OK ...
        """)

    def test_percent(self) -> None:
        """
        A percent sign stops at a level above, which is told of with \\Noselect unless it is subscribed to itself.
        """
        self.plays(r"""
            C: a LSUB "" %
            S: * LSUB (\Noselect) "/" comp
            S: * LSUB () "/" work
            S: a OK ...
            C: b LSUB comp/ %
            S: * LSUB (\Noselect) "/" comp/mail
            S: b OK ...
            C: c LSUB "" comp/mail/%
            S: * LSUB () "/" comp/mail/mime
            S: * LSUB () "/" comp/mail/misc
            S: c OK ...
            C: d LSUB "" comp
            S: d OK ...
        """)
