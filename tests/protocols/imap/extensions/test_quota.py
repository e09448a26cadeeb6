"""
QUOTA (RFC 9208).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class QuotaTests(ImapTestCase):
    """
    GETQUOTA, GETQUOTAROOT, SETQUOTA, and the STATUS items.
    """

    def give(self, octets: int | None) -> None:
        """
        Give a quota to everybody.
        """

        async def quota() -> int | None:
            return octets

        self.patch(type(self.line().conversation.session.account), "quota", lambda account: quota())

    def test_quota(self) -> None:
        """
        All mailboxes have one root; usage is in KiB, begun ones too.
        """
        self.add(b"a: 1\n" + b"x" * 1100, mailbox="Archive")
        self.add(b"a: 2\n")
        self.give(512 * 1024 + 1)
        self.plays("""
            C: a CAPABILITY
            S: ... QUOTA QUOTA=RES-STORAGE ...
            S: a OK ...
            C: G0001 GETQUOTA ""
            S: * QUOTA "" (STORAGE 2 512)
            S: G0001 OK ...
            C: G0002 GETQUOTAROOT INBOX
            S: * QUOTAROOT INBOX ""
            S: * QUOTA "" (STORAGE 2 512)
            S: G0002 OK ...
            C: G0003 GETQUOTAROOT "not yet"
            S: * QUOTAROOT "not yet" ""
            S: * QUOTA "" (STORAGE 2 512)
            S: G0003 OK ...
            C: G0004 GETQUOTA "#user/alice"
            S: G0004 NO [NONEXISTENT] ...
        """)

    def test_none(self) -> None:
        """
        Without a quota there is no root.
        """
        self.give(None)
        self.plays("""
            C: a GETQUOTA ""
            S: a NO [NONEXISTENT] ...
            C: b GETQUOTAROOT comp.mail.mime
            S: * QUOTAROOT comp.mail.mime
            S: b OK ...
        """)

    def test_set(self) -> None:
        """
        Nobody sets a quota here.
        """
        self.plays("""
            C: a SETQUOTA "" (STORAGE 512)
            S: a NO [NOPERM] ...
            C: b SETQUOTA "#user" ()
            S: b NO [NOPERM] ...
            C: c SETQUOTA "" (STORAGE 1 MESSAGE 18446744073709551616)
            S: c NO [NOPERM] ...
        """)

    def test_malformed(self) -> None:
        """
        Whatever is malformed is BAD.
        """
        for command in (
            "GETQUOTA",
            "GETQUOTA a b",
            "GETQUOTAROOT",
            'SETQUOTA ""',
            'SETQUOTA "" (STORAGE)',
            'SETQUOTA "" (STORAGE x)',
            'SETQUOTA "" STORAGE 1',
        ):
            self.plays(f"C: a {command}\nS: a BAD ...")

    def test_deleted(self) -> None:
        """
        STATUS tells how many messages, and how many octets, EXPUNGE would free (section 4.1.4).
        """
        self.add(b"a: 1\n", b"a: 22\n", flags=("\\Deleted",))
        self.add(b"a: 333\n")
        self.plays("""
            C: S0003 STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)
            S: * STATUS INBOX (MESSAGES 3 DELETED 2 DELETED-STORAGE 13)
            S: S0003 OK ...
            C: S0004 STATUS Drafts (DELETED-STORAGE DELETED)
            S: * STATUS Drafts (DELETED-STORAGE 0 DELETED 0)
            S: S0004 OK ...
        """)
        self.assertGreater(self.line().breaths, 0)
