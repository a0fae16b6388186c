"""A bounded number of threads, each for one piece of work that may hang for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from registry.errors import HallmarkError

logger = logging.getLogger(__name__)

Work = TypeVar("Work")


class Pool(Generic[Work]):
    """Takes as many pieces of work as it has room for, and has each done in a thread of its own.

    Threads do not outlive the process, however long they hang: work has to be such that it is taken
    again where it was cut off.
    """

    def __init__(
        self,
        name: str,
        *,
        size: int,
        take: Callable[[int], Sequence[Work]],
        do: Callable[[Work], None],
        on_free: Callable[[], None],
    ) -> None:
        """`take` returns at most so many; `on_free` is told when there is room again."""
        self._name = name
        self._size = size
        self._take = take
        self._do = do
        self._on_free = on_free
        self._free = size
        self._changed = threading.Condition()

    def fill(self) -> int:
        """Start what there is room for; how many. One thread calls this."""
        with self._changed:
            room = self._free
        taken = self._take(room) if room else ()
        for work in taken:
            with self._changed:
                self._free -= 1
            threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True).start()
        return len(taken)

    def wait(self, timeout_s: float) -> bool:
        """Whether all that was started has ended by then."""
        with self._changed:
            return self._changed.wait_for(lambda: self._free == self._size, timeout_s)

    def _run(self, work: Work) -> None:
        try:
            self._do(work)
        except HallmarkError as error:
            logger.warning("%s: %s", self._name, error)
        except Exception:
            logger.exception("%s failed; it is tried again", self._name)
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
            self._on_free()
