"""
What the documents say of the code is so.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.app.standards import protocols_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_PATH = re.compile(r"`((?:twisted_mail_server|tests|docs)/[\w/.]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_NAME = re.compile(r"`([A-Z]\w+)(?:\.(\w+))?`")

#: Words in the walk that are commands or fields of the mail, not names in the code.
_WORDS = {"MAIL", "RCPT", "DATA", "Received"}


class DocumentsTests(SynchronousTestCase):
    """
    Paths, links and names.
    """

    def test_paths(self) -> None:
        """
        Every file that a document names is there.
        """
        for document in DOCS:
            for path in _PATH.findall(document.read_text("utf-8")):
                self.assertTrue((ROOT / path).exists(), f"{document.name}: {path}")

    def test_links(self) -> None:
        """
        Every relative link leads somewhere.
        """
        for document in DOCS:
            for link in _LINK.findall(document.read_text("utf-8")):
                self.assertTrue((document.parent / link).exists(), f"{document.name}: {link}")

    def test_contents(self) -> None:
        """
        The front page of the documents leads to every one of them; a decision is found from the list of decisions.
        """
        front = ROOT / "docs" / "README.md"
        linked = {(front.parent / link).resolve() for link in _LINK.findall(front.read_text("utf-8"))}
        pages = {page for page in DOCS if page.parent.name != "decisions" and page != front}
        self.assertEqual(set(), pages - linked)

    def test_walk(self) -> None:
        """
        Every class and method that the walk names is defined somewhere.
        """
        code = "\n".join(path.read_text("utf-8") for path in (ROOT / "twisted_mail_server").rglob("*.py"))
        for kind, method in _NAME.findall((ROOT / "docs/explanation/walk.md").read_text("utf-8")):
            if kind not in _WORDS:
                self.assertRegex(code, rf"class {kind}\b", kind)
            if method:
                self.assertRegex(code, rf"def {method}\b", f"{kind}.{method}")

    def test_protocols(self) -> None:
        """
        The page of standards is what the registries say; C{make docs} writes it, and every row has a test.
        """
        page = protocols_page()
        self.assertEqual(page, (ROOT / "docs/reference/protocols.md").read_text("utf-8"))
        for line in page.splitlines():
            if line.startswith("| RFC"):
                self.assertIn("tests/", line)
