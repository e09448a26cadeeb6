"""
L{twisted_mail_server.telemetry.logs}
"""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from typing import Any

from twisted.logger import FileLogObserver, Logger, LogLevel, LogPublisher, formatEvent, textFileLogObserver
from twisted.python import log as legacy
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.telemetry.logs import MASK, adopt, line_format, observer


class Nameless:
    """
    Refuses to be shown.
    """

    def __str__(self) -> str:
        """
        Fails.
        """
        raise RuntimeError("no name")


class LinesTestCase(SynchronousTestCase):
    """
    Logs events, and reads what was written.
    """

    format = "text"
    level = "info"

    def setUp(self) -> None:
        """
        A logger that writes to memory.
        """
        self.file = StringIO()
        self.publisher = LogPublisher(observer(self.file, line_format(self.format, self.level)))
        self.log = Logger("twisted_mail_server.servers.smtp", observer=self.publisher)

    def written(self) -> list[str]:
        """
        The lines so far, their times replaced.
        """
        lines = self.file.getvalue().splitlines()
        self.file.truncate(0)
        self.file.seek(0)
        return lines


class TextTests(LinesTestCase):
    """
    Lines for people.
    """

    def test_line(self) -> None:
        """
        Time, level, where, the sentence, and every field; empty fields are left out.
        """
        self.log.info(
            "took {queue_id}", queue_id="ab", size=5, took=0.12345678, peer="", accounts=["a", "b"], raw=b"\xff"
        )
        (line,) = self.written()
        self.assertRegex(line, r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
        self.assertEqual(
            "info servers.smtp: took ab queue_id=ab size=5 took=0.123457 accounts=a,b raw=\\xff",
            line.partition(" ")[2],
        )

    def test_sentences(self) -> None:
        """
        A sentence is what Twisted makes of its format, whatever that asks for; one that cannot be made says why.
        """
        for expected, format, fields in (
            ("a is 1.50, {b}", "{name} is {number:.2f}, {{b}}", {"name": "a", "number": 1.5}),
            ("called", "{call()}", {"call": lambda: "called"}),
            ("5", "{number.real}", {"number": 5}),
            ("'a'", "{name!r}", {"name": "a"}),
            ("  a", "{name:>{width}}", {"name": "a", "width": 3}),
            ("Unable to format event {", "{nothing}", {}),
            ("Unable to format event {", "{", {}),
            ("Unable to format event {", "{name}", {"name": Nameless()}),
        ):
            self.log.info(format, **fields)
            (line, *_) = self.written()
            found = line.partition("servers.smtp: ")[2]
            self.assertTrue(found.startswith(expected), found)
            self.assertIn(expected, formatEvent({"log_format": format, **fields}))

    def test_empty(self) -> None:
        """
        A field that says nothing is left out, whatever it says nothing with.
        """
        self.log.info("x", nothing="", octets=b"", none=None, zero=0, words=[])
        self.assertEqual('info servers.smtp: x none="" zero=0 words=""', self.written()[0].partition(" ")[2])

    def test_fixed_time(self) -> None:
        """
        Times are UTC, with milliseconds.
        """
        self.publisher({"log_format": "x", "log_time": 1_700_000_000.25, "log_level": LogLevel.warn})
        self.assertEqual(["2023-11-14T22:13:20.250Z warn -: x"], self.written())

    def test_one_event_is_one_line(self) -> None:
        """
        Whatever a peer sends, it makes no second line and no terminal sequence.
        """
        self.log.info("helo {helo}", helo='a\r\nb\x1b[2J "c" \\ \u2028 é \udc80')
        (line,) = self.written()
        self.assertTrue(line.isprintable())
        self.assertIn('helo a\\r\\nb\\x1b[2J "c" \\ \\u2028 é \\udc80 helo="a\\r\\nb\\x1b[2J \\"c\\" \\\\ ', line)

    def test_traceback(self) -> None:
        """
        A failure's traceback follows, indented.
        """
        try:
            raise ValueError("it\nbroke")
        except ValueError:
            self.log.failure("unexpected", session="ab")
        first, *rest = self.written()
        self.assertTrue(first.endswith(" critical servers.smtp: unexpected session=ab"))
        self.assertTrue(rest)
        self.assertTrue(all(line.startswith("    ") for line in rest))
        self.assertEqual("    broke", rest[-1])

    def test_levels(self) -> None:
        """
        What is less important than the level is left out; an event that says nothing of it is C{info}.
        """
        for level, expected in (("debug", "dixwec"), ("info", "ixwec"), ("warn", "wec"), ("error", "ec")):
            self.level = level
            self.setUp()
            self.log.debug("d")
            self.log.info("i")
            self.publisher({"log_format": "x"})
            self.log.warn("w")
            self.log.error("e")
            self.log.critical("c")
            self.assertEqual(expected, "".join(line[-1] for line in self.written()))

    def test_secrets(self) -> None:
        """
        A field that is named like a secret is masked wherever it is shown.
        """
        self.log.info(
            "{password} {credentials}",
            password="hunter2",
            credentials="hunter2",
            client_secret="hunter2",
            bearer_token=b"hunter2",
            account="a",
        )
        (line,) = self.written()
        self.assertNotIn("hunter2", line)
        self.assertIn(f": {MASK} {MASK} password={MASK} credentials={MASK} client_secret={MASK}", line)
        self.log.info("{password.text}", password="hunter2")
        self.assertNotIn("hunter2", "".join(self.written()))

    def test_values_that_cannot_be_shown(self) -> None:
        """
        The log goes on, whatever it is given.
        """
        self.log.info("x", broken=Nameless(), nothing=None, inf=float("inf"))
        (line,) = self.written()
        self.assertTrue(line.endswith('x broken="(Nameless that cannot be shown)" nothing="" inf=inf'), line)

    def test_legacy_events(self) -> None:
        """
        What older code logs is a sentence without its bookkeeping.
        """
        old = legacy.LogPublisher(observerPublisher=self.publisher, publishPublisher=self.publisher)
        old.msg("hello", size=5)
        (line,) = self.written()
        self.assertTrue(line.endswith(": hello size=5"), line)


class JsonTests(LinesTestCase):
    """
    Lines for programs.
    """

    format = "json"

    def event(self) -> dict[str, Any]:
        """
        The one event written.
        """
        (line,) = self.written()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def test_line(self) -> None:
        """
        One object, lean: what the event says, and nothing that the logger keeps for itself.
        """
        self.log.info(
            "took {queue_id}", queue_id="ab", size=5, took=0.5, ok=True, nothing=None, raw=b"\xff", many=("a", 1)
        )
        found = self.event()
        self.assertRegex(found.pop("time"), r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(
            {
                "level": "info",
                "logger": "servers.smtp",
                "message": "took ab",
                "queue_id": "ab",
                "size": 5,
                "took": 0.5,
                "ok": True,
                "nothing": None,
                "raw": "\\xff",
                "many": ["a", 1],
            },
            found,
        )

    def test_no_name_is_taken_twice(self) -> None:
        """
        A field that is named like one of the line's own gets another name.
        """
        self.publisher({"log_format": "a", "message": "b", "level": "c"})
        found = self.event()
        self.assertEqual(
            ("a", "info", "b", "c"), (found["message"], found["level"], found["message_"], found["level_"])
        )

    def test_hostile_values(self) -> None:
        """
        Control characters, lone surrogates and infinities are still one line of JSON.
        """
        self.log.info("x", helo="a\r\n\x1b\udc80é", inf=float("nan"))
        found = self.event()
        self.assertEqual(("a\r\n\x1b\udc80é", "nan"), (found["helo"], found["inf"]))

    def test_traceback(self) -> None:
        """
        A failure's traceback is a field.
        """
        try:
            raise ValueError("broke")
        except ValueError:
            self.log.failure("unexpected")
        self.assertIn("ValueError: broke", self.event()["traceback"])

    def test_secrets(self) -> None:
        """
        Secrets are masked here too.
        """
        self.log.info("{password}", password="hunter2")
        found = self.event()
        self.assertEqual((MASK, MASK), (found["message"], found["password"]))


class AdoptTests(SynchronousTestCase):
    """
    Twistd's own observers.
    """

    def test_files_are_written_otherwise(self) -> None:
        """
        What twistd opened stays open, and gets our lines from now on; other observers are left alone.
        """
        file, others = BytesIO(), StringIO()
        other = LogPublisher(textFileLogObserver(others))
        publisher = LogPublisher(textFileLogObserver(file), other)
        log = Logger("a", observer=publisher)
        log.info("before")
        adopt(publisher, line_format("json", "info"))
        log.info("after {x}", x=1)
        before, after = file.getvalue().decode("utf-8").splitlines()
        self.assertTrue(before.endswith("[a#info] before"))
        self.assertEqual("after 1", json.loads(after)["message"])
        self.assertEqual("[a#info] after 1", others.getvalue().splitlines()[1].partition(" ")[2])

    def test_observer(self) -> None:
        """
        An observer for a file is one of Twisted's.
        """
        self.assertIsInstance(observer(StringIO(), line_format("text", "info")), FileLogObserver)
