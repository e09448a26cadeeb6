"""
L{twisted_mail_server.app.kinds}
"""

from __future__ import annotations

import tomllib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.kinds import (
    Choice,
    Duration,
    FilePath,
    Flag,
    HostPort,
    Kind,
    ListOf,
    Password,
    Secret,
    Size,
    Text,
    Whole,
    Wrong,
    described,
    domain,
    host_port,
    name_server,
    quoted,
)


class KindTests(SynchronousTestCase):
    """
    What each kind reads, refuses and writes.
    """

    def refuses(self, kind: Kind, *values: Any) -> None:
        """
        None of C{values} is allowed.
        """
        for value in values:
            with self.assertRaises(Wrong, msg=repr(value)):
                kind.read(value)

    def test_places(self) -> None:
        """
        A host and a port, an IPv6 address in brackets; as they are written they are read again.
        """
        kind = Text("a host and a port", host_port)
        for text, host, port in (
            ("Smtp.example.net:587", "smtp.example.net", 587),
            ("192.0.2.1:25", "192.0.2.1", 25),
            ("[2001:DB8::1]:465", "2001:db8::1", 465),
        ):
            found = kind.read(text)
            self.assertEqual(HostPort(host, port), found)
            self.assertEqual(found, host_port(str(found)))
        self.refuses(kind, "", "a.example", "a.example:", ":25", "a.example:0", "a.example:65536", "a b:25", "[::g]:25")
        self.refuses(kind, "::1:25", "[::1]", "[1:2]:25", "a.example:25:25")

    def test_resolvers(self) -> None:
        """
        An address of a resolver, with a port or without.
        """
        kind = Text("a resolver", name_server)
        self.assertEqual("127.0.0.1:53", str(kind.read("127.0.0.1")))
        self.refuses(kind, "", "a.example", "127.0.0.1:0")

    def test_passwords(self) -> None:
        """
        A password, or where it stands; it is written as where it stands alone.
        """
        kind = Password()
        for found, secret, written in (
            ("hush", Secret("hush"), '"..."'),
            ("", Secret(), '""'),
            ({"file": "a b"}, Secret(file="a b"), '{ file = "a b" }'),
            ({"env": "SECRET"}, Secret(variable="SECRET"), '{ env = "SECRET" }'),
        ):
            self.assertEqual(secret, kind.read(found))
            self.assertEqual(written, kind.write(secret))
            self.assertEqual(bool(found), bool(secret))
        self.refuses(kind, 5, None, [], {}, {"file": ""}, {"file": "a\0"}, {"env": "A B"}, {"env": 5})
        self.refuses(kind, {"file": "a", "env": "B"}, {"path": "a"})
        self.assertNotIn("hush", repr(Secret("hush")))

    def test_sizes(self) -> None:
        """
        A size is a number of octets, or a number and a unit, in any case, with or without a space.
        """
        kind = Size(0, 10**12)
        for found, octets in (
            (17, 17),
            ("17 B", 17),
            ("2KB", 2000),
            ("2 KiB", 2048),
            ("2 kib", 2048),
            ("3 MB", 3_000_000),
            ("50 MiB", 52_428_800),
            ("1 GB", 1_000_000_000),
            ("1 GiB", 1_073_741_824),
        ):
            self.assertEqual(octets, kind.read(found), found)
        self.refuses(
            kind, "", "5", "MiB", "5 XB", "5  MiB", "-5 MiB", "1.5 MiB", " 5 MiB", "٣ MiB", 1.0, True, [], -1, 10**13
        )

    def test_durations(self) -> None:
        """
        A duration is a number of seconds, or a number and a unit.
        """
        kind = Duration(1, 10**9)
        for found, seconds in (
            (17, 17),
            ("17s", 17),
            ("5 m", 300),
            ("4h", 14_400),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
        ):
            self.assertEqual(seconds, kind.read(found), found)
        self.refuses(kind, "", "5", "5M", "5 min", "1h30m", "0s", 0, True, 1.5, "9999999999w")

    def test_whole_numbers(self) -> None:
        """
        Bounds are allowed themselves; a boolean is no number, though Python thinks so.
        """
        kind = Whole(1, 5)
        self.assertEqual([1, 5], [kind.read(1), kind.read(5)])
        self.refuses(kind, 0, 6, True, "3", 3.0, None)

    def test_flags_and_choices(self) -> None:
        """
        Flags are booleans, not words; a choice is one of its words, exactly.
        """
        self.assertIs(True, Flag().read(True))
        self.refuses(Flag(), 1, "true", None)
        self.assertEqual("off", Choice(("on", "off")).read("off"))
        self.refuses(Choice(("on", "off")), "Off", "", 1, ["on"])

    def test_paths(self) -> None:
        """
        A path is a string with something in it, and without a NUL.
        """
        self.assertEqual("a/b", FilePath().read("a/b"))
        self.refuses(FilePath(), "", "a\0b", 5)

    def test_lists(self) -> None:
        """
        A list is handed on to be read entry by entry, unless it is too long.
        """
        kind = ListOf(Flag(), 2)
        self.assertEqual([1, 2], kind.read([1, 2]))
        self.refuses(kind, "a", [1, 2, 3], {})

    def test_text_is_checked(self) -> None:
        """
        A failed check says why.
        """
        kind = Text("a domain", domain)
        self.assertEqual("example.org", kind.read("Example.ORG"))
        with self.assertRaises(Wrong) as caught:
            kind.read("[192.0.2.1]")
        self.assertEqual("An address literal is no domain.", str(caught.exception))
        self.refuses(kind, "", "a b", 5)

    def test_what_is_written_is_read_again(self) -> None:
        """
        The manual's defaults can be copied into a file.
        """
        for kind, value in (
            (Size(0, 10**12), 52_428_800),
            (Size(0, 10**12), 0),
            (Size(0, 10**12), 1023),
            (Duration(0, 10**9), 2_592_000),
            (Duration(0, 10**9), 0),
            (Duration(0, 10**9), 90),
            (Whole(0, 9), 5),
            (Flag(), True),
            (Flag(), False),
            (Choice(("a", "b")), "b"),
            (FilePath(), 'odd "name" \\ \u2028 \U000e0001'),
            (Text("anything"), ""),
        ):
            self.assertEqual(value, kind.read(tomllib.loads(f"x = {kind.write(value)}")["x"]) if value != "" else "")
        self.assertEqual('["a", "b"]', ListOf(Text("a text")).write(("a", "b")))
        self.assertEqual('""', Text("a text").write(None))
        self.assertEqual('""', FilePath().write(None))

    def test_bounds_are_told_in_units(self) -> None:
        """
        What is allowed is written as people write it.
        """
        self.assertEqual('a size such as "50 MiB", from 0 to "2 GiB"', Size(0, 2**31).allowed)
        self.assertEqual('a time such as "30s", "5m", "4h" or "30d", from "1s" to "1d"', Duration(1, 86_400).allowed)
        self.assertEqual('one of "a", "b"', Choice(("a", "b")).allowed)
        self.assertEqual('"a"', Choice(("a",)).allowed)

    def test_what_was_found_is_described(self) -> None:
        """
        Whatever TOML can hold is told in a few printable characters.
        """
        found = tomllib.loads('a = 1979-05-27\nb = 07:32:00\nc = [1]\nd = {}\ne = 1.5\nf = true\ng = "\\u0007"\nh = 1')
        self.assertEqual(
            [
                "the date or time 1979-05-27",
                "the date or time 07:32:00",
                "a list",
                "a table",
                "1.5",
                "true",
                '"\\u0007"',
                "1",
            ],
            [described(one) for one in found.values()],
        )
        self.assertEqual(quoted("x" * 60 + "..."), described("x" * 500))
        self.assertEqual("a very large number", described(10**80))
        self.assertEqual("false", described(False))
