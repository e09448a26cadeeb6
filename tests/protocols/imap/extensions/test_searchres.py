"""
SEARCHRES (RFC 5182).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase
from twisted_mail_server.model.errors import TemporaryFailure

ONE = b"Subject: one\n\nBody.\n"


class SavedResultTests(ImapTestCase):
    """
    C{$}.
    """

    def setUp(self) -> None:
        """
        Five messages; the second, third and fifth are flagged.
        """
        super().setUp()
        self.add(*[ONE] * 5)
        self.line().receive(b"x SELECT INBOX\r\nx STORE 2,3,5 +FLAGS.SILENT (\\Flagged)\r\n")
        self.line().take()

    def saved(self) -> tuple[int, ...]:
        """
        What C{$} stands for, as UIDs.
        """
        return self.line().conversation.session.mailbox.saved

    def test_examples(self) -> None:
        """
        Examples 1, 3, 4 and 6 of section 2.2: every command takes it, as numbers or as UIDs, and it combines.
        """
        self.plays(r"""
            C: A282 SEARCH RETURN (SAVE) FLAGGED
            S: A282 OK Searched.
            C: A283 FETCH $ (UID RFC822.SIZE)
            S: * 2 FETCH (UID 2 RFC822.SIZE 23)
            S: * 3 FETCH (UID 3 RFC822.SIZE 23)
            S: * 5 FETCH (UID 5 RFC822.SIZE 23)
            S: A283 OK Fetched.
            C: A284 UID FETCH $ UID
            S: * 2 FETCH (UID 2)
            S: * 3 FETCH (UID 3)
            S: * 5 FETCH (UID 5)
            S: A284 OK Fetched.
            C: A301 UID SEARCH UID $ 1:3
            S: * SEARCH 2 3
            S: A301 OK Searched.
            C: A302 UID SEARCH $ SMALLER 4096
            S: * SEARCH 2 3 5
            S: A302 OK Searched.
            C: P283 SEARCH CHARSET UTF-8 (OR $ 1,4) SUBJECT one
            S: * SEARCH 1 2 3 4 5
            S: P283 OK Searched.
            C: E282 SEARCH RETURN (SAVE) SEEN
            S: E282 OK Searched.
            C: E283 COPY $ "Trash"
            S: E283 OK Copied.
            C: E284 FETCH $ FLAGS
            S: E284 OK Fetched.
        """)

    def test_in_changes(self) -> None:
        """
        COPY, STORE and MOVE take it too (example 7).
        """
        self.plays(r"""
            C: F282 SEARCH RETURN (SAVE) FLAGGED
            S: F282 OK Searched.
            C: F283 COPY $ Trash
            S: F283 OK [COPYUID ... 2:3,5 1:3] Copied.
            C: F284 STORE $ +FLAGS.SILENT (\Deleted)
            S: F284 OK Stored.
            C: F285 UID EXPUNGE $
            S: * 5 EXPUNGE
            S: * 3 EXPUNGE
            S: * 2 EXPUNGE
            S: F285 OK Expunged.
            C: F286 MOVE $ Trash
            S: F286 OK Moved.
        """)

    def test_expunged(self) -> None:
        """
        What is expunged drops out, and numbers change with it (section 2.1).
        """
        self.plays(r"""
            C: a SEARCH RETURN (SAVE) FLAGGED
            S: a OK ...
            C: b STORE 1,3 +FLAGS.SILENT (\Deleted)
            S: b OK ...
            C: c EXPUNGE
            S: * 3 EXPUNGE
            S: * 1 EXPUNGE
            S: c OK ...
            C: d FETCH $ UID
            S: * 1 FETCH (UID 2)
            S: * 3 FETCH (UID 5)
            S: d OK ...
        """)

    def test_with_other_options(self) -> None:
        """
        The table of section 2.4: MIN and MAX alone save what they name; with ALL or COUNT everything is saved.
        """
        for options, saved in (
            ("SAVE MIN", (2,)),
            ("SAVE MAX", (5,)),
            ("MAX SAVE MIN", (2, 5)),
            ("MAX SAVE MIN COUNT", (2, 3, 5)),
            ("ALL SAVE MIN", (2, 3, 5)),
            ("SAVE", (2, 3, 5)),
        ):
            line = self.line()
            line.receive(f"a SEARCH RETURN ({options}) FLAGGED\r\n".encode())
            self.assertEqual(options != "SAVE", b"ESEARCH" in line.take(), options)
            self.assertEqual(saved, self.saved(), options)
        self.plays("""
            C: a SEARCH RETURN (SAVE MIN) SEEN
            S: * ESEARCH (TAG "a")
            S: a OK ...
        """)
        self.assertEqual((), self.saved())

    def test_what_changes_it(self) -> None:
        """
        A search that is BAD, or does not save, changes nothing; one that saves and is refused leaves nothing (section 2.1).
        """
        self.plays("""
            C: a SEARCH RETURN (SAVE) FLAGGED
            S: a OK ...
            C: b SEARCH RETURN (ALL) ALL
            S: * ESEARCH (TAG "b") ALL 1:5
            S: b OK ...
            C: c SEARCH RETURN (SAVE) 99
            S: c BAD ...
            C: d SEARCH RETURN (SAVE) NONSENSE
            S: d BAD ...
            C: e SEARCH CHARSET KLINGON TEXT x
            S: e NO [BADCHARSET ...
        """)
        self.assertEqual((2, 3, 5), self.saved())
        self.plays("""
            C: B283 SEARCH RETURN (COUNT SAVE) CHARSET KLINGON TEXT x
            S: B283 NO [BADCHARSET ...
        """)
        self.assertEqual((), self.saved())

    def test_trouble(self) -> None:
        """
        A search that fails while it runs leaves nothing either.
        """
        self.plays("""
            C: a SEARCH RETURN (SAVE) FLAGGED
            S: a OK ...
        """)

        async def fail(*_: object, **__: object) -> None:
            raise TemporaryFailure("Not now.")

        self.patch(type(self.line().conversation.session.mailbox.view), "headers", fail)
        self.plays("""
            C: b SEARCH RETURN (SAVE) SUBJECT one
            S: b NO [UNAVAILABLE] Not now.
        """)
        self.assertEqual((), self.saved())

    def test_select(self) -> None:
        """
        It goes with the mailbox.
        """
        line = self.line()
        line.receive(b"a SEARCH RETURN (SAVE) FLAGGED\r\nb SELECT INBOX\r\n")
        line.take()
        self.assertEqual((), self.saved())

    def test_malformed(self) -> None:
        """
        It stands for itself, not among others.
        """
        self.plays("""
            C: a FETCH $,1 UID
            S: a BAD ...
            C: b FETCH 1,$ UID
            S: b BAD ...
            C: c FETCH $:3 UID
            S: c BAD ...
        """)
