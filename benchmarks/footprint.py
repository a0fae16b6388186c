"""What an idle server and a command without a server take."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.hallmark_server import HallmarkServer
from benchmarks.mlflow_server import MlflowServer
from benchmarks.processes import memory_mb
from benchmarks.report import Bound, Row

SETTLE_S = 5.0
COMMANDS = 15


def measure(*, rounds: int, seconds: float) -> Iterator[Row | Bound]:
    """Each server is started `rounds` times, and used a little; `seconds` says nothing here."""
    memory = Row(what="idle server, all processes", unit="MB", less_is_better=True)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            with MlflowServer(Path(folder) / "mlflow") as theirs:
                theirs.reads(["team-0-scorer"])
                time.sleep(SETTLE_S)
                memory.theirs.append(memory_mb(theirs.pid))
            with HallmarkServer(Path(folder) / "hallmark") as ours:
                ours.claim(["team-0"])
                ours.reads(["team-0/scorer"])
                time.sleep(SETTLE_S)
                memory.ours.append(memory_mb(ours.pid))
    yield memory
    yield Bound(what="idle server", unit="MB", value=max(memory.ours), most=150)
    command = str(Path(sys.executable).with_name("hallmark"))
    yield Bound(what="hallmark --help", unit="ms", value=_command_ms(command, "--help"), most=150)


def _command_ms(*command: str) -> float:
    """Median wall time of a command; the first run, which reads it from disk, does not count."""
    taken_ms = []
    for _ in range(COMMANDS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken_ms.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken_ms[1:])
