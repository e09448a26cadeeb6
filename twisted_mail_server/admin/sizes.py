"""
Sizes as people write them.
"""

from __future__ import annotations

import re

from twisted_mail_server.model.errors import SyntaxProblem

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"([0-9]{1,18}) ?([A-Za-z]*)")
#: What a database holds.
_LARGEST = 2**63 - 1


def parse_size(text: str) -> int:
    """
    Octets: a number, or a number and a unit, such as C{5 GiB} or C{500MB}.

    @raise SyntaxProblem: it is none.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = None if found is None else _UNITS.get(found[2].lower())
    if found is None or unit is None:
        raise SyntaxProblem(f"{text} is no size. Write a number and a unit, such as 500MiB or 5GB.")
    size = int(found[1]) * unit
    if size > _LARGEST:
        raise SyntaxProblem(f"{text} is too large.")
    return size
