"""
STARTTLS, AUTHENTICATE, LOGIN (RFC 3501 section 6.2).
"""

from __future__ import annotations

from base64 import b64encode

from tests.support.imap import ImapTestCase, account_id_of


class LoginTests(ImapTestCase):
    """
    LOGIN.
    """

    enters = False

    def test_login(self) -> None:
        """
        Name and password come in any form; the answer tells what there is now.
        """
        for written in ("fred secret", '"fred" "secret"', 'fred "se\\cret"'):
            self.lines.clear()
            outcome = "BAD ..." if "\\" in written else "OK [CAPABILITY IMAP4rev1 ...] Logged in."
            self.plays(f"""
                C: a LOGIN {written}
                S: a {outcome}
            """)
        self.assertEqual(account_id_of("fred"), self.passwords.logins[0].account.id)

    def test_wrong(self) -> None:
        """
        A wrong password and an unknown name are refused in the same words; after some, there is BYE.
        """
        self.plays("""
            C: a LOGIN fred wrong
            S: a NO [AUTHENTICATIONFAILED] Wrong name or password.
            C: b LOGIN nobody secret
            S: b NO [AUTHENTICATIONFAILED] Wrong name or password.
            C: c LOGIN fred wrong
            S: c NO [AUTHENTICATIONFAILED] Wrong name or password.
            S: * BYE [LIMIT] Too many failed logins.
        """)
        self.assertTrue(self.line().conversation.is_over)

    def test_right_after_wrong(self) -> None:
        """
        Who fails, and then does not, is in.
        """
        self.plays("""
            C: a LOGIN fred wrong
            S: a NO ...
            C: b LOGIN fred secret
            S: b OK ...
            C: c LOGIN fred secret
            S: c BAD [CLIENTBUG] LOGIN cannot come without a selected mailbox.
        """)
        self.assertEqual(1, len(self.line().entered_as))

    def test_malformed(self) -> None:
        """
        Without both parts, or with what no name holds, it is not read.
        """
        self.plays("""
            C: a LOGIN fred
            S: a BAD ...
            C: b LOGIN
            S: b BAD ...
            C: c LOGIN "" ""
            S: c BAD ...
        """)

    def test_in_the_clear(self) -> None:
        """
        Without TLS no password is taken, not even the right one, nor by AUTHENTICATE.
        """
        line = self.lines[""] = self.connect(is_private=False)
        self.plays("""
            C: a LOGIN fred secret
            S: a NO [PRIVACYREQUIRED] Not without TLS.
            C: b AUTHENTICATE PLAIN
            S: b NO [PRIVACYREQUIRED] Not without TLS.
        """)
        self.assertEqual([], line.entered_as)

    def test_revoked(self) -> None:
        """
        When the account goes, whoever drives the session is told.
        """
        self.plays("""
            C: a LOGIN fred secret
            S: a OK ...
        """)
        self.passwords.logins[0].revoked("The password changed.")
        self.assertEqual(["The password changed."], self.line().revoked)


class AuthenticateTests(ImapTestCase):
    """
    AUTHENTICATE.
    """

    enters = False
    plain = b64encode(b"\0fred\0secret").decode()

    def test_plain(self) -> None:
        """
        PLAIN asks with an empty challenge.
        """
        self.plays(f"""
            C: a AUTHENTICATE plain
            S: +...
            C: {self.plain}
            S: a OK [CAPABILITY ...] Logged in.
        """)

    def test_login(self) -> None:
        """
        LOGIN asks for the name, then for the password.
        """
        self.plays(f"""
            C: a AUTHENTICATE LOGIN
            S: + {b64encode(b"Username:").decode()}
            C: {b64encode(b"fred").decode()}
            S: + {b64encode(b"Password:").decode()}
            C: {b64encode(b"secret").decode()}
            S: a OK ...
        """)

    def test_taken_back(self) -> None:
        """
        A star ends it with BAD.
        """
        self.plays("""
            C: a AUTHENTICATE PLAIN
            S: +...
            C: *
            S: a BAD Taken back.
            C: b NOOP
            S: b OK ...
        """)

    def test_malformed(self) -> None:
        """
        What is not base64, or not the mechanism's, is BAD; a line that is too long too.
        """
        self.plays(f"""
            C: a AUTHENTICATE PLAIN
            S: +...
            C: not base64!
            S: a BAD That is not base64.
            C: b AUTHENTICATE PLAIN
            S: +...
            C: {b64encode(b"fred").decode()}
            S: b BAD ...
            C: c AUTHENTICATE
            S: c BAD ...
            C: d AUTHENTICATE PLAIN
            S: +...
            C: {"A" * 12289}
            S: d BAD [LIMIT] ...
        """)

    def test_unknown(self) -> None:
        """
        A mechanism that is not offered is refused.
        """
        self.plays("""
            C: a AUTHENTICATE XYZZY
            S: a NO That mechanism is not to be had here.
        """)

    def test_wrong(self) -> None:
        """
        A wrong password counts as with LOGIN.
        """
        self.plays(f"""
            C: a AUTHENTICATE PLAIN
            S: +...
            C: {b64encode(b"0fred0wrong".replace(b"0", bytes(1))).decode()}
            S: a NO [AUTHENTICATIONFAILED] ...
        """)
        self.assertEqual(1, self.line().conversation.session.failed_logins)


class StartTlsTests(ImapTestCase):
    """
    STARTTLS.
    """

    enters = False

    def test_upgrade(self) -> None:
        """
        TLS begins after the answer; then there are ways in, and no second STARTTLS.
        """
        line = self.lines[""] = self.connect(is_private=False, can_start_tls=True)
        self.plays("""
            C: a STARTTLS
            S: a OK Begin TLS now.
        """)
        self.assertEqual(1, line.tls_started)
        self.plays("""
            C: b CAPABILITY
            S: * CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN
            S: b OK ...
            C: c STARTTLS
            S: c BAD [CLIENTBUG] TLS is not to be had now.
        """)

    def test_not_to_be_had(self) -> None:
        """
        Without certificates there is no TLS.
        """
        self.lines[""] = self.connect(is_private=False)
        self.plays("""
            C: a STARTTLS
            S: a BAD [CLIENTBUG] TLS is not to be had now.
        """)
