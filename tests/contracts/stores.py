"""
What every store must do.

Inherit L{StoreContract} together with trial's L{SynchronousTestCase
<twisted.trial.unittest.SynchronousTestCase>}, and say how a store is made (L{StoreCase
<tests.contracts.store_case.StoreCase>}).
"""

from __future__ import annotations

from tests.contracts.store_events import Events
from tests.contracts.store_mailboxes import Accounts, Failures, Interfaces, Mailboxes, Maildrop
from tests.contracts.store_messages import Appending, Copying, Delivery, Expunging, Flags
from tests.contracts.store_quota import Quotas
from tests.contracts.store_views import Recent, Views


class StoreContract(
    Interfaces,
    Accounts,
    Mailboxes,
    Appending,
    Delivery,
    Flags,
    Expunging,
    Copying,
    Views,
    Recent,
    Maildrop,
    Failures,
    Quotas,
    Events,
):
    """
    The whole contract.
    """
