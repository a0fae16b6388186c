"""The PostgreSQL writer: what shares a transaction, and what undoes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.postgresql import LANES, PostgresWriter
from registry.domain.events import shard_of
from registry.errors import DatabaseUnavailableError, InvalidStateError
from registry.ports.database import Transaction
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains
from registry.testing.contracts.database.samples import namespace
from registry.testing.db_driver import Call, claim, claimed, connection_of, sql

pytestmark = pytest.mark.slow

NAMES = [f"team-{number}" for number in range(20)]


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlDatabase]:
    """With groups also where a lock of PostgreSQL's own, that of a vacuum, was in one's way."""
    monkeypatch.setattr("registry.db.postgresql._APART_S", 0.0)
    opened = open_database(postgres_url, clock=FixedClock())
    yield opened
    opened.close()


def transaction_of(tx: Transaction) -> int:
    number: int = connection_of(tx).exec_driver_sql("SELECT txid_current()").scalar_one()
    return number


def together(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch, *fns: Callable[[Transaction], object]
) -> list[object]:
    """Run units of work as one group, in this order; what each returned or raised."""
    writer = database._writer
    assert isinstance(writer, PostgresWriter)
    # Nobody loses patience with a slow test machine.
    monkeypatch.setattr("registry.db.postgresql._PATIENCE_S", 60.0)
    started, go_on = threading.Event(), threading.Event()

    def block(_tx: Transaction) -> None:
        started.set()
        assert go_on.wait(60)

    blocker = Call(lambda: database.write(block))
    assert started.wait(60)
    calls = []
    for number, fn in enumerate(fns, start=1):
        calls.append(Call(lambda fn=fn: database.write(fn)))  # type: ignore[misc]
        while writer.lane("")._units.qsize() < number:
            pass
    go_on.set()
    assert blocker.outcome is None
    return [call.outcome for call in calls]


def claim_in(id: str, seen: list[int]) -> Callable[[Transaction], str]:
    def fn(tx: Transaction) -> str:
        seen.append(transaction_of(tx))
        return claim(id)(tx)

    return fn


def refuse(tx: Transaction) -> None:
    tx.namespaces.insert(namespace("refused"))
    raise InvalidStateError(name="n", action="a", found="f", allowed="g", fix="h")


def test_what_waits_shares_a_transaction(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that came while another ran are committed by one transaction, each with its event."""
    seen: list[int] = []
    assert together(database, monkeypatch, claim_in("a", seen), claim_in("b", seen)) == ["a", "b"]
    assert seen[0] == seen[1]
    assert claimed(database) == ["a", "b"]
    assert check_chains(database) == 2


def test_a_refusal_costs_its_neighbours_nothing(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that fails is told its own error; those beside it are stored, once."""
    seen: list[int] = []
    first, refused, last = together(
        database, monkeypatch, claim_in("a", seen), refuse, claim_in("b", seen)
    )
    assert (first, last) == ("a", "b")
    assert isinstance(refused, InvalidStateError)
    assert claimed(database) == ["a", "b"]
    assert check_chains(database) == 2


def test_another_servers_lock_delays_only_who_needs_it(
    database: SqlDatabase, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that waits for a row of another server leaves its group, and gets it in the end."""
    database.write(claim("held"))
    held, go_on = threading.Event(), threading.Event()
    other = open_database(postgres_url, clock=FixedClock())

    def touch(tx: Transaction) -> str:
        sql(tx, "UPDATE namespaces SET owner = 'ann' WHERE id = 'held'")
        return "touched"

    def hold(tx: Transaction) -> None:
        touch(tx)
        held.set()
        assert go_on.wait(60)

    holder = Call(lambda: other.write(hold))
    assert held.wait(60)
    waiting = Call(lambda: together(database, monkeypatch, touch, claim("free")))
    while claimed(database) != ["free", "held"]:
        assert holder.is_alive()
    go_on.set()
    assert holder.outcome is None
    assert waiting.outcome == ["touched", "free"]
    other.close()


def test_nobody_waits_long_for_a_slow_group(database: SqlDatabase) -> None:
    """While one unit takes long, those that come later go on without it."""
    started, go_on = threading.Event(), threading.Event()

    def slow(_tx: Transaction) -> None:
        started.set()
        assert go_on.wait(60)

    blocker = Call(lambda: database.write(slow))
    assert started.wait(60)
    assert database.write(claim("quick")) == "quick"
    go_on.set()
    assert blocker.outcome is None


def test_a_writer_that_was_closed_says_so(database: SqlDatabase) -> None:
    """After the end nothing is written, and whoever tries is told."""
    database.close()
    with pytest.raises(DatabaseUnavailableError, match="stopping"):
        database.write(claim("late"))


def test_namespaces_do_not_wait_for_each_other(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a unit of one namespace takes long, a unit of another lane runs beside it."""
    monkeypatch.setattr("registry.db.postgresql._PATIENCE_S", 60.0)
    slow, quick = (next(n for n in NAMES if shard_of(n) % LANES == lane) for lane in (0, 1))
    started, go_on = threading.Event(), threading.Event()

    def block(_tx: Transaction) -> None:
        started.set()
        assert go_on.wait(60)

    blocker = Call(lambda: database.write(block, namespace=slow))
    assert started.wait(60)
    assert database.write(claim(quick), namespace=quick) == quick
    go_on.set()
    assert blocker.outcome is None
