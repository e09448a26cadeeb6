"""
SASL-IR (RFC 4959).
"""

from __future__ import annotations

from base64 import b64encode

from tests.support.imap import ImapTestCase


class InitialResponseTests(ImapTestCase):
    """
    AUTHENTICATE in one line.
    """

    enters = False

    def test_at_once(self) -> None:
        """
        With the first response on the line, PLAIN needs no challenge.
        """
        self.plays(f"""
            C: a AUTHENTICATE PLAIN {b64encode(bytes(1) + b"fred" + bytes(1) + b"secret").decode()}
            S: a OK [CAPABILITY ...] Logged in.
        """)

    def test_login_at_once(self) -> None:
        """
        LOGIN may begin with the name.
        """
        self.plays(f"""
            C: a AUTHENTICATE LOGIN {b64encode(b"fred").decode()}
            S: + {b64encode(b"Password:").decode()}
            C: {b64encode(b"secret").decode()}
            S: a OK ...
        """)

    def test_empty(self) -> None:
        """
        An equals sign is an empty response: which PLAIN does not take.
        """
        self.plays("""
            C: a AUTHENTICATE PLAIN =
            S: a BAD PLAIN has three parts...
        """)

    def test_malformed(self) -> None:
        """
        What is not base64 is BAD.
        """
        self.plays("""
            C: a AUTHENTICATE PLAIN AAA
            S: a BAD That is not base64.
            C: b AUTHENTICATE PLAIN !!
            S: b BAD ...
            C: c AUTHENTICATE PLAIN AAAA AAAA
            S: c BAD ...
        """)
