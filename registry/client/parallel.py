"""A few threads over a list of tasks, which end at once when one fails or the user interrupts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import TypeVar

from registry.client.http import Wire

Task = TypeVar("Task")
Result = TypeVar("Result")


class Stopped(BaseException):
    """Ends a worker after another one failed; never leaves this package."""


class Crew:
    """Workers' shared state: a wire for each thread, and the word to stop."""

    def __init__(self, *, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._local = threading.local()
        self._lock = threading.Lock()
        self._wires: list[Wire] = []
        self._on_stop: list[Callable[[], None]] = []
        self._stopping = threading.Event()

    @property
    def wire(self) -> Wire:
        """This thread's connection."""
        wire: Wire | None = getattr(self._local, "wire", None)
        if wire is None:
            wire = Wire(ca_file=self._ca_file)
            self._local.wire = wire
            with self._lock:
                self._wires.append(wire)
        self.check()
        return wire

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def check(self) -> None:
        """To be called between pieces: ends this worker when the others are to stop."""
        if self._stopping.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the crew is stopped."""
        self._stopping.wait(seconds)
        self.check()

    def on_stop(self, call: Callable[[], None]) -> None:
        """Have something called when the crew stops, to wake those who wait for it."""
        with self._lock:
            self._on_stop.append(call)

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            calls = [*self._on_stop, *(wire.abort for wire in self._wires)]
        for call in calls:
            call()

    def close(self) -> None:
        with self._lock:
            for wire in self._wires:
                wire.close()
            self._wires.clear()

    def run(
        self, work: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int
    ) -> list[Result]:
        """Results in the order of the tasks, which are begun in order too.

        The first failure (an interruption by the user included) stops the others and is raised
        once they have ended.
        """
        pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="hallmark")
        futures: list[Future[Result]] = []
        try:
            left = iter(tasks)
            # Not all at once: a model may have 100,000 files.
            while batch := list(islice(left, 1000)):
                begun = [pool.submit(work, task) for task in batch]
                futures += begun
                _raise_first(begun)
        except BaseException:
            self.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            pool.shutdown(wait=True)
        return [future.result() for future in futures]


def _raise_first(futures: list[Future[Result]]) -> None:
    """Wait until all are done; raise what the first failing one raised."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        error = future.exception()
        if error is not None and not isinstance(error, Stopped):
            raise error
    for future in futures:
        future.result()
