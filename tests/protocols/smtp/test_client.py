"""
The client's side of a session: from the greeting to ready, and its end.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp_client import CONTENT, HELLO, ClientCase, mail, outcomes, to
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.queue import Outcome
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.sasl.registry import BY_NAME
from twisted_mail_server.protocols.sasl.vocabulary import Means
from twisted_mail_server.protocols.smtp.client import ClientSide, Wishes, status_of_cause
from twisted_mail_server.protocols.smtp.client_events import Cause, HandshakeDue, SessionReady
from twisted_mail_server.protocols.smtp.extensions import auth

SECRET = PlainSecret("ann", b"secret")


class OpeningTests(ClientCase, SynchronousTestCase):
    """
    Greeting, EHLO, HELO.
    """

    def test_bare_session(self) -> None:
        """
        Greeting, EHLO, QUIT.
        """
        driver = self.plays("""
            S: 220 mx.example.net ESMTP
            C: EHLO client.example.org
            S: 250 mx.example.net
            C: QUIT
            S: 221 Bye.
        """)
        self.assertEqual(SessionReady(), driver.events[0])
        self.assertEqual(Cause.CLOSED, driver.over.cause)
        self.assertTrue(driver.smtp.is_over)
        self.assertEqual(Reply(221, "Bye."), driver.smtp.last_reply)

    def test_long_greeting(self) -> None:
        """
        A greeting may have several lines.
        """
        self.plays("""
            S: 220-mx.example.net ESMTP
            S: 220 No spam here.
            C: EHLO client.example.org
        """)

    def test_offers(self) -> None:
        """
        What EHLO lists is read, whatever the case; what cannot be read is ignored.
        """
        driver = self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250-mx.example.net
            S: 250-pipelining
            S: 250-SIZE 1000
            S: 250-STARTTLS
            S: 250-AUTH plain XYZ
            S: 250-AUTH=LOGIN
            S: 250-XCLIENT NAME ADDR
            S: 250-
            S: 250 LIMITS MAILMAX=2 RCPTMAX=7 RCPTDOMAINMAX=1
        """,
            quits=False,
        )
        offers = driver.smtp.offers
        self.assertTrue(offers.takes_groups)
        self.assertTrue(offers.has_tls)
        self.assertEqual(1000, offers.size)
        self.assertEqual(("PLAIN", "XYZ"), offers.mechanisms)
        self.assertEqual((2, 7, 1), (offers.transactions, offers.recipients, offers.recipient_domains))
        self.assertEqual("NAME ADDR", offers.keywords["XCLIENT"])
        self.assertFalse(offers.takes_chunks)

    def test_odd_sizes(self) -> None:
        """
        SIZE without a number says nothing.
        """
        for line in ("SIZE", "SIZE 0", "SIZE many"):
            driver = self.plays(
                f"""
                S: 220 hi
                C: EHLO client.example.org
                S: 250-mx.example.net
                S: 250 {line}
            """,
                quits=False,
            )
            self.assertEqual(0, driver.smtp.offers.size)

    def test_helo(self) -> None:
        """
        Who knows no EHLO is asked with HELO (RFC 5321 section 3.2).
        """
        driver = self.plays("""
            S: 220 hi
            C: EHLO client.example.org
            S: 502 What?
            C: HELO client.example.org
            S: 250 Hello.
            C: QUIT
        """)
        self.assertEqual({}, driver.smtp.offers.keywords)

    def test_refused_greetings(self) -> None:
        """
        5xx is for ever, 4xx for now; either way we take leave, and 421 takes leave itself.
        """
        for said, outcome, status, goodbye in (
            ("554 No mail here.", Outcome.FAILED, "5.0.0", "C: QUIT"),
            ("521 Never.", Outcome.FAILED, "5.3.2", "C: QUIT"),
            ("450 4.7.1 Greylisted.", Outcome.DEFERRED, "4.7.1", "C: QUIT"),
            ("421 Busy.", Outcome.DEFERRED, "4.3.2", ""),
        ):
            driver = self.plays(f"S: {said}\n{goodbye}")
            over = driver.over
            self.assertEqual((Cause.GREETING, outcome, status), (over.cause, over.outcome, over.status))
            self.assertEqual(f"mx.example.net [192.0.2.1]: it said {said} (in reply to connecting)", over.text)

    def test_refused_hello(self) -> None:
        """
        EHLO may be refused for now, and HELO for ever.
        """
        driver = self.plays("""
            S: 220 hi
            C: EHLO client.example.org
            S: 451 Later.
            C: QUIT
        """)
        self.assertEqual((Cause.HELLO, Outcome.DEFERRED), (driver.over.cause, driver.over.outcome))
        driver = self.plays("""
            S: 220 hi
            C: EHLO client.example.org
            S: 550 You?
            C: HELO client.example.org
            S: 550 You.
            C: QUIT
        """)
        self.assertEqual((Cause.HELLO, Outcome.FAILED), (driver.over.cause, driver.over.outcome))

    def test_garbage(self) -> None:
        """
        What is not SMTP ends the session, for now: 354 as a greeting, an SSH server.
        """
        for script in (
            "S: SSH-2.0-OpenSSH_9.2",
            "S: 354 Go ahead.",
            "S: 220 hi\nC: EHLO client.example.org\nS: 354 Go ahead.",
        ):
            over = self.plays(script).over
            self.assertEqual((Cause.PROTOCOL, Outcome.DEFERRED, "4.5.0"), (over.cause, over.outcome, over.status))

    def test_out_of_turn(self) -> None:
        """
        A reply to nothing ends the session: what follows could be taken for the answer to something else.
        """
        over = self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250 mx.example.net
            S: 250 And again.
        """,
            quits=False,
        ).over
        self.assertEqual(Cause.PROTOCOL, over.cause)
        self.assertIn("The server spoke out of turn: 250 And again.", over.text)

    def test_idle_leave(self) -> None:
        """
        A server may take leave when nothing is under way.
        """
        driver = self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250 mx.example.net
            S: 421 4.4.2 Idle for too long.
        """,
            quits=False,
        )
        self.assertEqual((Cause.CLOSED, "4.4.2"), (driver.over.cause, driver.over.status))
        self.assertFalse(driver.smtp.is_ready)

    def test_nothing_after_the_end(self) -> None:
        """
        What comes after the end is ignored, and so is a second end.
        """
        driver = self.plays("S: 554 No.\nC: QUIT")
        self.assertEqual(b"", driver.receive(b"220 Yes.\r\n"))
        driver.smtp.end(Cause.LOST, "The connection was lost.")
        self.assertEqual(1, len(driver.events))
        self.assertIsNone(driver.smtp.next_event())

    def test_lost(self) -> None:
        """
        The text of an end names what was waited for.
        """
        for cause in (Cause.LOST, Cause.TIMEOUT):
            smtp = ClientSide(Wishes(HELLO, "192.0.2.1", "192.0.2.1"))
            smtp.end(cause, "No more.")
            over = smtp.next_event()
            self.assertEqual("[192.0.2.1]: No more. (waiting for the reply to connecting)", getattr(over, "text", ""))
        self.assertEqual("4.4.1", status_of_cause(Cause.CONNECT))
        self.assertEqual("4.0.0", status_of_cause(Cause.CLOSED))

    def test_names(self) -> None:
        """
        Whom we talk to, with and without an address.
        """
        self.assertEqual("mx.example.net", Wishes(HELLO, "mx.example.net").peer)

    def test_lmtp(self) -> None:
        """
        LMTP says LHLO, and knows no HELO (RFC 2033 section 4.1).
        """
        driver = self.plays(
            """
            S: 220 hi
            C: LHLO client.example.org
            S: 500 What?
            C: QUIT
        """,
            wishes={"is_lmtp": True},
        )
        self.assertEqual(Cause.HELLO, driver.over.cause)


class TlsTests(ClientCase, SynchronousTestCase):
    """
    STARTTLS (RFC 3207).
    """

    OFFER = """
        S: 220 hi
        C: EHLO client.example.org
        S: 250-mx.example.net
        S: 250-SIZE 1000
        S: 250 STARTTLS
    """

    def test_upgrade(self) -> None:
        """
        EHLO is said again under TLS, and what was offered before is forgotten.
        """
        driver = self.plays(
            self.OFFER
            + """
            C: STARTTLS
            S: 220 Ready.
            """,
            wishes={"wants_tls": True},
        )
        self.assertEqual([HandshakeDue()], driver.events)
        self.assertEqual(b"EHLO client.example.org\r\n", driver.finish_handshake())
        self.assertTrue(driver.smtp.is_private)
        self.assertEqual(0, driver.smtp.offers.size)
        self.assertEqual(b"QUIT\r\n", driver.receive(b"250-mx.example.net\r\n250 STARTTLS\r\n"))

    def test_not_wanted(self) -> None:
        """
        Who wants no TLS does not ask.
        """
        self.plays(self.OFFER + "C: QUIT")

    def test_refused(self) -> None:
        """
        Opportunistic TLS that is refused is gone without.
        """
        for reply in ("454 Not now.", "502 What?"):
            self.plays(
                self.OFFER
                + f"""
                C: STARTTLS
                S: {reply}
                C: QUIT
                """,
                wishes={"wants_tls": True},
            )

    def test_required(self) -> None:
        """
        Where TLS is required and refused, or not offered, nothing is sent; another day may be better.
        """
        driver = self.plays(
            self.OFFER
            + """
            C: STARTTLS
            S: 502 What?
            C: QUIT
            """,
            wishes={"wants_tls": True, "needs_tls": True},
        )
        self.assertEqual((Cause.TLS, Outcome.DEFERRED), (driver.over.cause, driver.over.outcome))
        driver = self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250 mx.example.net
            """,
            wishes={"needs_tls": True},
        )
        self.assertEqual((Cause.TLS, "4.7.4"), (driver.over.cause, driver.over.status))

    def test_not_offered(self) -> None:
        """
        Opportunistic TLS that is not offered is gone without.
        """
        self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250 mx.example.net
            C: QUIT
            """,
            wishes={"wants_tls": True},
        )

    def test_implicit(self) -> None:
        """
        Under TLS from the beginning there is nothing to begin.
        """
        driver = self.plays(self.OFFER + "C: QUIT", wishes={"wants_tls": True, "needs_tls": True}, is_private=True)
        self.assertTrue(driver.smtp.is_private)


class LoginTests(ClientCase, SynchronousTestCase):
    """
    AUTH (RFC 4954).
    """

    WISHES = {"secret": SECRET, "trusts_network": True}

    def offer(self, *mechanisms: str) -> str:
        """
        A session up to the login.
        """
        return f"""
            S: 220 hi
            C: EHLO client.example.org
            S: 250-mx.example.net
            S: 250 AUTH {" ".join(mechanisms)}
        """

    def test_plain(self) -> None:
        """
        PLAIN is one command (RFC 4616).
        """
        self.plays(
            self.offer("LOGIN", "PLAIN")
            + """
            C: AUTH PLAIN AGFubgBzZWNyZXQ=
            S: 235 2.7.0 Welcome.
            C: QUIT
            """,
            wishes=self.WISHES,
        )

    def test_login(self) -> None:
        """
        LOGIN is asked twice.
        """
        self.plays(
            self.offer("LOGIN")
            + """
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: YW5u
            S: 334 UGFzc3dvcmQ6
            C: c2VjcmV0
            S: 235 Welcome.
            C: QUIT
            """,
            wishes=self.WISHES,
        )

    def test_long_initial_response(self) -> None:
        """
        An initial response that is too long for a command waits to be asked for (RFC 4954 section 4).
        """
        driver = self.plays(
            self.offer("PLAIN")
            + """
            C: AUTH PLAIN
            """,
            wishes={**self.WISHES, "secret": PlainSecret("ann", b"x" * 500)},
        )
        said = driver.receive(b"334 \r\n")
        self.assertEqual(b"AGFubgB4eHh4", said[:12])
        self.assertEqual(b"QUIT\r\n", driver.receive(b"235 ok\r\n"))

    def test_wrong_password(self) -> None:
        """
        A login that fails is our affair, and no mail comes back for it.
        """
        driver = self.plays(
            self.offer("PLAIN")
            + """
            C: AUTH PLAIN AGFubgBzZWNyZXQ=
            S: 535 5.7.8 Who?
            C: QUIT
            """,
            wishes=self.WISHES,
        )
        self.assertEqual(
            (Cause.LOGIN, Outcome.DEFERRED, "5.7.8"), (driver.over.cause, driver.over.outcome, driver.over.status)
        )

    def test_another_mechanism(self) -> None:
        """
        A mechanism that the server does not take after all is followed by the next, if there is one.
        """
        driver = self.plays(
            self.offer("PLAIN", "LOGIN")
            + """
            C: AUTH PLAIN AGFubgBzZWNyZXQ=
            S: 504 Not that one.
            C: AUTH LOGIN
            S: 534 Nor that.
            """,
            wishes=self.WISHES,
        )
        self.assertEqual((Cause.LOGIN, "4.7.9"), (driver.over.cause, driver.over.status))

    def test_no_password_in_clear(self) -> None:
        """
        Without TLS no password is sent.
        """
        driver = self.plays(self.offer("PLAIN", "LOGIN"), wishes={"secret": SECRET, "wants_tls": True})
        self.assertEqual(Cause.LOGIN, driver.over.cause)

    def test_strange_challenges(self) -> None:
        """
        What is no challenge cancels the login.
        """
        for challenge in ("!", "é", "VXNlcm5hbWU"):
            driver = self.plays(
                self.offer("LOGIN")
                + f"""
                C: AUTH LOGIN
                S: 334 {challenge}
                C: *
                S: 501 Cancelled.
                C: QUIT
                """,
                wishes=self.WISHES,
            )
            self.assertEqual(Cause.LOGIN, driver.over.cause)

    def test_cancelled_and_going_on(self) -> None:
        """
        A server that goes on after C{*} is none; one that lets us in has been told nothing.
        """
        start = (
            self.offer("LOGIN")
            + """
            C: AUTH LOGIN
            S: 334 !
            C: *
            """
        )
        driver = self.plays(start + "S: 334 VXNlcm5hbWU6", wishes=self.WISHES)
        self.assertEqual(Cause.PROTOCOL, driver.over.cause)
        driver = self.plays(start + "S: 235 Welcome.\nC: QUIT", wishes=self.WISHES)
        self.assertEqual(Cause.LOGIN, driver.over.cause)

    def test_endless_challenges(self) -> None:
        """
        A login ends, whatever the server does.
        """
        driver = self.plays(self.offer("PLAIN") + "C: AUTH PLAIN AGFubgBzZWNyZXQ=", wishes=self.WISHES)
        said = [driver.receive(b"334 \r\n") for _ in range(11)]
        self.assertEqual([b"AGFubgBzZWNyZXQ=\r\n"] * 10 + [b"*\r\n"], said)

    def test_unproved_server(self) -> None:
        """
        Where the mechanism makes the server prove itself, its yes alone counts for nothing.
        """
        script = (
            self.offer("SCRAM-SHA-256")
            + """
            C: AUTH SCRAM-SHA-256 biwsbj1hbm4scj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=
            S: 235 Welcome.
            """
        )
        line = auth.ClientLogin.with_secret("SCRAM-SHA-256", SECRET, Means(bytes)).begin().decode()
        script = script.replace(script.split("C: ")[2].splitlines()[0], line)
        driver = self.plays(script, wishes={"secret": SECRET, "means": Means(bytes)})
        self.assertEqual(Cause.LOGIN, driver.over.cause)
        self.assertIn("does not prove", driver.over.text)

    def test_choice(self) -> None:
        """
        The strongest that both know and that may be used here.
        """
        offers = ClientSide(Wishes(HELLO, "mx")).offers
        auth.learn_mechanisms(offers, "login PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS NTLM")
        self.assertEqual("PLAIN", auth.choose_mechanism(offers, Means(), is_private=True))
        self.assertEqual("LOGIN", auth.choose_mechanism(offers, Means(), is_private=True, tried=("PLAIN",)))
        self.assertIsNone(auth.choose_mechanism(offers, Means(), is_private=False))
        self.assertEqual("SCRAM-SHA-256", auth.choose_mechanism(offers, Means(bytes), is_private=False))
        self.assertTrue(BY_NAME["PLAIN"].reveals_password)

    def test_secured(self) -> None:
        """
        What binds a login to its connection is known once there is TLS.
        """
        smtp = ClientSide(Wishes(HELLO, "mx"))
        smtp.secured({"tls-exporter": b"x"})
        self.assertTrue(smtp.is_private)
        self.assertEqual({"tls-exporter": b"x"}, smtp.wishes.means.bindings)


class SplitTests(SynchronousTestCase):
    """
    How many recipients one transaction has.
    """

    def setUp(self) -> None:
        """
        A session, and recipients in several domains.
        """
        self.smtp = ClientSide(Wishes(HELLO, "mx"))
        self.recipients = to(*(f"r{number}@d{number // 3}.example" for number in range(limits.RELAY_RECIPIENTS + 5)))

    def counts(self) -> tuple[int, int]:
        """
        How many now, and how many later.
        """
        some, rest = self.smtp.split(self.recipients)
        self.assertEqual(self.recipients, [*some, *rest])
        return len(some), len(rest)

    def test_ours(self) -> None:
        """
        Without limits of the server, what every server takes (RFC 5321 section 4.5.3.1.8).
        """
        self.assertEqual((limits.RELAY_RECIPIENTS, 5), self.counts())

    def test_recipients(self) -> None:
        """
        RCPTMAX (RFC 9422 section 4.2) may be less, and more does not count.
        """
        self.smtp.offers.recipients = 4
        self.assertEqual((4, limits.RELAY_RECIPIENTS + 1), self.counts())
        self.smtp.offers.recipients = 4000
        self.assertEqual((limits.RELAY_RECIPIENTS, 5), self.counts())

    def test_domains(self) -> None:
        """
        RCPTDOMAINMAX (RFC 9422 section 4.3).
        """
        self.smtp.offers.recipient_domains = 2
        self.assertEqual(6, self.counts()[0])
        self.smtp.offers.recipient_domains = 1000
        self.assertEqual(limits.RELAY_RECIPIENTS, self.counts()[0])


class ExhaustionTests(ClientCase, SynchronousTestCase):
    """
    How many messages one session has.
    """

    def test_transactions(self) -> None:
        """
        After MAILMAX transactions (RFC 9422 section 4.1) another connection is needed.
        """
        driver = self.plays(
            """
            S: 220 hi
            C: EHLO client.example.org
            S: 250-mx.example.net
            S: 250 LIMITS MAILMAX=1
            C: MAIL FROM:<ann@example.org>
            S: 250 ok
            C: RCPT TO:<bob@example.net>
            """,
            mail(),
        )
        self.assertTrue(driver.smtp.is_exhausted)
        driver.receive(b"550 No.\r\n")
        self.assertEqual([(0, Outcome.FAILED, "5.1.0")], outcomes(driver.results))
        self.assertEqual(CONTENT[:7], b"Subject")
