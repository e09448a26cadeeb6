"""
Both kinds of addresses of a host.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from twisted_mail_server.interfaces import IResolver
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, RecordKind
from twisted_mail_server.model.errors import DnsFailure

#: The more is known, the earlier.
_ORDER = (DnsOutcome.FOUND, DnsOutcome.NO_DATA, DnsOutcome.NO_SUCH_NAME)


async def addresses(resolver: IResolver, host: str) -> DnsAnswer:
    """
    Ask for A and AAAA records at the same time: see L{IResolver.addresses}.

    @raise DnsFailure: there is no answer.
    """
    both = [Deferred.fromCoroutine(resolver.query(host, kind)) for kind in (RecordKind.A, RecordKind.AAAA)]
    answers: list[DnsAnswer] = []
    failures: list[DnsFailure] = []
    results: list[tuple[bool, Any]] = await DeferredList(both, consumeErrors=True)
    for is_answer, result in results:
        if is_answer:
            answers.append(result)
        elif isinstance(result.value, DnsFailure):
            failures.append(result.value)
        else:
            result.raiseException()
    # Servers that know nothing of AAAA are not rare; that there are no addresses at all is another matter.
    if failures and not any(answer.is_found for answer in answers):
        raise failures[0]
    return _joined(answers)


def _joined(answers: list[DnsAnswer]) -> DnsAnswer:
    first = min(answers, key=lambda answer: _ORDER.index(answer.outcome))
    return DnsAnswer(
        first.name,
        first.canonical_name,
        tuple(record for answer in answers for record in answer.records),
        all(answer.is_secure for answer in answers),
        min(answer.ttl for answer in answers),
        first.outcome,
    )
