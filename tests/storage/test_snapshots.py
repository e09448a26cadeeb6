"""
L{twisted_mail_server.storage.snapshots} and L{twisted_mail_server.storage.flagging}
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Changes, MailboxSnapshot, Reflagged
from twisted_mail_server.model.flags import Keywords
from twisted_mail_server.storage.flagging import Operation, Tally, Translation, count_of, learn_what_fits
from twisted_mail_server.storage.snapshots import differences, position, snapshot_of, with_flags, with_ghosts

Rows = dict[int, tuple[int, int]]


def snapshot(rows: Rows, uidnext: int, modseq: int) -> MailboxSnapshot:
    """
    From masks and MODSEQs by UID.
    """
    return snapshot_of([(uid, *rows[uid]) for uid in sorted(rows)], Keywords(), uidnext, modseq)


def evolution(chance: Random, size: int, gone: float, changed: float) -> tuple[Rows, Rows, int, int]:
    """
    A mailbox before and after, and both UIDNEXTs.
    """
    uids = sorted(chance.sample(range(1, size * 2), size)) if size else []
    before = {uid: (chance.randrange(32), chance.randrange(1, 100)) for uid in uids}
    uidnext = size * 2 + 1
    after = {uid: row for uid, row in before.items() if chance.random() >= gone}
    for uid in after:
        if chance.random() < changed:
            after[uid] = (chance.randrange(32), 100 + chance.randrange(100))
    fresh = chance.randrange(4)
    after.update({uidnext + number * 3: (0, 200) for number in range(fresh)})
    return before, after, uidnext, uidnext + fresh * 3


class DifferencesTests(SynchronousTestCase):
    """
    Comparing slices finds what comparing messages would.
    """

    def test_like_one_by_one(self) -> None:
        """
        Whatever share vanished and changed, the differences are the same as message by message.
        """
        chance = Random(1)
        for _ in range(300):
            gone = chance.choice((0, 0, 0.01, 0.5, 1))
            rows = evolution(chance, chance.choice((0, 1, 7, 100, 3000)), gone, chance.choice((0, 0.001, 0.3, 1)))
            before, after, first, second = rows
            expected = Changes(
                tuple(uid for uid in before if uid not in after),
                tuple(uid for uid in after if uid >= first),
                tuple(Reflagged(uid, *after[uid]) for uid in after if uid < first and after[uid][1] != before[uid][1]),
            )
            self.assertEqual(expected, differences(snapshot(before, first, 99), snapshot(after, second, 200)))

    def test_ghosts(self) -> None:
        """
        With its ghosts a snapshot has every message in its place; comparing it again finds just them.
        """
        chance = Random(2)
        for _ in range(100):
            before, after, first, second = evolution(chance, chance.choice((1, 5, 200)), chance.choice((0.1, 1)), 0.2)
            old, new = snapshot(before, first, 99), snapshot(after, second, 200)
            vanished = differences(old, new).vanished
            merged = with_ghosts(old, new, vanished)
            self.assertEqual(sorted({*before, *after}), list(merged.uids))
            for place, uid in enumerate(merged.uids):
                self.assertEqual(after.get(uid) or before[uid], (merged.masks[place], merged.modseqs[place]))
            self.assertEqual(Changes(vanished=vanished), differences(merged, new))
            self.assertEqual(99, merged.modseq)

    def test_flags(self) -> None:
        """
        A snapshot brought up to a STORE is the one that reading every message again gives; the old one stays as it is.
        """
        chance = Random(3)
        for _ in range(200):
            size = chance.choice((1, 5, 300))
            before, _, uidnext, _ = evolution(chance, size, 0, 0)
            after = dict(before)
            share = chance.choice((0.01, 0.5, 1))
            changed = {uid: chance.randrange(1 << 60) for uid in before if chance.random() < share}
            after.update({uid: (mask, 500) for uid, mask in changed.items()})
            old = snapshot(before, uidnext, 99)
            new = with_flags(old, list(changed), list(changed.values()), Keywords(("a",)), 500)
            assert new is not None
            expected = snapshot(after, uidnext, 500)
            self.assertEqual(
                (expected.uids, expected.masks, expected.modseqs, expected.modseq, expected.uidnext),
                (new.uids, new.masks, new.modseqs, new.modseq, new.uidnext),
            )
            self.assertEqual(("a",), new.keywords.names)
            self.assertEqual(snapshot(before, uidnext, 99).masks, old.masks)

    def test_flags_of_others(self) -> None:
        """
        What names a message that is not there does not fit.
        """
        old = snapshot({2: (0, 1), 3: (0, 1), 5: (0, 1), 6: (0, 1)}, 9, 1)
        for uids in ([1], [4], [7], [1, 2], [3, 4], [3, 4, 5], [2, 3, 4, 5, 6], [5, 6, 7], [2, 9]):
            self.assertIsNone(with_flags(old, uids, [1] * len(uids), Keywords(), 2), uids)

    def test_position(self) -> None:
        """
        A UID is found where it stands, or nowhere.
        """
        self.assertEqual([0, -1, 1, -1], [position([2, 5], uid) for uid in (2, 3, 5, 9)])


class FlaggingTests(SynchronousTestCase):
    """
    Masks.
    """

    def test_operations(self) -> None:
        """
        Adding, removing and replacing.
        """
        self.assertEqual(0b1110, Operation.of("+", 0b0110)(0b1010))
        self.assertEqual(0b1000, Operation.of("-", 0b0110)(0b1010))
        self.assertEqual(0b0110, Operation.of("=", 0b0110)(0b1010))
        self.assertEqual([0b1110, 0b0111], Operation.of("+", 0b0110).all_of([0b1010, 0b0001]))

    def test_translation(self) -> None:
        """
        Keywords keep their names between mailboxes, whatever their bits; system flags keep their bits.
        """
        source, target = Keywords(("a", "b", "c")), Keywords(("c",))
        translated = Translation(source, target, [1 | 1 << 5, 1 << 7])
        self.assertEqual(("c", "a"), translated.keywords.names)
        self.assertEqual(("\\Seen", "a"), translated.keywords.flags(translated(1 | 1 << 5)))
        self.assertEqual(("c",), translated.keywords.flags(translated(1 << 7)))

    def test_translation_of_the_same(self) -> None:
        """
        Where bits mean the same already, masks stay.
        """
        self.assertEqual(3 | 1 << 5, Translation(Keywords(("a",)), Keywords(("a", "b")), [3 | 1 << 5])(3 | 1 << 5))

    def test_learn_what_fits(self) -> None:
        """
        What there is no bit for is left out.
        """
        full = Keywords(tuple(f"k{number}" for number in range(limits.KEYWORDS)))
        self.assertIs(full, learn_what_fits(full, ["more"]))
        self.assertEqual(("a", "b"), learn_what_fits(Keywords(), ["b", "\\Seen", "a"]).names)

    def test_tally(self) -> None:
        """
        Unseen and deleted messages are counted, and octets.
        """
        self.assertEqual([2, 0], [count_of([8, 1, 24, 2], bit) for bit in (8, 4)])
        self.assertEqual(Tally(3, 2, 1, 60), Tally.of([(1, 10), (8, 20), (0, 30)]))
