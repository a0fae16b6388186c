"""Calls that start together, and what each comes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from registry.errors import ConflictError, HallmarkError

T = TypeVar("T")
THREADS = 16


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | HallmarkError]:
    """What each call gives or raises, 16 at a time, started together."""
    start = threading.Barrier(min(THREADS, len(calls)))
    started = iter([True] * min(THREADS, len(calls)))

    def run(call: Callable[[], T]) -> T | HallmarkError:
        if next(started, False):
            start.wait(30)
        while True:
            try:
                return call()
            except ConflictError:
                # Nothing was changed, and the contract says to retry.
                continue
            except HallmarkError as error:
                return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, calls))


def won(results: Sequence[T | HallmarkError]) -> list[T]:
    return [result for result in results if not isinstance(result, HallmarkError)]


def lost(results: Sequence[object]) -> set[type]:
    return {type(result) for result in results if isinstance(result, HallmarkError)}
