"""
What goes out (RFC 3501 sections 7 and 9).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.changes import AppendResult, CopyResult
from twisted_mail_server.protocols.imap import wire


class WireTests(SynchronousTestCase):
    """
    Responses and strings.
    """

    def test_text(self) -> None:
        """
        No text makes a second line, is empty, or begins like a response code.
        """
        self.assertEqual(b"a??b", wire.text("a\r\nb"))
        self.assertEqual(b"ALERT] x", wire.text("[ALERT] x"))
        self.assertEqual(b"-", wire.text("["))
        self.assertEqual(b"-", wire.text(""))
        self.assertEqual(b"caf?", wire.text("café"))

    def test_condition(self) -> None:
        """
        A condition has a tag or a star, and a code if there is one.
        """
        self.assertEqual(b"* OK Hello.\r\n", wire.condition(b"OK", "Hello."))
        self.assertEqual(b"a1 NO [CANNOT] No.\r\n", wire.condition(b"NO", "No.", b"CANNOT", tag=b"a1"))

    def test_strings(self) -> None:
        """
        A string is quoted if it can be, and a literal if not; an astring is an atom if it can be, but never NIL.
        """
        self.assertEqual(b'"a \\"b\\" \\\\"', wire.string(b'a "b" \\'))
        self.assertEqual(b"{4}\r\na\r\nb", wire.string(b"a\r\nb"))
        self.assertEqual(b"{2}\r\n\xc3\xa9", wire.string("é".encode()))
        self.assertEqual(b"{1001}\r\n" + b"a" * 1001, wire.string(b"a" * 1001))
        self.assertEqual(b"INBOX", wire.astring(b"INBOX"))
        self.assertEqual(b'"nil"', wire.astring(b"nil"))
        self.assertEqual(b'""', wire.astring(b""))
        self.assertEqual(b'"a]"', wire.astring(b"a]"))

    def test_mailbox(self) -> None:
        """
        A name goes out in modified UTF-7, with the separator of the wire, as an atom or quoted.
        """
        self.assertEqual(b"a/b", wire.mailbox("a/b", "/"))
        self.assertEqual(b"a.b", wire.mailbox("a/b", "."))
        self.assertEqual(b"a/b", wire.mailbox("a.b", "."))
        self.assertEqual(b'"a \\"b\\" \\\\c"', wire.mailbox('a "b" \\c', "/"))
        self.assertEqual(b"&U,BTFw-/&-", wire.mailbox("台北/&", "/"))
        self.assertEqual(b'"*%"', wire.mailbox("*%", "/"))

    def test_lists(self) -> None:
        """
        Lists stand in parentheses.
        """
        self.assertEqual(b"(\\Seen $x)", wire.flag_list(["\\Seen", "$x"]))
        self.assertEqual(b"()", wire.flag_list([]))
        self.assertEqual(b'"\\\\"', wire.delimiter("\\"))

    def test_codes(self) -> None:
        """
        APPENDUID and COPYUID tell sets; nothing copied has no code.
        """
        self.assertEqual(b"APPENDUID 38505 3955", wire.appended(AppendResult(38505, (3955,))))
        self.assertEqual(
            b"COPYUID 38505 304,319:320 3956:3958", wire.copied(CopyResult(38505, (304, 319, 320), (3956, 3957, 3958)))
        )
        self.assertEqual(b"", wire.copied(CopyResult(38505, (), ())))
