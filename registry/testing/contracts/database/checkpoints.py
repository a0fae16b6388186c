"""What every table of checkpoints has to pass."""

from __future__ import annotations

import dataclasses

from registry.domain.checkpoints import StoredCheckpoint
from registry.domain.merkle import EMPTY, leaf_hash
from registry.ports.audit_tables import KeyUse
from registry.ports.database import Database

FRONTIERS = tuple(EMPTY.grown([leaf_hash(b"x")] * size) for size in range(16))


def checkpoint(number: int, *, key: str = "a" * 64) -> StoredCheckpoint:
    return StoredCheckpoint(
        number=number,
        time_us=1_000 * number,
        note=f"note \N{EM DASH} {number}\n",
        public_key=key,
        event_count=10 * number,
        frontiers=FRONTIERS,
    )


def insert(database: Database, *stored: StoredCheckpoint) -> list[bool]:
    return database.write(lambda tx: [tx.checkpoints.insert(each) for each in stored])


class CheckpointsContract:
    def test_come_back_as_they_were_put_in(self, database: Database) -> None:
        """With frontiers, or without where there are none."""
        bare = dataclasses.replace(checkpoint(2), frontiers=None)
        assert insert(database, checkpoint(1), bare) == [True, True]
        assert database.read(lambda tx: tx.checkpoints.get(1)) == checkpoint(1)
        assert database.read(lambda tx: tx.checkpoints.get(2)) == bare
        assert database.read(lambda tx: tx.checkpoints.last()) == bare
        assert database.read(lambda tx: tx.checkpoints.get(3)) is None

    def test_a_number_is_taken_once(self, database: Database) -> None:
        """Whoever comes second is told, and the first one stays."""
        assert insert(database, checkpoint(1)) == [True]
        assert insert(database, checkpoint(1, key="b" * 64)) == [False]
        found = database.read(lambda tx: tx.checkpoints.get(1))
        assert found is not None
        assert found.public_key == "a" * 64

    def test_empty(self, database: Database) -> None:
        """Where none was made there is none."""
        assert database.read(lambda tx: tx.checkpoints.last()) is None
        assert list(database.read(lambda tx: tx.checkpoints.key_uses())) == []

    def test_are_listed_in_both_orders(self, database: Database) -> None:
        """Behind a number, as many as are asked for, without frontiers."""
        insert(database, *(checkpoint(number) for number in range(1, 8)))

        def numbers(after: int, limit: int, *, newest_first: bool) -> list[int]:
            found = database.read(
                lambda tx: tx.checkpoints.list(after, limit, newest_first=newest_first)
            )
            assert all(each.frontiers is None for each in found)
            return [each.number for each in found]

        assert numbers(0, 100, newest_first=False) == [1, 2, 3, 4, 5, 6, 7]
        assert numbers(2, 3, newest_first=False) == [3, 4, 5]
        assert numbers(2**62, 2, newest_first=True) == [7, 6]
        assert numbers(3, 9, newest_first=True) == [2, 1]

    def test_keys_by_first_use(self, database: Database) -> None:
        """Each with the first and the last that it signed."""
        keys = ("b" * 64, "b" * 64, "a" * 64)
        insert(database, *(checkpoint(n, key=key) for n, key in enumerate(keys, start=1)))
        assert list(database.read(lambda tx: tx.checkpoints.key_uses())) == [
            KeyUse(public_key="b" * 64, first=1, last=2, first_time_us=1_000),
            KeyUse(public_key="a" * 64, first=3, last=3, first_time_us=3_000),
        ]
