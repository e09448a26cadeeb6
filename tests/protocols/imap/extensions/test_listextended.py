"""
LIST-EXTENDED (RFC 5258): the examples of section 5, in our words.
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.mailboxes import DEFAULT_MAILBOXES


class Hierarchy(ImapTestCase):
    """
    A hierarchy, and some subscriptions.
    """

    mailboxes: tuple[str, ...] = ()
    subscribed: tuple[str, ...] = ()

    def setUp(self) -> None:
        """
        Nothing but INBOX and what the class says.
        """
        super().setUp()
        for name in now(self.mail.subscriptions()):
            now(self.mail.unsubscribe(name))
        for mailbox in DEFAULT_MAILBOXES[1:]:
            now(self.mail.delete_mailbox(mailbox.name))
        for name in self.mailboxes:
            now(self.mail.create_mailbox(name))
        for name in self.subscribed:
            now(self.mail.subscribe(name))


class FruitTests(Hierarchy):
    """
    Examples 1 to 6.
    """

    mailboxes = ("Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli", "Vegetable/Corn")
    subscribed = ("INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli")

    def test_subscribed(self) -> None:
        """
        Names subscribed to are told of, whether they exist or not, with accurate attributes.
        """
        self.plays(r"""
            C: A02 LIST (SUBSCRIBED) "" "*"
            S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Banana
            S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Fruit/Peach
            S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
            S: * LIST (\HasChildren \Subscribed) "/" Vegetable
            S: * LIST (\HasNoChildren \Subscribed) "/" Vegetable/Broccoli
            S: A02 OK ...
            C: A05 LIST (remote subscribed subscribed) "" "Fr*"
            S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Banana
            S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Fruit/Peach
            S: A05 OK ...
        """)

    def test_returned(self) -> None:
        """
        The return option adds the attribute and no names; CHILDREN asks for what is told anyway.
        """
        self.plays(r"""
            C: A03 LIST () "" "%" RETURN (CHILDREN)
            S: * LIST (\HasChildren) "/" Fruit
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * LIST (\HasNoChildren) "/" Tofu
            S: * LIST (\HasChildren) "/" Vegetable
            S: A03 OK ...
            C: A06 LIST (REMOTE) "" "*" return (SUBSCRIBED)
            S: * LIST (\HasChildren) "/" Fruit
            S: * LIST (\HasNoChildren) "/" Fruit/Apple
            S: * LIST (\HasNoChildren \Subscribed) "/" Fruit/Banana
            S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
            S: * LIST (\HasNoChildren) "/" Tofu
            S: * LIST (\HasChildren \Subscribed) "/" Vegetable
            S: * LIST (\HasNoChildren \Subscribed) "/" Vegetable/Broccoli
            S: * LIST (\HasNoChildren) "/" Vegetable/Corn
            S: A06 OK ...
        """)

    def test_patterns(self) -> None:
        """
        A name that matches several patterns is told of once; an empty pattern means nothing here (section 3).
        """
        self.plays(r"""
            C: BBB LIST "" ("INBOX" "Tofu" "Fruit/%" "" "Fruit/A*")
            S: * LIST (\HasNoChildren) "/" Fruit/Apple
            S: * LIST (\HasNoChildren) "/" Fruit/Banana
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * LIST (\HasNoChildren) "/" Tofu
            S: BBB OK ...
            C: a LIST Fruit/ (A* B*)
            S: * LIST (\HasNoChildren) "/" Fruit/Apple
            S: * LIST (\HasNoChildren) "/" Fruit/Banana
            S: a OK ...
            C: b LIST () "" ""
            S: b OK ...
            C: c LIST "" "" RETURN ()
            S: c OK ...
            C: d LIST "" Tofu RETURN ()
            S: * LIST (\HasNoChildren) "/" Tofu
            S: d OK ...
        """)

    def test_malformed(self) -> None:
        """
        Options that nobody knows are BAD, and RECURSIVEMATCH alone is (section 3.1).
        """
        for arguments in (
            '(RECURSIVEMATCH) "" *',
            '(REMOTE RECURSIVEMATCH) "" *',
            '(X-NEW) "" *',
            '"" * RETURN (X-NEW)',
            '"" * RETURN',
            '"" * RETURN CHILDREN',
            '"" * (CHILDREN)',
            '"" ()',
            '"" (a b',
            '("SUBSCRIBED") "" *',
            '(SUBSCRIBED)"" *',
            '() ""',
            "()",
        ):
            self.plays(f"C: a LIST {arguments}\nS: a BAD ...")
        patterns = " ".join(["x"] * (limits.LIST_PATTERNS + 1))
        self.plays(f'C: a LIST "" ({patterns})\nS: a BAD [LIMIT] ...')


class FooTests(Hierarchy):
    """
    Example 8.
    """

    mailboxes = ("Foo/Bar", "Foo/Baz", "Moo")

    def test_children_or_information(self) -> None:
        """
        HasChildren says what there is below a name, CHILDINFO what is selected there.
        """
        now(self.mail.subscribe("Foo/Baz"))
        self.plays(r"""
            C: CA3 LIST "" "%" RETURN (CHILDREN)
            S: * LIST (\HasChildren) "/" Foo
            S: * LIST (\HasNoChildren) "/" INBOX
            S: * LIST (\HasNoChildren) "/" Moo
            S: CA3 OK ...
            C: C02 LIST (SUBSCRIBED) "" "%"
            S: C02 OK ...
            C: C04 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"
            S: * LIST (\HasChildren) "/" Foo ("CHILDINFO" ("SUBSCRIBED"))
            S: C04 OK ...
        """)
        now(self.mail.unsubscribe("Foo/Baz"))
        self.plays("""
            C: C04 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"
            S: C04 OK ...
        """)
        for name in ("Foo", "Moo"):
            now(self.mail.subscribe(name))
        self.plays(r"""
            C: C04 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%" RETURN (CHILDREN)
            S: * LIST (\HasChildren \Subscribed) "/" Foo
            S: * LIST (\HasNoChildren \Subscribed) "/" Moo
            S: C04 OK ...
        """)


class RecursiveTests(Hierarchy):
    """
    Example 9.
    """

    mailboxes = ("foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2/mamba", "qux2/bar2")
    subscribed = (
        *("foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2", "eps2/mamba", "qux2/bar2"),
        "gone/bar9",
    )

    def setUp(self) -> None:
        """
        One level is no mailbox.
        """
        super().setUp()
        now(self.mail.delete_mailbox("qux2"))

    def test_child_information(self) -> None:
        """
        CHILDINFO stands with a name that has selected names below it, and it stands with others if one of these is not told of.
        """
        self.plays(r"""
            C: D03 LIST (RECURSIVEMATCH SUBSCRIBED) "" "*2"
            S: * LIST (\HasNoChildren \Subscribed) "/" baz2/bar2
            S: * LIST (\HasNoChildren \Subscribed) "/" baz2/bar22
            S: * LIST (\HasNoChildren \Subscribed) "/" baz2/bar222
            S: * LIST (\HasChildren \Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasChildren) "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasNoChildren \Subscribed) "/" foo2/bar2
            S: * LIST (\HasNoChildren \Subscribed) "/" qux2/bar2
            S: D03 OK ...
            C: a LIST (SUBSCRIBED RECURSIVEMATCH) "" %
            S: * LIST (\HasChildren) "/" baz2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasChildren \Subscribed) "/" eps2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasChildren) "/" foo2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\NonExistent \HasNoChildren) "/" gone ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\NonExistent \HasChildren) "/" qux2 ("CHILDINFO" ("SUBSCRIBED"))
            S: a OK ...
            C: b LIST (SUBSCRIBED) "" %
            S: * LIST (\HasChildren \Subscribed) "/" eps2
            S: b OK ...
        """)

    def test_missing_levels(self) -> None:
        """
        A level that is no mailbox is told of if something below it is not (example 11).
        """
        self.plays(r"""
            C: a LIST () "" q*
            S: * LIST (\HasNoChildren) "/" qux2/bar2
            S: a OK ...
            C: b LIST () "" q%
            S: * LIST (\NonExistent \HasChildren) "/" qux2
            S: b OK ...
            C: c LIST "" (q% qux2/bar2)
            S: * LIST (\HasNoChildren) "/" qux2/bar2
            S: c OK ...
            C: d LIST "" q*
            S: * LIST (\Noselect \HasChildren) "/" qux2
            S: * LIST (\HasNoChildren) "/" qux2/bar2
            S: d OK ...
        """)


class SpecialUseTests(ImapTestCase):
    """
    The options of RFC 6154 section 2.
    """

    def test_selected(self) -> None:
        """
        Only mailboxes with a use are told of; both criteria must hold where there are two.
        """
        now(self.mail.unsubscribe("Junk"))
        now(self.mail.create_mailbox("Sent/2020"))
        self.plays(r"""
            C: a LIST (SPECIAL-USE) "" "*"
            S: * LIST (\HasNoChildren \Archive) "/" Archive
            S: * LIST (\HasNoChildren \Drafts) "/" Drafts
            S: * LIST (\HasNoChildren \Junk) "/" Junk
            S: * LIST (\HasChildren \Sent) "/" Sent
            S: * LIST (\HasNoChildren \Trash) "/" Trash
            S: a OK ...
            C: b LIST (SPECIAL-USE SUBSCRIBED) "" (%n% T%)
            S: * LIST (\HasChildren \Sent \Subscribed) "/" Sent
            S: * LIST (\HasNoChildren \Trash \Subscribed) "/" Trash
            S: b OK ...
            C: c LIST "" (Sent Sent/*) RETURN (SPECIAL-USE)
            S: * LIST (\HasChildren \Sent) "/" Sent
            S: * LIST (\HasNoChildren) "/" Sent/2020
            S: c OK ...
        """)


class ManyTests(ImapTestCase):
    """
    Accounts with very many mailboxes.
    """

    def test_pauses(self) -> None:
        """
        Others have their turn, however many there are.
        """
        for number in range(1010):
            now(self.mail.create_mailbox(f"m{number}"))
        line = self.line()
        for command, pauses in ((b'LIST "" x*', 1), (b'LIST "" (m% x y z)', 2), (b'LIST () "" *', 2)):
            before = line.breaths
            line.receive(b"a " + command + b"\r\n")
            line.take()
            self.assertGreaterEqual(line.breaths - before, pauses, command)
