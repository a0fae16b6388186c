"""Keeping threads that run Python on one core.

The interpreter lets one of them run at a time, wherever they are. Spread over cores they fight for
its lock: whenever one lets go of it, another is woken on another core, and often finds that a third
was faster. On one core they take turns, and a new version takes a third less processor time.

What lets go of that lock for long, such as hashing what is sent, is to stay off: it needs cores of
its own. Other processes that get in the way are moved elsewhere by the kernel; a server's own
processes have a core each, as far as there are.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
#: None where the system has no such thing. At random, so that servers on one machine seldom choose
#: the same.
_core: int | None = random.choice(_ALLOWED) if _ALLOWED else None


def beside(number: int) -> int | None:
    """The core of this server's process of that number, where this one is number 0."""
    return None if _core is None else _ALLOWED[(_ALLOWED.index(_core) + number) % len(_ALLOWED)]


def settle_on(core: int | None) -> None:
    """Make this the core of this process. To be called before any of its threads is started."""
    global _core
    _core = core


def share_core() -> None:
    """Keep the calling thread, and those that it starts from now on, on this process's core."""
    if _core is not None:
        # It may have been taken from this process since: then wherever there is room.
        with suppress(OSError):
            os.sched_setaffinity(0, {_core})


@contextmanager
def sharing_core() -> Iterator[None]:
    """As `share_core`, for what is started within the block."""
    if _core is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    share_core()
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
