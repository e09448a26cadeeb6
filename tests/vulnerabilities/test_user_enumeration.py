"""
User enumeration: finding out who lives here by what is said, or by how long it takes to say it.

OpenSSH's CVE-2018-15473 and CVE-2016-6210 are the textbook cases, and mail servers had it in AUTH, VRFY, EXPN and in SCRAM salts.
Here an unknown name costs the same hash as a known one, gets the same words, and a salt of its own that never changes.  Nothing is
timed: what is compared is the work that is done.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import cheap_hasher
from tests.support.allservers import LOGINS, THERE, AllServers, login
from tests.support.drive import now
from twisted_mail_server.auth import hashing, imported
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Alias, StoredCredentials
from twisted_mail_server.model.addresses import Address

KNOWN, DISABLED, NOBODY = b"ana@example.org", b"dora@example.org", b"nora@example.org"
#: An alias is no account, another domain is not ours, and some names cannot be anybody's.
NAMES = (
    KNOWN,
    DISABLED,
    NOBODY,
    b"team@example.org",
    b"ana@example.net",
    b"postmaster@example.org",
    b"x" * 200,
    b"@",
    b"a b",
)
PASSWORDS = (b"wrong", b"w" * 1025, b"\xc3\xa4rger", b"secret ")


class EnumerationTests(SynchronousTestCase):
    """
    Who is here, who was, and who never was.
    """

    def setUp(self) -> None:
        """
        Ana, Dora whose account is disabled, and an alias; the work of checking passwords is noted.
        """
        self.work: list[str] = []
        self.servers = AllServers()
        self.ana = self.servers.add("ana@example.org")
        directory = self.servers.house.directory
        now(directory.set_disabled(self.servers.add("dora@example.org").id, True))
        now(directory.set_alias(Alias(Address("team", "example.org"), (self.ana.address,))))
        # The first check of nobody's password also makes the hash that all later ones are checked against.
        now(self.servers.passwords.verify(b"x", None))
        real = imported.is_right

        def is_right(password: bytes, password_hash: str, *more: Any) -> bool:
            self.work.append(re.sub(r"\$[^$]*\$[^$]*\Z", "", password_hash))
            return real(password, password_hash, *more)

        self.patch(hashing, "is_right", is_right)

    def attempts(self, service: str, name: bytes, password: bytes) -> tuple[bytes, list[str], int]:
        """
        What is said, the hashes that are computed, and the trips to a thread.
        """
        self.work.clear()
        before = self.servers.pool.trips
        transport = self.servers.connect(service)
        transport.take()
        transport.deliver(login(service, name, password))
        heard = transport.take()
        transport.lose()
        # Failures are counted; that is not what is looked at here.
        self.servers.clock.advance(3600)
        return heard, list(self.work), self.servers.pool.trips - before

    def test_logins(self) -> None:
        """
        In SMTP, IMAP and POP3 every wrong login is answered in the same words after the same work: one hash of the same cost.
        """
        for service in LOGINS:
            for password in PASSWORDS:
                expected = self.attempts(service, KNOWN, password)
                # What no password can be is refused before anybody is asked; that, too, whoever it is said of.
                hashes = 1 if len(password) <= limits.PASSWORD else 0
                self.assertEqual((hashes, hashes), (len(expected[1]), expected[2]), service)
                for name in NAMES:
                    if service == "pop3" and name == b"a b":
                        continue
                    self.assertEqual(expected, self.attempts(service, name, password), (service, name, password))

    def test_imported(self) -> None:
        """
        An account whose hash was made elsewhere, perhaps of a password that was not prepared, is no exception: what was typed is
        checked twice for everybody if it can be read in two ways.
        """
        stored = StoredCredentials(cheap_hasher().hash(b"secret"))
        now(self.servers.house.directory.add_account(Address("imre", "example.org"), stored))
        for service in LOGINS:
            for password in (b"wrong", "\ufb00".encode()):
                expected = self.attempts(service, NOBODY, password)
                self.assertEqual(expected, self.attempts(service, b"imre@example.org", password))
                self.assertEqual(expected, self.attempts(service, KNOWN, password))

    def test_disabled(self) -> None:
        """
        The right password of a disabled account is as wrong as any other.
        """
        for service in LOGINS:
            self.assertEqual(self.attempts(service, NOBODY, b"secret"), self.attempts(service, DISABLED, b"secret"))

    def test_user(self) -> None:
        """
        POP3's USER is answered before anybody looks.
        """
        for name in NAMES:
            heard = self.servers.say("pop3", b"USER %b\r\n" % name)
            self.assertTrue(heard.endswith(b"+OK Now the password.\r\n"), heard)
        self.assertEqual([], self.work)

    def test_login_mechanism(self) -> None:
        """
        AUTH LOGIN asks for a password whatever the name is.
        """
        for name in NAMES:
            said = b"EHLO me\r\nAUTH LOGIN\r\n" + base64.b64encode(name) + b"\r\n"
            self.assertTrue(self.servers.say("submission", said).endswith(b"334 UGFzc3dvcmQ6\r\n"), name)

    def scram(self, name: bytes, mechanism: bytes = b"SCRAM-SHA-256") -> tuple[int, bytes, bytes]:
        """
        How often to iterate, the salt, and the end of an exchange with a wrong proof.
        """
        first = base64.b64encode(b"n,,n=%b,r=abcdefgh" % name)
        transport = self.servers.connect("submission")
        transport.deliver(b"EHLO me\r\nAUTH %b %b\r\n" % (mechanism, first))
        challenge = base64.b64decode(transport.take().rsplit(b"334 ", 1)[1])
        nonce, salt, count = re.findall(rb"\Ar=([^,]+),s=([^,]+),i=([0-9]+)\Z", challenge)[0]
        size = 32 if b"256" in mechanism else 20
        final = b"c=biws,r=%b,p=%b" % (nonce, base64.b64encode(bytes(size)))
        transport.deliver(base64.b64encode(final) + b"\r\n")
        heard = transport.take()
        transport.lose()
        self.servers.clock.advance(3600)
        return int(count), base64.b64decode(salt), heard

    def test_scram(self) -> None:
        """
        SCRAM gives everybody a salt of the same size and the same count; asked twice it gives the same, and each name has its own.
        """
        for mechanism in (b"SCRAM-SHA-256", b"SCRAM-SHA-1"):
            count, salt, heard = self.scram(KNOWN, mechanism)
            salts = {salt}
            for name in NAMES[:6]:
                found = self.scram(name, mechanism)
                self.assertEqual((count, len(salt), heard), (found[0], len(found[1]), found[2]), name)
                self.assertEqual(found, self.scram(name, mechanism))
                salts.add(found[1])
            self.assertEqual(6, len(salts))

    def test_other_spellings(self) -> None:
        """
        Names that are one to the directory have one salt, whether they are somebody's or not.
        """
        for one, other in ((b"ana@example.org", b"ANA@example.org"), (b"nora@example.org", b"NORA@Example.ORG")):
            self.assertEqual(self.scram(one), self.scram(other))

    def test_guessing_in_vain(self) -> None:
        """
        Guesses at a name that is nobody's are slowed down as those at somebody's, after as many.
        """
        counts = []
        for name in (KNOWN, NOBODY):
            heard = [self.servers.say("imap", login("imap", name, b"wrong"))[-60:] for _ in range(15)]
            counts.append(heard)
        self.assertEqual(counts[0], counts[1])
        self.assertGreater(len(set(counts[0])), 1)

    def test_verify_and_expand(self) -> None:
        """
        VRFY and EXPN say the same of everybody to whoever is not trusted (RFC 5321 section 7.3), without looking.
        """
        for service, hello in (("smtp", b"EHLO me"), ("submission", b"EHLO me"), ("lmtp", b"LHLO me")):
            for verb in (b"VRFY", b"EXPN"):
                heard = {
                    self.servers.say(service, hello + b"\r\n", b"%b %b\r\n" % (verb, name), peer=THERE)
                    for name in (b"ana", KNOWN, NOBODY, b"<ana@example.org>", b"team@example.org", b"x")
                }
                self.assertEqual(1, len(heard), heard)

    def test_mail_for_nobody(self) -> None:
        """
        RCPT does tell, as it must (RFC 5321 section 3.3: else we would bounce); but not for ever: a session of refusals ends.
        """
        transport = self.servers.connect("smtp", THERE)
        transport.deliver(b"EHLO me\r\nMAIL FROM:<>\r\n")
        transport.deliver(b"".join(b"RCPT TO:<n%d@example.org>\r\n" % number for number in range(100)))
        self.assertLess(transport.take().count(b"\r\n550 "), 25)
        self.assertTrue(transport.is_ended)
