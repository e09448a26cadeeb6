"""
UTF8 and LANG (RFC 6856), LOGIN-DELAY (RFC 2449 section 6.5).
"""

from __future__ import annotations

from attrs import evolve

from tests.support.pop3 import PRIVATE, PUBLIC, Peer, Pop3Case

WIDE = "From: J\u00fcrgen <j@x>\r\n\r\nGr\u00fc\u00dfe.\r\n".encode()


class Utf8Tests(Pop3Case):
    """
    UTF8.
    """

    def test_surrogate(self) -> None:
        """
        Who does not ask for UTF-8 gets the header in ASCII; the body is as it is.
        """
        self.plays(
            """
            S: +OK dewey POP3 server ready.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 1 message (33 octets).
            C: TOP 1 0
            S: +OK 33 octets
            S: From: =?utf-8?b?SsO8cmdlbg==?= <j@x>
            S:
            S: .
        """,
            Peer(messages=(WIDE,)),
        )
        peer = Peer(messages=(WIDE,), piece=3)
        heard = peer.talk(b"USER mrose\r\nPASS secret\r\nRETR 1\r\n")
        self.assertTrue(heard.endswith("<j@x>\r\n\r\nGr\u00fc\u00dfe.\r\n.\r\n".encode()), heard)

    def test_as_it_is(self) -> None:
        """
        Who asks for it before logging in gets messages as they are.
        """
        peer = Peer(messages=(WIDE,))
        heard = peer.talk(b"UTF8\r\nUSER mrose\r\nPASS secret\r\nRETR 1\r\n")
        self.assertIn(b"\r\n+OK UTF-8 it is.\r\n", heard)
        self.assertTrue(heard.endswith(WIDE + b".\r\n"), heard)

    def test_when(self) -> None:
        """
        It takes no argument, has its time before the login, and is forgotten by STLS.
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: UTF8 please
            S: -ERR This command takes no argument.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: UTF8
            S: -ERR Not in the TRANSACTION state.
        """)
        peer = Peer(PUBLIC, messages=(WIDE,))
        heard = peer.talk(b"UTF8\r\nSTLS\r\n", b"USER mrose\r\nPASS secret\r\nRETR 1\r\n")
        self.assertNotIn(WIDE, heard)
        self.assertIn(b"=?utf-8?b?", heard)


class LangTests(Pop3Case):
    """
    LANG.
    """

    def test_languages(self) -> None:
        """
        English is listed and can be chosen; what is asked for in vain changes nothing.
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: LANG
            S: +OK Language listing follows.
            S: en English
            S: .
            C: LANG EN
            S: +OK en English is spoken.
            C: LANG *
            S: +OK en English is spoken.
            C: LANG MUL
            S: -ERR That language is not spoken here.
            C: LANG en-US
            S: -ERR That language is not spoken here.
            C: LANG en de
            S: -ERR Expected a language, or an asterisk.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: LANG en
            S: +OK en English is spoken.
        """)


class LoginDelayTests(Pop3Case):
    """
    LOGIN-DELAY.
    """

    def test_announced(self) -> None:
        """
        It is among the capabilities where there is a delay.
        """
        self.assertNotIn(b"LOGIN-DELAY", Peer().talk(b"CAPA\r\n"))
        self.assertIn(b"\r\nLOGIN-DELAY 60\r\n", Peer(evolve(PRIVATE, login_delay=60)).talk(b"CAPA\r\n"))
