"""
The same conversations with mail that is kept in files and databases.
"""

from __future__ import annotations

from tests.protocols.imap import test_consistency, test_server, test_session, test_transcripts
from tests.protocols.imap.commands import test_appending, test_listing, test_mailboxes, test_messages
from tests.protocols.imap.extensions import test_idle, test_move, test_specialuse, test_uidplus
from tests.support.disks import disk_for
from tests.support.drive import now
from tests.support.imap import ImapTestCase
from tests.support.stores import sqlite_store
from twisted_mail_server.interfaces import IMailStore


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


class ConsistencyTests(OnDisk, test_consistency.ConsistencyTests):
    """
    Several clients at work.
    """

    seeds = range(15)
