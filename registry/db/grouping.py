"""One thread that runs many callers' units of work, all that wait as one group."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from registry.cores import share_core
from registry.db.failures import translate
from registry.errors import DatabaseUnavailableError
from registry.ports.database import Transaction

#: More would let the first of a group wait long for the last.
GROUP_MAX = 64


class Unit:
    """One caller's unit of work, and the place where that caller waits for its outcome."""

    def __init__(self, fn: Callable[[Transaction], Any]) -> None:
        self.fn = fn
        self.result: Any = None
        self.error: BaseException | None = None
        self._claim = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()

    def claim(self) -> bool:
        """True for the first who asks: whoever is to run it."""
        return self._claim.acquire(blocking=False)

    def wait(self, timeout_s: float = -1) -> bool:
        """Whether it has ended, at the latest when so much time is over."""
        return self._done.acquire(timeout=timeout_s)

    def end(self) -> None:
        self._done.release()

    def fail(self, cause: BaseException) -> None:
        """End with an error of its own: several threads must not raise the same object."""
        if self.error is None:
            self.error = translate(cause)
        self.end()


def claimed(units: list[Unit]) -> list[Unit]:
    """Those of them that nobody else has taken."""
    return [unit for unit in units if unit.claim()]


class GroupWriter(ABC):
    """The thread and its queue. What a group is to the database is the subclass's."""

    def __init__(self, *, name: str) -> None:
        """A subclass calls this when it is ready to commit."""
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._open = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @abstractmethod
    def commit(self, waiting: list[Unit]) -> None:
        """Claim the units, as late as may be, run them and end each, whatever happens. In the
        writer's thread."""

    @abstractmethod
    def disconnect(self) -> None:
        """Called last, in the thread that commits."""

    def close(self) -> None:
        """Commit what waits, then end the thread. Repeats safely."""
        with self._open:
            if not self._closed:
                self._closed = True
                self._units.put(None)
        self._thread.join()

    def submit(self, fn: Callable[[Transaction], Any]) -> Unit:
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError("a unit of work cannot wait for another one: call fn directly")
        unit = Unit(fn)
        # Under the lock, so that nothing is queued behind the end of the queue.
        with self._open:
            if self._closed:
                raise DatabaseUnavailableError(cause="this server is stopping")
            self._units.put(unit)
        return unit

    def _serve(self) -> None:
        share_core()
        while waiting := self._next_group():
            self.commit(waiting)
        self.disconnect()

    def more(self, count: int) -> list[Unit]:
        """Units that came after the group that is being committed, at most so many: they are to be
        run and ended with it. In the writer's thread."""
        return claimed(self._waiting(count))

    def _next_group(self) -> list[Unit]:
        """All that waits, at most GROUP_MAX; empty when the writer is closed."""
        unit = self._units.get()
        return [] if unit is None else [unit, *self._waiting(GROUP_MAX - 1)]

    def _waiting(self, count: int) -> list[Unit]:
        found: list[Unit] = []
        while len(found) < count and not self._units.empty():
            unit = self._units.get()
            if unit is None:
                # Nothing follows the end but the end, found again next time.
                self._units.put(None)
                break
            found.append(unit)
        return found
