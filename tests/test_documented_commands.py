"""
Every command of the manual is typed, and shows what the page says it shows.

README.md and each page below C{docs/} are followed in order, each in a corner of its own (L{tests.support.corner}).  A how-to page begins
where the tutorial ends: with a server that runs by systemd's unit, on the tutorial's settings, with Ann's account.  A new page is found
by itself.  How pages are read is told in L{tests.support.pages}.
"""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import server
from tests.support.corner import HOME, ROOT, SETTINGS, Corner
from tests.support.pages import Typed, Written, blocks, matches, steps
from tests.support.reader import NotAsShown, Reader
from tests.support.terminal import Terminal
from tests.support.warm import WarmMailctl
from twisted_mail_server.app.reading import parse_settings

#: Every page; one that shows nothing to type has nothing to be followed.
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TUTORIAL = ROOT / "docs" / "tutorial" / "a-domain-of-your-own.md"

#: Pages that another test follows.
ELSEWHERE = {"docs/reference/commands.md": "tests/app/test_commandspage.py"}

#: Pages that begin with an empty machine.
FROM_NOTHING = ("README.md", "docs/tutorial/a-domain-of-your-own.md", "docs/how-to/run-as-a-service.md")

#: Commands that are not typed here, each with the reason.  C{make fresh} types those of the tutorial.
LEFT_OUT = {
    re.compile(pattern): why
    for pattern, why in {
        r"^make test$": "It is what runs this test.",
        r"^apt-get ": "It changes the machine, and needs Debian's mirror.",
        r"^git clone ": "It needs a network; the corner has a source folder.",
        r"^useradd ": "It changes the machine, and needs root.",
        r"^python3 -m venv /opt/mailserver$": "The corner has this test's own environment there.",
        r"/pip install ": "It needs a network; the corner has this test's own environment there.",
        r"^certbot ": "It needs the Internet; the corner makes a certificate instead.",
        r"^dig ": "It asks the Internet.",
        r"^curl --verbose smtp://mail\.example\.org$": "It asks the Internet.",
        r"^ss ": "It looks at the ports of the whole machine.",
    }.items()
}


def name_of(page: Path) -> str:
    """
    How a page is called.
    """
    return str(page.relative_to(ROOT))


@cache
def shared_folder() -> Path:
    """
    For what all tests share; it goes with the process.
    """
    folder = tempfile.TemporaryDirectory(prefix="mail-pages-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def warm_mailctl() -> WarmMailctl:
    """
    C{mailctl} for all tests, for trial has no place to make it for a class.
    """
    warm = WarmMailctl(shared_folder())
    atexit.register(warm.close)
    return warm


class CornerCase(SynchronousTestCase):
    """
    Has corners.
    """

    def corner(self) -> Corner:
        """
        An empty one.
        """
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        return Corner(folder, warm_mailctl())

    def terminal(self, corner: Corner) -> Terminal:
        """
        A shell there.
        """
        terminal = Terminal(str(corner.path(HOME)), corner.environment())
        self.addCleanup(terminal.close)
        return terminal


class DocumentedCommandsTests(CornerCase):
    """
    One test a page, made below.
    """

    def follow(self, page: Path) -> None:
        """
        Follow one page from its beginning to its end.
        """
        if missing := [name for name in ("curl", "openssl", "bash") if shutil.which(name) is None]:
            raise SkipTest(f"Not installed: {', '.join(missing)}.")
        corner = self.corner()
        if 'smarthost = "' in page.read_text("utf-8"):
            self.provide_smarthost(corner)
        terminal = self.terminal(corner)
        self.addCleanup(terminal.run, "systemctl stop mailserver")
        if name_of(page) not in FROM_NOTHING:
            self.prepare(corner, terminal)
            terminal.run(f"export MAIL_CONFIG={corner.path(SETTINGS)}")
            started = terminal.run("systemctl start mailserver")
            self.assertEqual(0, started.status, f"{started.all}{terminal.run('journalctl -u mailserver -o cat').out}")
        Reader(name_of(page), terminal, corner, LEFT_OUT).follow(steps(page.read_text("utf-8")))

    def prepare(self, corner: Corner, terminal: Terminal) -> None:
        """
        Leave everything as the tutorial does after its fifth chapter.
        """
        (settings,) = (
            step
            for step in steps(TUTORIAL.read_text("utf-8"))
            if isinstance(step, Written) and step.path == SETTINGS and not step.adds
        )
        corner.write(settings.path, settings.text, adds=False)
        shutil.copy(ROOT / "docs/how-to/mailserver.service", corner.path("/etc/systemd/system"))
        data, prepared = corner.path("/var/lib/mailserver"), shared_folder() / "data"
        if prepared.exists():
            shutil.copytree(prepared, data)
            return
        words = f"mailctl --config {corner.path(SETTINGS)} account add ann@example.org --password-stdin"
        added = terminal.run(f"echo 'correct horse battery' | {words}")
        self.assertEqual("Added ann@example.org.\n", added.out, added.error)
        shutil.copytree(data, prepared)

    def provide_smarthost(self, corner: Corner) -> None:
        """
        Another server of ours, whose certificate is trusted in the corner, takes mail from who logs in as the page does.
        """
        folder = corner.path("/srv/provider")
        folder.mkdir(parents=True)
        provider = server.Server(str(folder), server.SETTINGS.replace("example.org", "provider.example"))
        provider.add_account("example@provider.example", "the password")
        provider.mailctl("alias", "add", "ann@example.org", "example@provider.example")
        provider.start()
        self.addCleanup(provider.kill)
        (certificate,) = (folder / "mail-data" / "tls").glob("*cert*.pem")
        corner.smarthost = (f"127.0.0.1:{provider.ports['submission']}", str(certificate))


def _add_test(page: Path) -> None:
    def test(self: DocumentedCommandsTests) -> None:
        self.follow(page)

    test.__doc__ = f"What {name_of(page)} tells one to type shows what it says."
    words = re.sub(r"\W+", "_", name_of(page).removeprefix("docs/").removesuffix(".md"))
    setattr(DocumentedCommandsTests, f"test_{words}", test)


for _page in PAGES:
    if name_of(_page) not in ELSEWHERE and any(isinstance(step, Typed) for step in steps(_page.read_text("utf-8"))):
        _add_test(_page)


class CollectionTests(SynchronousTestCase):
    """
    Nothing is overlooked.
    """

    def test_everything_is_typed(self) -> None:
        """
        Each line with a prompt, in any block of any page, is a command that is followed or left out for a reason.
        """
        for page in PAGES:
            if name_of(page) in ELSEWHERE:
                continue
            text = page.read_text("utf-8")
            found = [step.command for step in steps(text) if isinstance(step, Typed)]
            lines = re.findall(r"^\$ (\S.*?)(?: ?\\)?$", text, re.MULTILINE)
            self.assertEqual([], [line for line in lines if not any(one.startswith(line) for one in found)], page)
            for block in blocks(text):
                if block.kind == "":
                    self.assertNotRegex(block.text, r"^([$#] |mailctl )", f"{page}:{block.line}")

    def test_no_reason_without_command(self) -> None:
        """
        Each reason for leaving something out is still needed.
        """
        found = [step.command for page in PAGES for step in steps(page.read_text("utf-8")) if isinstance(step, Typed)]
        self.assertEqual([], [one.pattern for one in LEFT_OUT if not any(one.search(command) for command in found)])

    def test_elsewhere(self) -> None:
        """
        A page that is followed by another test has such a test, and it names the page.
        """
        for page, test in ELSEWHERE.items():
            if (ROOT / page).exists():
                self.assertIn(Path(page).name, (ROOT / test).read_text("utf-8"))

    def test_readme_begins_with_two_commands(self) -> None:
        """
        The first two commands of the README are C{make run} and C{make test}.
        """
        found = [one.command for one in steps((ROOT / "README.md").read_text("utf-8")) if isinstance(one, Typed)]
        self.assertEqual(["make run", "make test"], found[:2])


class BlocksTests(SynchronousTestCase):
    """
    What is written into files.
    """

    def test_unit(self) -> None:
        """
        systemd finds nothing wrong with the unit, where there is a systemd; it lets the server write where the settings have its data.
        """
        unit = (ROOT / "docs/how-to/mailserver.service").read_text("utf-8")
        self.assertIn("StateDirectory=mailserver\n", unit)
        self.assertIn('data_dir = "/var/lib/mailserver"\n', TUTORIAL.read_text("utf-8"))
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("systemd-analyze is not installed.")
        copy = Path(self.mktemp()).resolve() / "mailserver.service"
        copy.parent.mkdir(parents=True)
        # It looks whether the program is there.
        copy.write_text(unit.replace("/opt/mailserver/bin/mailctl", "/bin/true"), "utf-8")
        done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_settings(self) -> None:
        """
        Every TOML block is part of a right settings file, alone or below the tutorial's.
        """
        for page in PAGES:
            for block in blocks(page.read_text("utf-8")):
                if block.kind == "toml" and "[plugin." not in block.text:
                    parse_settings(block.text, base="/", source="/mail.toml", machine="localhost")

    def test_code(self) -> None:
        """
        Every Python block can be compiled, and every script of a shell read.
        """
        for page in PAGES:
            for block in blocks(page.read_text("utf-8")):
                if block.kind == "python":
                    compile(block.text, f"{page}:{block.line}", "exec")
                elif block.kind == "sh":
                    self.assertTrue(block.text.startswith("#!/bin/sh\nset -e\n"), f"{page}:{block.line}")


PAGE = """
Write into `/etc/mailserver/some.toml`:

```toml
hostname = "mail.example.org"
```

Then add to `/etc/mailserver/some.toml`:

```toml
domains = []
```

<!-- before:
$ words=seen
-->

```console
$ echo one; echo "$words" two three; \\
> echo four
one
... three
four
# cat /etc/mailserver/some.toml
hostname = "..."
...
$ ls nowhere
ls: ...
```
"""


class ReaderTests(CornerCase):
    """
    The reader of this test notices what is wrong.
    """

    def follow(self, page: str) -> None:
        """
        Follow a page of a few lines.
        """
        corner = self.corner()
        terminal = self.terminal(corner)
        Reader("page.md", terminal, corner, {}, again=0).follow(steps(page))

    def test_good(self) -> None:
        """
        Files are written, variables kept, complaints expected where they are shown.
        """
        self.follow(PAGE)

    def test_bad(self) -> None:
        """
        Another word, a line too many, a line too few, a failure that is not shown, a success where a failure is shown: each is told
        of with its line.
        """
        for there, instead in (
            ("one\n...", "on\n..."),
            ("four\n#", "four\nfive\n#"),
            ("... three\n", ""),
            ("ls: ...", ""),
            ("ls: ...", "cat: ..."),
            ("ls nowhere", "ls"),
        ):
            self.assertIn(there, PAGE)
            problem = self.assertRaises(NotAsShown, self.follow, PAGE.replace(there, instead))
            self.assertRegex(str(problem), r"page\.md:\d+: ")

    def test_comparison(self) -> None:
        """
        Moments, sizes, ids and processes may differ; other numbers and words may not.
        """
        for shown, printed in (
            ("a  b 1", "a b    1\n"),
            ("2026-11-25 21:18:15  all", "2027-01-02 03:04:05  all\n"),
            ("Size 237 B", "Size 1.2 MiB"),
            ("f6fb0880955eeb1305267ec05b34680e x", "8564f78c9f49d9534e5d1007ff178bd5 x"),
            ("4711  smtp starttls [::]:25", "815  smtp starttls [::]:25"),
            ("in 4m 47s", "in 5m 1s"),
            ("...", ""),
            ("a\n...\nb", "a\nx\ny\nb\n"),
        ):
            self.assertTrue(matches(tuple(shown.splitlines()), printed), shown)
        for shown, printed in (
            ("a 1", "a 2"),
            ("a", "a\nb"),
            ("a\nb", "a"),
            ("a...c", "a\nc"),
            ("TRIES 1", "TRIES 11"),
            ("4711  smtp starttls [::]:25", "815  smtp starttls [::]:26"),
        ):
            self.assertFalse(matches(tuple(shown.splitlines()), printed), shown)
