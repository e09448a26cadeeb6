"""
The same conversations with mail that is kept in files and databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

from tests.protocols.imap import test_consistency, test_server, test_session, test_transcripts
from tests.protocols.imap.commands import test_appending, test_listing, test_mailboxes, test_messages
from tests.protocols.imap.extensions import (
    test_condstore,
    test_idle,
    test_move,
    test_qresync,
    test_searchres,
    test_specialuse,
    test_uidplus,
)
from tests.support.disks import disk_for, inline_disk
from tests.support.drive import now
from tests.support.imap import ImapTestCase
from tests.support.stores import sqlite_store
from twisted_mail_server.interfaces import IMailStore
from twisted_mail_server.model import limits


class OnDisk(ImapTestCase):
    """
    A store on disk, each time an empty one.
    """

    def make_store(self) -> IMailStore:
        """
        On a disk that never waits.
        """
        store = sqlite_store(disk_for(self, clock=self.clock), self.clock)
        self.addCleanup(lambda: now(store.close()))
        return store


class NewsTests(OnDisk, test_session.NewsTests):
    """
    News between sessions.
    """


class AppendTests(OnDisk, test_appending.AppendTests):
    """
    APPEND.
    """


class ListTests(OnDisk, test_listing.ListTests):
    """
    LIST.
    """


class LsubTests(OnDisk, test_listing.LsubTests):
    """
    LSUB.
    """


class SelectTests(OnDisk, test_mailboxes.SelectTests):
    """
    SELECT and EXAMINE.
    """


class ChangingTests(OnDisk, test_mailboxes.ChangingTests):
    """
    CREATE, DELETE, RENAME.
    """


class MessagesTests(OnDisk, test_messages.MessagesTests):
    """
    FETCH, STORE, COPY, SEARCH.
    """


class IdleTests(OnDisk, test_idle.IdleTests):
    """
    IDLE.
    """


class MoveTests(OnDisk, test_move.MoveTests):
    """
    MOVE.
    """


class UidExpungeTests(OnDisk, test_uidplus.UidExpungeTests):
    """
    UID EXPUNGE.
    """


class SpecialUseTests(OnDisk, test_specialuse.SpecialUseTests):
    """
    CREATE with a use.
    """


class SampleConnectionTests(OnDisk, test_transcripts.SampleConnectionTests):
    """
    RFC 3501 section 8.
    """


class TroubleTests(OnDisk, test_server.TroubleTests):
    """
    What fails on our side.
    """


class StoreTests(OnDisk, test_condstore.StoreTests):
    """
    STORE with UNCHANGEDSINCE.
    """


class HighestModseqTests(OnDisk, test_condstore.HighestModseqTests):
    """
    HIGHESTMODSEQ.
    """


class ResyncTests(OnDisk, test_qresync.ResyncTests):
    """
    QRESYNC.
    """


class SavedResultTests(OnDisk, test_searchres.SavedResultTests):
    """
    SEARCHRES.
    """


class MailboxOnDisk(test_consistency.Mailbox):
    """
    One mailbox, and a client of each kind.
    """

    def make_store(self) -> IMailStore:
        """
        On a disk that never waits.
        """
        self.folder = TemporaryDirectory()
        return sqlite_store(inline_disk(self.folder.name, clock=self.clock), self.clock)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """
        The change log is pruned to next to nothing.
        """
        with patch.object(limits, "CHANGES_KEPT", 1):
            now(self.mail.checkpoint())
        yield

    def teardown(self) -> None:
        """
        Let go of the disk too.
        """
        try:
            super().teardown()
        finally:
            self.folder.cleanup()


class ConsistencyTests(test_consistency.ConsistencyTests):
    """
    Several clients at work.
    """

    machine = MailboxOnDisk
    bounds: ClassVar[dict[str, Any]] = {"max_examples": 15, "stateful_step_count": 30}
