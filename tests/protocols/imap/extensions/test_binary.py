"""
BINARY (RFC 3516).
"""

from __future__ import annotations

import base64

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits

NUL = bytes(range(60))
MIXED = (
    b"Subject: parts\nContent-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n"
    b"--a\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nJ=C3=BCrgen=\n!=0Aend\n"
    b"--a\nContent-Type: application/x\nContent-Transfer-Encoding: BASE64\n\n" + base64.encodebytes(NUL) + b"\n"
    b"--a\nContent-Type: application/x\nContent-Transfer-Encoding: x-uuencode\n\nbegin\n"
    b"--a\nContent-Type: message/rfc822\n\nSubject: inner\n\nInner.\n"
    b"--a\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"x\ny") + b"\n"
    b"--a--\n"
)


class FetchTests(ImapTestCase):
    """
    FETCH of decoded parts.
    """

    def setUp(self) -> None:
        """
        One message with many parts, open read-only or not.
        """
        super().setUp()
        self.add(MIXED, b"Content-Transfer-Encoding: base64\n\nSGVsbG8=\n")
        line = self.line()
        line.receive(b"x SELECT INBOX\r\n")
        line.take()

    def fetch(self, items: bytes, number: int = 1) -> bytes:
        """
        What is said to a FETCH that is OK.
        """
        line = self.line()
        line.receive(b"a FETCH %d %b\r\n" % (number, items))
        answer = line.take()
        self.assertTrue(answer.endswith(b"\r\na OK Fetched.\r\n"), answer)
        return answer.removesuffix(b"a OK Fetched.\r\n")

    def test_decoded(self) -> None:
        """
        Text is a literal with whole line ends; what holds NUL is a literal8.
        """
        text = "J\u00fcrgen!\r\nend".encode()
        self.assertEqual(b"* 1 FETCH (BINARY[1] {%d}\r\n%b)\r\n" % (len(text), text), self.fetch(b"BINARY.PEEK[1]"))
        self.assertEqual(b"* 1 FETCH (BINARY[2] ~{60}\r\n%b)\r\n" % NUL, self.fetch(b"binary.peek[2]"))
        self.assertEqual(b"* 1 FETCH (BINARY[5] {3}\r\nx\ny)\r\n", self.fetch(b"BINARY.PEEK[5]"))

    def test_partial(self) -> None:
        """
        A range counts decoded octets; the answer names where it begins.
        """
        self.assertEqual(b"* 1 FETCH (BINARY[2]<1> {5}\r\n%b)\r\n" % NUL[1:6], self.fetch(b"BINARY.PEEK[2]<1.5>"))
        self.assertEqual(b"* 1 FETCH (BINARY[2]<0> ~{1}\r\n\0)\r\n", self.fetch(b"BINARY.PEEK[2]<0.1>"))
        self.assertEqual(b"* 1 FETCH (BINARY[2]<58> {2}\r\n%b)\r\n" % NUL[58:], self.fetch(b"BINARY.PEEK[2]<58.99>"))
        self.assertEqual(b"* 1 FETCH (BINARY[2]<99> {0}\r\n)\r\n", self.fetch(b"BINARY.PEEK[2]<99.1>"))
        self.assertEqual(b"* 1 FETCH (BINARY[9]<0> NIL)\r\n", self.fetch(b"BINARY.PEEK[9]<0.4>"))

    def test_size(self) -> None:
        """
        It is that of the answer to the corresponding BINARY; nothing is 0.
        """
        self.assertEqual(
            b"* 1 FETCH (BINARY.SIZE[1] 13 BINARY.SIZE[2] 60 BINARY.SIZE[9] 0)\r\n",
            self.fetch(b"(BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[9])"),
        )

    def test_whole(self) -> None:
        """
        A whole message, a multipart and a message in a message are as they are.
        """
        whole = MIXED.replace(b"\n", b"\r\n")
        self.assertEqual(b"* 1 FETCH (BINARY[] {%d}\r\n%b)\r\n" % (len(whole), whole), self.fetch(b"BINARY.PEEK[]"))
        self.assertIn(b"BINARY[4] {24}\r\nSubject: inner\r\n\r\nInner.)", self.fetch(b"BINARY.PEEK[4]"))
        self.assertEqual(b"* 1 FETCH (BINARY[4.1] {6}\r\nInner.)\r\n", self.fetch(b"BINARY.PEEK[4.1]"))
        nested = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nx\n--c--\n--b--\n"
        self.add(nested)
        self.line().receive(b"n NOOP\r\n")
        self.line().take()
        self.assertIn(b"BINARY[1] {15}\r\n--c\r\n\r\nx\r\n--c--", self.fetch(b"BINARY.PEEK[1]", 3))

    def test_seen(self) -> None:
        """
        BINARY sets C{\\Seen}; the others do not.
        """
        self.assertNotIn(b"FLAGS", self.fetch(b"BINARY.PEEK[1]", 2) + self.fetch(b"BINARY.SIZE[1]", 2))
        self.assertEqual(b"* 2 FETCH (BINARY[1] {5}\r\nHello FLAGS (\\Seen \\Recent))\r\n", self.fetch(b"BINARY[1]", 2))

    def test_unknown_encoding(self) -> None:
        """
        What cannot be decoded is NO, in each form.
        """
        self.plays("""
            C: a FETCH 1 BINARY[3]
            S: * 1 FETCH (FLAGS (\\Seen \\Recent))
            S: a NO [UNKNOWN-CTE] ...
            C: b FETCH 1 BINARY.PEEK[3]<0.1>
            S: b NO [UNKNOWN-CTE] ...
            C: c FETCH 1 (UID BINARY.SIZE[3])
            S: c NO [UNKNOWN-CTE] ...
        """)

    def test_malformed(self) -> None:
        """
        Only part numbers stand in the brackets.
        """
        for item in (
            "BINARY",
            "BINARY[TEXT]",
            "BINARY[1.MIME]",
            "BINARY[0]",
            "BINARY.SIZE[1]<0.1>",
            "BINARY[1]<0.0>",
            "BINARY[1",
        ):
            self.plays(f"C: a FETCH 1 {item}\nS: a BAD ...")

    def test_large(self) -> None:
        """
        A large part is decoded in pieces, and no further than is asked for.
        """
        octets = bytes(range(1, 256)) * 2000
        self.settings = self.make_settings(message_size=2_000_000)
        self.add(b"Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(octets))
        self.line().receive(b"n NOOP\r\n")
        self.line().take()
        self.assertGreater(len(octets), limits.CONTENT_PIECE)
        self.assertEqual(b"* 3 FETCH (BINARY.SIZE[1] %d)\r\n" % len(octets), self.fetch(b"BINARY.SIZE[1]", 3))
        for start, length in ((0, 10), (300_000, 100), (509_999, 5)):
            piece = octets[start : start + length]
            self.assertEqual(
                b"* 3 FETCH (BINARY[1]<%d> {%d}\r\n%b)\r\n" % (start, len(piece), piece),
                self.fetch(b"BINARY.PEEK[1]<%d.%d>" % (start, length), 3),
            )


class AppendTests(ImapTestCase):
    """
    APPEND of a literal8.
    """

    def test_taken(self) -> None:
        """
        Without NUL it is a literal like any other.
        """
        self.plays("""
            C: a CAPABILITY
            S: ... BINARY ...
            S: a OK ...
            C: b APPEND INBOX {6}
            S: + Go ahead.
            C: a: 1
            C:  ~{6+}
            C: a: 2
            C:
            S: b OK [APPENDUID 1700000000 1:2] Appended.
            C: c APPEND INBOX ~{6}
            S: + Go ahead.
            C: a: 3
            C:
            S: c OK ...
        """)

    def test_nul(self) -> None:
        """
        With NUL it is refused, with the response code that says why (section 4.4).
        """
        line = self.line()
        line.receive(b"a APPEND INBOX ~{6+}\r\na: \0\r\n\r\nb NOOP\r\n")
        self.assertEqual(
            b"a NO [UNKNOWN-CTE] A message with NUL cannot be kept here.\r\nb OK Nothing done.\r\n", line.take()
        )
        self.assertEqual(0, now(self.mail.status("INBOX")).messages)

    def test_utf8(self) -> None:
        """
        The data extension of RFC 6855 section 4 has a literal8 in parentheses.
        """
        self.plays("""
            C: a APPEND INBOX UTF8 (~{6}
            S: + Go ahead.
            C: a: 1
            C:  () UTF8 (~{6+}
            C: a: 2
            C: ) {6+}
            C: a: 3
            C:
            S: a BAD ...
            C: b APPEND INBOX utf8 (~{6+}
            C: a: 1
            C: ) (\\Seen) UTF8 (~{6+}
            C: a: 2
            C: )
            S: b OK [APPENDUID 1700000000 1:2] Appended.
            C: c APPEND INBOX UTF8 ({6}
            S: c BAD ...
            C: d APPEND INBOX UTF8 ~{6}
            S: d BAD ...
            C: e APPEND INBOX UTF8 (~{6+}
            C: a: 1
            C:
            S: e BAD ...
        """)
