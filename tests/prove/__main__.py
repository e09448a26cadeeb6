"""
C{python -m tests.prove [CUTS [SEEDS]]}: the proof, its table, and how it ended.
"""

from __future__ import annotations

import multiprocessing
import sys
import time

from tests.prove.trial import Account, be_quiet, try_seed

#: Folders that a cut could have left, looked at for each.
STATES = 6


def prove(cuts: int, seeds: int, processes: int = 2) -> list[str]:
    """
    Try the seeds and print the table; what was wrong.
    """
    print(
        f"{'seed':>4} {'operations':>10} {'promises':>8} {'cut points':>10} {'crash states':>12} {'lost':>5} {'doubled':>7} {'broken':>6}"
    )
    total, begun = Account(), time.monotonic()
    share = [cuts // seeds + (number < cuts % seeds) for number in range(seeds)]
    with multiprocessing.get_context("fork").Pool(processes, be_quiet, maxtasksperchild=1) as pool:
        for seed, account in enumerate(pool.imap(_try, enumerate(share, 1), 1), 1):
            _print(str(seed), account)
            total.operations += account.operations
            total.promises += account.promises
            total.cuts += account.cuts
            total.states += account.states
            total.findings += account.findings
            total.first = total.first or account.first
    _print("all", total)
    print(f"{total.cuts} cut points, {total.states} crash states in {time.monotonic() - begun:.0f} s")
    print(
        f"lost {len(total.findings.lost)}, doubled {len(total.findings.doubled)}, broken {len(total.findings.broken)}"
    )
    if total.first:
        print(total.first)
    return total.findings.all


def _try(one: tuple[int, int]) -> Account:
    seed, cuts = one
    return try_seed(seed, cuts, STATES)


def _print(name: str, account: Account) -> None:
    found = account.findings
    print(
        f"{name:>4} {account.operations:>10} {account.promises:>8} {account.cuts:>10} {account.states:>12}"
        f" {len(found.lost):>5} {len(found.doubled):>7} {len(found.broken):>6}",
        flush=True,
    )


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:3]]
    sys.exit(1 if prove(*(numbers + [500, 10][len(numbers) :])) else 0)
