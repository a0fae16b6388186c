"""What every audit log has to pass."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from registry.domain.events import GENESIS, SHARDS, Event, EventDraft, problem_of, shard_of
from registry.errors import HallmarkError
from registry.ports.database import Database, Transaction
from registry.ports.tables import EventQuery
from registry.testing.clock import FixedClock
from registry.testing.contracts.database.samples import namespace


def draft(resource: str = "namespaces/fraud", **changes: Any) -> EventDraft:
    given = {
        "action": "namespace.update",
        "namespace": "fraud",
        "actor": "principals/ann",
        "detail": {"description": "\N{SNOWMAN}", "count": 3},
        **changes,
    }
    return EventDraft(resource=resource, **given)


def append(database: Database, *drafts: EventDraft) -> None:
    def fn(tx: Transaction) -> None:
        for one in drafts:
            tx.events.append(one)

    database.write(fn)


def listed(
    database: Database, query: EventQuery, after: Event | None = None, limit: int = 1000
) -> Sequence[Event]:
    cursor = None if after is None else (after.time_us, after.shard, after.number)
    return database.read(lambda tx: tx.events.list(query, cursor, limit))


def of_shard(database: Database, shard: int, after_number: int = 0) -> Sequence[Event]:
    return database.read(lambda tx: tx.events.shard(shard, after_number, 10_000))


def check_chains(database: Database) -> int:
    """Verify every shard from its start; how many events there are."""
    heads = []
    for shard in range(SHARDS):
        events = of_shard(database, shard)
        previous = GENESIS
        for number, event in enumerate(events, start=1):
            assert problem_of(event, number=number, previous_hash=previous) is None
            previous = event.hash
        if events:
            heads.append((shard, len(events), previous))
    assert list(database.read(lambda tx: tx.events.heads())) == heads
    return sum(number for _, number, _ in heads)


class EventsContract:
    def test_is_chained_in_the_order_of_the_calls(
        self, database: Database, clock: FixedClock
    ) -> None:
        """Events of a unit of work follow each other and those before, each with its hash."""
        append(database, draft(action="a"), draft(action="b"))
        clock.advance(1_000)
        append(database, draft(action="c"))
        shard = shard_of("fraud")
        events = database.read(lambda tx: tx.events.shard(shard, 0, 10))
        assert [(e.number, e.action) for e in events] == [(1, "a"), (2, "b"), (3, "c")]
        assert [e.time_us for e in events] == [clock.now_us() - 1_000] * 2 + [clock.now_us()]
        assert events[0].detail_json == '{"count":3,"description":"\N{SNOWMAN}"}'
        assert events[0].actor == "principals/ann"
        assert check_chains(database) == 3
        assert database.read(lambda tx: tx.events.shard(shard, 1, 1)) == [events[1]]

    def test_empty_log(self, database: Database) -> None:
        """Where nothing happened there is nothing, no heads either."""
        assert check_chains(database) == 0
        assert list(listed(database, EventQuery(namespace=None))) == []

    def test_one_unit_of_work_may_touch_several_shards(self, database: Database) -> None:
        """Each namespace's events lie in its shard, registry-wide ones in theirs."""
        names = ["", "a", "b", "c", "d", "e", "f"]
        append(database, *(draft(namespace=name) for name in names * 2))
        assert check_chains(database) == 14
        for name in names:
            events = of_shard(database, shard_of(name))
            assert sum(event.namespace == name for event in events) == 2

    @pytest.mark.parametrize("count", [31, 32, 33, 100])
    def test_one_unit_of_work_may_have_many(self, database: Database, count: int) -> None:
        """However many there are, each is stored once, in the order of the calls."""
        names = [str(number) for number in range(count)]
        append(database, *(draft(action=name) for name in names))
        assert [event.action for event in of_shard(database, shard_of("fraud"))] == names
        assert check_chains(database) == count

    def test_nothing_is_astray(self, database: Database) -> None:
        """What is appended has its place, in an empty log and in one with gaps between shards."""
        assert database.read(lambda tx: tx.events.astray()) is None
        append(database, *(draft(namespace=name) for name in ("", "a", "b")))
        assert database.snapshot(lambda tx: tx.events.astray()) is None

    def test_a_failed_unit_of_work_leaves_none(self, database: Database) -> None:
        """Neither its events nor its changes stay, and the chain goes on without a gap."""
        append(database, draft())

        def fails(tx: Transaction) -> None:
            tx.namespaces.insert(namespace())
            tx.events.append(draft())
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            database.write(fails)
        append(database, draft())
        assert check_chains(database) == 2
        assert database.read(lambda tx: tx.namespaces.get("fraud")) is None

    def test_cannot_be_appended_by_a_read(self, database: Database) -> None:
        """An event in a unit of work without COMMIT would be lost: it is refused."""
        with pytest.raises(RuntimeError):
            database.read(lambda tx: tx.events.append(draft()))
        with pytest.raises(RuntimeError):
            database.snapshot(lambda tx: tx.events.append(draft()))

    def test_writers_at_the_same_time_keep_the_chain(self, database: Database) -> None:
        """However many write into the same shards, numbers have no gap and hashes hold."""
        failures: list[HallmarkError] = []

        def work(seed: int) -> None:
            names = random.Random(seed)
            try:
                for _ in range(15):
                    append(database, *(draft(namespace=names.choice("abcd")) for _ in range(3)))
            except HallmarkError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert check_chains(database) == 6 * 15 * 3

    @pytest.mark.slow
    def test_list_finds_what_is_asked_for(self, database: Database, clock: FixedClock) -> None:
        """Every combination of conditions, in both orders, finds what a plain loop finds."""
        choice = random.Random(7)
        resources = ["models/a/x", "models/a/x/versions/1", "models/a/x-2", "models/a/x0", "models"]
        for _ in range(40):
            clock.advance(choice.choice((0, 1, 1_000)))
            append(
                database,
                *(
                    draft(
                        choice.choice(resources),
                        namespace=choice.choice(["", "a", "b", "c"]),
                        actor=choice.choice(["principals/ann", "principals/a", "system"]),
                        action=choice.choice(["version.create", "version_x", "stage.move"]),
                    )
                    for _ in range(choice.choice((1, 2, 3)))
                ),
            )
        everything = listed(database, EventQuery(namespace=None, oldest_first=True))
        assert len(everything) == check_chains(database)
        middle = everything[len(everything) // 2].time_us
        for namespace_, resource, actor, action, start, end, oldest_first in itertools.product(
            (None, "a", ""),
            ("", "models/a/x", "models"),
            ("", "principals/a"),
            ("", "version.", "version_", "stage.move", "%"),
            (None, middle),
            (None, middle + 1),
            (True, False),
        ):
            query = EventQuery(
                namespace=namespace_,
                resource=resource,
                actor=actor,
                action=action,
                start_time_us=start,
                end_time_us=end,
                oldest_first=oldest_first,
            )
            assert list(listed(database, query)) == expected(everything, query)

    @pytest.mark.parametrize("oldest_first", [True, False])
    def test_pages_put_together_are_the_list(
        self, database: Database, clock: FixedClock, oldest_first: bool
    ) -> None:
        """Behind (time, shard, number) of the last event nothing is missing or twice."""
        for number in range(9):
            clock.advance(number % 2)
            append(database, *(draft(namespace=name) for name in ("a", "b", "c")))
        query = EventQuery(namespace=None, oldest_first=oldest_first)
        found: list[Event] = []
        while page := listed(database, query, after=found[-1] if found else None, limit=4):
            found += page
        assert found == list(listed(database, query))
        assert len(found) == 27


def expected(everything: Sequence[Event], query: EventQuery) -> list[Event]:
    """What a list has to find, said once more in plain Python."""
    found = [
        event
        for event in everything
        if (query.namespace is None or event.namespace == query.namespace)
        and (
            not query.resource
            or event.resource == query.resource
            or event.resource.startswith(query.resource + "/")
        )
        and (not query.actor or event.actor == query.actor)
        and event.action.startswith(query.action)
        and (query.start_time_us is None or event.time_us >= query.start_time_us)
        and (query.end_time_us is None or event.time_us < query.end_time_us)
    ]
    found.sort(key=lambda event: (event.time_us, event.shard, event.number))
    return found if query.oldest_first else found[::-1]
