"""
Rules of the house that import-linter and ruff cannot hold.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "twisted_mail_server"

#: A module or a function beyond this is two.
MODULE_LINES, FUNCTION_LINES = 700, 60

#: Modules that are over the bound, each with its reason.
LONG_MODULES = {
    "interfaces.py": "every seam on one page",
}

#: Where the builtin C{open} may be called.
OPENERS = {"disk", "app"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """
    Every module of the package, parsed.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


class FloorsTests(SynchronousTestCase):
    """
    What holds for every module.
    """

    def test_packages_are_described(self) -> None:
        """
        The C{__init__} of a package is its docstring, and nothing else but a version.
        """
        for path, tree in modules():
            if path.name == "__init__.py":
                self.assertTrue(ast.get_docstring(tree), path)
                rest = [one for one in tree.body[1:] if not isinstance(one, ast.Assign)]
                self.assertEqual([], rest, path)

    def test_only_the_disk_opens_files(self) -> None:
        """
        The builtin C{open} is called nowhere outside the disk; settings are read by the application.
        """
        for path, tree in modules():
            if path.relative_to(PACKAGE).parts[0] in OPENERS:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    self.assertNotEqual("open", node.func.id, f"{path}:{node.lineno}")

    def test_sizes(self) -> None:
        """
        Modules and functions stay small enough to be read at once.
        """
        for path, tree in modules():
            lines = path.read_text("utf-8").count("\n")
            if str(path.relative_to(PACKAGE)) not in LONG_MODULES:
                self.assertLessEqual(lines, MODULE_LINES, path)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or 0) - node.lineno + 1
                    self.assertLessEqual(length, FUNCTION_LINES, f"{path}:{node.lineno} {node.name}")

    def test_docstrings(self) -> None:
        """
        Whatever is public says what it does.
        """
        for path, tree in modules():
            self.assertTrue(ast.get_docstring(tree), path)
            told = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node)
            }
            for node in _public(tree):
                # Who implements a shape of the same module leaves it to the shape to say what is meant.
                self.assertIn(node.name, told, f"{path}:{node.lineno}")

    def test_no_hidden_reactor(self) -> None:
        """
        Importing everything below the application installs no reactor.
        """
        names = [
            ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for path, _ in modules()
            if path.name != "__init__.py" and path.relative_to(PACKAGE).parts[0] != "app"
        ]
        program = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        program += "sys.exit('twisted.internet.reactor' in sys.modules)"
        self.assertEqual(0, subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode)


def _public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """
    The public functions and classes of a module, and their public methods; an override may leave it to what it overrides.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not node.bases:
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                        yield inner
