"""Bounded threads for work that may hang."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from registry.errors import StorageError
from registry.jobs.pool import Pool


def test_hanging_work_leaves_room_for_others() -> None:
    """As many as fit are begun at once; more are taken when one has ended, and not before."""
    waiting = list(range(5))
    go, freed = threading.Event(), threading.Semaphore(0)
    done: list[int] = []

    def take(limit: int) -> Sequence[int]:
        return [waiting.pop(0) for _ in range(min(limit, len(waiting)))]

    def do(work: int) -> None:
        if work == 0:
            go.wait(30)
        done.append(work)

    pool = Pool("test", size=2, take=take, do=do, on_free=freed.release)
    assert pool.fill() == 2
    for _ in range(4):
        assert freed.acquire(timeout=30)
        pool.fill()
    assert sorted(done) == [1, 2, 3, 4]
    assert not pool.wait(0)
    go.set()
    assert pool.wait(30)
    assert 0 in done


def test_work_that_fails_gives_its_room_back() -> None:
    """Whatever it raises, the next piece is taken."""
    errors = [StorageError(what="x", store="y", cause="z"), ValueError("z")]
    freed = threading.Semaphore(0)

    def fail(error: Exception) -> None:
        raise error

    pool = Pool("test", size=1, take=lambda _: [errors.pop()], do=fail, on_free=freed.release)
    for _ in range(2):
        assert pool.fill() == 1
        assert freed.acquire(timeout=30)
    assert pool.wait(30)
