"""
Writes the manual's page of standards: C{python -m twisted_mail_server.app.reference protocols}.

What is an extension speaks for itself: the registries know its standard and its name on the wire.  What is no extension stands in
L{FOUNDATIONS}.  Every row names the tests, found by their names or by the standard they name.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen

import twisted_mail_server
from twisted_mail_server.protocols.imap import extensions as imap
from twisted_mail_server.protocols.pop3 import extensions as pop3
from twisted_mail_server.protocols.sasl.registry import MECHANISMS
from twisted_mail_server.protocols.smtp import extensions as smtp

_ROOT = Path(twisted_mail_server.__file__).parent.parent

_NUMBER = re.compile(r"\b(\d{3,5})\b")

_HEAD = """# Protocols and standards

What is spoken here, standard by standard: its status, where the code is, and the tests that hold it. The extensions come from the
registries that the server itself reads, so that nothing stands here that is not offered.

This page is written by `python -m twisted_mail_server.app.reference protocols`.
"""


@frozen
class Standard:
    """
    One row of the page.
    """

    #: C{RFC 5321}, or C{RFC 2449, 1939}.
    names: str
    what: str
    #: Module or package, from the top of the repository.
    where: str
    status: str = "yes"

    @property
    def numbers(self) -> tuple[str, ...]:
        """
        The numbers of its RFCs.
        """
        return tuple(_NUMBER.findall(self.names))


#: What is no extension, in the order in which one would read about it.
FOUNDATIONS = (
    Standard("RFC 5321", "SMTP", "twisted_mail_server/protocols/smtp/server.py"),
    Standard("RFC 6409", "Message submission", "twisted_mail_server/message/submission.py"),
    Standard("RFC 8314", "TLS from the first octet", "twisted_mail_server/servers/base.py"),
    Standard("RFC 2033", "LMTP", "twisted_mail_server/protocols/smtp/lmtp.py"),
    Standard("RFC 3463, 5248", "Enhanced status codes", "twisted_mail_server/model/errors.py"),
    Standard("RFC 3848", "What Received says of the protocol", "twisted_mail_server/servers/smtp.py"),
    Standard("RFC 7505", "Null MX", "twisted_mail_server/policies/routes.py"),
    Standard("RFC 7435", "Opportunistic TLS", "twisted_mail_server/tls/outbound.py"),
    Standard("RFC 3464, 6522", "Delivery reports", "twisted_mail_server/message/reports.py"),
    Standard("RFC 6533", "International delivery reports", "twisted_mail_server/message/addresstypes.py"),
    Standard("RFC 3501", "IMAP4rev1", "twisted_mail_server/protocols/imap/commands"),
    Standard("RFC 5530", "IMAP response codes", "twisted_mail_server/model/errors.py"),
    Standard("RFC 2180, 2683", "IMAP practice with several sessions", "twisted_mail_server/protocols/imap/session.py"),
    Standard("RFC 1939", "POP3", "twisted_mail_server/protocols/pop3/commands.py"),
    Standard("RFC 4422", "SASL", "twisted_mail_server/protocols/sasl/vocabulary.py"),
    Standard("RFC 5322", "Internet message format", "twisted_mail_server/message/headers.py"),
    Standard("RFC 2045, 2046", "MIME", "twisted_mail_server/message/structure.py"),
    Standard("RFC 2047", "Encoded words", "twisted_mail_server/message/words.py"),
    Standard("RFC 2231", "Parameters in other languages", "twisted_mail_server/message/parameters.py"),
    Standard("RFC 2142", "postmaster and abuse", "twisted_mail_server/directory/names.py"),
    Standard("RFC 1035, 2308, 6891", "DNS, negative answers, EDNS0", "twisted_mail_server/dns/resolver.py"),
    Standard("RFC 6840", "Trust in a validating resolver", "twisted_mail_server/dns/resolver.py"),
)


def protocols_page() -> str:
    """
    C{docs/reference/protocols.md}.
    """
    tests = {path: path.read_text("utf-8") for path in sorted((_ROOT / "tests").rglob("test_*.py"))}
    sections = (
        ("Foundations", FOUNDATIONS),
        ("ESMTP and LMTP extensions", _extensions(smtp, lambda one: [one.keyword])),
        ("IMAP extensions", _extensions(imap, _imap_names)),
        ("POP3 extensions", _extensions(pop3, lambda one: [command.name for command in one.commands])),
        ("SASL mechanisms", _mechanisms()),
    )
    return "\n".join([_HEAD, *(line for title, rows in sections for line in _section(title, rows, tests))])


def _section(title: str, rows: Iterable[Standard], tests: dict[Path, str]) -> Iterator[str]:
    yield from (f"## {title}", "", "| Standard | What | Status | Code | Tests |", "|---|---|---|---|---|")
    for row in rows:
        named = ", ".join(f"`{test}`" for test in tests_of(row, tests))
        yield f"| {row.names} | {row.what} | {row.status} | `{row.where}` | {named} |"
    yield ""


def _extensions(package: ModuleType, names: Any) -> Iterator[Standard]:
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        for extension in vars(module).values():
            if type(extension).__name__ == "Extension":
                what = ", ".join(dict.fromkeys(f"`{_text(name)}`" for name in names(extension) if name))
                yield Standard(extension.rfc, what or found.name, _place(module))


def _imap_names(extension: Any) -> list[Any]:
    return [*extension.capabilities, *extension.enables]


def _mechanisms() -> Iterator[Standard]:
    for mechanism in MECHANISMS:
        made_by = getattr(mechanism.server, "func", mechanism.server)
        yield Standard(mechanism.rfc, f"`{mechanism.name}`", _place(importlib.import_module(made_by.__module__)))


def _text(name: Any) -> str:
    return name.decode("ascii") if isinstance(name, bytes) else str(name)


def _place(module: ModuleType) -> str:
    assert module.__file__ is not None
    return str(Path(module.__file__).relative_to(_ROOT))


def tests_of(row: Standard, tests: dict[Path, str]) -> list[str]:
    """
    At most three tests: the one named like the code, then those that name the standard, or else its word on the wire.
    """
    stem = Path(row.where).stem
    folder = "/".join(Path(row.where).parts[1:-1])
    named = [path for path in tests if path.name == f"test_{stem}.py" and folder in str(path)]
    others = _naming(tests, [f"RFC {number}" for number in row.numbers])
    if not named and not others:
        others = _naming(tests, re.findall(r"`([^`]+)`", row.what))
    near = "/".join(Path(row.where).parts[1:3])
    others.sort(key=lambda path: (f"tests/{near}" not in str(path), str(path)))
    return [str(path.relative_to(_ROOT)) for path in dict.fromkeys((*named, *others))][:3]


def _naming(tests: dict[Path, str], words: Iterable[str]) -> list[Path]:
    patterns = [re.compile(rf"\b{re.escape(word)}\b") for word in words]
    return [path for path, text in tests.items() if any(pattern.search(text) for pattern in patterns)]
