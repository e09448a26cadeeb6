"""
C{mailctl check}: is everything as it should be?
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.cli.verbs import Verb
from twisted_mail_server.admin.operations import Finding

#: What JSON tells of findings.
FINDINGS = {
    ".ok": "Whether nothing is wrong.",
    ".checks[].name": "What was looked at.",
    ".checks[].problems[]": "What is wrong with it, a sentence each.",
}


@click.command(
    "check",
    cls=Verb,
    prints=FINDINGS,
    fails="something is wrong",
    examples=("mailctl check",),
)
@json_option
@pass_state
def check(state: State) -> int:
    """Look at everything: accounts, mail, queue, certificates.

    Every message file is read and compared with its digest, so it may take its time; the server can run meanwhile.
    """
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
