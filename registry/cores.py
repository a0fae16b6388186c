"""Keeping threads that run Python on one core.

The interpreter lets one of them run at a time, wherever they are. Spread over cores they fight for
its lock: whenever one lets go of it, another is woken on another core, and often finds that a third
was faster. On one core they take turns, and a new version takes a third less processor time.

What lets go of that lock for long, such as hashing what is sent, is to stay off: it needs cores of
its own. Other processes that get in the way are moved elsewhere by the kernel.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: None where the system has no such thing. At random, so that servers on one machine seldom choose
#: the same.
_CORE = random.choice(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_setaffinity") else None


def share_core() -> None:
    """Keep the calling thread, and those that it starts from now on, on this process's core."""
    if _CORE is not None:
        # It may have been taken from this process since: then wherever there is room.
        with suppress(OSError):
            os.sched_setaffinity(0, {_CORE})


@contextmanager
def sharing_core() -> Iterator[None]:
    """As `share_core`, for what is started within the block."""
    if _CORE is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    share_core()
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
