"""Keeping threads on one core."""

from __future__ import annotations

import os
import threading

from registry.cores import share_core, sharing_core


def test_threads_that_share_a_core_are_all_on_the_same_one() -> None:
    """Each thread that asks for it, and each that such a thread starts, is on one and the same."""
    found: list[set[int]] = []

    def look() -> None:
        found.append(os.sched_getaffinity(0))

    def share() -> None:
        share_core()
        look()

    with sharing_core():
        started = threading.Thread(target=look)
        started.start()
    asked = threading.Thread(target=share)
    asked.start()
    for thread in (started, asked):
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_the_starting_thread_keeps_its_own_cores() -> None:
    """Whoever starts threads on the shared core may go on running on all of its cores."""
    before = os.sched_getaffinity(0)
    with sharing_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
