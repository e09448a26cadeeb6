"""
Numbered schema steps.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import apsw
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.disks import LATER, STEPS
from tests.support.disks import folder_for
from twisted_mail_server.disk.schema import (
    SchemaStep,
    bring_down,
    bring_up,
    load_steps,
    parse_step,
    statements,
)

TEXT = """-- Letters.

CREATE TABLE letter (
    -- A comment with a semicolon;
    id INTEGER PRIMARY KEY,
    text TEXT DEFAULT 'a;
b'
);
-- And what counts them.
CREATE TRIGGER counted AFTER INSERT ON letter BEGIN
    UPDATE total SET number = number + 1;
    DELETE FROM waste;
END;

-- reverse
DROP TRIGGER counted;
DROP TABLE letter;
"""


class ParsingTests(SynchronousTestCase):
    """
    A step as a file.
    """

    def test_step(self) -> None:
        """
        Statements are told apart, a trigger is one, and those that undo the step follow.
        """
        step = parse_step("0007_letters.sql", TEXT)
        self.assertEqual((7, "letters"), (step.number, step.name))
        self.assertEqual(["CREATE TABLE", "CREATE TRIGG"], [sql[:12] for sql in step.up])
        self.assertTrue(step.up[1].endswith("END;"))
        self.assertEqual(("DROP TRIGGER counted;", "DROP TABLE letter;"), step.down)

    def test_refused(self) -> None:
        """
        A name without number, a step without its reverse, a statement without its end are refused.
        """
        self.assertRaises(ValueError, parse_step, "letters.sql", TEXT)
        self.assertRaises(ValueError, parse_step, "0001_letters.sql", "CREATE TABLE a (b);\n")
        self.assertRaises(ValueError, statements, "CREATE TABLE a (b);\nDROP TABLE a\n")

    def test_load(self) -> None:
        """
        A package's steps are loaded in order; a gap is refused.
        """
        folder = folder_for(self)
        schema = os.path.join(folder, "package_with_schema", "schema")
        os.makedirs(schema)
        self.patch(sys, "path", [folder, *sys.path])
        for number in (2, 1):
            with open(os.path.join(schema, f"{number:04}_letters.sql"), "w") as file:
                file.write(TEXT)
        with open(os.path.join(schema, "README"), "w") as file:
            file.write("no step")
        self.assertEqual([1, 2], [step.number for step in load_steps("package_with_schema")])
        os.remove(os.path.join(schema, "0001_letters.sql"))
        self.assertRaises(ValueError, load_steps, "package_with_schema")


class ApplyingTests(SynchronousTestCase):
    """
    Steps on a database.
    """

    def setUp(self) -> None:
        """
        An empty database.
        """
        self.connection = apsw.Connection(":memory:")
        self.addCleanup(self.connection.close)

    def state(self) -> list[Any]:
        """
        The schema, and its number.
        """
        return [
            self.connection.execute("SELECT sql FROM sqlite_schema").fetchall(),
            self.connection.pragma("user_version"),
        ]

    def test_up_and_down(self) -> None:
        """
        Each step's reverse leads back to where it came from.
        """
        states = [self.state()]
        for count in (1, 2):
            self.assertEqual(1, bring_up(self.connection, "a", LATER[:count]))
            states.append(self.state())
        self.assertEqual(0, bring_up(self.connection, "a", LATER))
        for target in (1, 0):
            self.assertEqual(1, bring_down(self.connection, LATER, target))
            self.assertEqual(states[target], self.state())
        self.assertEqual(2, bring_up(self.connection, "a", LATER))
        self.assertEqual(states[2], self.state())
        self.assertEqual(2, bring_down(self.connection, LATER, 0))
        self.assertEqual(0, bring_down(self.connection, LATER, 0))
        self.assertEqual(states[0], self.state())

    def test_failing_step(self) -> None:
        """
        A step that fails leaves the schema as it was, with all that came before it in the same go.
        """
        before = self.state()
        steps = (*STEPS, SchemaStep(2, "bad", ("CREATE TABLE a (b)", "nonsense"), ()))
        self.assertRaises(apsw.SQLError, bring_up, self.connection, "a", steps)
        self.assertEqual(before, self.state())

    def test_step_that_ends_the_transaction(self) -> None:
        """
        A failure after SQLite took everything back is told as it is.
        """
        steps = (SchemaStep(1, "bad", ("ROLLBACK",), ()),)
        self.assertRaises(apsw.SQLError, bring_up, self.connection, "a", steps)
