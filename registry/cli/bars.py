"""Progress on the terminal: bars where there is one, a line now and then where there is none."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.cli import output
from registry.cli.session import Session, moves
from registry.client.progress import FileStep, Meter, Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: With more files than this, one bar stands for all of them.
BARS_MAX = 12
LINE_EVERY_S = 10.0
_VERBS = {
    "hash": "hashing",
    "send": "sending",
    "fetch": "fetching",
    "check": "checking",
    "vet": "vetting",
    "convert": "converting",
    "compare": "comparing",
}
#: Steps whose bars stay on the screen, since they say what went over the wire.
_KEPT = ("send", "fetch")


def progress_for(session: Session) -> Progress:
    if session.json:
        return Silent()
    return Bars(session) if moves(sys.stderr) else Lines(session)


class Lines:
    """Every ten seconds a line on standard error, and nothing for what is quick."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._meter: Meter | None = None
        self._verb = ""
        self._next_s = 0.0

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        now_s = time.monotonic()
        with self._lock:
            self._verb = _VERBS.get(step, step)
            self._next_s = now_s + LINE_EVERY_S
            self._meter = Meter(
                total_bytes=sum(file.size_bytes for file in files),
                done_bytes=sum(file.done_bytes for file in files),
                now_s=now_s,
            )

    def advance(self, path: str, count: int) -> None:
        now_s = time.monotonic()
        with self._lock:
            if self._meter is None:
                return
            self._meter.add(count, now_s=now_s)
            if now_s < self._next_s:
                return
            self._next_s = now_s + LINE_EVERY_S
            pace = self._meter.pace(now_s=now_s)
        left = "" if pace.left_s is None else f"  {output.duration(pace.left_s)} left"
        self._session.note(
            f"  {self._verb}  {output.size(pace.done_bytes)} of {output.size(pace.total_bytes)}"
            f"  {output.size(pace.rate_bytes_s)}/s{left}"
        )

    def end(self) -> None:
        with self._lock:
            self._meter = None


class Bars:
    """A bar for each file, or one for many: bytes, rate, time left."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        verb = _VERBS.get(step, step)
        self._rich = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=28),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=step not in _KEPT,
        )
        self._tasks = {}
        self._all = None
        if len(files) > BARS_MAX:
            what = f"{verb} {output.counted(len(files), 'file')}"
            self._all = self._add(what, files)
        else:
            width = max((len(_shown(file.path)) for file in files), default=0)
            for file in files:
                name = _shown(file.path) if step in _KEPT else f"{verb} {_shown(file.path)}"
                self._tasks[file.path] = self._add(name.ljust(width), [file])
        self._rich.start()

    def advance(self, path: str, count: int) -> None:
        if self._rich is not None:
            task = self._tasks.get(path) if self._all is None else self._all
            if task is not None:
                self._rich.advance(task, count)

    def end(self) -> None:
        if self._rich is not None:
            self._rich.stop()
        self._rich = None

    def _add(self, name: str, files: Sequence[FileStep]) -> TaskID:
        if self._rich is None:
            raise AssertionError("bars belong to a step")
        return self._rich.add_task(
            name,
            total=sum(file.size_bytes for file in files),
            completed=sum(file.done_bytes for file in files),
        )


def _shown(path: str) -> str:
    """The path in at most 32 characters: its end tells more than its beginning."""
    clean = output.printable(path)
    return clean if len(clean) <= 32 else f"…{clean[-31:]}"
