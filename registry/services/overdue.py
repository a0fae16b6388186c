"""What time has ended, or made overdue: written down, once each, for the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from registry.domain.events import EventDraft
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

#: At most so many at a time.
AT_ONCE = 1000

T = TypeVar("T")


def write_down(
    database: Database,
    clock: Clock,
    *,
    find: Callable[[Transaction, int, int], Sequence[T]],
    lock: Callable[[Transaction, T], T | None],
    is_open: Callable[[T], bool],
    end: Callable[[Transaction, T, int], EventDraft],
) -> int:
    """How many were. Only the audit log needs it: what has run out of time has ended whether or not
    anybody looks.

    `find` gives those that are due at a time, at most so many; `end` stores what has become of one,
    and returns its event.
    """

    def fn(tx: Transaction) -> int:
        now = clock.now_us()
        found = [lock(tx, each) for each in find(tx, now, AT_ONCE)]
        # What was decided by a replica whose clock is behind stays decided.
        overdue = [each for each in found if each is not None and is_open(each)]
        for each in overdue:
            tx.events.append(end(tx, each, now))
        return len(overdue)

    if not database.read(lambda tx: find(tx, clock.now_us(), 1)):
        return 0
    return database.write(fn)
