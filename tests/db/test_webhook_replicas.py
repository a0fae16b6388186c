"""Several replicas send webhooks of one database: each event goes out once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.db.engine import open_database
from registry.domain.access import Role
from registry.domain.events import EventDraft
from registry.domain.webhooks import SECOND_US
from registry.ports.database import Database
from registry.services.webhook_queue import LEASE_US, WebhookQueue
from registry.testing.world import World, grant

EVENTS = 60
WRITERS = 3


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    made = World(tmp_path, url=url)
    yield made
    made.close()


@pytest.fixture
def databases(world: World, url: str) -> Iterator[list[Database]]:
    """Of two replicas; on SQLite, which one server serves, two of its threads."""
    if url.startswith("sqlite"):
        yield [world.database, world.database]
        return
    second = open_database(url, clock=world.clock)
    yield [world.database, second]
    second.close()


@pytest.mark.slow
def test_two_replicas_deliver_each_event_once(world: World, databases: list[Database]) -> None:
    """While events are written by several at once, both queue, claim and send without a pause;
    nothing is missed, nothing goes twice, and no claim is held by both."""
    admin = world.caller("ann", grant(Role.ADMIN))
    world.webhooks.create(
        admin, url="https://hooks.example/", description="", actions=("model.",),
        namespace_pattern="*", request_id="",
    )  # fmt: skip
    written = threading.Event()
    problems: list[BaseException] = []

    def write(writer: int) -> None:
        for number in range(EVENTS):
            draft = EventDraft(
                action="model.create",
                resource=f"models/n{number % 7}/w{writer}-{number}",
                namespace=f"n{number % 7}",
                actor="system",
            )
            databases[number % 2].write(lambda tx, draft=draft: tx.events.append(draft))  # type: ignore[misc]

    def serve(database: Database) -> None:
        queue = WebhookQueue(
            database=database, clock=world.clock, sender=world.sender, box=world.box
        )
        try:
            idle = 0
            while idle < 3:
                last = written.is_set()
                more = queue.queue_new()
                claims = queue.claim(4)
                for claim in claims:
                    queue.deliver(claim)
                idle = idle + 1 if last and not claims and not more else 0
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            problems.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    replicas = [threading.Thread(target=serve, args=(each,)) for each in databases]
    for thread in (*writers, *replicas):
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    for thread in replicas:
        thread.join()
    assert problems == []
    sent = Counter(each.headers["webhook-id"] for each in world.sender.received)
    assert len(sent) == EVENTS * WRITERS
    assert set(sent.values()) == {1}


def test_a_replica_takes_over_what_another_left(world: World, databases: list[Database]) -> None:
    """One claims and dies; the other sends when the lease has ended, and not before."""
    admin = world.caller("ann", grant(Role.ADMIN))
    world.webhooks.create(
        admin, url="https://hooks.example/", description="", actions=(),
        namespace_pattern="*", request_id="",
    )  # fmt: skip
    one, two = (
        WebhookQueue(database=each, clock=world.clock, sender=world.sender, box=world.box)
        for each in databases
    )
    one.queue_new()
    (left,) = one.claim(4)
    two.queue_new()
    world.clock.advance(LEASE_US - SECOND_US)
    assert two.claim(4) == []
    world.clock.advance(SECOND_US)
    (taken,) = two.claim(4)
    two.deliver(taken)
    assert taken.delivery.message_id == left.delivery.message_id
    assert len(world.sender.received) == 1
