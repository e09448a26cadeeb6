"""
ID (RFC 2971).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase


class IdTests(ImapTestCase):
    """
    Who is who.
    """

    enters = False

    def test_both_sides(self) -> None:
        """
        The client tells what it likes, or nothing; the server what its settings say.
        """
        self.plays("""
            C: a ID ("Name" "mutt" "version" NIL)
            S: * ID ("name" "twisted_mail_server" "version" "1.0")
            S: a OK ...
        """)
        self.assertEqual({b"name": b"mutt", b"version": None}, self.line().conversation.session.client)
        self.plays("""
            C: b ID nil
            S: * ID (...)
            S: b OK ...
            C: c ID ()
            S: * ID (...)
            S: c OK ...
        """)
        self.assertEqual({}, self.line().conversation.session.client)

    def test_nothing_to_tell(self) -> None:
        """
        A server may keep it to itself.
        """
        self.settings = self.make_settings(identity=())
        self.plays("""
            C: a ID NIL
            S: * ID NIL
            S: a OK ...
        """)

    def test_malformed(self) -> None:
        """
        It is a list of pairs of strings, or NIL.
        """
        for arguments in ("", " ", ' "x"', " (a b)", ' ("a")', ' ("a" "b" )', ' ("a" "b" "A" "c")', ' ("a" b)'):
            self.line().receive(b"a ID" + arguments.encode() + b"\r\n")
            self.assertIn(b"a BAD ", self.line().take(), arguments)

    def test_bounds(self) -> None:
        """
        Fields, values, and how many there are of them, are bounded (section 3.3).
        """
        pair = '"{}" "{}"'
        most = " ".join(pair.format(f"f{number}", "v") for number in range(30))
        self.plays(f"""
            C: a ID ({pair.format("f" * 30, "v" * 1024)})
            S: * ID ...
            S: a OK ...
            C: b ID ({pair.format("f" * 31, "v")})
            S: b BAD [LIMIT] ...
            C: c ID ({pair.format("f", "v" * 1025)})
            S: c BAD [LIMIT] ...
            C: d ID ({most})
            S: * ID ...
            S: d OK ...
            C: e ID ({most} "more" NIL)
            S: e BAD [LIMIT] ...
        """)
