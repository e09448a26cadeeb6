"""
Every setting: its type, default, bounds, and the sentence in the manual.

A setting is a field of one of the classes below; its L{Setting} says what it may hold.  L{twisted_mail_server.app.reading} reads
files by it, and L{twisted_mail_server.app.reference} writes C{docs/reference/settings.md} from it: nothing is listed twice.
"""

# ruff: noqa: RUF009 (the calls in class bodies make attrs fields)

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from attrs import Attribute, field, fields, frozen

from twisted_mail_server.auth.checkers.foreign import check_description
from twisted_mail_server.directory.names import SUBADDRESS_SEPARATOR, check_separator
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.limits import KIB, MIB
from twisted_mail_server.model.mailboxes import DEFAULT_MAILBOXES, INBOX, SEPARATOR, DefaultMailbox, check_name
from twisted_mail_server.servers.listening import check_endpoint, open_port, shared_port

from .kinds import (
    Choice,
    Duration,
    FilePath,
    Flag,
    HostPort,
    Kind,
    ListOf,
    Password,
    Secret,
    Size,
    Text,
    Whole,
    domain,
    host_port,
    name_server,
    network,
    optional,
)
from .plugins import ChosenPlugin

_KEY = "twisted_mail_server.app.settings"
_HOUR = 3600
_DAY = 24 * _HOUR


@frozen
class Setting:
    """
    What is known of one setting.

    @ivar kind: what it may hold.
    @ivar sentence: for the manual.
    @ivar rfc: where a standard speaks of it.
    @ivar default: the manual's word for a default that is found at the start; empty where the value itself says it.
    @ivar needs_restart: whether a running server cannot change it; all that C{[[listener]]} and the like hold, it can.
    """

    kind: Kind
    sentence: str
    rfc: str = ""
    default: str = ""
    needs_restart: bool = False


@frozen
class Section:
    """
    What is known of one table.

    @ivar name: as it stands in the file.
    @ivar settings: the class whose fields are its settings.
    @ivar is_repeated: whether it is written in double brackets, any number of times.
    @ivar is_named: whether it holds tables of names that are not ours: of plugins.
    @ivar needs_restart: whether a running server can change nothing of it.
    """

    name: str
    settings: type
    sentence: str
    is_repeated: bool = False
    is_named: bool = False
    needs_restart: bool = False


def setting(
    kind: Kind, sentence: str, *, rfc: str = "", default_word: str = "", needs_restart: bool = False, **kwargs: Any
) -> Any:
    """
    A field of a settings class, a plugin's too.
    """
    return field(metadata={_KEY: Setting(kind, sentence, rfc, default_word, needs_restart)}, **kwargs)


_setting = setting


def _section(name: str, settings: type, sentence: str, *, needs_restart: bool = False) -> Any:
    section = Section(name, settings, sentence, needs_restart=needs_restart)
    return field(factory=settings, metadata={_KEY: section})


def _server_name(text: str) -> str:
    return f"*.{domain(text[2:])}" if text.startswith("*.") else domain(text)


_DOMAIN = Text('a domain such as "example.org"', domain)
_MAILBOX_USES = {mailbox.name: mailbox for mailbox in DEFAULT_MAILBOXES}


@frozen
class Listener:
    """
    One place where the server listens.
    """

    protocol: str = _setting(
        Choice(("smtp", "submission", "lmtp", "imap", "pop3", "http")),
        "What is spoken there: `smtp` takes mail for local domains from anybody, `submission` takes mail from users who log in,"
        " `lmtp` takes mail for local domains from another server of the house, `imap` and `pop3` give users their mail,"
        " `http` gives programs that watch the server its metrics.",
        rfc="RFC 5321, 6409, 2033, 3501, 1939",
    )
    endpoint: str = _setting(
        Text('a Twisted server endpoint such as "tcp:2525:interface=127.0.0.1"', check_endpoint),
        "Where: a Twisted server endpoint, such as `tcp:25`, `tcp6:25` (for IPv4 and IPv6), `tcp6:25:interface=2001\\:db8\\:\\:1`,"
        " `unix:/run/mail.sock` or"
        " `systemd:domain=INET:name=smtp`. TLS is not part of it: that is `tls`.",
    )
    tls: str = _setting(
        Choice(("starttls", "implicit", "off")),
        "`starttls`: a connection begins in the clear and may change to TLS; `implicit`: TLS from the first octet; `off`: none."
        " `http` is without TLS here, and never `implicit`.",
        rfc="RFC 3207, 8314",
        default="starttls",
    )
    proxy_networks: tuple[IPv4Network | IPv6Network, ...] = _setting(
        ListOf(Text('a network such as "192.0.2.0/24" or "2001:db8::/32"', network)),
        "Proxies, such as HAProxy, from which each connection must begin with a header of the PROXY protocol, version 1 or 2: it tells"
        " who the client is. Nobody else is believed such a header.",
        default=(),
    )


def _local(protocol: str, port: int, tls: str = "starttls") -> Listener:
    return Listener(protocol, f"tcp:{port}:interface=127.0.0.1", tls)


#: Where a server listens whose settings name no listener.
DEFAULT_LISTENERS = (
    _local("smtp", 2525),
    _local("submission", 2587),
    _local("submission", 2465, "implicit"),
    _local("imap", 1143),
    _local("imap", 1993, "implicit"),
    _local("pop3", 1110),
    _local("pop3", 1995, "implicit"),
    _local("http", 8080, "off"),
)


@frozen
class TlsSettings:
    """
    What the server shows of itself.
    """

    certificate: str | None = _setting(
        FilePath(),
        "The certificate in PEM, its chain after it. Without it a self-signed one is made in the data directory at the first start.",
        default=None,
    )
    key: str | None = _setting(FilePath(), "The certificate's private key in PEM.", default=None)


@frozen
class NamedCertificate:
    """
    What the server shows to clients that ask for certain names.
    """

    certificate: str = _setting(FilePath(), "The certificate in PEM, its chain after it.")
    key: str = _setting(FilePath(), "The certificate's private key in PEM.")
    names: tuple[str, ...] = _setting(
        ListOf(Text('a domain, or "*." and a domain', _server_name)),
        "The names of this server (SNI) whose clients are shown it.",
        rfc="RFC 6066 section 3",
        default=(),
        default_word="those that the certificate is for",
    )


@frozen
class AuthSettings:
    """
    Who may log in, and how.
    """

    allow_plaintext: bool = _setting(
        Flag(),
        "Whether passwords are taken without TLS too, from this machine alone: for tests, and for programs beside the server.",
        rfc="RFC 4954 section 4, RFC 8314",
        default=False,
    )
    default_domain: str | None = _setting(
        Text("a domain, or empty", optional(domain)),
        "Completes a login name that has no domain.",
        default=None,
        default_word="the first of `domains`",
    )
    checkers: tuple[str, ...] = _setting(
        ListOf(
            Text(
                'the type of a checker, and its arguments after a colon, such as "file:/etc/mail/passwords"',
                check_description,
            )
        ),
        "Who else knows passwords, asked in this order about accounts that were made without one (`mailctl account add --no-password`):"
        " checker plugins of Twisted (`twisted.cred.strcred`). One that is down makes a login fail for the moment.",
        default=(),
        needs_restart=True,
    )


@frozen
class SubmissionSettings:
    """
    Mail from our own users.
    """

    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = _setting(
        ListOf(Text('a network such as "192.0.2.0/24" or "2001:db8::/32"', network)),
        "Clients there may submit mail without a login.",
        rfc="RFC 6409 section 3.3",
        default=(),
    )
    recipients_per_hour: int = _setting(
        Whole(0, 1_000_000),
        "So many recipients an hour may one user have; more are put off. A stolen password then sends little. 0: any number.",
        default=500,
        needs_restart=True,
    )


@frozen
class RelaySettings:
    """
    Mail for other servers.
    """

    smarthost: HostPort | None = _setting(
        Text('a host and a port such as "smtp.example.net:587", or empty', optional(host_port)),
        "The server that takes all mail for elsewhere. Without one, each domain's own servers are asked for in DNS.",
        rfc="RFC 5321 section 5.1",
        default=None,
    )
    smarthost_login: str = _setting(Text("a string"), "The login name at the smarthost.", rfc="RFC 4954", default="")
    smarthost_password: Secret = _setting(
        Password(),
        "The password at the smarthost: the first line of a file, or an environment variable, or itself."
        " A file that others may read is warned of.",
        default=Secret(),
    )
    smarthost_tls: str = _setting(
        Choice(("required", "implicit", "opportunistic", "off")),
        "`required`: no mail goes without TLS; `implicit`: TLS from the first octet, as on port 465; `opportunistic`: TLS where it"
        " can be had; `off`: none. A password goes without TLS only to this machine.",
        rfc="RFC 3207, 8314",
        default="required",
    )
    retry_schedule: tuple[int, ...] = _setting(
        ListOf(Duration(1, 7 * _DAY), 100, 1, may_repeat=True),
        "The waits between tries, each made a little longer or shorter by chance; the last one repeats.",
        rfc="RFC 5321 section 4.5.4.1",
        default=(300, 900, 1800, _HOUR, 2 * _HOUR, 4 * _HOUR),
    )
    expire_after: int = _setting(
        Duration(60, 60 * _DAY),
        "A message that waited so long is given up, and its sender told.",
        rfc="RFC 5321 section 4.5.4.1",
        default=5 * _DAY,
    )
    delay_warning: int = _setting(
        Duration(0, 60 * _DAY),
        "The sender of a message that waited so long is told that it still does. 0: never.",
        rfc="RFC 3461 section 4.1",
        default=4 * _HOUR,
    )
    connect_timeout: int = _setting(
        Duration(1, 300), "So long one address of a server is waited for to take a connection.", default=30
    )
    command_timeout: int = _setting(
        Duration(1, _HOUR),
        "So long a server is waited for to answer a command; the end of a message has its own ten minutes.",
        rfc="RFC 5321 section 4.5.3.2",
        default=300,
    )
    connections: int = _setting(
        Whole(1, 10_000), "The most connections to other servers at a time.", default=limits.RELAY_CONNECTIONS
    )
    connections_per_destination: int = _setting(
        Whole(1, 1000),
        "The most connections at a time for one domain, or to the smarthost.",
        default=limits.RELAY_CONNECTIONS_PER_DESTINATION,
    )
    prefer_ipv6: bool = _setting(
        Flag(),
        "Whether a server's IPv6 addresses are tried before its IPv4 ones. Set it when this machine's IPv6 address has a name in DNS,"
        " for many servers refuse mail from one that has none.",
        rfc="RFC 5321 section 5.2",
        default=False,
    )


@frozen
class DnsSettings:
    """
    Whom to ask for names.
    """

    resolvers: tuple[NameServer, ...] = _setting(
        ListOf(Text('an IP address with a port or without, such as "127.0.0.1:53"', name_server), limits.DNS_RESOLVERS),
        "The recursive resolvers that are asked, in that order. What one says of DNSSEC is believed if it is on this machine.",
        default=(),
        default_word="those in `/etc/resolv.conf`",
    )
    timeout: int = _setting(Duration(1, 60), "So long an answer is waited for, whoever is asked.", default=5)


@frozen
class LimitSettings:
    """
    What one client or one message may use.
    """

    message_size: int = _setting(
        Size(64 * KIB, 2048 * MIB), "The largest message that is taken.", rfc="RFC 1870", default=limits.MESSAGE_SIZE
    )
    recipients: int = _setting(
        Whole(1, 100_000),
        "The most recipients of one message; the standard asks for at least 100.",
        rfc="RFC 5321 section 4.5.3.1.8",
        default=limits.RECIPIENTS,
        needs_restart=True,
    )
    connections: int = _setting(
        Whole(1, 100_000), "The most connections of one listener at a time.", default=limits.CONNECTIONS
    )
    connections_per_address: int = _setting(
        Whole(1, 100_000),
        "The most connections from one address at a time, of one listener. Loopback is exempt.",
        default=limits.CONNECTIONS_PER_ADDRESS,
    )
    min_free_bytes: int = _setting(
        Size(0, 1024 * 1024 * MIB),
        "With less free space on the disk, new mail is put off (452) so that what was promised can still be kept.",
        default=limits.MIN_FREE_BYTES,
        needs_restart=True,
    )


@frozen
class ImapSettings:
    """
    What IMAP does.
    """

    literals: str = _setting(
        Choice(("plus", "minus")),
        "Literals that clients may send without asking first: `plus` of any size (LITERAL+), `minus` of up to 4096 octets (LITERAL-).",
        rfc="RFC 7888",
        default="plus",
    )


@frozen
class Pop3Settings:
    """
    What POP3 does.
    """

    login_delay: int = _setting(
        Duration(0, _HOUR),
        "An account may log in again only after so long; 0: at once. It counts for each listener.",
        rfc="RFC 2449 section 6.5",
        default=0,
    )


@frozen
class HttpSettings:
    """
    What HTTP does.
    """

    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = _setting(
        ListOf(Text('a network such as "192.0.2.0/24" or "2001:db8::/32"', network)),
        "Who may read the metrics, besides this machine; whoever else connects is let go.",
        default=(),
    )


@frozen
class StoreSettings:
    """
    Where mail lives.
    """

    checkpoint_inline: int = _setting(
        Size(1 * MIB, 4096 * MIB),
        "An account whose database holds more than this in small messages gets them moved to files at once;"
        " else that waits until it has been quiet for a minute.",
        default=limits.CHECKPOINT_INLINE,
    )
    mailboxes: tuple[str, ...] = _setting(
        ListOf(Text("the name of a mailbox, with / between its levels", check_name)),
        "What a new account begins with, besides INBOX. Drafts, Sent, Junk, Trash and Archive are marked as what they are for.",
        rfc="RFC 6154",
        default=tuple(mailbox.name for mailbox in DEFAULT_MAILBOXES if mailbox.name != INBOX),
    )

    def default_mailboxes(self) -> tuple[DefaultMailbox, ...]:
        """
        A new account's mailboxes, INBOX too.
        """
        names = dict.fromkeys((INBOX, *self.mailboxes))
        return tuple(_MAILBOX_USES.get(name, DefaultMailbox(name)) for name in names)


@frozen
class SpoolSettings:
    """
    Mail on its way.
    """

    history: int = _setting(
        Duration(0, 3650 * _DAY),
        "So long it is remembered, without its content, what became of each message.",
        default=30 * _DAY,
    )


@frozen
class LogSettings:
    """
    What the log looks like; where it goes is twistd's `--logfile`.
    """

    format: str = _setting(
        Choice(("text", "json")), "`text` for people, `json` for programs: one object a line.", default="text"
    )
    level: str = _setting(
        Choice(("debug", "info", "warn", "error")), "What is less important than this is left out.", default="info"
    )


@frozen
class PluginSettings:
    """
    What every plugin can be told.
    """

    enabled: bool = _setting(Flag(), "Whether it does anything.", default=False)


@frozen
class Settings:
    """
    All of them.

    @ivar source: the file they were read from; L{None} for the built-in default.
    @ivar is_hostname_set: whether the file says it; a name that was only guessed is not shown to other servers.
    """

    hostname: str = _setting(
        _DOMAIN,
        "What the server calls itself in greetings and in trace fields: its name in DNS."
        " Until it is set in this file nothing is relayed to other servers.",
        rfc="RFC 5321 section 4.1.3",
        default="localhost",
        default_word="the machine's name",
        needs_restart=True,
    )
    data_dir: str = _setting(
        FilePath(),
        "Where everything is kept: accounts, mail, the spool. Made if it is not there.",
        default="mail-data",
        needs_restart=True,
    )
    domains: tuple[str, ...] = _setting(
        ListOf(_DOMAIN, 100_000),
        "The domains whose mail is delivered here, besides those of the accounts. With none and no account,"
        " `localhost` gets a first account, `demo@localhost`.",
        default=(),
    )
    postmaster: Address | None = _setting(
        Text("an address, or empty", optional(Address.parse)),
        "The account that gets mail for `postmaster` and `abuse` of every local domain.",
        rfc="RFC 5321 section 4.5.1, RFC 2142",
        default=None,
        default_word="the first account",
    )
    subaddress_separator: str = _setting(
        Text('up to 8 characters of a local part such as "+" or "--", or empty', check_separator),
        "What stands between a local part and its subaddress: mail for `ann+lists` goes to `ann`. Empty for no subaddresses.",
        rfc="RFC 5233",
        default=SUBADDRESS_SEPARATOR,
    )
    separator: str = _setting(
        Choice(("/", ".")),
        "What stands between the levels of a mailbox name in IMAP. It may be changed at any time: names are kept without it.",
        rfc="RFC 3501 section 5.1.1",
        default=SEPARATOR,
    )
    listeners: tuple[Listener, ...] = field(
        default=DEFAULT_LISTENERS,
        metadata={
            _KEY: Section(
                "listener",
                Listener,
                "Where the server listens, once for each place. Without any, it listens on loopback, on ports that need no privileges.",
                is_repeated=True,
            )
        },
    )
    tls: TlsSettings = _section("tls", TlsSettings, "What the server shows of itself.")
    certificates: tuple[NamedCertificate, ...] = field(
        default=(),
        metadata={
            _KEY: Section(
                "certificate",
                NamedCertificate,
                "One more certificate, for clients that ask for one of its names; once for each. Who asks for another name, or for none,"
                " is shown the one in `[tls]`, or without that the first of these.",
                is_repeated=True,
            )
        },
    )
    auth: AuthSettings = _section("auth", AuthSettings, "Who may log in, and how.")
    submission: SubmissionSettings = _section("submission", SubmissionSettings, "Mail from our own users.")
    relay: RelaySettings = _section("relay", RelaySettings, "Mail for other servers.", needs_restart=True)
    dns: DnsSettings = _section("dns", DnsSettings, "Whom to ask for names.", needs_restart=True)
    limits: LimitSettings = _section("limits", LimitSettings, "What one client or one message may use.")
    imap: ImapSettings = _section("imap", ImapSettings, "What IMAP does.")
    pop3: Pop3Settings = _section("pop3", Pop3Settings, "What POP3 does.")
    http: HttpSettings = _section("http", HttpSettings, "What HTTP does.")
    store: StoreSettings = _section("store", StoreSettings, "Where mail lives.", needs_restart=True)
    spool: SpoolSettings = _section("spool", SpoolSettings, "Mail on its way.", needs_restart=True)
    log: LogSettings = _section("log", LogSettings, "What the log looks like; where it goes is twistd's `--logfile`.")
    plugins: tuple[ChosenPlugin, ...] = field(
        default=(),
        metadata={
            _KEY: Section(
                "plugin",
                PluginSettings,
                "One table for each installed plugin that is to be used, with that plugin's own settings besides.",
                is_named=True,
                needs_restart=True,
            )
        },
    )
    source: str | None = None
    is_hostname_set: bool = False


def described_fields(settings: type) -> Iterator[tuple[Attribute[Any], str, Setting | Section]]:
    """
    The settings and sections of a class: its field, its name in the file, and what is known of it.
    """
    for attribute in fields(settings):
        known = attribute.metadata.get(_KEY)
        if known is not None:
            yield attribute, known.name if isinstance(known, Section) else attribute.name, known


def contradictions(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """
    What is wrong though each setting by itself is right: where, and a sentence.
    """
    tls = settings.tls
    if (tls.certificate is None) != (tls.key is None):
        present, absent = ("certificate", "key") if tls.key is None else ("key", "certificate")
        yield ("tls", present), f"tls.{present} is set and tls.{absent} is not. Set both, or neither."
    yield from _shared_names(settings.certificates)
    yield from _relay_contradictions(settings.relay)
    yield from _shared_ports(settings.listeners)
    taken: dict[str, int] = {}
    for index, listener in enumerate(settings.listeners):
        if listener.protocol == "http" and listener.tls == "implicit":
            yield (
                ("listener", index, "tls"),
                f'listener[{index + 1}].tls is "implicit", and HTTP is without TLS here. Let a proxy add it, and say "off".',
            )
        port = shared_port(listener.endpoint)
        if port is None:
            continue
        first = taken.setdefault(port, index)
        if first != index:
            yield (
                ("listener", index, "endpoint"),
                f"listener[{index + 1}].endpoint is that of listener[{first + 1}]. Only one can listen there.",
            )


def _shared_ports(listeners: tuple[Listener, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """
    A port at every IPv6 address is one at every IPv4 address too (ipv6(7), IPV6_V6ONLY).
    """
    ports = {open_port(listener.endpoint): index for index, listener in enumerate(listeners)}
    for index, listener in enumerate(listeners):
        found = open_port(listener.endpoint)
        if found is not None and found[0] == "tcp" and (other := ports.get(("tcp6", found[1]))) is not None:
            yield (
                ("listener", index, "endpoint"),
                f"listener[{index + 1}].endpoint is not needed: that of listener[{other + 1}] takes IPv4 connections too.",
            )


def _shared_names(certificates: tuple[NamedCertificate, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    shown: dict[str, int] = {}
    for index, certificate in enumerate(certificates):
        for place, name in enumerate(certificate.names):
            first = shown.setdefault(name, index)
            if first != index:
                yield (
                    ("certificate", index, "names", place),
                    f'certificate[{index + 1}].names has "{name}", which certificate[{first + 1}] has.',
                )


def _relay_contradictions(relay: RelaySettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if bool(relay.smarthost_login) != bool(relay.smarthost_password):
        names = ("smarthost_login", "smarthost_password")
        present, absent = names if relay.smarthost_login else names[::-1]
        yield ("relay", present), f"relay.{present} is set and relay.{absent} is not. Set both, or neither."
    elif relay.smarthost_login and relay.smarthost is None:
        yield ("relay", "smarthost_login"), "relay.smarthost_login is set and relay.smarthost is not."
    elif relay.smarthost_login and relay.smarthost_tls in ("opportunistic", "off") and not _is_here(relay.smarthost):
        yield (
            ("relay", "smarthost_tls"),
            f'relay.smarthost_tls is "{relay.smarthost_tls}", and the password could be read on its way.'
            ' With a login it must be "required" or "implicit".',
        )


def _is_here(smarthost: HostPort | None) -> bool:
    if smarthost is None or smarthost.host == "localhost":
        return True
    try:
        return ip_address(smarthost.host).is_loopback
    except ValueError:
        return False
