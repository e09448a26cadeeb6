"""
SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS (RFC 3501 section 6.3).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits

ONE = b"Subject: one\n\nBody.\n"


class SelectTests(ImapTestCase):
    """
    SELECT and EXAMINE.
    """

    def test_all_that_is_told(self) -> None:
        """
        The first unseen message is told of only if there is one; the rest always.
        """
        self.add(ONE, flags=("\\Seen",))
        self.add(ONE, flags=("$x",))
        self.plays(r"""
            C: a SELECT inbox
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $x)
            S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $x \*)] Flags permitted.
            S: * 2 EXISTS
            S: * 2 RECENT
            S: * OK [UNSEEN 2] The first unseen message.
            S: * OK [UIDVALIDITY 1700000000] UIDs valid.
            S: * OK [UIDNEXT 3] The next UID, or below it.
            S: * OK [HIGHESTMODSEQ ...
            S: a OK [READ-WRITE] Open.
            C: b STORE 2 FLAGS.SILENT (\Seen)
            S: b OK ...
            C: c SELECT INBOX
            S: * OK [CLOSED] The mailbox before.
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $x)
            S: * OK [PERMANENTFLAGS ...
            S: * 2 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 3] ...
            S: * OK [HIGHESTMODSEQ ...
            S: c OK [READ-WRITE] Open.
        """)

    def test_examine(self) -> None:
        """
        EXAMINE changes nothing: what is recent stays so, and no flag is set.
        """
        self.add(ONE)
        for tag, closed in (("a", ""), ("b", "S: * OK [CLOSED] ...")):
            self.plays(rf"""
                C: {tag} EXAMINE INBOX
                {closed}
                S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
                S: * OK [PERMANENTFLAGS ()] Read-only.
                S: * 1 EXISTS
                S: * 1 RECENT
                S: * OK [UNSEEN 1] ...
                S: * OK [UIDVALIDITY ...
                S: * OK [UIDNEXT 2] ...
                S: * OK [HIGHESTMODSEQ ...
                S: {tag} OK [READ-ONLY] Open.
                C: {tag}1 FETCH 1 (BODY[TEXT] FLAGS)
                S: * 1 FETCH (BODY[TEXT] {{7}}
                S: Body.
                S:  FLAGS (\Recent))
                S: {tag}1 OK ...
            """)
        self.plays(r"""
            C: c STORE 1 FLAGS (\Seen)
            S: c NO The mailbox is open read-only.
            C: d EXPUNGE
            S: d NO The mailbox is open read-only.
            C: e UID EXPUNGE 1
            S: e NO The mailbox is open read-only.
            C: f MOVE 1 Trash
            S: f NO The mailbox is open read-only.
            C: g COPY 1 Trash
            S: g OK [COPYUID ... 1 1] Copied.
            C: h CLOSE
            S: h OK ...
        """)

    def test_failure(self) -> None:
        """
        A SELECT that fails leaves no mailbox selected (section 6.3.1); one that cannot be read changes nothing.
        """
        self.plays("""
            C: a SELECT Trash
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 0 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 1] ...
            S: * OK [HIGHESTMODSEQ ...
            S: a OK [READ-WRITE] Open.
            C: b SELECT
            S: b BAD ...
            C: c CHECK
            S: c OK ...
            C: d SELECT Nowhere
            S: * OK [CLOSED] The mailbox before.
            S: d NO [NONEXISTENT] There is no mailbox of that name.
            C: e CHECK
            S: e BAD [CLIENTBUG] CHECK cannot come without a selected mailbox.
        """)

    def test_names(self) -> None:
        """
        A name that no mailbox can have is NO, one that cannot be read BAD.
        """
        self.plays("""
            C: a SELECT ""
            S: a NO [CANNOT] ...
            C: b SELECT a//b
            S: b NO [CANNOT] ...
            C: c SELECT &Jjo
            S: c BAD ...
            C: d SELECT Work extra
            S: d BAD ...
        """)


class ChangingTests(ImapTestCase):
    """
    CREATE, DELETE, RENAME.
    """

    def names(self) -> list[str]:
        """
        The mailboxes that are no account's first.
        """
        first = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}
        return [status.name for status in now(self.mail.mailboxes()) if status.name not in first]

    def test_create(self) -> None:
        """
        Levels above are made too; a separator at the end says nothing more; what is there is there.
        """
        self.plays("""
            C: a CREATE a/b/
            S: a OK Created.
            C: b CREATE a
            S: b NO [ALREADYEXISTS] ...
            C: c CREATE inbox
            S: c NO [ALREADYEXISTS] ...
            C: d CREATE a//c
            S: d NO [CANNOT] ...
            C: e CREATE &AOk-
            S: e OK ...
            C: f CREATE x ()
            S: f OK ...
            C: g CREATE y (FOO bar)
            S: g BAD ...
        """)
        self.assertEqual(["a", "a/b", "x", "é"], self.names())

    def test_delete(self) -> None:
        """
        A mailbox goes, those below stay; INBOX stays.
        """
        now(self.mail.create_mailbox("a/b"))
        self.plays("""
            C: a DELETE a
            S: a OK Deleted.
            C: b LIST "" a*
            S: * LIST (\\Noselect \\HasChildren) "/" a
            S: * LIST (\\HasNoChildren) "/" a/b
            S: b OK ...
            C: c DELETE a
            S: c NO [NONEXISTENT] ...
            C: d SELECT a
            S: d NO [NONEXISTENT] ...
            C: e DELETE INBOX
            S: e NO [CANNOT] ...
            C: f DELETE a/b
            S: f OK ...
            C: g LIST "" a*
            S: g OK ...
        """)

    def test_delete_selected(self) -> None:
        """
        Who deletes its own selected mailbox has none selected afterwards; one that it only calls by another's name, it keeps.
        """
        now(self.mail.create_mailbox("a"))
        now(self.mail.create_mailbox("b"))
        self.line().receive(b"x SELECT a\r\n")
        self.line().take()
        self.plays("""
            C: a DELETE b
            S: a OK ...
            C: b DELETE Nowhere
            S: b NO [NONEXISTENT] ...
            C: c CHECK
            S: c OK ...
            C: d RENAME a c
            S: d OK ...
            C: e DELETE c
            S: * OK [CLOSED] The selected mailbox was deleted.
            S: e OK Deleted.
            C: f CHECK
            S: f BAD ...
        """)

    def test_rename(self) -> None:
        """
        What is below is renamed too; INBOX gives its messages away and stays.
        """
        now(self.mail.create_mailbox("a/b"))
        self.add(ONE)
        self.plays("""
            C: a RENAME a c/d
            S: a OK Renamed.
            C: b RENAME INBOX old/
            S: b OK ...
            C: c STATUS old (MESSAGES)
            S: * STATUS old (MESSAGES 1)
            S: c OK ...
            C: d RENAME Nowhere x
            S: d NO [NONEXISTENT] ...
            C: e RENAME old c
            S: e NO [ALREADYEXISTS] ...
            C: f RENAME old inbox
            S: f NO [ALREADYEXISTS] ...
            C: g RENAME old
            S: g BAD ...
        """)
        self.assertEqual(["c", "c/d", "c/d/b", "old"], self.names())


class SubscriptionTests(ImapTestCase):
    """
    SUBSCRIBE and UNSUBSCRIBE.
    """

    def test_subscriptions(self) -> None:
        """
        A name subscribed to need not exist, and stays when its mailbox goes.
        """
        self.plays(r"""
            C: a SUBSCRIBE Nowhere
            S: a OK Subscribed.
            C: b DELETE Trash
            S: b OK ...
            C: c LSUB "" *
            S: * LSUB () "/" Archive
            S: * LSUB () "/" Drafts
            S: * LSUB () "/" INBOX
            S: * LSUB () "/" Junk
            S: * LSUB () "/" Nowhere
            S: * LSUB () "/" Sent
            S: * LSUB () "/" Trash
            S: c OK ...
            C: d UNSUBSCRIBE Nowhere
            S: d OK Unsubscribed.
            C: e LSUB "" N*
            S: e OK ...
        """)

    def test_bounded(self) -> None:
        """
        There is a bound to how many there are.
        """
        for number in range(limits.MAILBOXES - 6):
            now(self.mail.subscribe(f"n{number}"))
        self.plays("""
            C: a SUBSCRIBE Nowhere
            S: a NO [LIMIT] ...
        """)


class StatusTests(ImapTestCase):
    """
    STATUS.
    """

    def test_items(self) -> None:
        """
        Items come as asked for, each once, of a mailbox that need not be selected.
        """
        self.add(ONE, ONE, mailbox="Sent", flags=("\\Seen",))
        self.add(ONE, mailbox="Sent")
        self.plays("""
            C: a STATUS Sent (UNSEEN messages RECENT UIDNEXT UIDVALIDITY UNSEEN)
            S: * STATUS Sent (UNSEEN 1 MESSAGES 3 RECENT 3 UIDNEXT 4 UIDVALIDITY 1700000002)
            S: a OK ...
            C: b STATUS inbox (MESSAGES)
            S: * STATUS INBOX (MESSAGES 0)
            S: b OK ...
            C: c STATUS Nowhere (MESSAGES)
            S: c NO [NONEXISTENT] ...
            C: d STATUS Sent ()
            S: d BAD ...
            C: e STATUS Sent (FOO)
            S: e BAD ...
            C: f STATUS Sent MESSAGES
            S: f BAD ...
        """)

    def test_quoted_name(self) -> None:
        """
        A name goes out in a form that can be read again.
        """
        now(self.mail.create_mailbox('a "b" é'))
        self.plays(r"""
            C: a STATUS "a \"b\" &AOk-" (MESSAGES)
            S: * STATUS "a \"b\" &AOk-" (MESSAGES 0)
            S: a OK ...
        """)
