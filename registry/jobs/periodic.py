"""Work that the registry does by itself, from state in its tables: one thread a task.

A task is called again and again and does whatever is due; it finds that in the tables, so nothing
is lost when the process dies in the middle. `wake` makes it look soon.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from registry.cores import share_core
from registry.errors import HallmarkError

logger = logging.getLogger(__name__)

#: Who wakes a task is seldom alone: what comes so soon after is done in the same run, since a run
#: for one costs about as much as a run for twenty.
GATHER_S = 0.02


class PeriodicTask:
    """Does its jobs in turn, every `every_s` seconds and when woken, until stopped.

    A job returns True where there may be more to do at once; what else it returns says nothing.
    What it raises is logged, those behind it are done all the same, and it is tried again after the
    usual pause: a failing store must not end the task, nor one job keep another from being done.
    """

    def __init__(self, name: str, *jobs: Callable[[], object], every_s: float) -> None:
        self._name = name
        self._jobs = jobs
        self._every_s = every_s
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Return once a call in progress has ended."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        share_core()
        while not self._stopped.is_set():
            self._wake.clear()
            more = [self._try(job) for job in self._jobs]
            if not any(more) and not self._stopped.is_set() and self._wake.wait(self._every_s):
                self._stopped.wait(GATHER_S)

    def _try(self, job: Callable[[], object]) -> bool:
        """Whether there may be more of it to do."""
        try:
            return job() is True
        except HallmarkError as error:
            logger.warning("task %s: %s", self._name, error)
        except Exception:
            logger.exception("task %s failed; it is tried again", self._name)
        return False
