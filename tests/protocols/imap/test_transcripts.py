"""
The RFCs' own examples, with our words in them.
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase

#: The message of the sample connection (RFC 3501 section 8).
FUSZ = (
    b"""\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

"""
    + b"A line of text.\n" * 92
)

HOO = b"""\
Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
From: Fred Foobar <foobar@Blurdybloop.COM>
Subject: afternoon meeting
To: mooch@owatagu.siam.edu
Message-Id: <B27397-0100000@Blurdybloop.COM>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

Hello Joe, do you think we can meet at 3:30 tomorrow?

"""


class SampleConnectionTests(ImapTestCase):
    """
    RFC 3501 section 8.
    """

    enters = False

    def test_sample(self) -> None:
        """
        The sample connection goes as in the RFC.
        """
        for number in range(18):
            self.add(FUSZ if number == 11 else HOO, flags=("\\Seen",) if number < 16 else (), date=837_566_665)
        for number in (2, 3):
            now(self.mail.select("INBOX", claim_recent=number == 2))
        self.plays(r"""
            C: a001 login fred secret
            S: a001 OK [CAPABILITY ...] Logged in.
            C: a002 select inbox
            S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
            S: * OK [PERMANENTFLAGS ...] ...
            S: * 18 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 17] ...
            S: * OK [UIDVALIDITY ...] ...
            S: * OK [UIDNEXT 19] ...
            S: * OK [HIGHESTMODSEQ ...
            S: a002 OK [READ-WRITE] Open.
            C: a003 fetch 12 full
            S: * 12 FETCH (FLAGS (\Seen) INTERNALDATE "17-Jul-1996 01:24:25 +0000" RFC822.SIZE ... ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>") BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7...t" 1564 92))
            S: a003 OK ...
            C: a004 fetch 12 body[header]
            S: * 12 FETCH (BODY[HEADER] {...}
            S: Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
            S: From: Terry Gray <gray@cac.washington.edu>
            S: Subject: IMAP4rev1 WG mtg summary and minutes
            S: To: imap@cac.washington.edu
            S: cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
            S: Message-Id: <B27397-0100000@cac.washington.edu>
            S: MIME-Version: 1.0
            S: Content-Type: TEXT/PLAIN; CHARSET=US-ASCII
            S:
            S: )
            S: a004 OK ...
            C: a005 store 12 +flags \deleted
            S: * 12 FETCH (FLAGS (\Seen \Deleted))
            S: a005 OK ...
            C: a006 logout
            S: * BYE ...
            S: a006 OK ...
        """)  # noqa: E501


class CommandExamples(ImapTestCase):
    """
    RFC 3501 section 6.
    """

    def test_append(self) -> None:
        """
        Section 6.3.11.
        """
        now(self.mail.create_mailbox("saved-messages"))
        size = len(HOO.replace(b"\n", b"\r\n"))
        script = [f"C: A003 APPEND saved-messages (\\Seen) {{{size}}}", "S: + Go ahead."]
        script += [f"C: {line}" for line in HOO.decode().split("\n")]
        script += ["S: A003 OK [APPENDUID ... 1] Appended."]
        self.plays("\n".join(script))

    def test_mailboxes(self) -> None:
        """
        Sections 6.3.3, 6.3.4, 6.3.5 and 6.3.10.
        """
        for name in ("blurdybloop", "foo/bar", "owatagusiam"):
            now(self.mail.create_mailbox(name))
        now(self.mail.delete_mailbox("foo"))
        self.plays(r"""
            C: A682 LIST "" f*
            S: * LIST (\Noselect \HasChildren) "/" foo
            S: * LIST (\HasNoChildren) "/" foo/bar
            S: A682 OK ...
            C: A684 DELETE blurdybloop
            S: A684 OK ...
            C: A685 DELETE foo
            S: A685 NO [NONEXISTENT] ...
            C: A003 CREATE owatagusiam/
            S: A003 NO [ALREADYEXISTS] ...
            C: A004 CREATE owatagusiam/blurdybloop
            S: A004 OK ...
            C: A042 STATUS owatagusiam/blurdybloop (UIDNEXT MESSAGES)
            S: * STATUS owatagusiam/blurdybloop (UIDNEXT 1 MESSAGES 0)
            S: A042 OK ...
            C: Z433 RENAME INBOX old-mail
            S: Z433 OK ...
            C: Z434 LIST "" o%
            S: * LIST (\HasNoChildren) "/" old-mail
            S: * LIST (\HasChildren) "/" owatagusiam
            S: Z434 OK ...
        """)

    def test_search(self) -> None:
        """
        Section 6.4.4.
        """
        self.add(HOO, HOO, FUSZ, date=761_000_000)
        self.line().receive(b"x SELECT INBOX\r\nx STORE 2 FLAGS.SILENT (\\Deleted \\Flagged)\r\n")
        self.line().take()
        self.plays(r"""
            C: A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"
            S: * SEARCH 2
            S: A282 OK ...
            C: A283 SEARCH TEXT "string not in mailbox"
            S: * SEARCH
            S: A283 OK ...
            C: A284 SEARCH CHARSET UTF-8 TEXT {6}
            S: + Go ahead.
            C: IMAP4r
            S: * SEARCH 3
            S: A284 OK ...
        """)

    def test_uid(self) -> None:
        """
        Section 6.4.8: sequence numbers in the answer, and UIDs, which need not exist.
        """
        self.add(*[HOO] * 4)
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: A999 UID FETCH 2:3,4,4827313:4828442 FLAGS
            S: * 2 FETCH (UID 2 FLAGS (\Recent))
            S: * 3 FETCH (UID 3 FLAGS (\Recent))
            S: * 4 FETCH (UID 4 FLAGS (\Recent))
            S: A999 OK ...
        """)


class ExtensionExamples(ImapTestCase):
    """
    Examples of the extensions' RFCs.
    """

    def test_idle(self) -> None:
        """
        RFC 2177 section 3.
        """
        self.add(HOO, HOO, HOO)
        for number in ("", "2"):
            self.line(number).receive(b"A001 SELECT INBOX\r\n")
            self.line(number).take()
        self.plays(r"""
            C: A002 IDLE
            S: + idling
        """)
        self.add(HOO)
        self.plays(r"""
            C2: x NOOP
            S: * 4 EXISTS
            S: * 3 RECENT
            S2: * 4 EXISTS
            S2: * 1 RECENT
            S2: x OK ...
            C: DONE
            S: A002 OK ...
            C: A003 FETCH 4 UID
            S: * 4 FETCH (UID 4)
            S: A003 OK ...
            C2: y STORE 2 +FLAGS.SILENT (\Deleted)
            S2: y OK ...
            C: A004 IDLE
            S: + idling
            S: * 2 FETCH (FLAGS (\Deleted \Recent))
            C2: z EXPUNGE
            S: * 2 EXPUNGE
            S2: * 2 EXPUNGE
            S2: z OK ...
            C: DONE
            S: A004 OK ...
        """)

    def test_unselect(self) -> None:
        """
        RFC 3691 section 2.
        """
        self.line().receive(b"A340 SELECT INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: A341 UNSELECT
            S: A341 OK ...
        """)

    def test_uidplus(self) -> None:
        """
        RFC 4315 section 3.
        """
        for name in ("saved-messages", "funny", "foo"):
            now(self.mail.create_mailbox(name))
        self.add(HOO, HOO, HOO, HOO)
        self.line().receive(b"A002 SELECT INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: A004 COPY 2:4 saved-messages
            S: A004 OK [COPYUID ... 2:4 1:3] Copied.
            C: A005 UID COPY 4 funny
            S: A005 OK [COPYUID ... 4 1] Copied.
            C: A006 COPY 2 nowhere
            S: A006 NO [TRYCREATE] ...
            C: A007 STORE 1:3 +FLAGS.SILENT \Deleted
            S: A007 OK ...
            C: A101 UID EXPUNGE 3000:3002,2:3
            S: * 3 EXPUNGE
            S: * 2 EXPUNGE
            S: A101 OK ...
        """)

    def test_move(self) -> None:
        """
        RFC 6851 section 3.1.
        """
        now(self.mail.create_mailbox("foo"))
        self.add(HOO, HOO)
        self.line().receive(b"A002 SELECT INBOX\r\n")
        self.line().take()
        self.plays(r"""
            C: a UID MOVE 1:2 foo
            S: * OK [COPYUID 1700000006 1:2 1:2] Moved.
            S: * 2 EXPUNGE
            S: * 1 EXPUNGE
            S: a OK ...
        """)

    def test_special_use(self) -> None:
        """
        RFC 6154 section 5.1 and 5.3.
        """
        self.plays(r"""
            C: t1 CREATE MySpecial (USE (\Drafts))
            S: t1 OK ...
            C: t2 CREATE Everything (USE (\All))
            S: t2 NO [USEATTR] ...
            C: t3 LIST "" "%"
            S: * LIST (\HasNoChildren \Archive) "/" Archive
            S: * LIST (\HasNoChildren \Drafts) "/" Drafts
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * LIST (\HasNoChildren \Junk) "/" Junk
            S: * LIST (\HasNoChildren \Drafts) "/" MySpecial
            S: * LIST (\HasNoChildren \Sent) "/" Sent
            S: * LIST (\HasNoChildren \Trash) "/" Trash
            S: t3 OK ...
        """)

    def test_id(self) -> None:
        """
        RFC 2971 section 3.1.
        """
        self.plays(r"""
            C: a023 ID ("name" "sodr" "version" "19.34" "vendor" "Pink Floyd Music Limited")
            S: * ID ("name" "twisted_mail_server" "version" "1.0")
            S: a023 OK ...
            C: a042 ID NIL
            S: * ID (...)
            S: a042 OK ...
        """)

    def test_namespace(self) -> None:
        """
        RFC 2342 section 5, example 5.1.
        """
        self.plays(r"""
            C: A001 NAMESPACE
            S: * NAMESPACE (("" "/")) NIL NIL
            S: A001 OK ...
        """)


class EntryExamples(ImapTestCase):
    """
    Examples before login.
    """

    enters = False

    def test_initial_response(self) -> None:
        """
        RFC 4959 section 4, with a user we know.
        """
        self.plays("""
            C: A01 AUTHENTICATE PLAIN AGZyZWQAc2VjcmV0
            S: A01 OK [CAPABILITY ...] Logged in.
        """)

    def test_literal_plus(self) -> None:
        """
        RFC 7888 section 3, with a user we know.
        """
        self.plays("""
            C: A001 LOGIN {4+}
            C: fred {6+}
            C: secret
            S: A001 OK ...
        """)
