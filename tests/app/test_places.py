"""
L{twisted_mail_server.app.places}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.places import find_places


class PlacesTests(SynchronousTestCase):
    """
    Lines of keys, tables and entries.
    """

    def test_tables_and_keys(self) -> None:
        """
        Keys have their own lines, bare, quoted and dotted, under their table.
        """
        text = '\n# a comment\na = 1\n"b c" . \'d\' = 2\n\n[ t . "u" ] # here\ne=3\n'
        self.assertEqual(
            {("a",): 3, ("b c",): 4, ("b c", "d"): 4, ("t",): 6, ("t", "u"): 6, ("t", "u", "e"): 7}, find_places(text)
        )

    def test_repeated_tables(self) -> None:
        """
        Each table in double brackets is an entry of its own; tables below it belong to the last.
        """
        text = "[[l]]\nx = 1\n[[l]]\nx = 2\n[l.m]\ny = 3\n[[l.n]]\nz = 4\n"
        self.assertEqual(
            {
                ("l",): 1,
                ("l", 0): 1,
                ("l", 0, "x"): 2,
                ("l", 1): 3,
                ("l", 1, "x"): 4,
                ("l", 1, "m"): 5,
                ("l", 1, "m", "y"): 6,
                ("l", 1, "n"): 7,
                ("l", 1, "n", 0): 7,
                ("l", 1, "n", 0, "z"): 8,
            },
            find_places(text),
        )

    def test_lists_and_inline_tables(self) -> None:
        """
        Entries of a list that spans lines have lines of their own; commas and comments between them do not matter.
        """
        text = 'a = [ # first\n  1, [2,\n3],\n  {b = "}", c.d = 4},\n]\ne = []\nf = {}\n'
        self.assertEqual(
            {
                ("a",): 1,
                ("a", 0): 2,
                ("a", 1): 2,
                ("a", 1, 0): 2,
                ("a", 1, 1): 3,
                ("a", 2): 4,
                ("a", 2, "b"): 4,
                ("a", 2, "c"): 4,
                ("a", 2, "c", "d"): 4,
                ("e",): 6,
                ("f",): 7,
            },
            find_places(text),
        )

    def test_strings_hide_what_looks_like_keys(self) -> None:
        """
        Nothing inside a string is a key, in all four kinds of string, quotes at their ends too.
        """
        text = (
            'a = """\nx = 1 \\"""\n[t]\n"""""\n'
            "b = '''\ny = 1 ''\n'''''\n"
            'c = "[z] # \\" = 1"\n'
            "d = '[z] \\'\n"
            "e = 1979-05-27 07:32:00 # x = 1\n"
            "f = '' # '\n"
        )
        self.assertEqual(
            {("a",): 1, ("b",): 5, ("c",): 8, ("d",): 9, ("e",): 10, ("f",): 11},
            find_places(text),
        )

    def test_line_ends(self) -> None:
        """
        CRLF is one line end, and the last line may have none.
        """
        self.assertEqual({("a",): 1, ("b",): 3}, find_places("a = 1\r\n\r\nb = 2"))
        self.assertEqual({}, find_places(""))
