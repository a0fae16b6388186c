"""Periodic tasks: when they run, and that nothing but `stop` ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from registry.errors import StorageError
from registry.jobs import periodic
from registry.jobs.periodic import PeriodicTask

NEVER_S = 3600.0


class Work:
    """Counts the runs of a task, and holds each one up until it is let go."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self._outcomes = list(outcomes)
        self._let_go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.runs = 0

    def run(self) -> bool:
        self.runs += 1
        self.begun.release()
        self._let_go.acquire()
        outcome = self._outcomes.pop(0) if self._outcomes else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def let_go(self) -> None:
        self._let_go.release()


@contextmanager
def running(*jobs: Callable[[], object]) -> Iterator[PeriodicTask]:
    task = PeriodicTask("test", *jobs, every_s=NEVER_S)
    task.start()
    try:
        yield task
    finally:
        task.stop()


def test_runs_at_once_when_started() -> None:
    """A task looks for what was left undone as soon as it is started."""
    work = Work()
    with running(work.run):
        work.begun.acquire()
        work.let_go()
    assert work.runs == 1


def test_many_wakes_are_one_run() -> None:
    """However often a task is woken while it runs, it looks once more, and it does look."""
    work = Work()
    with running(work.run) as task:
        work.begun.acquire()
        for _ in range(100):
            task.wake()
        work.let_go()
        work.begun.acquire()
        work.let_go()
    assert work.runs == 2


def test_goes_on_while_there_is_more() -> None:
    """A task that says there may be more is run again without being woken."""
    work = Work(True, True)
    with running(work.run):
        for _ in range(3):
            work.begun.acquire()
            work.let_go()
    assert work.runs == 3


@pytest.mark.parametrize(
    "error", [StorageError(what="A read", store="database", cause="gone"), ValueError("boom")]
)
def test_failures_do_not_end_it(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """What a run raises is logged, and the task runs when it is woken again."""
    work = Work(error)
    with running(work.run) as task:
        work.begun.acquire()
        work.let_go()
        task.wake()
        work.begun.acquire()
        work.let_go()
    assert "task test" in caplog.text
    assert work.runs == 2


@pytest.mark.parametrize(
    "error", [StorageError(what="A read", store="database", cause="gone"), ValueError("boom")]
)
def test_a_job_that_always_fails_holds_up_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Those behind it are done in each run, as often as the task is woken, and it is tried too."""
    broken, behind, last = (Work(*outcomes) for outcomes in ([error] * 3, [], [error] * 3))
    with running(broken.run, behind.run, last.run) as task:
        for run in range(3):
            if run:
                task.wake()
            for work in (broken, behind, last):
                work.begun.acquire()
                work.let_go()
    assert (broken.runs, behind.runs, last.runs) == (3, 3, 3)
    assert caplog.text.count(str(error)) >= 6


def test_any_job_may_have_more_to_do() -> None:
    """The task goes on for the one that says so, and takes a count for no such word."""
    first, second, counted = Work(True), Work(), 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 1

    with running(first.run, second.run, count):
        for _ in range(2):
            for work in (first, second):
                work.begun.acquire()
                work.let_go()
    assert (first.runs, second.runs, counted) == (2, 2, 2)


def test_stops_while_it_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that was woken, and waits for what else there may be, stops without a run."""
    monkeypatch.setattr(periodic, "GATHER_S", NEVER_S)
    work = Work()
    with running(work.run) as task:
        work.begun.acquire()
        work.let_go()
        task.wake()
    assert work.runs == 1


def test_stops_before_it_was_started() -> None:
    """A task that never ran can be stopped."""
    PeriodicTask("test", Work().run, every_s=NEVER_S).stop()
