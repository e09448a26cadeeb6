"""
The fuzz tests again and again, each time from another seed, for as long as one likes.

C{python -m tests.fuzz.longer 600} goes on for ten minutes, or to the first failure; C{python -m tests.fuzz.longer 600 test_imap test_mime}
takes only those.  Within C{trial} the same tests begin from the same seed every time, so that nobody's change fails by chance; here they
look for what that has not found.  What fails is shown as hypothesis found it, made small, with the seed that brings it again:
C{--seed} takes it.

Each round takes every test once, in another order, with as many examples as it says itself; the bound on time is looked at between
two tests.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
from pathlib import Path
from typing import Any
from unittest import TestCase, TestSuite

import hypothesis
from twisted.trial.reporter import Reporter
from twisted.trial.runner import TestLoader

FOLDER = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """
    The exit status: 0 if nothing failed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.longer", description="Fuzz from seed to seed.")
    parser.add_argument("seconds", type=float, help="how long to go on")
    parser.add_argument("modules", nargs="*", help="which of tests/fuzz, as test_imap; all, if none is named")
    parser.add_argument("--seed", type=int, help="where to begin; another one for each round")
    wanted = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if wanted.seed is None else wanted.seed
    let_chance_in()
    names = wanted.modules or sorted(path.stem for path in FOLDER.glob("test_*.py"))
    tests = [test for name in names for test in tests_of(name)]
    return fuzz(tests, seed, time.monotonic() + wanted.seconds)


def let_chance_in() -> None:
    """
    Have C{settings(derandomize=True)} mean nothing in the modules that are imported from now on.
    """
    settings: Any = hypothesis.settings
    begin = settings.__init__

    def __init__(self: Any, *args: Any, **terms: Any) -> None:
        if terms.get("derandomize") is True:
            terms = {**terms, "derandomize": False, "print_blob": True}
        begin(self, *args, **terms)

    type.__setattr__(settings, "__init__", __init__)


def tests_of(name: str) -> list[TestCase]:
    """
    The tests of one module, each by itself.
    """
    module = importlib.import_module(f"tests.fuzz.{name}")
    return list(_flat(TestLoader().loadModule(module)))


def _flat(tests: Any) -> Any:
    if isinstance(tests, TestSuite):
        for one in tests:
            yield from _flat(one)
    elif hasattr(tests, "_tests"):
        for one in tests._tests:
            yield from _flat(one)
    else:
        yield tests


def fuzz(tests: list[TestCase], seed: int, end: float) -> int:
    """
    Go on until then.
    """
    rounds = 0
    while time.monotonic() < end:
        random.seed(seed)
        chance = random.Random(seed)
        chance.shuffle(tests)
        for test in tests:
            # Hypothesis takes its own seed from this.
            random.seed(chance.randrange(2**32))
            reporter = Reporter(sys.stdout, realtime=True)
            test.run(reporter)
            if not reporter.wasSuccessful():
                reporter.done()
                for _, failure in [*reporter.failures, *reporter.errors]:
                    tell(getattr(failure, "value", None))
                print(f"\nfailed: {test.id()}, in the round of --seed {seed}")
                return 1
            if time.monotonic() >= end:
                break
        rounds += 1
        print(f"round {rounds}: seed {seed}, {len(tests)} tests", flush=True)
        seed += 1
    return 0


def tell(problem: BaseException | None) -> None:
    """
    Print what hypothesis has to say of a failure, and of each in a group of them: trial does not show that.
    """
    for one in getattr(problem, "exceptions", ()):
        print(one)
        tell(one)
    print(*getattr(problem, "__notes__", ()), sep="\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
