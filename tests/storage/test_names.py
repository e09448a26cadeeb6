"""
L{twisted_mail_server.storage.names}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import NoSuchMailbox, NoSuchTarget
from twisted_mail_server.storage.names import Renaming, find, find_target, plan_create, plan_rename


class NamesTests(SynchronousTestCase):
    """
    What CREATE and RENAME do to names.
    """

    def test_create(self) -> None:
        """
        Missing superiors come first, topmost first.
        """
        self.assertEqual(["a", "a/b", "a/b/c"], plan_create("a/b/c", {"INBOX"}))
        self.assertEqual(["a/b/c"], plan_create("a/b/c", {"a", "a/b"}))
        self.assertEqual(["INBOX/x"], plan_create("inbox/x", {"INBOX"}))

    def test_rename_into_freed_names(self) -> None:
        """
        A name that becomes free by the same RENAME may be taken by it.
        """
        plan = plan_rename("a", "b/a", {"a", "a/x"})
        self.assertEqual(Renaming(("b",), (("a", "b/a"), ("a/x", "b/a/x"))), plan)

    def test_rename_inbox(self) -> None:
        """
        INBOX itself is not renamed.
        """
        self.assertEqual(Renaming(("x",), (), "x/y"), plan_rename("Inbox", "x/y", {"INBOX"}))

    def test_find(self) -> None:
        """
        INBOX is found in any letters; what is missing says whether it might be created.
        """
        self.assertEqual("INBOX", find("inBox", {"INBOX"}))
        self.assertRaises(NoSuchMailbox, find, "a", {"INBOX"})
        self.assertRaises(NoSuchTarget, find_target, "a", {"INBOX"})
