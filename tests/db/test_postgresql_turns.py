"""Several servers on one PostgreSQL: groups of a lane run one after the other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from registry.db.database import SqlDatabase
from registry.db.engine import open_database
from registry.db.postgresql import LANES, PostgresWriter
from registry.domain.events import shard_of
from registry.ports.database import Transaction
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.events import check_chains, draft
from registry.testing.contracts.database.samples import stored_model
from registry.testing.db_driver import Call, claim, claimed, connection_of

pytestmark = pytest.mark.slow

THREADS = 8
TURNS = 40
NAMESPACES = [f"team-{number}" for number in range(20)]


@pytest.fixture
def servers(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[SqlDatabase, SqlDatabase]]:
    """Two, whose groups wait as long as a slow test machine needs: for their turn, and for rows
    until PostgreSQL itself finds that they wait in a circle."""
    monkeypatch.setattr("registry.db.postgresql._PATIENCE_S", 60.0)
    monkeypatch.setattr("registry.db.postgresql._TURN_MS", 60_000)
    monkeypatch.setattr("registry.db.postgresql._ROW_MS", 60_000)
    one, other = (open_database(postgres_url, clock=FixedClock()) for _ in range(2))
    yield one, other
    one.close()
    other.close()


class Hold:
    """A unit of work that keeps its lane until it is let go."""

    def __init__(self, database: SqlDatabase, namespace: str) -> None:
        self._held, self._go_on = threading.Event(), threading.Event()
        self._call = Call(lambda: database.write(self._run, namespace=namespace))
        assert self._held.wait(60)

    def _run(self, tx: Transaction) -> None:
        tx.namespaces.get("any")
        self._held.set()
        assert self._go_on.wait(60)

    def let_go(self) -> None:
        self._go_on.set()
        assert self._call.outcome is None


def in_lane(lane: int) -> str:
    return next(name for name in NAMESPACES if shard_of(name) % LANES == lane)


def test_groups_of_two_servers_never_meet(servers: tuple[SqlDatabase, SqlDatabase]) -> None:
    """Whatever order they lock models in, no group undoes another: each unit of work runs once,
    with others, and no number is given out twice."""
    paths = [f"{in_lane(n % LANES)}/model-{n}" for n in range(8)]
    for path in paths:
        stored_model(servers[0], path)
    runs: list[str] = []

    def number_in(path: str) -> Callable[[Transaction], int]:
        def fn(tx: Transaction) -> int:
            runs.append(threading.current_thread().name)
            model = tx.models.lock(path)
            assert model is not None
            tx.events.append(draft(f"models/{path}", namespace=model.namespace))
            return tx.models.take_number(model, 1)

        return fn

    def work(database: SqlDatabase, seed: int) -> list[tuple[str, int]]:
        chosen = random.Random(seed).choices(paths, k=TURNS)
        return [
            (path, database.write(number_in(path), namespace=path.partition("/")[0]))
            for path in chosen
        ]

    calls = [
        Call(lambda args=(database, seed): work(*args))  # type: ignore[misc]
        for seed, database in enumerate(servers * THREADS)
    ]
    taken: dict[str, list[int]] = {path: [] for path in paths}
    for call in calls:
        for path, number in call.outcome:
            taken[path].append(number)
    count = len(calls) * TURNS
    assert len(runs) == count
    # A unit that runs by itself does so in its caller's thread.
    assert set(runs) == {f"postgresql-writer-{lane}" for lane in range(LANES)}
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in taken.values())
    assert check_chains(servers[1]) == count


def test_what_comes_while_a_group_waits_for_its_turn_joins_it(
    servers: tuple[SqlDatabase, SqlDatabase],
) -> None:
    """The queue of servers makes groups larger, not more: all that waited shares a transaction."""
    here, there = servers
    writer = here._writer
    assert isinstance(writer, PostgresWriter)
    transactions: set[int] = set()

    def fn(tx: Transaction) -> None:
        said = connection_of(tx).exec_driver_sql("SELECT txid_current()")
        transactions.add(said.scalar_one())

    hold = Hold(there, "")
    calls = [Call(lambda: here.write(fn))]
    while not waits_for_its_turn(there):
        assert calls[0].is_alive()
    calls += [Call(lambda: here.write(fn)) for _ in range(3)]
    while writer.lane("")._units.qsize() < 3:
        assert calls[0].is_alive()
    hold.let_go()
    assert [call.outcome for call in calls] == [None] * 4
    assert len(transactions) == 1


def waits_for_its_turn(database: SqlDatabase) -> bool:
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    found = database.read(lambda tx: connection_of(tx).exec_driver_sql(asked).scalar_one())
    return bool(found)


def test_each_server_has_a_lane_to_itself(servers: tuple[SqlDatabase, SqlDatabase]) -> None:
    """While one is at work in a lane, another one's groups run in the other."""
    hold = Hold(servers[0], in_lane(0))
    assert servers[1].write(claim("free"), namespace=in_lane(1)) == "free"
    hold.let_go()


def test_a_server_that_keeps_its_turn_holds_nobody_up_for_long(
    servers: tuple[SqlDatabase, SqlDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits too long for a turn goes on without it, and without a group."""
    monkeypatch.setattr("registry.db.postgresql._TURN_MS", 20)
    hold = Hold(servers[0], "")
    assert [servers[1].write(claim(id)) for id in ("a", "b")] == ["a", "b"]
    hold.let_go()
    assert claimed(servers[0]) == ["a", "b"]
    assert check_chains(servers[0]) == 2


def test_a_unit_by_itself_and_a_group_go_on_from_each_other(
    servers: tuple[SqlDatabase, SqlDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who lost their turn and those who have one write to the same rows, none of it lost."""
    monkeypatch.setattr("registry.db.postgresql._TURN_MS", 1)
    monkeypatch.setattr("registry.db.postgresql._ROW_MS", 1)
    monkeypatch.setattr("registry.db.postgresql._APART_S", 0.01)

    def work(database: SqlDatabase, writer: int) -> list[str]:
        return [database.write(claim(f"w{writer}-{number}")) for number in range(TURNS)]

    calls = [
        Call(lambda args=(database, writer): work(*args))  # type: ignore[misc]
        for writer, database in enumerate(servers * 4)
    ]
    told = [id for call in calls for id in call.outcome]
    assert claimed(servers[0]) == sorted(told)
    assert check_chains(servers[1]) == len(told) == len(set(told))
