"""
Unmodified mail servers: Postfix, Exim and OpenSMTPD send to ours and take from it, found through the domain name system.

C{make interop} installs them and runs this inside of L{tests.interop.apart}.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.mta import GREY, LATE, PEOPLE, Exim, Peer
from tests.interop.world import (
    ANN,
    OURS,
    ZOE,
    first_received,
    message,
    report_of,
    world,
)

_TOKENS = (f"token-{number}-{os.getpid()}" for number in count(1000))

_TOKEN = re.compile(rb"^Message-ID: <(token-[0-9-]+)@test\.example>", re.MULTILINE | re.IGNORECASE)

#: Said of TLS in trace fields of other servers, and in ours.
_TLS = re.compile(r"TLSv?1\.[23]")
_ESMTPS = re.compile(r"\bwith (?:UTF8SMTPS|ESMTPS)\b")

_EIGHT_BIT = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"

_BIG = b"".join(b"%060d\r\n.%060d\r\n" % (number, number) for number in range(42_000))


class PeerTestCase(SynchronousTestCase):
    """
    What is true of every one of them.
    """

    name = ""

    def setUp(self) -> None:
        """
        Everybody runs; this test is about one.
        """
        self.world = world()
        self.peer: Peer = self.world.peers[self.name]
        self.bob = f"bob@{self.peer.domain}"

    # --- What tests do.

    def note(self, direction: str, column: str, what: str = "yes") -> None:
        """
        A cell of the table.
        """
        self.world.table.note(self.name, direction, column, what)

    def _check_chunking(self, direction: str, pattern: str) -> None:
        if not pattern:
            self.note(direction, "CHUNKING", "-")
            return
        self.world.wait_for(lambda: re.search(pattern, self.peer.log()), "BDAT")
        self.note(direction, "CHUNKING")

    def arrived_there(self, sent: bytes, person: str = "bob") -> bytes:
        """
        A message as the peer has it: after the trace fields, every octet of it, and once.
        """

        def look() -> list[bytes] | None:
            return [one for one in self.peer.messages(person) if one.endswith(sent)] or None

        (found,) = self.world.wait_for(look, f"A message to {person} at {self.name}")
        return found

    def arrived_here(self, sent: bytes, address: str = ANN) -> bytes:
        """
        A message as our server has it.
        """

        def look() -> list[bytes] | None:
            return [one for one in self.world.inbox(address) if one.endswith(sent)] or None

        (found,) = self.world.wait_for(look, f"A message to {address} from {self.name}")
        return found

    def report_here(self, token: str) -> list[dict[str, str]]:
        """
        What ann is told of a message.
        """
        return self._report(lambda: self.world.inbox(), token)

    def report_there(self, token: str) -> list[dict[str, str]]:
        """
        What bob is told of a message.
        """
        return self._report(lambda: self.peer.messages("bob"), token)

    def _report(self, read: Callable[[], Sequence[bytes]], token: str) -> list[dict[str, str]]:
        def look() -> list[list[dict[str, str]]] | None:
            found = [report_of(one) for one in read() if token.encode() in one]
            return [one for one in found if one is not None] or None

        (report,) = self.world.wait_for(look, f"A report on {token}")
        self.assertEqual(2, len(report), report)
        return report


class OutgoingContract(PeerTestCase):
    """
    From us to them.
    """

    def test_delivered_under_tls(self) -> None:
        """
        A message arrives octet for octet, under TLS.
        """
        sent = message(next(_TOKENS), ANN, self.bob)
        self.world.submit(sent, self.bob)
        trace = first_received(self.arrived_there(sent))
        self.assertIn(f"mx.{OURS}", trace)
        if self.peer.can_serve_tls():
            found = _TLS.search(trace)
            assert found is not None, trace
            self.note("to it", "TLS", found[0].replace("TLS1", "TLSv1"))
        else:
            self.note("to it", "TLS", "tried")
            self.world.table.tell(
                f"{self.name} offers TLS and fails in the handshake: its mail went in the clear, once"
            )
        self._check_chunking("to it", self.peer.chunked_in)

    def test_success_is_reported(self) -> None:
        """
        A success that our user asks to be told of is reported by the peer, with the user's own envelope id.
        """
        token = next(_TOKENS)
        sent = message(token, ANN, self.bob)
        wishes = ("NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{self.bob}")
        self.world.submit(sent, self.bob, options=("RET=HDRS", f"ENVID={token}"), wishes=wishes)
        self.arrived_there(sent)
        about, recipient = self.report_here(token)
        self.assertIn(self.peer.host, about["reporting-mta"])
        self.assertEqual("delivered", recipient["action"])
        self.assertIn(self.bob, recipient["final-recipient"])
        self.assertEqual(token, about.get("original-envelope-id", token))
        self.note("to it", "DSN")

    def test_failures_are_reported(self) -> None:
        """
        Of a recipient whom the peer refuses, we tell the sender; of one whom it accepts and cannot deliver to, it does.
        """
        refused, late = next(_TOKENS), next(_TOKENS)
        self.world.submit(message(refused, ANN, f"nobody@{self.peer.domain}"), f"nobody@{self.peer.domain}")
        self.world.submit(message(late, ANN, f"{LATE}@{self.peer.domain}"), f"{LATE}@{self.peer.domain}")
        about, recipient = self.report_here(refused)
        self.assertIn(f"mx.{OURS}", about["reporting-mta"])
        self.assertEqual("failed", recipient["action"])
        self.assertEqual(f"dns; {self.peer.host}", recipient["remote-mta"])
        self.assertIn("smtp; 5", recipient["diagnostic-code"])
        self.assertTrue(recipient["status"].startswith("5."), recipient)
        about, recipient = self.report_here(late)
        self.assertIn(self.peer.host, about["reporting-mta"])
        self.assertEqual("failed", recipient["action"])
        self.note("to it", "bounce")

    def test_refused_and_taken_by_turns(self) -> None:
        """
        Over one connection, a refusal is the fate of the message that it was said of, and of no other.
        """
        refused, sent = [next(_TOKENS) for _ in range(4)], [message(next(_TOKENS), ANN, self.bob) for _ in range(4)]
        nobody = f"nobody@{self.peer.domain}"
        with self.world.submission() as client:
            for token, one in zip(refused, sent, strict=True):
                client.sendmail(ANN, [nobody], message(token, ANN, nobody))
                client.sendmail(ANN, [self.bob], one)
        for token, one in zip(refused, sent, strict=True):
            self.arrived_there(one)
            _, recipient = self.report_here(token)
            self.assertIn(nobody, recipient["final-recipient"])

    def test_eight_bit(self) -> None:
        """
        A body of eight bits arrives as it is.
        """
        sent = message(next(_TOKENS), ANN, self.bob, "Grüße aus Köln: 🐍\r\n".encode(), _EIGHT_BIT)
        self.world.submit(sent, self.bob, options=("BODY=8BITMIME",))
        self.arrived_there(sent)
        self.note("to it", "8-bit")

    def test_internationalized_addresses(self) -> None:
        """
        An address with other letters gets its mail where the peer takes such; else the sender is told.
        """
        token, juergen = next(_TOKENS), f"jürgen@{self.peer.domain}"
        sent = message(token, ANN, juergen, "Grüße\r\n".encode(), _EIGHT_BIT)
        self.world.submit(sent, juergen, options=("SMTPUTF8", "BODY=8BITMIME"))
        if self.peer.speaks_utf8:
            self.arrived_there(sent, "jürgen")
            self.note("to it", "UTF-8")
        else:
            _, recipient = self.report_here(token)
            self.assertEqual(("failed", "5.6.7"), (recipient["action"], recipient["status"]))
            self.note("to it", "UTF-8", "told")

    def test_big(self) -> None:
        """
        Five megabytes full of dots arrive octet for octet.
        """
        self.assertGreater(len(_BIG), 5_000_000)
        sent = message(next(_TOKENS), ANN, self.bob, _BIG)
        self.world.submit(sent, self.bob)
        self.arrived_there(sent)
        self.note("to it", "5 MB")

    def test_many(self) -> None:
        """
        Twenty messages at once all arrive, each once, over few connections, whatever the peer allows for one.
        """
        sent, before = [message(next(_TOKENS), ANN, self.bob) for _ in range(20)], self.peer.connections()
        with self.world.submission() as client:
            for one in sent:
                client.sendmail(ANN, [self.bob], one)
        for one in sent:
            self.arrived_there(one)
        self.assertLess(self.peer.connections() - before, len(sent))
        self.note("to it", "20 messages")


class IncomingContract(PeerTestCase):
    """
    From them to us.
    """

    def test_delivered_under_tls(self) -> None:
        """
        A message arrives octet for octet, under TLS.
        """
        sent = message(next(_TOKENS), self.bob, ANN)
        self.world.inject(self.peer, sent, ANN)
        trace = first_received(self.arrived_here(sent))
        self.assertIn(self.peer.host, trace)
        self.assertTrue(_ESMTPS.search(trace), trace)
        found = _TLS.search(trace)
        assert found is not None, trace
        self.note("from it", "TLS", found[0])
        self._check_chunking("from it", self.peer.chunked_out)

    def test_success_is_reported(self) -> None:
        """
        A success that their user asks to be told of is reported by us.
        """
        token = next(_TOKENS)
        sent = message(token, self.bob, ANN)
        self.world.inject(
            self.peer, sent, ANN, options=("RET=HDRS", f"ENVID={token}"), wishes=("NOTIFY=SUCCESS,FAILURE",)
        )
        self.arrived_here(sent)
        about, recipient = self.report_there(token)
        self.assertIn(f"mx.{OURS}", about["reporting-mta"])
        self.assertEqual("delivered", recipient["action"])
        self.assertIn(ANN, recipient["final-recipient"])
        self.note("from it", "DSN")

    def test_failures_are_reported(self) -> None:
        """
        Of a recipient whom we refuse, they tell the sender, in our words.
        """
        token = next(_TOKENS)
        self.world.inject(self.peer, message(token, self.bob, f"stranger@{OURS}"), f"stranger@{OURS}")
        about, recipient = self.report_there(token)
        self.assertIn(self.peer.host, about["reporting-mta"])
        self.assertEqual("failed", recipient["action"])
        self.assertTrue(recipient["status"].startswith("5."), recipient)
        self.note("from it", "bounce")

    def test_eight_bit(self) -> None:
        """
        A body of eight bits arrives as it is.
        """
        sent = message(next(_TOKENS), self.bob, ANN, "Grüße aus Köln: 🐍\r\n".encode(), _EIGHT_BIT)
        self.world.inject(self.peer, sent, ANN, options=("BODY=8BITMIME",))
        self.arrived_here(sent)
        self.note("from it", "8-bit")

    def test_internationalized_addresses(self) -> None:
        """
        A user of ours with other letters gets mail from a peer that can send it, from a sender of such letters too.
        """
        if not self.peer.speaks_utf8:
            self.note("from it", "UTF-8", "-")
            return
        juergen = f"jürgen@{self.peer.domain}"
        sent = message(next(_TOKENS), juergen, ZOE, "Grüße\r\n".encode(), _EIGHT_BIT)
        self.world.inject(self.peer, sent, ZOE, sender=juergen, options=("SMTPUTF8", "BODY=8BITMIME"))
        self.arrived_here(sent, ZOE)
        self.note("from it", "UTF-8")

    def test_big(self) -> None:
        """
        Five megabytes full of dots arrive octet for octet.
        """
        sent = message(next(_TOKENS), self.bob, ANN, _BIG)
        self.world.inject(self.peer, sent, ANN)
        self.arrived_here(sent)
        self.note("from it", "5 MB")

    def test_many(self) -> None:
        """
        Twenty messages at once all arrive, each once.
        """
        sent = [message(next(_TOKENS), self.bob, ANN) for _ in range(20)]
        for one in sent:
            self.world.inject(self.peer, one, ANN)
        for one in sent:
            self.arrived_here(one)
        self.note("from it", "20 messages")


class PostfixOutgoingTests(OutgoingContract):
    """
    To Postfix.
    """

    name = "postfix"

    def test_greylisting(self) -> None:
        """
        A peer that does not know us and asks us to come again gets the message when we do.
        """
        grey = f"{GREY}@{self.peer.domain}"
        sent = message(next(_TOKENS), ANN, grey)
        self.world.submit(sent, grey)
        self.arrived_there(sent, GREY)
        self.assertEqual(3, self.world.policy.seen[(ANN, grey)])
        self.world.table.tell("greylisting at Postfix: delivered with the third try")


class PostfixIncomingTests(IncomingContract):
    """
    From Postfix.
    """

    name = "postfix"


class EximOutgoingTests(OutgoingContract):
    """
    To Exim.
    """

    name = "exim"

    def test_enough_messages(self) -> None:
        """
        A peer that says 421 after some messages of a connection gets the others over another one, all of them once.
        """
        sent = [message(next(_TOKENS), ANN, self.bob) for _ in range(4 * Exim.MESSAGES)]
        with self.world.submission() as client:
            for one in sent:
                client.sendmail(ANN, [self.bob], one)
        for one in sent:
            self.arrived_there(one)
        self.assertIn("too many messages in one connection", self.peer.log())
        self.world.table.tell(
            f"421 after {Exim.MESSAGES} messages at Exim: {len(sent)} of {len(sent)} delivered, each once"
        )


class EximIncomingTests(IncomingContract):
    """
    From Exim.
    """

    name = "exim"


class OpenSmtpdOutgoingTests(OutgoingContract):
    """
    To OpenSMTPD.
    """

    name = "opensmtpd"


class OpenSmtpdIncomingTests(IncomingContract):
    """
    From OpenSMTPD.
    """

    name = "opensmtpd"


class ForwardingTests(PeerTestCase):
    """
    From Postfix, by an address of ours that stands for others, to Exim: bob at Postfix writes to people at Exim.
    """

    name = "postfix"

    def setUp(self) -> None:
        """
        Addresses that lead to Exim.
        """
        super().setUp()
        self.exim = self.world.peers["exim"]
        for person in ("bob", "nobody", LATE):
            self.world.server.mailctl("alias", "add", f"{person}@{OURS}", f"{person}@{self.exim.domain}")

    def test_delivered(self) -> None:
        """
        The message arrives octet for octet, with a reverse-path in our name.
        """
        sent = message(next(_TOKENS), self.bob, f"bob@{OURS}")
        self.world.inject(self.peer, sent, f"bob@{OURS}")
        self.world.wait_for(
            lambda: any(one.endswith(sent) for one in self.exim.messages("bob")) or None, "What was forwarded"
        )
        self.assertRegex(self.exim.log(), rf"<= (?i:SRS0)=\S+=postfix\.example=bob@{OURS} ")

    def test_failures_find_back(self) -> None:
        """
        A failure comes back to who wrote the message: ours when Exim refuses it, and Exim's own when it could not deliver it later.
        """
        refused, late = next(_TOKENS), next(_TOKENS)
        self.world.inject(self.peer, message(refused, self.bob, f"nobody@{OURS}"), f"nobody@{OURS}")
        self.world.inject(self.peer, message(late, self.bob, f"{LATE}@{OURS}"), f"{LATE}@{OURS}")
        about, recipient = self.report_there(refused)
        self.assertIn(f"mx.{OURS}", about["reporting-mta"])
        self.assertEqual("failed", recipient["action"])
        about, recipient = self.report_there(late)
        self.assertIn(self.exim.host, about["reporting-mta"])
        self.assertEqual("failed", recipient["action"])
        self.world.table.tell(
            "forwarded from Postfix to Exim: delivered, and failures found back through our reverse-path (SRS)"
        )


class WholeRunTests(SynchronousTestCase):
    """
    Run last, for its name is the last.
    """

    def test_nothing_twice(self) -> None:
        """
        Whatever was put off, refused for now or cut short: nobody has any message twice.
        """
        here = world()
        mailboxes = [
            (name, person, peer.messages(person)) for name, peer in here.peers.items() for person in (*PEOPLE, GREY)
        ]
        mailboxes += [("ours", address, here.inbox(address)) for address in (ANN, ZOE)]
        for name, person, messages in mailboxes:
            tokens = [_TOKEN.findall(one.partition(b"\r\n\r\n")[0]) for one in messages]
            seen = Counter(token for found in tokens for token in found)
            self.assertEqual([], [token for token, times in seen.items() if times > 1], f"{person} at {name}")
        here.table.tell(
            f"{sum(len(messages) for *_, messages in mailboxes)} messages in all mailboxes, none of them twice"
        )


# What is inherited is not run by itself.
del PeerTestCase, OutgoingContract, IncomingContract
