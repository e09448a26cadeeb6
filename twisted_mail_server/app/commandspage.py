"""
Writes the manual's page of commands: C{python -m twisted_mail_server.app.reference commands}.

All of C{mailctl} comes from its click commands, which C{--help} shows too (L{twisted_mail_server.admin.cli.verbs}); what
C{twistd mailserver} takes, from its options.  How C{twistd} itself is used stands here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import click
from attrs import frozen

from twisted_mail_server.admin.cli.root import STATUSES
from twisted_mail_server.admin.cli.verbs import Noun, Verb

from .command import mailctl
from .service import Options

#: So that the page's examples have something to be about.  Mail for elsewhere stays in the queue: nothing listens at port 9.
SETTINGS = """\
hostname = "mail.example.org"
domains = ["example.org"]

[relay]
smarthost = "127.0.0.1:9"
"""

#: Where the examples' server takes mail.
PORT = 2525

_HEAD = f"""# Commands

`mailctl` administers the server, beside a running one or without one; `mailctl serve` and `twistd` run it. `--help` after any of
these commands says what stands here. `mailctl completion` prints what a shell needs for the TAB key.

This page is written by `python -m twisted_mail_server.app.reference commands`.

## The examples

They work in the order in which they stand, in a folder of their own with this `mail.toml`:

```toml
{SETTINGS}```

## Run the server

Three ways to run the same server. With the third it goes on in the background, and the examples after it are typed beside it; end each
of the first two with Ctrl-C.

"""

_BEGIN = f"""### What the other examples are about

An account `ann@example.org`, an alias that leads elsewhere, and a message for both:

```console
$ echo 'correct horse battery' > password.txt
$ mailctl account add ann@example.org --password-stdin < password.txt
$ mailctl alias add eve@example.org eve@example.net
$ printf 'Subject: Hello\\r\\n\\r\\nHow are you?\\r\\n' > hello.eml
$ curl -sS --url smtp://127.0.0.1:{PORT} --mail-from you@example.net --mail-rcpt ann@example.org --mail-rcpt eve@example.org -T hello.eml
```

"""

_JSON = """With `--json`, which may stand anywhere, a command prints one JSON value instead of a table or a sentence. Its keys stay. They
are written below as [jq](https://jqlang.org) takes them: `mailctl account list --json | jq -r '.[].address'`.
"""

_END = """## The end of the examples

```console
$ kill "$(cat mail.pid)"
```
"""

#: What of C{twistd}'s own options one may want with a mail server, and why.
TWISTD = {
    "--nodaemon": "Stay in the foreground; the log goes to the terminal. `-n` for short.",
    "--pidfile": "Where the process' number is kept; `twistd.pid` without it. A file of a process that was killed has to be removed,"
    " and with `--pidfile=` there is none.",
    "--logfile": "Where the log goes; without it `twistd.log`, in the background. `-` is the terminal.",
    "--rundir": "The folder to be in.",
    "--uid": "The user to become, once the ports are bound; a name or a number.",
    "--gid": "The group to become.",
    "--reactor": "Which reactor runs it, such as `asyncio`.",
}


@frozen
class Way:
    """
    A way to run the server with C{twistd}.
    """

    title: str
    usage: str
    sentence: str
    examples: tuple[str, ...]


WAYS = (
    Way(
        "twistd -ny mail.tac",
        "twistd [OPTIONS OF TWISTD] -y mail.tac",
        "Run [`mail.tac`](../../mail.tac), a copy of which may lie anywhere; `make run` does that. It takes no options: `MAIL_CONFIG`"
        " names the settings file, else it is `mail.toml` in this folder, if there is one.",
        ("twistd --nodaemon --pidfile= -y mail.tac",),
    ),
    Way(
        "twistd mailserver",
        "twistd [OPTIONS OF TWISTD] mailserver [--config FILE]",
        f"{Options.longdesc} Without `--nodaemon` it goes to the background as soon as it takes mail.",
        ("twistd --pidfile=mail.pid --logfile=mail.log mailserver --config mail.toml",),
    ),
)


def commands_page() -> str:
    """
    C{docs/reference/commands.md}.
    """
    root, printed = mailctl(), dict[frozenset[tuple[str, str]], str]()
    pieces = [_HEAD, *_verb(root.commands["serve"], "mailctl serve", printed, "###"), *_ways(), _BEGIN, *_root(root)]
    for name, command in root.commands.items():
        path = f"mailctl {name}"
        if isinstance(command, Noun):
            pieces += [f"## `{path}`\n\n", *_help(command)]
            for verb, one in command.commands.items():
                pieces += _verb(one, f"{path} {verb}", printed, "###")
        elif name != "serve":
            pieces += _verb(command, path, printed, "##")
    return "".join([*pieces, _END])


def examples() -> list[str]:
    """
    Every command line of the page, in order.
    """
    return re.findall(r"^\$ (.*)$", commands_page(), re.MULTILINE)


def walk(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """
    Every command below another, itself left out, with what is typed to reach it.
    """
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from walk(command, f"{path} {name}")


def _root(root: Noun) -> Iterator[str]:
    yield from ("## `mailctl`\n\n", _usage(root, "mailctl"), *_help(root), *_parameters(root, "mailctl"))
    yield f"{STATUSES}\n\n{_JSON}\n"
    yield _console(("mailctl --version", "mailctl --config mail.toml account list"))


def _verb(
    command: click.Command, path: str, printed: dict[frozenset[tuple[str, str]], str], level: str
) -> Iterator[str]:
    """
    @param printed: where what C{--json} prints has been told of, by that.
    """
    assert isinstance(command, Verb)
    yield from (f"{level} `{path}`\n\n", _usage(command, path), *_help(command), *_parameters(command, path))
    if command.fails:
        yield f"The exit status is 1 also if {_coded(command.fails, ())}.\n\n"
    yield _console(command.examples)
    if command.prints:
        values = frozenset((key.removeprefix(".[]"), meaning) for key, meaning in command.prints.items())
        first = printed.setdefault(values, path)
        if first == path:
            yield "| `--json` prints | |\n|---|---|\n"
            yield from (f"| `{key}` | {meaning} |\n" for key, meaning in command.prints.items())
            yield "\n"
        else:
            keys = list(command.prints)
            yield f"`--json` prints the same values as `{first} --json`: `{keys[0]}` to `{keys[-1]}`.\n\n"


def _usage(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path)
    return f"```\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n\n"


def _help(command: click.Command) -> Iterator[str]:
    names = [one.human_readable_name for one in command.params if isinstance(one, click.Argument)]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield (
            _coded(" ".join(paragraph.split()), [word for name in names for word in re.findall("[A-Z]+", name)])
            + "\n\n"
        )


def _parameters(command: click.Command, path: str) -> Iterator[str]:
    """
    Arguments and options with their meaning; without those that every command has.
    """
    context = click.Context(command, info_name=path)
    lines = [_parameter(one, context) for one in command.params if "--json" not in one.opts or path == "mailctl"]
    if lines:
        yield "".join(f"* {line}\n" for line in lines) + "\n"


def _parameter(parameter: click.Parameter, context: click.Context) -> str:
    assert parameter.help
    if not isinstance(parameter, click.Option):
        return f"`{parameter.make_metavar(context)}`: {_coded(parameter.help, ())}"
    name = ", ".join(parameter.opts)
    if not (parameter.is_flag or parameter.count or parameter.opts == ["--version"]):
        name += f" {parameter.make_metavar(context)}"
    extra = parameter.get_help_extra(context)
    allowed = (
        f" From {parameter.type.min} to {parameter.type.max}." if isinstance(parameter.type, click.IntRange) else ""
    )
    default = f" Default: `{extra['default']}`." if "default" in extra else ""
    return f"`{name}`: {_coded(parameter.help, ())}{allowed}{default}"


def _ways() -> Iterator[str]:
    for way in WAYS:
        yield f"### `{way.title}`\n\n```\n{way.usage}\n```\n\n{way.sentence}\n\n"
        if way.title == "twistd mailserver":
            for long, short, _, sentence in Options.optParameters:
                yield f"* `-{short}, --{long} FILE`: {sentence}\n"
            yield "\nOf twistd's own options, which come first, with `mail.tac` too:\n\n"
            yield from (f"* `{option}`: {sentence}\n" for option, sentence in TWISTD.items())
            yield "\n"
        yield _console(way.examples)


def _console(lines: Sequence[str]) -> str:
    return "```console\n" + "".join(f"$ {line}\n" for line in lines) + "```\n\n"


def _coded(text: str, words: Sequence[str]) -> str:
    """
    A sentence in Markdown: options and the names of arguments are marked as what one types.
    """
    pattern = "|".join([r"(?<![`\w-])--[a-z][a-z-]*", *(rf"(?<!`)\b{word}\b" for word in words)])
    return re.sub(pattern, lambda found: f"`{found[0]}`", text)
