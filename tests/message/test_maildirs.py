"""
L{twisted_mail_server.message.maildirs}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.maildirs import (
    FileName,
    folder_of_mailbox,
    learn_keywords,
    mailbox_of_folder,
    mailbox_of_path,
    parse_keywords,
    write_keywords,
    write_letters,
)
from twisted_mail_server.model.errors import CannotDo


class FileNameTests(SynchronousTestCase):
    """
    What a file's name says.
    """

    def test_parse(self) -> None:
        """
        The unique part, the letters and the time are told apart; other kinds of info hold no flags.
        """
        for name, expected, delivered in (
            ("1600000000.M1P2.host,S=3:2,FS", FileName("1600000000.M1P2.host,S=3", "FS"), 1_600_000_000),
            ("1600000000.M1P2.host", FileName("1600000000.M1P2.host"), 1_600_000_000),
            ("1.x:2,S,extra", FileName("1.x", "S"), 1),
            ("1.x:1,S", FileName("1.x"), 1),
            ("message.eml", FileName("message.eml"), None),
            ("", FileName(""), None),
        ):
            with self.subTest(name=name):
                self.assertEqual(expected, FileName.parse(name))
                self.assertEqual(delivered, FileName.parse(name).delivered)

    def test_flags(self) -> None:
        """
        Letters mean system flags, $Forwarded, and the folder's keywords; what means nothing is left out.
        """
        name = FileName("1.x", "DFPRSTacZz")
        self.assertEqual(
            ("\\Draft", "\\Flagged", "$Forwarded", "\\Answered", "\\Seen", "\\Deleted", "$Label1"),
            name.flags(["$Label1", "Travel", ""]),
        )
        self.assertEqual((), FileName("1.x").flags([]))

    def test_write(self) -> None:
        """
        Letters are written in order, and read back the same.
        """
        keywords = ["$Label1", "Travel"]
        letters = write_letters(("\\Seen", "travel", "\\Answered", "$forwarded", "Unknown"), keywords)
        self.assertEqual("PRSb", letters)
        self.assertEqual("1.x:2,PRSb", str(FileName("1.x", letters)))
        self.assertEqual({"\\Seen", "\\Answered", "$Forwarded", "Travel"}, set(FileName("", letters).flags(keywords)))


class KeywordsTests(SynchronousTestCase):
    """
    The file of a folder's keywords.
    """

    def test_parse(self) -> None:
        """
        Places are kept; lines that say nothing are left out.
        """
        self.assertEqual([], parse_keywords(b""))
        self.assertEqual(["a", "", "c"], parse_keywords(b"2 c\n0 a\nx y\n99 d\n123 e\n1 (\n1 \xff\n"))

    def test_write(self) -> None:
        """
        What is written is read back.
        """
        self.assertEqual(b"0 a\n2 c\n", write_keywords(["a", "", "c"]))

    def test_learn(self) -> None:
        """
        New keywords come behind the known ones, as far as there are letters; flags with a letter of their own do not.
        """
        self.assertEqual(["a", "b"], learn_keywords(["a"], ["A", "\\Seen", "$Forwarded", "b", "B"]))
        self.assertEqual(26, len(learn_keywords([], [f"k{number}" for number in range(30)])))


class FolderTests(SynchronousTestCase):
    """
    Folders and mailboxes.
    """

    def test_read(self) -> None:
        """
        Levels part at dots in Maildir++, at slashes in folders; modified UTF-7 is read where it is that.
        """
        self.assertEqual("Lists/Cooking", mailbox_of_folder(".Lists.Cooking"))
        self.assertEqual("Entwürfe", mailbox_of_folder(".Entw&APw-rfe"))
        self.assertEqual("R&D", mailbox_of_path("R&-D"))
        self.assertEqual("R&D/x.y", mailbox_of_path("R&D/x.y"))
        self.assertEqual("&A-", mailbox_of_path("&A-"))
        self.assertEqual("INBOX/x", mailbox_of_folder(".inbox.x"))

    def test_read_what_is_none(self) -> None:
        """
        An empty level or a control character is no name.
        """
        for name in (".a..b", ".", ".a\n"):
            with self.subTest(name=name), self.assertRaises(CannotDo):
                mailbox_of_folder(name)

    def test_round_trip(self) -> None:
        """
        What is written is read back, dots and all.
        """
        for name in ("Sent", "a.b/c", "Entwürfe/&", "INBOX/x", "日本語"):
            with self.subTest(name=name):
                folder = folder_of_mailbox(name)
                self.assertTrue(folder.startswith("."))
                self.assertEqual(name, mailbox_of_folder(folder))
        self.assertEqual("", folder_of_mailbox("INBOX"))
