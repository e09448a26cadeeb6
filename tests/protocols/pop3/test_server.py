"""
L{twisted_mail_server.protocols.pop3.server} and its commands
"""

from __future__ import annotations

import base64
from itertools import product

from tests.support.pop3 import LOGIN, ONE, PRIVATE, PUBLIC, TWO, Peer, Pop3Case
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DiskFull, InUse, MessageGone
from twisted_mail_server.protocols.pop3.commands import COMMANDS
from twisted_mail_server.protocols.pop3.conversation import Surroundings
from twisted_mail_server.protocols.pop3.events import LoginAsked, MessageAsked, RemovalAsked, TlsAsked
from twisted_mail_server.protocols.pop3.extensions import sasl
from twisted_mail_server.protocols.pop3.registry import EXTENSIONS, REGISTRY
from twisted_mail_server.protocols.pop3.responses import error, ok
from twisted_mail_server.protocols.pop3.states import MOVES, State, Step
from twisted_mail_server.protocols.pop3.vocabulary import Registry
from twisted_mail_server.protocols.sasl.plain import LoginClient, LoginServer
from twisted_mail_server.protocols.sasl.vocabulary import Mechanism

PLAIN = base64.b64encode(b"\0mrose\0secret").decode()
WRONG = base64.b64encode(b"\0mrose\0wrong").decode()


class ExampleTests(Pop3Case):
    """
    The RFCs' own examples.
    """

    def test_rfc1939(self) -> None:
        """
        The session of RFC 1939 section 10, with USER and PASS in place of APOP, however it is cut.
        """
        peer = self.plays("""
            S: +OK dewey POP3 server ready.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: STAT
            S: +OK 2 320
            C: LIST
            S: +OK 2 messages (320 octets)
            S: 1 120
            S: 2 200
            S: .
            C: RETR 1
            S: +OK 120 octets
            S: Subject: one
            S:
            S: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            S: ..dot
            S: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            S: .
            C: DELE 1
            S: +OK Message 1 deleted.
            C: RETR 2
            S: +OK 200 octets
            S: Subject: two
            S:
            S: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz
            S: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz
            S: .
            C: DELE 2
            S: +OK Message 2 deleted.
            C: QUIT
            S: +OK dewey POP3 server signing off.
        """)
        self.assertEqual(RemovalAsked((1, 2)), peer.events[-1])
        self.assertTrue(peer.engine.is_closed)

    def test_rfc1939_commands(self) -> None:
        """
        The examples of RFC 1939 sections 5 and 7: LIST, DELE, RSET, NOOP, TOP and UIDL.
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: LIST 2
            S: +OK 2 200
            C: LIST 3
            S: -ERR No such message, only 2 in the maildrop.
            C: DELE 1
            S: +OK Message 1 deleted.
            C: DELE 1
            S: -ERR Message 1 is deleted already.
            C: RETR 1
            S: -ERR Message 1 is deleted already.
            C: LIST
            S: +OK 1 message (200 octets)
            S: 2 200
            S: .
            C: NOOP
            S: +OK
            C: RSET
            S: +OK Maildrop has 2 messages (320 octets).
            C: TOP 1 1
            S: +OK 120 octets
            S: Subject: one
            S:
            S: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            S: .
            C: TOP 100 3
            S: -ERR No such message, only 2 in the maildrop.
            C: UIDL
            S: +OK Unique-id listing follows.
            S: 1 0000000a00000001
            S: 2 0000000a00000002
            S: .
            C: UIDL 2
            S: +OK 2 0000000a00000002
            C: UIDL 3
            S: -ERR No such message, only 2 in the maildrop.
            C: dele 2
            S: +OK Message 2 deleted.
            C: quit
            S: +OK dewey POP3 server signing off.
        """)

    def test_rfc2449(self) -> None:
        """
        CAPA in both states (RFC 2449 section 5).
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: CAPA
            S: +OK Capability list follows.
            S: TOP
            S: UIDL
            S: USER
            S: SASL PLAIN LOGIN
            S: PIPELINING
            S: RESP-CODES
            S: AUTH-RESP-CODE
            S: EXPIRE NEVER
            S: UTF8 USER
            S: LANG
            S: IMPLEMENTATION twisted-mail-server
            S: .
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: CAPA
            S: +OK Capability list follows.
            S: TOP
            S: UIDL
            S: USER
            S: SASL PLAIN LOGIN
            S: PIPELINING
            S: RESP-CODES
            S: AUTH-RESP-CODE
            S: EXPIRE NEVER
            S: UTF8 USER
            S: LANG
            S: IMPLEMENTATION twisted-mail-server
            S: .
        """)

    def test_rfc2595(self) -> None:
        """
        Passwords only under TLS, then TLS, then no more of it (RFC 2595 section 4).
        """
        peer = self.plays(
            """
            S: +OK dewey POP3 server ready.
            C: CAPA
            S: +OK Capability list follows.
            S: TOP
            S: UIDL
            S: STLS
            S: PIPELINING
            S: RESP-CODES
            S: AUTH-RESP-CODE
            S: EXPIRE NEVER
            S: UTF8 USER
            S: LANG
            S: IMPLEMENTATION twisted-mail-server
            S: .
            C: USER mrose
            S: -ERR Passwords are taken under TLS only: say STLS first.
            C: PASS secret
            S: -ERR Passwords are taken under TLS only: say STLS first.
            C: AUTH PLAIN
            S: -ERR Passwords are taken under TLS only.
            C: STLS
            S: +OK Begin TLS negotiation now.
            C: STLS
            S: -ERR Command not permitted when TLS active.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
            C: STLS
            S: -ERR Not in the TRANSACTION state.
        """,
            Peer(PUBLIC),
        )
        self.assertIsInstance(peer.events[0], TlsAsked)

    def test_rfc5034(self) -> None:
        """
        AUTH with an initial response and without one, cancelled, and of a mechanism that is not there (RFC 5034 section 6).
        """
        for lines in (
            f"C: AUTH PLAIN {PLAIN}",
            f"C: auth plain\nS: + \nC: {PLAIN}",
            "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: bXJvc2U=\nS: + UGFzc3dvcmQ6\nC: c2VjcmV0",
            f"C: AUTH PLAIN\nS: + \nC: *\nS: -ERR The login is cancelled.\nC: AUTH PLAIN {PLAIN}",
            f"C: AUTH DIGEST-MD5\nS: -ERR There is no such mechanism here.\nC: AUTH PLAIN {PLAIN}",
        ):
            peer = self.plays(
                f"S: +OK dewey POP3 server ready.\n{lines}\n"
                "S: +OK Maildrop has 2 messages (320 octets).\nC: AUTH PLAIN\nS: -ERR Not in the TRANSACTION state."
            )
            self.assertIn(peer.events[0].method, ("PLAIN", "LOGIN"))  # type: ignore[union-attr]


class LoginTests(Pop3Case):
    """
    The AUTHORIZATION state.
    """

    def test_wrong_password(self) -> None:
        """
        Who it is that is wrong is not told; the code is AUTH (RFC 3206); and one may try again.
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: USER nobody
            S: +OK Now the password.
            C: PASS secret
            S: -ERR [AUTH] Wrong name or password.
            C: USER mrose
            S: +OK Now the password.
            C: PASS  secret
            S: -ERR [AUTH] Wrong name or password.
            C: USER mrose
            S: +OK Now the password.
            C: PASS secret
            S: +OK Maildrop has 2 messages (320 octets).
        """)

    def test_few_guesses(self) -> None:
        """
        After a few failures the session ends, whatever way they came.
        """
        peer = Peer()
        self.assertEqual(3, limits.LOGINS_PER_SESSION)
        heard = peer.talk(
            f"AUTH PLAIN {WRONG}\r\nUSER mrose\r\nPASS x\r\nAUTH PLAIN\r\n{WRONG}\r\nUSER mrose\r\n".encode()
        )
        self.assertEqual(3, heard.count(b"-ERR [AUTH]"))
        self.assertTrue(heard.endswith(b"-ERR [AUTH] Wrong name or password.\r\n"))
        self.assertTrue(peer.engine.is_closed)
        self.assertEqual((b"", 0), (peer.talk(LOGIN), peer.engine.unread))

    def test_in_use(self) -> None:
        """
        A maildrop that somebody has locked is IN-USE (RFC 2449 section 8.1.2), and no failed guess.
        """
        peer = Peer(problem=InUse("Another session has it."))
        heard = peer.talk(LOGIN * 5)
        self.assertEqual(5, heard.count(b"-ERR [IN-USE] Another session has it.\r\n"))
        self.assertFalse(peer.engine.is_closed)

    def test_pass_follows_user(self) -> None:
        """
        PASS comes at once after USER, or not at all (RFC 1939 section 7).
        """
        self.plays("""
            S: +OK dewey POP3 server ready.
            C: PASS secret
            S: -ERR Say USER first.
            C: USER mrose
            S: +OK Now the password.
            C: CAPA x
            S: -ERR This command takes no argument.
            C: PASS secret
            S: -ERR Say USER first.
            C: USER
            S: -ERR Expected an argument.
            C: USER mrose
            S: +OK Now the password.
            C: PASS
            S: -ERR Expected an argument.
            C: PASS secret
            S: -ERR Say USER first.
        """)

    def test_quit(self) -> None:
        """
        QUIT before a login ends the session and removes nothing.
        """
        peer = self.plays("S: +OK dewey POP3 server ready.\nC: QUIT\nS: +OK dewey POP3 server signing off.")
        self.assertEqual(([], True), (peer.events, peer.engine.is_closed))

    def test_no_tls_at_all(self) -> None:
        """
        Where there is no TLS, STLS is refused, and a password has to come another way.
        """
        self.plays(
            """
            S: +OK dewey POP3 server ready.
            C: STLS
            S: -ERR There is no TLS here.
            C: USER mrose
            S: -ERR Passwords are taken under TLS only: connect by TLS.
        """,
            Peer(Surroundings(is_private=False, offers_tls=False)),
        )

    def test_bad_sasl(self) -> None:
        """
        What is no base64 is refused (RFC 5034 section 4), and the next line is a command again.
        """
        for lines in (
            "C: AUTH\nS: -ERR Expected a mechanism.",
            "C: AUTH PLAIN =AAA\nS: -ERR That is not base64.",
            "C: AUTH PLAIN\nS: + \nC: AAA=BBB\nS: -ERR That is not base64.",
            "C: AUTH PLAIN =\nS: -ERR PLAIN has three parts, with a NUL between them.",
        ):
            self.plays(f"S: +OK dewey POP3 server ready.\n{lines}\nC: QUIT\nS: +OK dewey POP3 server signing off.")

    def test_server_begins(self) -> None:
        """
        An initial response to a mechanism that has none is refused (RFC 5034 section 4).
        """
        patient = Mechanism("LOGIN", "", LoginServer, LoginClient, is_client_first=False)
        self.patch(sasl, "BY_NAME", {"LOGIN": patient})
        self.plays(
            "S: +OK dewey POP3 server ready.\nC: AUTH LOGIN bXJvc2U=\nS: -ERR This mechanism has no initial response."
        )

    def test_long_sasl(self) -> None:
        """
        A response may be long, but not without end; then the next line is a command.
        """
        peer = Peer()
        peer.talk(b"AUTH PLAIN\r\n")
        self.assertEqual(b"-ERR That is not base64.\r\n", peer.talk(b"-" * limits.SASL_LINE + b"\r\n"))
        self.assertEqual(b"+ \r\n", peer.talk(b"AUTH PLAIN\r\n"))
        self.assertEqual(b"-ERR The line is too long.\r\n", peer.talk(b"x" * (limits.SASL_LINE + 1) + b"\r\n"))
        self.assertEqual(b"+OK dewey POP3 server signing off.\r\n", peer.talk(b"QUIT\r\n"))


class CommandTests(Pop3Case):
    """
    What every command has in common.
    """

    def test_states(self) -> None:
        """
        Each command is answered in its own states, and is out of turn in the other.
        """
        for name, command in REGISTRY.commands.items():
            for state, prelude in ((State.AUTHORIZATION, b""), (State.TRANSACTION, LOGIN)):
                peer = Peer()
                peer.talk(prelude)
                self.assertEqual(state, peer.engine.state)
                out_of_turn = f"Not in the {state.name} state.".encode() in peer.talk(name + b"\r\n")
                self.assertEqual(state not in command.states, out_of_turn, (name, state))

    def test_moves(self) -> None:
        """
        The table has no way to UPDATE but QUIT, and none out of CLOSED.
        """
        self.assertEqual(
            {(State.TRANSACTION, Step.QUIT)}, {move for move, state in MOVES.items() if state is State.UPDATE}
        )
        for step in Step:
            self.assertNotIn((State.CLOSED, step), MOVES)
        reached = {state for (_, step), state in MOVES.items()} | {State.AUTHORIZATION}
        self.assertEqual(set(State), reached)

    def test_arguments(self) -> None:
        """
        Wrong arguments are refused, trailing space is not.
        """
        peer = Peer()
        peer.talk(LOGIN)
        for line in (
            b"STAT 1",
            b"LIST x",
            b"LIST -1",
            b"LIST 1 2",
            b"LIST 99999999999",
            b"RETR",
            b"RETR \xb2",
            b"DELE",
            b"TOP",
            b"TOP 1",
            b"TOP 1 -1",
            b"TOP 1  1",
            b"UIDL 1x",
            b"NOOP\n",
            b"QUIT now",
            b"",
            b" STAT",
            b"\xff\x00",
            b"APOP mrose c4c9334bac560ecc979e58001b3e22fb",
        ):
            peer.engine._errors = 0
            self.assertTrue(peer.talk(line + b"\r\n").startswith(b"-ERR "), line)
        for line in (b"STAT ", b"list ", b"Noop "):
            self.assertTrue(peer.talk(line + b"\r\n").startswith(b"+OK"), line)

    def test_errors(self) -> None:
        """
        Too many errors end the session, and nothing is removed.
        """
        peer = Peer()
        peer.talk(LOGIN + b"DELE 1\r\n")
        heard = peer.talk(b"NONSENSE\r\n" * (limits.ERRORS_PER_SESSION + 5))
        self.assertEqual(limits.ERRORS_PER_SESSION, heard.count(b"-ERR There is no such command.\r\n"))
        self.assertTrue(heard.endswith(b"-ERR Too many errors.\r\n"))
        self.assertTrue(peer.engine.is_closed)
        self.assertNotIn(RemovalAsked, map(type, peer.events))

    def test_long_lines(self) -> None:
        """
        A command of 255 octets is taken (RFC 2449 section 4); one that is too long is refused once, and the next one read.
        """
        peer = Peer()
        self.assertEqual(b"+OK Now the password.\r\n", peer.talk(b"USER " + b"x" * 248 + b"\r\n")[-23:])
        long = b"USER " + b"x" * limits.POP3_COMMAND_LINE + b"\r\n"
        self.assertEqual(b"-ERR The line is too long.\r\n", peer.talk(long[:600], long[600:]))
        self.assertEqual(b"+OK dewey POP3 server signing off.\r\n", peer.talk(b"QUIT\r\n"))

    def test_unauthenticated(self) -> None:
        """
        Who has not logged in is heard for a while only.
        """
        peer = Peer()
        heard = peer.talk(*[b"x" * 1024] * 65)
        self.assertTrue(heard.endswith(b"-ERR That was too much without a login.\r\n"))
        self.assertTrue(peer.engine.is_closed)
        peer = Peer()
        peer.talk(LOGIN, *[b"NOOP\r\n" * 1000] * 20)
        self.assertFalse(peer.engine.is_closed)

    def test_pipelining(self) -> None:
        """
        A burst is answered in its order; what follows QUIT is not.
        """
        peer = Peer()
        heard = peer.talk(LOGIN + b"STAT\r\nDELE 1\r\nSTAT\r\nRSET\r\nQUIT\r\nSTAT\r\n")
        self.assertEqual(
            [b"+OK Now", b"+OK Mai", b"+OK 2 3", b"+OK Mes", b"+OK 1 2", b"+OK Mai", b"+OK dew"],
            [line[:7] for line in heard.split(b"\r\n")[1:-1]],
        )

    def test_much_output(self) -> None:
        """
        When much is to be sent it is asked that it is, before the next command is answered.
        """
        peer = Peer(messages=[b"x"] * 10_000)
        peer.talk(LOGIN)
        peer.engine.receive(b"LIST\r\n" * 20)
        sizes = []
        while peer.engine.next_event() is not None:
            sizes.append(len(peer.engine.take_output()))
        self.assertGreater(len(sizes), 2)
        self.assertLess(max(sizes), limits.PENDING_OUTPUT + 200_000)

    def test_bugs(self) -> None:
        """
        Asking on before an event is answered, or answering what was not asked, is a bug.
        """
        peer = Peer()
        peer.engine.receive(LOGIN)
        self.assertIsInstance(peer.engine.next_event(), LoginAsked)
        with self.assertRaises(AssertionError):
            peer.engine.next_event()
        with self.assertRaises(AssertionError):
            peer.engine.finish()

    def test_registry(self) -> None:
        """
        Two commands of one name are one too many.
        """
        with self.assertRaises(ValueError):
            Registry(COMMANDS, (*EXTENSIONS, EXTENSIONS[0]))

    def test_responses(self) -> None:
        """
        Nothing in a text can forge a line or a response code, or make it longer than 512 octets (RFC 2449 sections 3 and 4).
        """
        self.assertEqual(b"+OK a??b\r\n", ok("a\r\nb"))
        self.assertEqual(b"-ERR [SYS/TEMP] AUTH] x\r\n", error("[AUTH] x", "SYS/TEMP"))
        self.assertEqual(b"-ERR ?\r\n", error("ä"))
        self.assertLessEqual(len(error("x" * 1000, "LOGIN-DELAY")), 512)


class MessageTests(Pop3Case):
    """
    RETR and TOP.
    """

    def test_pieces(self) -> None:
        """
        In whatever pieces a message comes, it is sent as one.
        """
        whole = Peer(piece=1 << 20).talk(LOGIN + b"RETR 1\r\nTOP 1 1\r\nRETR 2\r\n")
        for piece in (1, 2, 3, 50, 119):
            self.assertEqual(whole, Peer(piece=piece).talk(LOGIN + b"RETR 1\r\nTOP 1 1\r\nRETR 2\r\n"))

    def test_asked(self) -> None:
        """
        Messages are asked for by UID; TOP wants some lines, RETR all.
        """
        peer = Peer()
        peer.talk(LOGIN + b"RETR 2\r\nTOP 1 5\r\n")
        self.assertEqual([MessageAsked(2), MessageAsked(1, 5)], peer.events[1:])

    def test_gone(self) -> None:
        """
        One that cannot be had is refused, and the session goes on.
        """
        peer = Peer()
        peer.talk(LOGIN)
        peer.problem = MessageGone("It was expunged.")
        self.assertEqual(b"-ERR [SYS/TEMP] It was expunged.\r\n+OK 2 320\r\n", peer.talk(b"RETR 1\r\nSTAT\r\n"))

    def test_in_between(self) -> None:
        """
        Between its beginning and its end it is known that a message is being sent.
        """
        peer = Peer()
        peer.talk(LOGIN)
        engine = peer.engine
        engine.receive(b"RETR 2\r\n")
        engine.next_event()
        self.assertFalse(engine.is_sending_message)
        engine.begin_message(len(TWO))
        self.assertTrue(engine.is_sending_message)
        self.assertTrue(engine.add_to_message(TWO))
        engine.end_message()
        self.assertFalse(engine.is_sending_message)
        self.assertEqual(b"+OK 200 octets\r\n" + TWO + b".\r\n", engine.take_output())


class UpdateTests(Pop3Case):
    """
    QUIT after a login.
    """

    def test_nothing(self) -> None:
        """
        Without a mark nothing is removed.
        """
        peer = Peer()
        peer.talk(LOGIN + b"DELE 1\r\nRSET\r\nQUIT\r\n")
        self.assertEqual(RemovalAsked(()), peer.events[-1])

    def test_failure(self) -> None:
        """
        If it fails the client hears so, and the session ends all the same (RFC 1939 section 6).
        """
        peer = Peer()
        peer.talk(LOGIN + b"DELE 1\r\n")
        peer.problem = DiskFull("Nothing was removed.")
        self.assertEqual(b"-ERR [SYS/TEMP] Nothing was removed.\r\n", peer.talk(b"QUIT\r\nNOOP\r\n"))
        self.assertTrue(peer.engine.is_closed)

    def test_marks(self) -> None:
        """
        Only what was marked, and is marked still, is to be removed.
        """
        for marks in product((b"DELE 1\r\n", b""), (b"DELE 2\r\n", b"")):
            peer = Peer(messages=(ONE, TWO, ONE))
            peer.talk(LOGIN, *marks, b"QUIT\r\n")
            self.assertEqual(RemovalAsked(tuple(n for n, mark in enumerate(marks, 1) if mark)), peer.events[-1])


class TlsTests(Pop3Case):
    """
    STLS.
    """

    def test_injection(self) -> None:
        """
        What came with STLS, before the handshake, is thrown away (RFC 2595 section 4).
        """
        peer = Peer(PUBLIC)
        heard = peer.talk(b"STLS\r\nUSER mrose\r\nPASS secret\r\nPA")
        self.assertTrue(heard.endswith(b"+OK Begin TLS negotiation now.\r\n"))
        self.assertEqual(0, peer.engine.unread)
        self.assertEqual(b"-ERR There is no such command.\r\n", peer.talk(b"SS secret\r\n"))

    def test_forgets(self) -> None:
        """
        What was said before is forgotten.
        """
        peer = Peer(Surroundings(is_private=True, offers_tls=True))
        peer.talk(b"USER mrose\r\nSTLS\r\n")
        self.assertEqual(b"-ERR Say USER first.\r\n", peer.talk(b"PASS secret\r\n"))
        self.assertIs(PRIVATE, peer.engine._conversation.surroundings)
