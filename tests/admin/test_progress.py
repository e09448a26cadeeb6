"""
L{twisted_mail_server.admin.cli.progress}
"""

from __future__ import annotations

import io
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.admin.cli.progress import progress


class Terminal(io.StringIO):
    """
    A stream that somebody looks at.
    """

    def isatty(self) -> bool:
        """
        It is one.
        """
        return True


class ProgressTests(SynchronousTestCase):
    """
    How far long work is.
    """

    def said(self, stream: io.StringIO, *, counts: bool = True) -> str:
        """
        What is said of two hundred steps, and then of work that had none.
        """
        self.patch(sys, "stderr", stream)
        with progress("Working", counts=counts) as told:
            for step in range(200):
                told(step + 1, 200)
            told(0, 0)
        return stream.getvalue()

    def test_lines(self) -> None:
        """
        Where nobody looks there is a line for each twentieth.
        """
        lines = [f"Working: {percent} %\n" for percent in range(5, 101, 5)]
        self.assertEqual("".join(lines), self.said(io.StringIO()))

    def test_bar(self) -> None:
        """
        On a terminal there is a bar, with numbers where steps count.
        """
        said = self.said(Terminal())
        self.assertIn("Working", said)
        self.assertIn("0/0", said)
        self.assertNotIn("0/0", self.said(Terminal(), counts=False))
