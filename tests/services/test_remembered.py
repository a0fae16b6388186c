"""What is remembered is never older than what a read anew would find."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.domain.access import Role
from registry.domain.references import ReferenceKind
from registry.names import ModelName, ReferenceName
from registry.services.remembered import BYTES_MAX, COUNT_MAX, Remembered
from registry.testing.contracts.database.samples import namespace
from registry.testing.world import World, grant


@pytest.fixture
def reads() -> Iterator[int]:
    """Different at each read, as data that changes all the time."""
    return iter(range(1_000_000))


def remembered(world: World, *, size_bytes: int = 1) -> Remembered[str, int]:
    return Remembered(world.database, size_bytes=lambda value: size_bytes)


def write(world: World, id: str = "fraud") -> None:
    world.database.write(lambda tx: tx.namespaces.insert(namespace(id)))


def test_one_read_serves_while_nothing_is_committed(world: World, reads: Iterator[int]) -> None:
    """Each key is read once, and reads of others change nothing."""
    values = remembered(world)
    first = values.get("a", lambda: next(reads))
    assert values.get("b", lambda: next(reads)) != first
    assert values.get("a", lambda: next(reads)) == first


def test_a_commit_of_anything_ends_it(world: World, reads: Iterator[int]) -> None:
    """What was committed may be what the value was read from."""
    values = remembered(world)
    first = values.get("a", lambda: next(reads))
    write(world)
    assert values.get("a", lambda: next(reads)) > first


def test_a_unit_of_work_that_failed_changes_no_value(world: World, reads: Iterator[int]) -> None:
    """Reading again after it is allowed, an old value with a new one's name is not."""
    values = remembered(world)
    values.get("a", lambda: next(reads))

    def fn(tx: object) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        world.database.write(fn)
    newest = values.get("a", lambda: next(reads))
    assert values.get("a", lambda: next(reads)) == newest


def test_what_was_read_while_a_commit_came_is_not_given_out_again(
    world: World, reads: Iterator[int]
) -> None:
    """The reader itself may have it: it asked before the commit was acknowledged to anybody."""
    values = remembered(world)

    def overtaken() -> int:
        value = next(reads)
        write(world)
        return value

    first = values.get("a", overtaken)
    assert values.get("a", lambda: next(reads)) > first


def test_nothing_is_given_out_or_kept_during_a_commit(world: World, reads: Iterator[int]) -> None:
    """A commit that is under way may be visible already, or not yet."""
    values = remembered(world)
    first = values.get("a", lambda: next(reads))
    seen: list[int | None] = []
    found: list[int] = []

    def look() -> None:
        seen.append(world.database.moment)
        found.append(values.get("a", lambda: next(reads)))

    commit_under(world, look)
    assert seen == [None]
    assert found[0] > first
    assert values.get("a", lambda: next(reads)) > found[0]


def commit_under(world: World, look: Callable[[], None]) -> None:
    """Commit, and look when that has begun."""

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            look()

    def fn(tx: object) -> None:
        driver = tx._connection.connection.driver_connection  # type: ignore[attr-defined]
        driver.set_trace_callback(trace)

    world.database.write(fn)


def test_large_values_are_read_anew(world: World, reads: Iterator[int]) -> None:
    """Memory stays bounded whatever registrants write into their versions."""
    values = remembered(world, size_bytes=BYTES_MAX + 1)
    assert values.get("a", lambda: next(reads)) != values.get("a", lambda: next(reads))


def test_their_number_is_bounded(world: World) -> None:
    """More keys than fit begin anew."""
    values: Remembered[int, int] = Remembered(world.database, size_bytes=lambda value: 1)
    for key in range(1, 3 * COUNT_MAX):
        assert values.get(key, lambda key=key: key) == key  # type: ignore[misc]
        assert len(values._kept[1]) <= COUNT_MAX


@pytest.mark.slow
def test_an_alias_is_where_it_was_set_for_everybody_at_once(tmp_path: Path) -> None:
    """While one moves an alias, whoever resolves it sees what was acknowledged before, or later."""
    world = World(tmp_path)
    world.model("fraud/scorer")
    count = 15
    versions = [world.version("fraud/scorer", {"a": bytes([n])}) for n in range(count)]
    caller = world.caller("ann", grant(Role.REGISTRANT))
    model = ModelName(path="fraud/scorer")
    name = ReferenceName.parse("models/fraud/scorer/references/best")
    acknowledged = [0]
    wrong: list[tuple[int, int]] = []

    def move() -> None:
        for version in versions:
            world.references.set(
                caller, name, kind=ReferenceKind.ALIAS, target=version.name, expected_target=""
            )
            acknowledged[0] = version.number

    def look() -> None:
        last = 0
        while last < count:
            before = acknowledged[0]
            if before:
                seen = world.references.resolve(caller, model, "best").version.number
                if seen < max(before, last):
                    wrong.append((before, seen))
                last = seen

    threads = [threading.Thread(target=run) for run in (move, look, look, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.close()
    assert wrong == []
