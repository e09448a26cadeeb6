"""
C{mailctl check}: is everything as it should be?
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.operations import Finding


@click.command("check")
@json_option
@pass_state
def check(state: State) -> int:
    """Look at everything; the exit status is 1 if something is wrong."""
    return tell_findings(state, state.run(lambda operations: operations.check()))


def tell_findings(state: State, findings: Sequence[Finding]) -> int:
    """
    Print what was found; the exit status.
    """
    is_good = not any(finding.problems for finding in findings)
    if state.as_json:
        print_json(
            {
                "ok": is_good,
                "checks": [{"name": finding.name, "problems": list(finding.problems)} for finding in findings],
            }
        )
    else:
        print_table(
            ("CHECK", "RESULT"),
            [(finding.name, problem) for finding in findings for problem in finding.problems or ("good",)],
            empty="",
        )
    return 0 if is_good else 1
