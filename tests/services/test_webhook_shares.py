"""Slow receivers do not starve the rest."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from registry.domain.webhooks import Delivery, DeliveryState
from registry.services.webhook_shares import (
    EACH_MAX,
    SENT_AT_ONCE,
    SLOW_AT_ONCE,
    SLOW_FOR_US,
    SLOW_MS,
    UNKNOWN_AT_ONCE,
    Shares,
)

LEASE_US = 60_000_000
_keys = itertools.count(1)


def queue(webhook: str, count: int = EACH_MAX, due_us: int = 0) -> list[Delivery]:
    return [
        Delivery(
            key=next(_keys),
            webhook_key=1,
            webhook=webhook,
            shard=3,
            number=number,
            action="stage.move",
            state=DeliveryState.PENDING,
            attempts=(),
            attempt_count=0,
            start_time_us=due_us,
            next_attempt_us=due_us + number,
            lease_until_us=0,
            create_time_us=due_us,
        )
        for number in range(count)
    ]


def many(prefix: str, count: int) -> list[Delivery]:
    return [each for number in range(count) for each in queue(f"{prefix}{number}")]


class Pool:
    """So many threads, most of which hang."""

    def __init__(self) -> None:
        self.shares = Shares()
        self.now_us = 0
        self.running: list[Delivery] = []

    def fill(self, due: list[Delivery]) -> Counter[str]:
        """Begin what there is room for; how many of each webhook."""
        busy = {each.key for each in self.running}
        waiting = [each for each in due if each.key not in busy]
        begun = self.shares.choose(waiting, SENT_AT_ONCE - len(self.running), self.now_us)
        for each in begun:
            self.shares.begin(each, self.now_us + LEASE_US)
        self.running += begun
        return Counter(each.webhook for each in begun)

    def end(self, duration_ms: int) -> None:
        for each in self.running:
            self.shares.end(each, duration_ms, self.now_us)
        self.running = []

    def learn(self, webhook: str, duration_ms: int) -> None:
        self.fill(queue(webhook, 1))
        self.end(duration_ms)


@pytest.fixture
def pool() -> Pool:
    return Pool()


def test_a_quick_one_has_room_whatever_hangs(pool: Pool) -> None:
    """Known slow ones and new ones, each as many as there may be, with the longest queues."""
    for number in range(100):
        pool.learn(f"slow{number}", SLOW_MS + 1)
    pool.learn("quick", SLOW_MS)
    hanging = many("slow", 100) + many("new", 100)
    assert sum(pool.fill(hanging).values()) == UNKNOWN_AT_ONCE
    assert pool.fill(hanging + queue("quick", due_us=10**9)) == {"quick": EACH_MAX}


def test_a_new_one_has_room_beside_slow_ones(pool: Pool) -> None:
    """However many are known as slow, and wait for longer."""
    for number in range(100):
        pool.learn(f"slow{number}", SLOW_MS + 1)
    begun = pool.fill(many("slow", 100))
    assert (set(begun.values()), begun.total()) == ({1}, SLOW_AT_ONCE)
    assert pool.fill(many("slow", 100) + queue("new", due_us=10**9)) == {"new": EACH_MAX}


def test_a_long_queue_keeps_nobody_waiting(pool: Pool) -> None:
    """The first of each goes before the second of any."""
    for name in ("long", "short"):
        pool.learn(name, 1)
    for _ in range(30):
        pool.shares.begin(queue("other")[0], LEASE_US)
    due = queue("long", 10) + queue("short", 1, due_us=10**9)
    assert [each.webhook for each in pool.shares.choose(due, 2, 0)] == ["long", "short"]


def test_slow_is_who_was_slow_once(pool: Pool) -> None:
    """For ten minutes, whatever it answers between; so nobody gains by taking turns."""
    pool.learn("both", 1)
    assert pool.fill(queue("both")) == {"both": EACH_MAX}
    pool.end(SLOW_MS + 1)
    pool.learn("both", 1)
    assert pool.fill(queue("both")) == {"both": 1}
    pool.end(1)
    pool.now_us += SLOW_FOR_US
    assert pool.fill(queue("both")) == {"both": EACH_MAX}


def test_what_nobody_ended_counts_until_its_lease_ends(pool: Pool) -> None:
    """A thread that died takes no room for ever; nothing is known of who got nothing."""
    pool.learn("slow", SLOW_MS + 1)
    assert pool.fill(queue("slow")) == {"slow": 1}
    pool.running = []
    assert pool.fill(queue("slow")) == {}
    pool.now_us += LEASE_US
    assert pool.fill(queue("slow")) == {"slow": 1}
    pool.shares.end(pool.running[0], None, pool.now_us)
    pool.running = []
    pool.shares.keep(["other"])
    assert pool.fill(queue("slow")) == {"slow": EACH_MAX}
