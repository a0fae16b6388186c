"""Events: lists by what they are about, and a log of which every forgery is found."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from registry.domain.access import Caller, Role
from registry.domain.events import EventDraft, shard_of
from registry.domain.pages import PageRequest
from registry.errors import (
    AuditBrokenError,
    CallCancelledError,
    InvalidFieldError,
    PermissionDeniedError,
    QuotaError,
    TooLargeError,
)
from registry.ports.tables import EventQuery
from registry.services.verification import verify_chain
from registry.testing.world import World, grant


@pytest.fixture
def olga(world: World) -> Caller:
    return world.caller("olga", grant(Role.AUDITOR))


def happen(world: World, resource: str, *, namespace: str = "fraud", action: str = "a.b") -> None:
    world.clock.advance(1_000)
    world.database.write(
        lambda tx: tx.events.append(
            EventDraft(
                action=action,
                resource=resource,
                namespace=namespace,
                actor="principals/ada",
                detail={"n": 1},
            )
        )
    )


def resources(
    world: World, caller: Caller, query: EventQuery, order_by: str = "time", size: int = 2
) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = world.events.list(caller, query, order_by, PageRequest(size=size, token=token))
        found += [event.resource for event in page.items]
        token = page.next_page_token
        if not token:
            return found


@contextmanager
def forging(world: World) -> Iterator[sqlite3.Connection]:
    """The database file in the hands of somebody who owns it: no trigger stands in the way."""
    with closing(sqlite3.connect(world.folder / "hallmark.db")) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        yield connection
        connection.commit()


def test_filters_must_all_match(world: World, olga: Caller) -> None:
    """A resource finds what lies under it, an action its beginning, times a half-open span."""
    start = world.clock.now_us()
    happen(world, "models/fraud/a", action="model.create")
    happen(world, "models/fraud/a/versions/1", action="version.create")
    happen(world, "models/fraud/ab", action="model.create")
    happen(world, "namespaces/vision", namespace="vision", action="namespace.create")
    happen(world, "principals/bob", namespace="", action="principal.create")
    fraud = EventQuery(namespace="fraud")
    assert len(resources(world, olga, EventQuery(namespace=None))) == 5
    assert resources(world, olga, fraud, "time desc")[0] == "models/fraud/ab"
    assert resources(world, olga, fraud, "")[0] == "models/fraud/ab"
    found: list[tuple[EventQuery, int]] = [
        (EventQuery(namespace="fraud", resource="models/fraud/a"), 2),
        (EventQuery(namespace="fraud", action="model."), 2),
        (EventQuery(namespace="fraud", action="model.create", resource="models/fraud/a"), 1),
        (EventQuery(namespace=None, actor="principals/ada"), 5),
        (EventQuery(namespace=None, actor="system"), 0),
        (EventQuery(namespace=None, start_time_us=start + 2_000, end_time_us=start + 4_000), 2),
        (EventQuery(namespace="vision"), 1),
    ]
    for query, count in found:
        assert len(resources(world, olga, query)) == count, query


def test_events_of_one_moment_are_paged_completely(world: World, olga: Caller) -> None:
    """Pages hold each event once in both orders, though many carry the same time."""
    for number in range(10):
        namespace = f"n{number % 5}"
        world.clock.advance(-1_000)
        happen(world, f"models/{namespace}/m{number}", namespace=namespace)
    everything = EventQuery(namespace=None)
    for order_by in ("time", "time desc"):
        for size in (1, 3, 100):
            assert len(set(resources(world, olga, everything, order_by, size))) == 10


def test_permission_is_that_of_the_namespace(world: World) -> None:
    """event.read on a namespace shows that one; everything needs it on "*"."""
    happen(world, "models/fraud/a")
    ada = world.caller("ada", grant(Role.SECURITY, "fraud"), grant(Role.READER))
    assert resources(world, ada, EventQuery(namespace="fraud")) == ["models/fraud/a"]
    for namespace in (None, "vision"):
        with pytest.raises(PermissionDeniedError):
            resources(world, ada, EventQuery(namespace=namespace))
    with pytest.raises(PermissionDeniedError):
        world.events.verify(ada, lambda: True)


def test_bad_questions_are_refused(world: World, olga: Caller) -> None:
    """Unknown orders and actors that are no names are INVALID_ARGUMENT."""
    for order_by in ("number", "time asc", "TIME"):
        with pytest.raises(InvalidFieldError, match="order_by"):
            resources(world, olga, EventQuery(namespace=None), order_by)
    with pytest.raises(InvalidFieldError, match="actor"):
        resources(world, olga, EventQuery(namespace=None, actor="ada"))


def test_an_emptied_log_is_told(world: World, olga: Caller) -> None:
    """A registry in which nothing ever happened has no policy set: the first start wrote that one
    became active, so a log without any event is no intact one."""
    with pytest.raises(AuditBrokenError, match="shard 0, event 1: it is missing"):
        world.events.verify(olga, lambda: True)


@pytest.mark.slow
def test_an_intact_log_is_summed_up(world: World, olga: Caller) -> None:
    """The summary counts events and names the last of each shard that holds any."""
    for number in range(1200):
        happen(world, f"models/fraud/m{number}", namespace="fraud" if number % 3 else "")
    summary = world.events.verify(olga, lambda: True)
    assert summary.event_count == 1200
    assert {head.shard: head.number for head in summary.heads} == {
        shard_of("fraud"): 800,
        shard_of(""): 400,
    }


_SWAP = """
UPDATE events SET number = CASE number WHEN 2 THEN -3 ELSE -2 END WHERE number IN (2, 3);
UPDATE events SET number = -number WHERE number < 0;
"""
_REPLACE = """
INSERT OR REPLACE INTO events SELECT shard, number, time_us, actor, action, 'models/fraud/evil',
namespace, detail_json, previous_hash, hash FROM events WHERE number = 2;
"""
_COPY = """
INSERT INTO events SELECT shard, {number}, time_us, actor, action, resource, namespace,
detail_json, {previous}, hash FROM events WHERE number = 5;
"""
FORGERIES = {
    "changed text": ("UPDATE events SET actor = 'principals/eve' WHERE number = 3", 3),
    "changed detail": ("UPDATE events SET detail_json = '{\"n\":2}' WHERE number = 3", 3),
    "changed time": ("UPDATE events SET time_us = time_us + 1 WHERE number = 3", 3),
    "changed hash": ("UPDATE events SET hash = previous_hash WHERE number = 3", 3),
    "text made bytes": ("UPDATE events SET actor = CAST(actor AS BLOB) WHERE number = 3", 3),
    "namespace made bytes": ("UPDATE events SET namespace = X'FF' WHERE number = 3", 3),
    "dropped": ("DELETE FROM events WHERE number = 3", 3),
    "dropped first": ("DELETE FROM events WHERE number = 1", 1),
    "dropped last": ("DELETE FROM events WHERE number = 5", 5),
    "dropped all": ("DELETE FROM events", 1),
    "moved to another shard": ("UPDATE events SET shard = (shard + 1) % 16 WHERE number = 1", 1),
    "swapped": (_SWAP, 2),
    "head moved back": ("UPDATE event_heads SET number = 4 WHERE number = 5", 4),
    "head with another hash": ("UPDATE event_heads SET hash = 'x' WHERE number = 5", 5),
    "head emptied": ("UPDATE event_heads SET number = 0 WHERE number = 5", 1),
    "replaced": (_REPLACE, 2),
    "put behind the last": (_COPY.format(number=6, previous="hash"), 6),
    "put far behind the last": (_COPY.format(number=99, previous="hash"), 99),
    "put before the first": (_COPY.format(number=0, previous="previous_hash"), 0),
    "put below zero": (_COPY.format(number=-7, previous="previous_hash"), -7),
}


@pytest.mark.parametrize(("statement", "number"), FORGERIES.values(), ids=FORGERIES.keys())
def test_every_forgery_is_found(world: World, statement: str, number: int) -> None:
    """Whatever is changed, dropped, moved or replaced: the first bad record is named."""
    for item in range(5):
        happen(world, f"models/fraud/m{item}")
    verify_chain(world.database)
    with forging(world) as connection:
        connection.executescript(statement)
    with pytest.raises(AuditBrokenError) as broken:
        verify_chain(world.database)
    assert broken.value.number == number


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"public_keys": ["text"]}, InvalidFieldError),
        ({"public_keys": ["A" * 64]}, InvalidFieldError),
        ({"public_keys": ["a" * 64] * 101}, TooLargeError),
        ({"checkpoints": ["text"]}, InvalidFieldError),
        ({"checkpoints": ["text"] * 1001}, TooLargeError),
    ],
)
def test_what_is_given_has_to_be_evidence(
    world: World, olga: Caller, given: dict[str, list[str]], error: type[Exception]
) -> None:
    """What is no key or no checkpoint is the caller's mistake, not damage of the log."""
    with pytest.raises(error):
        world.events.verify(olga, lambda: True, **given)


def test_verifying_ends_when_its_caller_has_gone(world: World, olga: Caller) -> None:
    """A caller who went away is not worked for to the end."""
    happen(world, "models/fraud/a")
    with pytest.raises(CallCancelledError):
        world.events.verify(olga, lambda: False)
    assert world.events.verify(olga, lambda: True).event_count == 1


def test_one_verification_runs_at_a_time(world: World, olga: Caller) -> None:
    """A second verification at the same time is RESOURCE_EXHAUSTED."""
    happen(world, "models/fraud/a")
    running, done = threading.Event(), threading.Event()

    def held_up() -> bool:
        running.set()
        return done.wait(60)

    first = threading.Thread(target=world.events.verify, args=(olga, held_up))
    first.start()
    try:
        assert running.wait(60)
        with pytest.raises(QuotaError):
            world.events.verify(olga, lambda: True)
    finally:
        done.set()
        first.join()
    world.events.verify(olga, lambda: True)


def test_the_log_may_grow_while_it_is_verified(world: World, olga: Caller) -> None:
    """What happens meanwhile neither disturbs nor counts."""
    for number in range(3):
        happen(world, f"models/fraud/m{number}")

    def write() -> bool:
        happen(world, "models/fraud/new")
        return True

    assert world.events.verify(olga, write).event_count == 3
