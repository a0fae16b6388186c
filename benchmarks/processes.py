"""Servers under measurement: started, told to rest while the other one works, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STOP_WAIT_S = 20.0
#: A server that works for so long with nobody asking it for anything never settles.
SETTLE_S = 60.0
_LOOK_S = 0.5
_IDLE_SHARE = 0.06
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A command in a session of its own, with all the processes that it starts."""

    def __init__(self, command: list[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Raises SystemExit with the end of the log where it does not come up."""
        until = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.end()
                raise SystemExit(f"the server did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.1)

    def end(self) -> None:
        """End it and all that it started."""
        try:
            os.killpg(self.pid, signal.SIGTERM)
            self._process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        except ProcessLookupError:
            self._process.wait()
            return
        _signal(session_of(self.pid), signal.SIGKILL)


def session_of(pid: int) -> list[int]:
    """All processes in the session that a process leads."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == pid and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def tree_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                pids += [int(child) for child in children.read_text().split()]
    return pids


@contextmanager
def resting(*pids: int) -> Iterator[None]:
    """Stop these processes and their descendants meanwhile, since idle ones work now and then."""
    stopped = [each for pid in pids for each in tree_of(pid)]
    _signal(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(stopped, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        # Helpers of a server come and go.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def cpu_s(pid: int) -> float:
    """Processor time of a process and its descendants so far."""
    return sum(sum(_ticks(each)[:2]) for each in tree_of(pid)) / _TICKS


def children_cpu_s(pid: int) -> float:
    """Processor time so far of all that a process has started, what has ended since included."""
    # Of the process itself what it has waited for; of what still runs, its own and that.
    ticks = sum(_ticks(pid)[2:])
    return (ticks + sum(sum(_ticks(each)) for each in tree_of(pid)[1:])) / _TICKS


def _ticks(pid: int) -> Sequence[int]:
    """Its own in user and kernel mode, and those of the children that it has waited for."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return [int(field) for field in fields[11:15]]
    return [0, 0, 0, 0]


def settle(pid: int) -> None:
    """Wait until a server has done all that it was asked for, what it does by itself included.

    Stopped within a transaction it would keep that open, and what PostgreSQL has to look through
    for that doubles what a new version costs whoever comes next.
    """
    until = time.monotonic() + SETTLE_S
    was_s = cpu_s(pid)
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        now_s = cpu_s(pid)
        if now_s - was_s < _IDLE_SHARE * _LOOK_S:
            return
        was_s = now_s
    raise SystemExit(f"process {pid} still works {SETTLE_S:g} s after its last request")


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants; what several share is counted once."""
    total_kb = 0
    for each in tree_of(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb / 1024
