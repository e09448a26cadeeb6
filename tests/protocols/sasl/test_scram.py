"""
L{twisted_mail_server.protocols.sasl.scram}
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from scramp import ScramClient, ScramMechanism  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret, ScramKeys, ScramProof, ScramStart
from twisted_mail_server.model.errors import AuthenticationFailed, PeerError, SyntaxProblem, TooLong
from twisted_mail_server.protocols.sasl import scram
from twisted_mail_server.protocols.sasl.saslprep import prepared
from twisted_mail_server.protocols.sasl.vocabulary import Challenge, KeysAsked, Means, Mechanism

BINDINGS = {"tls-exporter": b"\x01" * 32, "tls-server-end-point": b"\x02" * 32}
END_POINT = {"tls-server-end-point": BINDINGS["tls-server-end-point"]}
SECRET = PlainSecret("user", b"pencil")
SALT = b"sixteen octets.."
NONCE = b"3rfcNHYJY1ZVvWVs7j"


def means(bindings: Mapping[str, bytes] | None = None, nonce: bytes = b"chance") -> Means:
    """
    What a client has: a nonce, and bindings.
    """
    return Means(lambda count: nonce, bindings or {})


def begun(asked: object, keys: ScramKeys, bindings: Mapping[str, bytes] | None = None, nonce: bytes = NONCE) -> bytes:
    """
    server-first.
    """
    assert isinstance(asked, KeysAsked)
    challenge = asked.answer(ScramStart(keys, nonce), bindings or {})
    assert isinstance(challenge, Challenge)
    return challenge.data


class VectorTests(SynchronousTestCase):
    """
    The examples of the standards, octet by octet.
    """

    def play(
        self, mechanism: Mechanism, hash_name: str, cnonce: str, snonce: str, salt: str, final: str, server_final: str
    ) -> None:
        """
        Both sides say what the standard says.
        """
        keys = scram.scram_keys(hash_name, b"pencil", b64decode(salt), 4096)
        server, client = mechanism.server(), mechanism.client(SECRET, means(nonce=b64decode(cnonce)))
        first = client.start()
        self.assertEqual(f"n,,n=user,r={cnonce}".encode(), first)
        asked = server.start(first)
        assert isinstance(asked, KeysAsked)
        self.assertEqual(("user", hash_name), (asked.name, asked.hash_name))
        server_first = begun(asked, keys, nonce=snonce.encode())
        self.assertEqual(f"r={cnonce}{snonce},s={salt},i=4096".encode(), server_first)
        self.assertEqual(final.encode(), client.step(server_first))
        self.assertEqual(Challenge(server_final.encode()), server.step(final.encode()))
        self.assertFalse(client.is_satisfied)
        self.assertEqual(b"", client.step(server_final.encode()))
        self.assertTrue(client.is_satisfied)
        self.assertEqual(ScramProof("user", hash_name, keys, True), server.step(b""))

    def test_rfc_5802(self) -> None:
        """
        RFC 5802 section 5.
        """
        self.play(
            scram.SHA_1,
            "sha1",
            "fyko+d2lbbFgONRv9qkxdawL",
            "3rfcNHYJY1ZVvWVs7j",
            "QSXCR+Q6sek8bf92",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        )

    def test_rfc_7677(self) -> None:
        """
        RFC 7677 section 3.
        """
        self.play(
            scram.SHA_256,
            "sha256",
            "rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        )


class ServerTests(SynchronousTestCase):
    """
    What a server takes, and what not.
    """

    keys = scram.scram_keys("sha256", b"pencil", SALT, 4096)

    def meet(
        self,
        mechanism: Mechanism = scram.SHA_256,
        secret: PlainSecret = SECRET,
        client_bindings: Mapping[str, bytes] | None = None,
        server_bindings: Mapping[str, bytes] | None = None,
    ) -> object:
        """
        What a login comes to.
        """
        client, server = mechanism.client(secret, means(client_bindings)), mechanism.server()
        self.assertEqual(Challenge(), server.start(None))
        asked = server.step(client.step(b""))
        hash_name = asked.hash_name if isinstance(asked, KeysAsked) else ""
        keys = scram.scram_keys(hash_name, b"pencil", SALT, 4096)
        outcome = server.step(client.step(begun(asked, keys, server_bindings)))
        return server.step(client.step(outcome.data)) if isinstance(outcome, Challenge) else outcome

    def final(self, *, nonce: bytes = b"", binding: bytes = b"biws", proof: bytes = b"", first: bytes = b"") -> object:
        """
        What the server makes of a last message that was tampered with.
        """
        client, server = scram.SHA_256.client(SECRET, means()), scram.SHA_256.server()
        own = client.start()
        message = client.step(begun(server.start(first or own), self.keys))
        bare, _, right = message.rpartition(b",p=")
        _, _, right_nonce = bare.partition(b",r=")
        return server.step(b"c=%b,r=%b,p=%b" % (binding, nonce or right_nonce, proof or right))

    def assertWrong(self, outcome: object) -> None:
        """
        The proof is told to be wrong, and the server proves nothing.
        """
        assert isinstance(outcome, ScramProof)
        self.assertFalse(outcome.is_right)

    def test_all_mechanisms(self) -> None:
        """
        Each logs in, with each type of binding if it has one.
        """
        for mechanism in (scram.SHA_256_PLUS, scram.SHA_1_PLUS):
            for kind, data in BINDINGS.items():
                outcome = self.meet(mechanism, SECRET, {kind: data}, BINDINGS)
                assert isinstance(outcome, ScramProof)
                self.assertTrue(outcome.is_right)
        for mechanism in (scram.SHA_256, scram.SHA_1):
            outcome = self.meet(mechanism)
            assert isinstance(outcome, ScramProof)
            self.assertTrue(outcome.is_right)

    def test_wrong_password(self) -> None:
        """
        A wrong password is a wrong proof.
        """
        self.assertWrong(self.meet(secret=PlainSecret("user", b"pen")))

    def test_names(self) -> None:
        """
        Names may have commas and equals signs, and there may be somebody to act for.
        """
        outcome = self.meet(secret=PlainSecret("a,b=c", b"pencil", "x=,"))
        assert isinstance(outcome, ScramProof)
        self.assertEqual(("a,b=c", "x=,", True), (outcome.authcid, outcome.authzid, outcome.is_right))

    def test_tampered(self) -> None:
        """
        Another nonce, another binding, another proof, or one of another length: all are wrong proofs.
        """
        right = self.final()
        self.assertIsInstance(right, Challenge)
        for outcome in (
            self.final(nonce=b"Y2hhbmNl"),
            self.final(nonce=b"Y2hhbmNl3rfcNHYJY1ZVvWVs7k"),
            self.final(binding=b"eSws"),
            self.final(proof=b"AAAA"),
            self.final(proof=b"A" * 43 + b"="),
            self.final(first=b"n,,n=user,r=Y2hhbmNl,x=y"),
        ):
            self.assertWrong(outcome)

    def test_replay(self) -> None:
        """
        What was right once is wrong in another exchange, for our nonce is another.
        """
        client, server = scram.SHA_256.client(SECRET, means()), scram.SHA_256.server()
        first = client.start()
        assert first is not None
        final = client.step(begun(server.start(first), self.keys))
        self.assertIsInstance(server.step(final), Challenge)
        again = scram.SHA_256.server()
        begun(again.start(first), self.keys, nonce=b"another")
        self.assertWrong(again.step(final))

    def test_somebody_in_between(self) -> None:
        """
        Whose connection ends at another TLS end than ours has another binding.
        """
        there = dict.fromkeys(BINDINGS, b"\3" * 32)
        self.assertWrong(self.meet(scram.SHA_256_PLUS, SECRET, there, BINDINGS))

    def test_downgrade(self) -> None:
        """
        A client that could bind, and was not offered to, is told that it was lied to; where there is no TLS it was not.
        """
        with self.assertRaises(AuthenticationFailed):
            self.meet(scram.SHA_256, SECRET, BINDINGS, BINDINGS)
        outcome = self.meet(scram.SHA_256, SECRET, BINDINGS, {})
        assert isinstance(outcome, ScramProof)
        self.assertTrue(outcome.is_right)

    def test_no_such_binding(self) -> None:
        """
        A type of binding that this connection has not.
        """
        with self.assertRaises(SyntaxProblem):
            self.meet(scram.SHA_256_PLUS, SECRET, {"tls-unique": b"x"}, BINDINGS)

    def test_wrong_mechanism(self) -> None:
        """
        Only the -PLUS mechanisms bind, and they always do.
        """
        for mechanism, message in (
            (scram.SHA_256, b"p=tls-exporter,,n=user,r=abc"),
            (scram.SHA_256_PLUS, b"n,,n=user,r=abc"),
            (scram.SHA_256_PLUS, b"y,,n=user,r=abc"),
        ):
            with self.assertRaises(SyntaxProblem):
                mechanism.server().start(message)

    def test_unreadable_first(self) -> None:
        """
        First messages that are none, or ask for what is not known.
        """
        for message in (
            b"",
            b"n,,",
            b"n,,n=,r=abc",
            b"n,,n=user,r=",
            b"n,,r=abc,n=user",
            b"n,,m=ext,n=user,r=abc",
            b"x,,n=user,r=abc",
            b"n,b=x,n=user,r=abc",
            b"n,,n=us=er,r=abc",
            b"n,,n=us=2cer,r=abc",
            b"n,a==,n=user,r=abc",
            b"n,,n=\xff,r=abc",
            b"n,,n=a\nb,r=abc",
            b"n,,n=user,r=a b",
            b"n,,n=user,r=abc,xy",
            b"n,,n=user,r=abc\n",
        ):
            with self.assertRaises(SyntaxProblem, msg=repr(message)):
                scram.SHA_256.server().start(message)
        with self.assertRaises(TooLong):
            scram.SHA_256.server().start(b"n,,n=%b,r=abc" % (b"x" * (limits.LOGIN_NAME + 1)))

    def test_unreadable_final(self) -> None:
        """
        Last messages that are none, one before its time, and words after the last.
        """
        for message in (b"", b"c=biws", b"c=biws,r=abc", b"c=biws,r=abc,p=", b"c=b*ws,r=abc,p=AAAA", b"c=biws,r=a,p=A"):
            server = scram.SHA_256.server()
            begun(server.start(b"n,,n=user,r=abc"), self.keys)
            with self.assertRaises(SyntaxProblem, msg=repr(message)):
                server.step(message)
        server = scram.SHA_256.server()
        server.start(b"n,,n=user,r=abc")
        with self.assertRaises(SyntaxProblem):
            server.step(b"c=biws,r=abc,p=AAAA")
        client, server = scram.SHA_256.client(SECRET, means()), scram.SHA_256.server()
        server.step(client.step(begun(server.start(client.start()), self.keys)))
        with self.assertRaises(SyntaxProblem):
            server.step(b"more")

    def test_nothing_secret_shown(self) -> None:
        """
        What is printed of an exchange shows no key.
        """
        client, server = scram.SHA_256.client(SECRET, means()), scram.SHA_256.server()
        asked = server.start(client.start())
        outcome = server.step(client.step(begun(asked, self.keys)))
        text = repr((client, server, asked, outcome, self.keys, ScramStart(self.keys, NONCE)))
        for secret in (self.keys.stored_key, self.keys.server_key, b"pencil"):
            self.assertNotIn(repr(secret)[2:-1], text)


class ClientTests(SynchronousTestCase):
    """
    What a client takes, and what not.
    """

    def begin(self) -> scram.ScramClient:
        """
        A client that has begun.
        """
        client = scram.ScramClient("sha256", False, SECRET, means())
        client.start()
        return client

    def test_flags(self) -> None:
        """
        A client says whether it binds, could, or cannot.
        """
        self.assertEqual(b"n,,n=user,r=Y2hhbmNl", scram.SHA_256.client(SECRET, means()).start())
        self.assertEqual(b"y,,n=user,r=Y2hhbmNl", scram.SHA_256.client(SECRET, means(BINDINGS)).start())
        bound = scram.SHA_256_PLUS.client(SECRET, means(BINDINGS)).start()
        self.assertEqual(b"p=tls-exporter,,n=user,r=Y2hhbmNl", bound)

    def test_unreadable(self) -> None:
        """
        A first message that is none, with a nonce that is not ours or nothing more, or that asks for too little or too much work.
        """
        for message in (
            b"",
            b"r=Y2hhbmNl,s=AAAA,i=4096",
            b"r=another,s=AAAA,i=4096",
            b"r=Y2hhbmNlx,s=AAAA,i=4095",
            b"r=Y2hhbmNlx,s=AAAA,i=%d" % (limits.SCRAM_ITERATIONS + 1),
            b"r=Y2hhbmNlx,s=A,i=4096",
            b"m=x,r=Y2hhbmNlx,s=AAAA,i=4096",
            b"e=unknown-user",
        ):
            with self.assertRaises(SyntaxProblem, msg=repr(message)):
                self.begin().step(message)

    def test_false_server(self) -> None:
        """
        A server that does not know the password is found out; until then its yes is not to be believed.
        """
        client = self.begin()
        client.step(b"r=Y2hhbmNlx,s=AAAA,i=4096")
        with self.assertRaises(AuthenticationFailed):
            client.step(b"v=AAAA")
        with self.assertRaises(SyntaxProblem):
            client.step(b"e=invalid-proof")
        self.assertFalse(client.is_satisfied)

    def test_said_too_much(self) -> None:
        """
        After its proof the server has nothing more to ask.
        """
        keys = scram.scram_keys("sha256", b"pencil", SALT, 4096)
        client, server = self.begin(), scram.SHA_256.server()
        outcome = server.step(client.step(begun(server.start(b"n,,n=user,r=Y2hhbmNl"), keys)))
        assert isinstance(outcome, Challenge)
        self.assertEqual(b"", client.step(outcome.data + b",x=extension"))
        with self.assertRaises(PeerError):
            client.step(outcome.data)

    def test_means(self) -> None:
        """
        Which mechanisms a client can use follows from what it has.
        """
        self.assertFalse(Means().suffice(scram.SHA_256))
        self.assertFalse(means().suffice(scram.SHA_256_PLUS))
        self.assertTrue(means().suffice(scram.SHA_256))
        self.assertTrue(means(BINDINGS).suffice(scram.SHA_256_PLUS))
        with self.assertRaises(AssertionError):
            Means().random(1)


class SaslprepTests(SynchronousTestCase):
    """
    One password, however it was typed.
    """

    def test_examples(self) -> None:
        """
        The examples of RFC 4013 section 3 that are not forbidden, and those that are, as they came.
        """
        for typed, expected in (
            ("I\u00adX", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u00aa", "a"),
            ("\u2168", "IX"),
            ("\u0007", "\u0007"),
            ("\u0627\u0031", "\u0627\u0031"),
        ):
            self.assertEqual(expected.encode(), prepared(typed.encode()))
        self.assertEqual(b"\xff", prepared(b"\xff"))
        self.assertEqual("\u00ad".encode(), prepared("\u00ad".encode()))


class OtherImplementationTests(SynchronousTestCase):
    """
    Somebody else's SCRAM at the other end.
    """

    def test_their_client(self) -> None:
        """
        The client of scramp logs in, bound and not bound.
        """
        for mechanism, hash_name in (
            (scram.SHA_256, "sha256"),
            (scram.SHA_1, "sha1"),
            (scram.SHA_256_PLUS, "sha256"),
            (scram.SHA_1_PLUS, "sha1"),
        ):
            binding = ("tls-server-end-point", END_POINT["tls-server-end-point"]) if mechanism.is_bound else None
            client = ScramClient([mechanism.name], "us,er=", "pencil", channel_binding=binding)
            server = mechanism.server()
            asked = server.start(client.get_client_first().encode())
            keys = scram.scram_keys(hash_name, b"pencil", SALT, 4096)
            # Their client says that it cannot bind, so it need not be told that we can.
            client.set_server_first(begun(asked, keys, BINDINGS if mechanism.is_bound else {}).decode())
            outcome = server.step(client.get_client_final().encode())
            assert isinstance(outcome, Challenge)
            client.set_server_final(outcome.data.decode())
            self.assertEqual(ScramProof("us,er=", hash_name, keys, True), server.step(b""))

    def test_their_server(self) -> None:
        """
        Our client logs in at the server of scramp, and believes it.
        """
        for mechanism in (scram.SHA_256, scram.SHA_1, scram.SHA_256_PLUS):
            theirs = ScramMechanism(mechanism.name)
            kept = theirs.make_auth_info("pencil", iteration_count=4096, salt=SALT)
            binding = ("tls-server-end-point", END_POINT["tls-server-end-point"]) if mechanism.is_bound else None
            server = theirs.make_server(lambda name, kept=kept: kept, channel_binding=binding)
            client = mechanism.client(SECRET, means(END_POINT if mechanism.is_bound else {}))
            server.set_client_first((client.start() or b"").decode())
            server.set_client_final(client.step(server.get_server_first().encode()).decode())
            self.assertEqual(b"", client.step(server.get_server_final().encode()))
            self.assertTrue(client.is_satisfied)
