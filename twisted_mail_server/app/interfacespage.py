"""
Writes the manual's page of interfaces: C{python -m twisted_mail_server.app.reference interfaces}.

It reads the source of L{twisted_mail_server.interfaces}, for zope keeps neither the types of a method's arguments nor the order and
the titles of the module.  Who provides an interface is read from the package's C{@implementer}s.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import field, fields, frozen

import twisted_mail_server
from twisted_mail_server import interfaces
from twisted_mail_server.delivery.hooks import STAGES

from .plugins import Services

_PACKAGE = Path(twisted_mail_server.__file__).parent

_TITLE = re.compile(r"# --- (.*?) -+")
_LINK = re.compile(r"L\{(?:([^{}<]+?) <[^{}>]+>|([^{}]+))\}")
_CODE = re.compile(r"C\{([^{}]+)\}")
_FIELD = re.compile(r"@(raise|param) (\w+): ")

_HEAD = """# Interfaces

{purpose}

This page is written by `python -m twisted_mail_server.app.reference interfaces` from
[`interfaces.py`](../../twisted_mail_server/interfaces.py).

## To extend the server

A plugin is a file of your own: [Extend the server](../how-to/extend.md) shows how to write one, turn it on and test it. It provides one or
several of these:

| Stage | Provide | Method | |
|---|---|---|---|
{hooks}

`IMailPlugin` is what finds it and makes it; `twisted_mail_server.app.plugins.MailPlugin` provides that already.

In `services` a plugin is given:

| | Interface | |
|---|---|---|
{services}

Another store, spool, directory or resolver would provide the same interface, be made in `twisted_mail_server/app/wire.py`, and inherit the
tests in [`tests/contracts`](../../tests/contracts) that hold for every one.

Passwords that are kept elsewhere are asked for by Twisted's own checkers (`ICredentialsChecker`, found through `twisted.cred.strcred`): the
setting [`auth.checkers`](settings.md#checkers) names them, and none needs an interface of ours. Filters are the hooks above that see the
header or the content.

"""


@frozen
class Described:
    """
    An interface, as its source has it.
    """

    name: str
    purpose: str
    #: Name, type and meaning.
    attributes: tuple[tuple[str, str, str], ...]
    #: Signature and meaning.
    methods: tuple[tuple[str, str], ...]

    @property
    def sentence(self) -> str:
        """
        The first sentence of its purpose.
        """
        return re.split(r"(?<=[.?])\s", self.purpose, maxsplit=1)[0]


@frozen
class Group:
    """
    The interfaces under one title.
    """

    title: str
    line: int
    #: What the module says of all of them.
    remark: str
    members: list[Described] = field(factory=list)


def interfaces_page() -> str:
    """
    C{docs/reference/interfaces.md}.
    """
    source = inspect.getsource(interfaces)
    groups = described_groups(source)
    known = {one.name: one for group in groups for one in group.members}
    purpose = _prose(ast.get_docstring(ast.parse(source)) or "")
    pieces = [_HEAD.format(purpose=purpose, hooks="\n".join(_hooks(known)), services="\n".join(_services(known)))]
    providers = _providers()
    # What is for plugins comes first.
    for group in sorted(groups, key=lambda one: not one.title.startswith("Hooks")):
        pieces.append(f"## {group.title}\n\n" + (f"{group.remark}\n\n" if group.remark else ""))
        for one in group.members:
            pieces += _interface(one, providers.get(one.name, []))
    return "".join(pieces)


def described_groups(source: str) -> list[Group]:
    """
    Every interface of a module, by the titles in its comments.
    """
    lines = source.splitlines()
    groups = [
        Group(found[1], number, _remark(lines[number:]))
        for number, line in enumerate(lines, 1)
        if (found := _TITLE.fullmatch(line))
    ]
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["Interface"]:
            group = next(group for group in reversed(groups) if group.line < node.lineno)
            group.members.append(_described(node, lines))
    return groups


def _remark(lines: list[str]) -> str:
    """
    The comment right below a title.
    """
    taken: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        taken.append(line.removeprefix("#").strip())
    return _prose("\n".join(taken).strip())


def _described(node: ast.ClassDef, lines: list[str]) -> Described:
    attributes, methods = [], []
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.value, ast.Call):
            meaning = ast.literal_eval(one.value.args[0])
            attributes.append((ast.unparse(one.target), ast.unparse(one.annotation), _prose(meaning)))
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            methods.append((_signature(one, lines), _prose(ast.get_docstring(one) or "")))
    return Described(node.name, _prose(ast.get_docstring(node) or ""), tuple(attributes), tuple(methods))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    """
    As it is written, so that a mode stays octal; on one line.
    """
    written = " ".join(line.strip() for line in lines[node.lineno - 1 : node.body[0].lineno - 1])
    return written.removesuffix(":").replace("def ", "", 1).replace("( ", "(").replace(" )", ")")


def _prose(text: str) -> str:
    """
    A docstring in Markdown.
    """
    paragraphs: list[str] = []
    for paragraph in re.split(r"\n\s*\n|\n(?=@)", text.strip()):
        line = " ".join(paragraph.split())
        line = _FIELD.sub(lambda found: f"{'Raises ' if found[1] == 'raise' else ''}`{found[2]}`: ", line)
        line = _LINK.sub(lambda found: f"`{found[1] or found[2]}`", line)
        paragraphs.append(_CODE.sub(r"`\1`", line))
    return "\n\n".join(paragraphs)


def _interface(one: Described, providers: list[tuple[str, str]]) -> Iterator[str]:
    yield f"### `{one.name}`\n\n{one.purpose}\n\n"
    if providers:
        yield "Provided by " + ", ".join(f"`{name}` in `{path}`" for name, path in providers) + ".\n\n"
    for name, kind, meaning in one.attributes:
        yield f"* `{name}: {kind}`\n\n{_indented(meaning)}\n\n"
    for signature, meaning in one.methods:
        yield f"* `{signature}`\n\n{_indented(meaning)}\n\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def _hooks(known: dict[str, Described]) -> Iterator[str]:
    for stage, (interface, method) in STAGES.items():
        one = known[interface.__name__]
        (signature,) = [signature for signature, _ in one.methods if f"{method}(" in signature]
        yield f"| {stage} | {_linked(one)} | `{signature}` | {one.sentence} |"


def _services(known: dict[str, Described]) -> Iterator[str]:
    for service in fields(Services):
        # Its text: the module's annotations are not evaluated.
        one = known.get(str(service.type))
        if one is not None:
            yield f"| `services.{service.name}` | {_linked(one)} | {one.sentence} |"


def _linked(one: Described) -> str:
    return f"[`{one.name}`](#{one.name.lower()})"


def _providers() -> dict[str, list[tuple[str, str]]]:
    """
    For each interface the classes that provide it, and where they are.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        if "@implementer(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for name in _implemented(node):
                    found.setdefault(name, []).append((node.name, str(path.relative_to(_PACKAGE.parent))))
    return found


def _implemented(node: ast.ClassDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "implementer":
            yield from map(ast.unparse, decorator.args)
