"""
L{twisted_mail_server.app.reading}
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.kinds import HostPort, Secret
from twisted_mail_server.app.reading import parse_settings, read_settings
from twisted_mail_server.app.settings import DEFAULT_LISTENERS, Listener, NamedCertificate, RelaySettings, Settings
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import BadSetting
from twisted_mail_server.model.limits import MIB

WHOLE = """
hostname = "Mail.Example.org"
data_dir = "data"
domains = ["example.org", "example.net"]
postmaster = "root@example.org"
separator = "."

[[listener]]
protocol = "smtp"
endpoint = "tcp:25"

[[listener]]
protocol = "imap"
endpoint = 'tcp6:993:interface=\\:\\:'
tls = "implicit"

[[listener]]
protocol = "submission"
endpoint = "systemd:domain=INET:name=submission"

[tls]
certificate = "cert.pem"
key = "/etc/key.pem"

[auth]
allow_plaintext = true
default_domain = "example.net"

[submission]
trusted_networks = ["192.0.2.0/24", "2001:db8::1"]
recipients_per_hour = 0

[relay]
smarthost = "Smart.example.net:587"
smarthost_login = "ann"
smarthost_password = { file = "secret" }
smarthost_tls = "implicit"
retry_schedule = ["1m", "1h", "1h"]
expire_after = "2d"
delay_warning = 0
connect_timeout = 10
command_timeout = "1m"
connections = 10
connections_per_destination = 2
prefer_ipv6 = true

[dns]
resolvers = ["127.0.0.1", "[2001:db8::53]:5353"]
timeout = 3

[limits]
message_size = "10 MiB"
recipients = 100
connections = 5
connections_per_address = 3
min_free_bytes = 0

[store]
checkpoint_inline = "1 MiB"
mailboxes = ["Sent", "Lists/Twisted"]

[spool]
history = "7d"

[log]
format = "json"
level = "debug"
"""


class ParsingTests(SynchronousTestCase):
    """
    Right and wrong files.
    """

    def complaints(self, text: str) -> list[str]:
        """
        What is said about a wrong file.
        """
        with self.assertRaises(BadSetting) as caught:
            parse_settings(text, base="/etc/mail", machine="host")
        return str(caught.exception).split("\n")

    def test_empty_is_the_default(self) -> None:
        """
        An empty file is a working server on loopback.
        """
        settings = parse_settings("", base="/srv", machine="host.example.org")
        self.assertEqual("host.example.org", settings.hostname)
        self.assertEqual("/srv/mail-data", settings.data_dir)
        self.assertEqual(DEFAULT_LISTENERS, settings.listeners)
        self.assertEqual(limits.MESSAGE_SIZE, settings.limits.message_size)
        self.assertEqual((), settings.domains)
        self.assertEqual(30 * 86_400, settings.spool.history)
        for listener in settings.listeners:
            self.assertIn(":interface=127.0.0.1", listener.endpoint)

    def test_everything_set(self) -> None:
        """
        Every setting is read, paths relative to the file.
        """
        settings = parse_settings(WHOLE, base="/etc/mail", source="/etc/mail/mail.toml")
        self.assertEqual("mail.example.org", settings.hostname)
        self.assertEqual("/etc/mail/data", settings.data_dir)
        self.assertEqual(("example.org", "example.net"), settings.domains)
        self.assertEqual(Address("root", "example.org"), settings.postmaster)
        self.assertEqual(".", settings.separator)
        self.assertEqual(
            (
                Listener("smtp", "tcp:25", "starttls"),
                Listener("imap", "tcp6:993:interface=\\:\\:", "implicit"),
                Listener("submission", "systemd:domain=INET:name=submission", "starttls"),
            ),
            settings.listeners,
        )
        self.assertEqual("/etc/mail/cert.pem", settings.tls.certificate)
        self.assertEqual("/etc/key.pem", settings.tls.key)
        self.assertTrue(settings.auth.allow_plaintext)
        self.assertEqual("example.net", settings.auth.default_domain)
        self.assertEqual((ip_network("192.0.2.0/24"), ip_network("2001:db8::1")), settings.submission.trusted_networks)
        self.assertEqual(
            (10 * MIB, 100, 5, 3, 0),
            (
                settings.limits.message_size,
                settings.limits.recipients,
                settings.limits.connections,
                settings.limits.connections_per_address,
                settings.limits.min_free_bytes,
            ),
        )
        self.assertEqual(0, settings.submission.recipients_per_hour)
        self.assertEqual(
            RelaySettings(
                smarthost=HostPort("smart.example.net", 587),
                smarthost_login="ann",
                smarthost_password=Secret(file="/etc/mail/secret"),
                smarthost_tls="implicit",
                retry_schedule=(60, 3600, 3600),
                expire_after=2 * 86_400,
                delay_warning=0,
                connect_timeout=10,
                command_timeout=60,
                connections=10,
                connections_per_destination=2,
                prefer_ipv6=True,
            ),
            settings.relay,
        )
        self.assertEqual((NameServer("127.0.0.1"), NameServer("2001:db8::53", 5353)), settings.dns.resolvers)
        self.assertEqual(3, settings.dns.timeout)
        self.assertEqual(1 * MIB, settings.store.checkpoint_inline)
        self.assertEqual(
            [("INBOX", None), ("Sent", "\\Sent"), ("Lists/Twisted", None)],
            [(one.name, one.special_use and one.special_use.value) for one in settings.store.default_mailboxes()],
        )
        self.assertEqual(7 * 86_400, settings.spool.history)
        self.assertEqual(("json", "debug"), (settings.log.format, settings.log.level))
        self.assertEqual("/etc/mail/mail.toml", settings.source)

    def test_hostname(self) -> None:
        """
        A name that was guessed is told from one that was set.
        """
        self.assertFalse(parse_settings("", base="/", machine="host.example.org").is_hostname_set)
        self.assertTrue(parse_settings('hostname = "a.example"', base="/").is_hostname_set)

    def test_relay(self) -> None:
        """
        What is wrong about the way out.
        """
        login = 'smarthost_login = "ann"\n'
        secret = 'smarthost_password = "hush"\n'
        place = 'smarthost = "a.example:25"\n'
        for text, complaint in (
            (
                login,
                "mail.toml:2: relay.smarthost_login is set and relay.smarthost_password is not. Set both, or neither.",
            ),
            (
                secret,
                "mail.toml:2: relay.smarthost_password is set and relay.smarthost_login is not. Set both, or neither.",
            ),
            (login + secret, "mail.toml:2: relay.smarthost_login is set and relay.smarthost is not."),
            (
                login + secret + place + 'smarthost_tls = "opportunistic"',
                'mail.toml:5: relay.smarthost_tls is "opportunistic", and the password could be read on its way.'
                ' With a login it must be "required" or "implicit".',
            ),
            (
                "retry_schedule = []",
                "mail.toml:2: relay.retry_schedule is a list. It needs at least 1. It must be a list; each entry is"
                ' a time such as "30s", "5m", "4h" or "30d", from "1s" to "7d".',
            ),
            (
                'smarthost = "a.example"',
                'mail.toml:2: relay.smarthost is "a.example". This is no host with a port. It must be a host and a port such as'
                ' "smtp.example.net:587", or empty.',
            ),
            (
                "smarthost_password = 4711",
                "mail.toml:2: relay.smarthost_password is something else. It must be a string,"
                ' or { file = "a path" }, or { env = "a variable" }.',
            ),
        ):
            self.assertEqual([complaint], self.complaints("[relay]\n" + text))

    def test_clear_text_at_home(self) -> None:
        """
        A password may go to this machine without TLS.
        """
        for host in ("localhost", "127.0.0.1", "[::1]"):
            text = f'smarthost = "{host}:25"\nsmarthost_login = "a"\nsmarthost_password = "b"\nsmarthost_tls = "off"'
            settings = parse_settings("[relay]\n" + text, base="/", machine="host.example.org")
            self.assertEqual("off", settings.relay.smarthost_tls)
        self.assertEqual(1, len(self.complaints("[relay]\n" + text.replace("[::1]", "192.0.2.1"))))

    def test_secrets_are_not_shown(self) -> None:
        """
        No password stands in what is printed of settings.
        """
        text = '[relay]\nsmarthost = "a.example:587"\nsmarthost_login = "ann"\nsmarthost_password = "hush"'
        settings = parse_settings(text, base="/", machine="host.example.org")
        self.assertEqual("hush", settings.relay.smarthost_password.text)
        self.assertNotIn("hush", repr(settings))

    def test_all_at_once(self) -> None:
        """
        All that is wrong is told, by line: what was found, and what is allowed.
        """
        self.assertEqual(
            [
                'mail.toml:1: hostname is 5. It must be a domain such as "example.org".',
                'mail.toml:4: limits.message_size is "big". It must be a size such as "50 MiB", from "64 KiB" to "2 GiB".',
                "mail.toml:5: limits.recipients is 0. It must be a whole number from 1 to 100000.",
                'mail.toml:8: auth.allow_plaintext is "yes". It must be true or false.',
            ],
            self.complaints(
                'hostname = 5\n\n[limits]\nmessage_size = "big"\nrecipients = 0\n\n[auth]\nallow_plaintext = "yes"\n'
            ),
        )

    def test_wrong_names(self) -> None:
        """
        An unknown setting is named, with the one that was probably meant: beside it, or in another table.
        """
        for text, complaint in (
            ('hostnam = "a"', "mail.toml:1: hostnam is not a setting. Did you mean hostname?"),
            ("[store]\nmailboxs = []", "mail.toml:2: store.mailboxs is not a setting. Did you mean store.mailboxes?"),
            ("[storage]\nengine = 1", "mail.toml:1: storage is not a setting. Did you mean store?"),
            ("message_size = 1", "mail.toml:1: message_size is not a setting. Did you mean limits.message_size?"),
            ("[limit]\nx=1", "mail.toml:1: limit is not a setting. Did you mean limits?"),
            ("log-level = 1", "mail.toml:1: log-level is not a setting. Did you mean log.level?"),
            ("[filter]\nx = ''", "mail.toml:1: filter is not a setting."),
            ("\n[storage.engine]\nx = 1", "mail.toml:2: storage is not a setting. Did you mean store?"),
            ("zzz = 1", "mail.toml:1: zzz is not a setting."),
            ('"\\u001b[2J" = 1', 'mail.toml:1: "\\u001b[2J" is not a setting.'),
            (
                'listener = [{protocol = "smtp", endpont = "tcp:25", endpoint = "tcp:26"}]',
                "mail.toml:1: listener[1].endpont is not a setting. Did you mean listener[1].endpoint?",
            ),
        ):
            self.assertEqual([complaint], self.complaints(text))

    def test_listeners(self) -> None:
        """
        A listener's protocol must be built, its endpoint one of Twisted's without TLS, and nobody else's.
        """
        endpoint = 'It must be a Twisted server endpoint such as "tcp:2525:interface=127.0.0.1".'
        for text, complaint in (
            ("listener = 5", "mail.toml:1: listener is 5. It must be written [[listener]], once for each."),
            ("[listener]", "mail.toml:1: listener is a table. It must be written [[listener]], once for each."),
            ("listener = [5]", "mail.toml:1: listener is a list. It must be written [[listener]], once for each."),
            (
                '\n[[listener]]\nendpoint = "tcp:25"',
                'mail.toml:2: listener[1] has no protocol. It must be one of "smtp", "submission", "lmtp", "imap", "pop3", "http".',
            ),
            (
                '[[listener]]\nprotocol = "uucp"\nendpoint = "tcp:25"',
                'mail.toml:2: listener[1].protocol is "uucp". It must be one of "smtp", "submission", "lmtp", "imap", "pop3", "http".',
            ),
            ('[[listener]]\nprotocol = "smtp"', f"mail.toml:1: listener[1] has no endpoint. {endpoint}"),
            (
                '[[listener]]\nprotocol = "smtp"\nendpoint = "tpc:25"',
                f"mail.toml:3: listener[1].endpoint is \"tpc:25\". Unknown endpoint type: 'tpc'. {endpoint}",
            ),
            (
                '[[listener]]\nprotocol = "imap"\nendpoint = "ssl:993"',
                'mail.toml:3: listener[1].endpoint is "ssl:993". TLS is not part of the endpoint here: say tls = "implicit". '
                + endpoint,
            ),
            (
                '[[listener]]\nprotocol="smtp"\nendpoint="tcp:25"\n[[listener]]\nprotocol="smtp"\nendpoint="tcp:25"',
                "mail.toml:6: listener[2].endpoint is that of listener[1]. Only one can listen there.",
            ),
            (
                '[[listener]]\nprotocol="smtp"\nendpoint="tcp:25"\n[[listener]]\nprotocol="smtp"\nendpoint="tcp6:25"',
                "mail.toml:3: listener[1].endpoint is not needed: that of listener[2] takes IPv4 connections too.",
            ),
            (
                '[[listener]]\nprotocol="http"\nendpoint="tcp:80"\ntls="implicit"',
                'mail.toml:4: listener[1].tls is "implicit", and HTTP is without TLS here. Let a proxy add it, and say "off".',
            ),
        ):
            self.assertEqual([complaint], self.complaints(text))

    def test_no_listeners_are_the_default_ones(self) -> None:
        """
        An empty list says nothing else than no list.
        """
        self.assertEqual(DEFAULT_LISTENERS, parse_settings("listener = []", base="/").listeners)

    def test_chosen_ports_are_no_clash(self) -> None:
        """
        Any number of listeners may ask for a free port.
        """
        text = '[[listener]]\nprotocol = "smtp"\nendpoint = "tcp:0"\n' * 2
        self.assertEqual(2, len(parse_settings(text, base="/").listeners))

    def test_lists(self) -> None:
        """
        Each wrong entry has its line; an entry is there once, however it is written.
        """
        self.assertEqual(
            [
                'mail.toml:2: domains[1] is 5. It must be a domain such as "example.org".',
                'mail.toml:4: domains[3] is "A.example", which is there already.',
                'mail.toml:5: domains[4] is "a b". The domain is malformed. It must be a domain such as "example.org".',
            ],
            self.complaints('domains = [\n5,\n"a.example",\n"A.example",\n"a b"]'),
        )
        self.assertEqual(
            [
                'mail.toml:1: submission.trusted_networks[1] is "10.0.0.1/8". This is no network. It has bits beyond its prefix. '
                'It must be a network such as "192.0.2.0/24" or "2001:db8::/32".'
            ],
            self.complaints('submission.trusted_networks = ["10.0.0.1/8"]'),
        )
        self.assertEqual(
            [
                "mail.toml:1: submission.trusted_networks is a list. It has 1001 entries, and 1000 are allowed. It must be a list;"
                ' each entry is a network such as "192.0.2.0/24" or "2001:db8::/32".'
            ],
            self.complaints(f"submission.trusted_networks = {[str(number) for number in range(1001)]}"),
        )

    def test_sections(self) -> None:
        """
        A section is a table.
        """
        self.assertEqual(["mail.toml:1: tls is 5. It must be a table: [tls]."], self.complaints("tls = 5"))

    def test_more_certificates(self) -> None:
        """
        Certificates for other names are whole, and none has a name of another.
        """
        one, two = '[[certificate]]\ncertificate = "a.pem"\nkey = "b.pem"\n', 'names = ["*.Example.org", "a.example"]\n'
        (found,) = parse_settings(one + two, base="/etc").certificates
        self.assertEqual(NamedCertificate("/etc/a.pem", "/etc/b.pem", ("*.example.org", "a.example")), found)
        self.assertEqual(
            ['mail.toml:8: certificate[2].names has "a.example", which certificate[1] has.'],
            self.complaints(one + two + one + 'names = ["a.example"]'),
        )
        self.assertEqual(
            ["mail.toml:1: certificate[1] has no key. It must be a path."],
            self.complaints('[[certificate]]\ncertificate = "a.pem"'),
        )
        self.assertEqual(
            [
                'mail.toml:4: certificate[1].names[1] is "a..b". The domain is malformed.'
                ' It must be a domain, or "*." and a domain.'
            ],
            self.complaints(one + 'names = ["a..b"]'),
        )

    def test_certificate_and_key(self) -> None:
        """
        One without the other is no use.
        """
        self.assertEqual(
            ["mail.toml:2: tls.certificate is set and tls.key is not. Set both, or neither."],
            self.complaints('[tls]\ncertificate = "a"'),
        )
        self.assertEqual(
            ["mail.toml:1: tls.key is set and tls.certificate is not. Set both, or neither."],
            self.complaints('tls = {key = "a"}'),
        )

    def test_not_toml(self) -> None:
        """
        What is no TOML is told with its line.
        """
        for text, complaint in (
            ("a = 1\nb =\n", "mail.toml:2: This is not TOML: Invalid value."),
            ("a = 1\na = 2\n", "mail.toml:2: This is not TOML: Cannot overwrite a value."),
            ("[tls]\n[tls]\n", "mail.toml:2: This is not TOML: Cannot declare ('tls',) twice."),
            ("a = '", 'mail.toml:1: This is not TOML: Expected "\'".'),
            ("a = " + "[" * 5000, "mail.toml: Its lists or tables nest too deep."),
            ("a = " + "1" * 5000, "mail.toml: A number in it has too many digits."),
        ):
            found = self.complaints(text)
            self.assertEqual(1, len(found))
            self.assertEqual(complaint, found[0])

    def test_not_all_of_a_thousand_mistakes(self) -> None:
        """
        Very many complaints are counted, not shown.
        """
        found = self.complaints("".join(f"x{number} = 1\n" for number in range(1000)))
        self.assertEqual(limits.SETTINGS_PROBLEMS + 1, len(found))
        self.assertEqual(f"mail.toml: {1000 - limits.SETTINGS_PROBLEMS} more mistakes are not shown.", found[-1])

    def test_machine_without_a_name(self) -> None:
        """
        A machine whose name is no domain is C{localhost}.
        """
        self.assertEqual("localhost", parse_settings("", base="/", machine="my_pc?").hostname)

    def test_empty_means_none(self) -> None:
        """
        Optional texts may be written empty.
        """
        settings = parse_settings('postmaster = ""\n[auth]\ndefault_domain = ""', base="/")
        self.assertEqual((None, None), (settings.postmaster, settings.auth.default_domain))


class FindingTests(SynchronousTestCase):
    """
    Which file is read.
    """

    def setUp(self) -> None:
        """
        An empty folder to work in.
        """
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.folder = os.path.abspath(self.folder)

    def write(self, name: str, content: bytes) -> str:
        """
        A settings file.
        """
        path = Path(self.folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def read(self, path: str | None = None, **environ: str) -> Settings:
        """
        Read settings with the folder as working directory.
        """
        return read_settings(path, environ, self.folder)

    def test_nothing_there(self) -> None:
        """
        In an empty folder the built-in default holds, its data there.
        """
        settings = self.read(MAIL_CONFIG="")
        self.assertIsNone(settings.source)
        self.assertEqual(os.path.join(self.folder, "mail-data"), settings.data_dir)

    def test_order(self) -> None:
        """
        What is named on the command line comes before the environment, and that before C{mail.toml}.
        """
        self.write("mail.toml", b'hostname = "three.example"')
        self.assertEqual("three.example", self.read().hostname)
        two = self.write("sub/two.toml", b'hostname = "two.example"')
        self.assertEqual("two.example", self.read(MAIL_CONFIG=two).hostname)
        self.assertEqual("two.example", self.read(MAIL_CONFIG="sub/two.toml").hostname)
        self.write("one.toml", b'hostname = "one.example"')
        self.assertEqual("one.example", self.read("one.toml", MAIL_CONFIG=two).hostname)

    def test_paths_are_relative_to_the_file(self) -> None:
        """
        Wherever the server is started, data lies beside the file.
        """
        path = self.write("sub/two.toml", b"")
        settings = self.read("sub/two.toml")
        self.assertEqual(os.path.join(self.folder, "sub", "mail-data"), settings.data_dir)
        self.assertEqual(path, settings.source)

    def test_missing(self) -> None:
        """
        A file that somebody named must be there.
        """
        for settings in (lambda: self.read("gone.toml"), lambda: self.read(MAIL_CONFIG="gone.toml")):
            with self.assertRaises(BadSetting) as caught:
                settings()
            self.assertEqual("gone.toml: No such file or directory.", caught.exception.public)

    def test_unreadable(self) -> None:
        """
        A folder, a link to nowhere, and bytes that are no text are refused with a sentence.
        """
        os.mkdir(os.path.join(self.folder, "folder"))
        os.symlink("nowhere", os.path.join(self.folder, "mail.toml"))
        self.write("bytes.toml", b"a = 1\nb = '\xff'\n")
        self.write("large.toml", b"#" * (limits.SETTINGS_FILE + 1))
        for path, complaint in (
            ("folder", "folder: Is a directory."),
            (None, "mail.toml: No such file or directory."),
            ("bytes.toml", "bytes.toml:2: This is not UTF-8, and so not TOML."),
            ("large.toml", "large.toml: It has more than 1048576 octets."),
        ):
            with self.assertRaises(BadSetting) as caught:
                self.read(path)
            self.assertEqual(complaint, caught.exception.public)

    def test_the_file_is_named_as_it_was(self) -> None:
        """
        Complaints name the file as the user did.
        """
        self.write("sub/two.toml", b"x = 1")
        with self.assertRaises(BadSetting) as caught:
            self.read("sub/two.toml")
        self.assertEqual("sub/two.toml:1: x is not a setting.", caught.exception.public)
