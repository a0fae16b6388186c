"""Threads for what would hold the event loop up: services, disks, databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CALLERS = 16
READERS = 8
#: Each upload in progress holds one for as long as its sender sends.
WRITERS = 64


class Workers:
    """Three pools, so that slow senders keep nobody from reading, nor a slow database."""

    def __init__(self) -> None:
        self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="http-call")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="http-read")
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="http-write")

    def call(self, run: Callable[[], T]) -> asyncio.Future[T]:
        """Run a short call of a service."""
        return _submitted(self._callers, run)

    def read(self, run: Callable[[], T]) -> asyncio.Future[T]:
        """Read a piece of a file."""
        return _submitted(self._readers, run)

    def write(self, run: Callable[[], T]) -> asyncio.Future[T]:
        """Take an upload in. The caller sees to it that at most WRITERS run at once."""
        return _submitted(self._writers, run)

    def close(self) -> None:
        """Take nothing more. What runs is not waited for: it may be reading a large file back."""
        for pool in (self._callers, self._readers, self._writers):
            pool.shutdown(wait=False, cancel_futures=True)


def _submitted(pool: Executor, run: Callable[[], T]) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(pool, run)
