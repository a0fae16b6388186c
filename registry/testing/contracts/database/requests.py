"""What every table of done requests has to pass."""

from __future__ import annotations

from registry.ports.database import Database
from registry.ports.tables import DoneRequest

DONE = DoneRequest(fingerprint="f" * 64, result="models/fraud/scorer/versions/7")


def save(database: Database, id: str, time_us: int = 5, done: DoneRequest = DONE) -> bool:
    return database.write(lambda tx: tx.requests.save("ann", "CreateVersion", id, done, time_us))


def find(database: Database, id: str) -> DoneRequest | None:
    return database.read(lambda tx: tx.requests.find("ann", "CreateVersion", id))


class RequestsContract:
    def test_is_remembered(self, database: Database) -> None:
        """What a request did is found by principal, method and id together."""
        assert find(database, "r1") is None
        assert save(database, "r1")
        assert find(database, "r1") == DONE
        assert database.read(lambda tx: tx.requests.find("bob", "CreateVersion", "r1")) is None
        assert database.read(lambda tx: tx.requests.find("ann", "CreateModel", "r1")) is None
        assert find(database, "R1") is None

    def test_the_first_is_kept(self, database: Database) -> None:
        """A second save of an id says so and changes nothing."""
        other = DoneRequest(fingerprint="e" * 64, result="else")
        assert save(database, "r1")
        assert not save(database, "r1", done=other)
        assert find(database, "r1") == DONE

    def test_forget_frees_the_id(self, database: Database) -> None:
        """A forgotten request can be done again; others stay."""
        assert save(database, "r1")
        assert save(database, "r2")
        database.write(lambda tx: tx.requests.forget("ann", "CreateVersion", "r1"))
        assert find(database, "r1") is None
        assert find(database, "r2") == DONE
        assert save(database, "r1")

    def test_purge_forgets_older_ones(self, database: Database) -> None:
        """Purged is what is older than the time, and counted."""
        for number in range(5):
            assert save(database, f"r{number}", time_us=number)
        assert database.write(lambda tx: tx.requests.purge(3)) == 3
        left = [number for number in range(5) if find(database, f"r{number}")]
        assert left == [3, 4]
        assert database.write(lambda tx: tx.requests.purge(3)) == 0
