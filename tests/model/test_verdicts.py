"""
L{twisted_mail_server.model.verdicts}
"""

from __future__ import annotations

from email.header import decode_header, make_header

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.model.verdicts import (
    UNDECIDED,
    Accept,
    AddFields,
    Decision,
    Defer,
    Denied,
    Quarantine,
    Redirect,
    Reject,
    Taken,
    Verdict,
    read_reply,
    verdicts,
    write_field,
)

ANN, BOB = Address.parse("ann@example.org"), Address.parse("bob@example.net")


class VerdictTests(SynchronousTestCase):
    """
    What answers come to.
    """

    def test_replies(self) -> None:
        """
        A reply as aiosmtpd writes it is a verdict; without an enhanced code it gets one of its class.
        """
        self.assertEqual(Accept(), read_reply("250 OK"))
        self.assertEqual(Accept(), read_reply("250 2.1.5 Recipient OK\r\n"))
        self.assertEqual(Reject("No.", 554, "5.7.1"), read_reply("554 5.7.1 No."))
        self.assertEqual(Reject("Sorry", 550, "5.0.0"), read_reply("550 Sorry"))
        self.assertEqual(Defer("Later", 451, "4.3.0"), read_reply("451 4.3.0 Later"))
        self.assertEqual(Defer("Please try again later.", 421, "4.0.0"), read_reply("421"))
        self.assertEqual(Reject("one two", 550, "5.7.1"), read_reply("550 5.7.1 one\r\ntwo"))

    def test_no_replies(self) -> None:
        """
        Any other text is no answer, and neither is a code of one class with an enhanced code of another.
        """
        for text in ("", "OK", "25 OK", "350 go on", "250OK", "550 4.7.1 Which?", "250 5.7.1 Which?"):
            self.assertRaises(SyntaxProblem, read_reply, text)

    def test_answers(self) -> None:
        """
        A hook may return one verdict, several, a reply or nothing.
        """
        self.assertEqual([], list(verdicts(None)))
        self.assertEqual([Taken()], list(verdicts(Taken())))
        self.assertEqual([Accept()], list(verdicts("250 OK")))
        both: list[Verdict] = [Quarantine("spam"), AddFields.of("X-Spam", "yes")]
        self.assertEqual(both, list(verdicts(both)))

    def test_combined(self) -> None:
        """
        The first reason and the first redirect count; fields stand in the order in which they were asked for.
        """
        decision = UNDECIDED
        for verdict in (
            Accept(),
            Quarantine("first"),
            Quarantine("second"),
            AddFields((("X-One", "1"), ("X-Two", "2"))),
            AddFields.of("X-Three", "3"),
            Redirect(ANN),
            Redirect("bob@example.net"),
            Taken("done"),
            Taken("again"),
        ):
            decision = decision.with_verdict(verdict)
        self.assertEqual(Decision("first", b"X-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n", ANN, "done"), decision)
        later = Decision("third", b"X-Four: 4\r\n", BOB, "late")
        self.assertEqual(
            Decision("first", decision.added + b"X-Four: 4\r\n", ANN, "done"),
            decision | later,
        )
        self.assertIs(later, UNDECIDED | later)
        self.assertIs(later, later | UNDECIDED)

    def test_empty_words(self) -> None:
        """
        A quarantine without a reason is one, and so is a taking without a word.
        """
        self.assertEqual("quarantined", UNDECIDED.with_verdict(Quarantine("")).quarantine)
        self.assertEqual("taken", UNDECIDED.with_verdict(Taken("")).taken)

    def test_refusals(self) -> None:
        """
        A refusal is raised with the reply it chose.
        """
        for verdict in (Reject("No.", 554, "5.7.7"), Defer("Later.", 450, "4.2.0")):
            with self.assertRaises(Denied) as caught:
                UNDECIDED.with_verdict(verdict)
            found = caught.exception
            self.assertEqual((verdict.text, verdict.code, verdict.enhanced), (found.public, found.code, found.enhanced))

    def test_nonsense(self) -> None:
        """
        What is no verdict is told apart from one.
        """
        self.assertRaises(TypeError, UNDECIDED.with_verdict, 250)
        self.assertRaises(SyntaxProblem, Redirect, "nobody")

    def test_fields(self) -> None:
        """
        A field cannot smuggle in another one, or the end of the header.
        """
        self.assertEqual(b"X-A: one\r\n\ttwo\r\n", write_field("X-A", "one\r\ntwo"))
        self.assertEqual(b"X-A: one\r\n\tX-B: two\r\n", write_field("X-A", "one\n\r\n \r\nX-B: two\n"))
        self.assertEqual(b"X-A: \r\n", write_field("X-A", "\r\n"))
        self.assertEqual(b"X-A: =?utf-8?b?Z3LDvG4=?=\r\n", write_field("X-A", "grün"))
        self.assertEqual(b"X-A: =?utf-8?b?YRti?=\r\n", write_field("X-A", "a\x1bb"))
        for value in ("ä" * 40, "\U0001f4e7" * 40, "plain words \udcff"):
            written = write_field("X-A", value)
            self.assertLess(max(map(len, written.split(b"\r\n"))), 80)
            decoded = str(make_header(decode_header(written.decode().partition(": ")[2].strip())))
            self.assertEqual(value.replace("\udcff", "?"), decoded)
        for name in ("", "X A", "X:", "X\r\n", "Grün"):
            self.assertRaises(SyntaxProblem, write_field, name, "value")
        self.assertRaises(SyntaxProblem, write_field, "X-A", "x" * 998)
