"""
Make many accounts at once: C{python -m benchmarks.accounts CONFIG PASSWORD}, addresses on standard input.
"""

from __future__ import annotations

import sys

from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.app.command import run


def main() -> None:
    """
    One password for all.
    """
    config, password = sys.argv[1:]

    async def add(operations: Operations) -> None:
        for line in sys.stdin:
            await operations.add_account(line.strip(), password.encode())

    run(config, add)


if __name__ == "__main__":
    main()
