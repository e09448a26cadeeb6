"""
The fuzz tests themselves: there is one for every parser, each says what must hold, and each begins the same way every time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HERE = Path(__file__)
#: Whatever reads what somebody else wrote.
PARSERS = (
    "addresses",
    "dns",
    "headers",
    "imap",
    "lmtp",
    "mime",
    "pop3",
    "proxy",
    "reports",
    "sasl",
    "scram",
    "settings",
    "smtp",
)
#: What makes a test of generated input the same in every run.
STEADY = {"derandomize": True, "deadline": None, "database": None}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """
    The names and trees of all fuzz tests but this.
    """
    for path in sorted(HERE.parent.glob("test_*.py")):
        if path != HERE:
            yield path.stem.removeprefix("test_"), ast.parse(path.read_text("utf-8"))


class EveryTests(SynchronousTestCase):
    """
    What holds for all of them.
    """

    def test_every_parser(self) -> None:
        """
        Each parser has its file, which begins with what must hold.
        """
        found = dict(modules())
        self.assertEqual(set(), set(PARSERS) - set(found))
        for name, tree in found.items():
            self.assertTrue(ast.get_docstring(tree), name)

    def test_steady(self) -> None:
        """
        None depends on chance, on how fast the machine is, or on what an earlier run has kept.
        """
        seen = 0
        for name, tree in modules():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "settings":
                    said = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
                    self.assertEqual(STEADY, {key: said.get(key, "unsaid") for key in STEADY}, f"{name}:{node.lineno}")
                    seen += 1
        self.assertGreater(seen, len(PARSERS))
