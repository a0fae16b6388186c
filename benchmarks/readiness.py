"""What a report of readiness for NVIDIA Triton takes, beside ONNX Runtime with nothing around it.

    python -m benchmarks.readiness [part ...] [--cases 500] [--external-mb 2400] [--rounds 3]

- `model`: a model of 100 MB: what is read of it, the report with a dry run, vetting, and a bare
  session that loads and runs it. They take turns, each in a process of its own.
- `external`: the same of one with 2.4 GB of weights in a file beside it, once.
- `cases`: models that the onnx library tests runtimes with, vetted as one push and then judged one
  by one, beside a bare session of each in a process that has loaded ONNX Runtime before.

Jails are included, and started anew for each model. Processor time is that of all processes;
memory that of the one that asks and of its largest jail together.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.readiness_sides import (
    READING,
    REPORT,
    SESSION,
    VETTING,
    newest_release,
)
from benchmarks.report import aligned
from benchmarks.runnable_models import write_layers
from benchmarks.vetting import ROOT, Figures, spread

if TYPE_CHECKING:
    from registry.testing.onnx_cases import Case

MODEL, EXTERNAL, CASES = PARTS = ("model", "external", "cases")
MODEL_MB, EXTERNAL_MB = 100, 2400
#: Of which some are left out, whose inputs are no tensors.
NODE_CASES = 420
#: Of one look: a server waits two minutes for each jail, and longer by the size.
PATIENCE_S = 900.0
#: For a model of that size.
READING_CPU_S = 1.0
#: A report's beside a bare session's.
MEMORY_FACTOR = 1.3
SIDES = (SESSION, READING, REPORT, VETTING)
_TITLES = {
    SESSION: "bare session",
    READING: "report without dry run",
    REPORT: "report",
    VETTING: "vetting",
}
HEAD = ("", "s", "CPU s", "peak MB", "times a session's", "read", "says", "goal", "")
_T = TypeVar("_T")
CASES_HEAD = ("", "ms a model", "p90", "CPU ms a model")


@dataclass(frozen=True, kw_only=True)
class Looks:
    """All sides at one model."""

    what: str
    size_bytes: int
    sides: Sequence[Figures]
    has_goals: bool

    def side(self, name: str) -> Figures:
        return next(each for each in self.sides if each.side == name)

    def memory_factor(self, side: Figures) -> float:
        return max(side.peaks_mb) / max(self.side(SESSION).peaks_mb)

    def lines(self) -> list[tuple[str, ...]]:
        named = (f"{self.what}, {self.size_bytes / 1e6:,.1f} MB", *[""] * (len(HEAD) - 1))
        return [named, *map(self._cells, self.sides)]

    def _cells(self, side: Figures) -> tuple[str, ...]:
        return (
            f"  {_TITLES[side.side]}",
            spread(side.seconds),
            spread(side.cpu_s),
            f"{max(side.peaks_mb):.0f}",
            "" if side.side == SESSION else f"{self.memory_factor(side):.2f}",
            f"{100 * side.read_bytes / self.size_bytes:.0f}%",
            side.said,
            *self._goal(side),
        )

    def _goal(self, side: Figures) -> tuple[str, str]:
        if side.side == READING and self.has_goals:
            is_reached = statistics.median(side.cpu_s) < READING_CPU_S
            return f"CPU < {READING_CPU_S:g} s", _verdict(is_reached=is_reached)
        if side.side == REPORT:
            is_reached = self.memory_factor(side) <= MEMORY_FACTOR
            return f"memory <= {MEMORY_FACTOR:g}", _verdict(is_reached=is_reached)
        return "", ""


def _verdict(*, is_reached: bool) -> str:
    return "reached" if is_reached else "missed"


def measure(folder: Path, part: str, *, size_mb: int, rounds: int) -> Looks:
    """All sides in turns at a model of that size, which is removed again. The first look of each
    is counted too: so large a model is looked at once in its life."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        top = Path(made)
        write_layers(top, size_mb, is_external=part == EXTERNAL)
        sides = [Figures(side=side) for side in SIDES]
        for side in sides * rounds:
            side.add(_look(side.side, top))
        size_bytes = sum(each.stat().st_size for each in top.iterdir())
    said = {each.side: each.said.partition(",")[0] for each in sides}
    expected = {SESSION: "ran", READING: "ready", REPORT: "ready", VETTING: "pass"}
    if said != expected:
        raise SystemExit(f"{part}: found {said}, expected {expected}: it is sound")
    return Looks(what=part, size_bytes=size_bytes, sides=sides, has_goals=part == MODEL)


def _look(side: str, top: Path) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.readiness_sides", side, str(top)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{side} crashed:\n{ended.stderr.decode()[-4000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


@dataclass(kw_only=True)
class Times:
    """One side's time for each model."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def take(self, call: Callable[[], _T], *, models: int = 1) -> _T:
        """The call's answer; its time is shared by so many models."""
        start, cpu_s = time.perf_counter(), sum(os.times()[:4])
        answer = call()
        self.seconds += [(time.perf_counter() - start) / models] * models
        self.cpu_s += [(sum(os.times()[:4]) - cpu_s) / models] * models
        return answer

    def cells(self) -> tuple[str, ...]:
        last = sorted(self.seconds)[int(0.9 * len(self.seconds))]
        mean = statistics.fmean(self.cpu_s)
        median = statistics.median(self.seconds)
        return tuple(f"{each * 1e3:,.2f}" for each in (median, last, mean))


@dataclass(kw_only=True)
class Cases:
    """Many small models."""

    session: Times = field(default_factory=Times)
    report: Times = field(default_factory=Times)
    vetting: Times = field(default_factory=Times)
    #: How many, by whether a bare session serves them with their own inputs and what was told.
    told: Counter[tuple[bool, str]] = field(default_factory=Counter)
    vetted: Counter[str] = field(default_factory=Counter)
    #: Those that are served and called not ready, with the rules that say so.
    refused: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, ...]]:
        sides = ((SESSION, self.session), (REPORT, self.report), (VETTING, self.vetting))
        return [(_TITLES[side], *times.cells()) for side, times in sides]

    def words(self) -> Iterator[str]:
        yield f"vetted: {', '.join(f'{count} {said}' for said, count in self.vetted.items())}"
        for is_served in (True, False):
            found = {
                said: count for (served, said), count in self.told.items() if served is is_served
            }
            who = "served by a bare session" if is_served else "not served"
            said = ", ".join(f"{count} {word}" for word, count in sorted(found.items())) or "none"
            yield f"{who}, {sum(found.values())}: {said}"
        for name, rules in self.refused.items():
            yield f"served and called not ready: {name}: {', '.join(rules)}"


def measure_cases(folder: Path, cases: Iterable[Case]) -> Cases:
    from registry.app.readiness import check_folder
    from registry.app.vetting import check_files
    from registry.domain.readiness import Readiness, Weight
    from registry.testing.bare_session import is_served

    found, release = Cases(), newest_release()
    with tempfile.TemporaryDirectory(dir=folder) as made:
        top = Path(made)
        for number, case in enumerate(cases):
            own = top / f"m{number}"
            own.mkdir()
            (own / "model.onnx").write_bytes(case.model)
            served = found.session.take(partial(is_served, case.model, case.inputs))
            (report,) = found.report.take(partial(check_folder, own, releases=[release]))
            found.told[served, report.readiness.value] += 1
            if served and report.readiness is Readiness.NOT_READY:
                rules = {each.rule for each in report.all_points() if each.weight is Weight.BLOCKS}
                found.refused[case.name] = sorted(rules)
        models = len(found.report.seconds)
        judged = found.vetting.take(lambda: [*check_files([top], bare=False)], models=models)
    found.vetted.update(each.verdict.value for each in judged)
    return found


def _cases(count: int) -> Iterator[Case]:
    """Those on disk, some 150, and of those of one node from all over their list."""
    from registry.testing.onnx_cases import cases_of_nodes, cases_on_disk

    return itertools.islice(itertools.chain(cases_on_disk(), cases_of_nodes(NODE_CASES)), count)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--external-mb", type=int, default=EXTERNAL_MB)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where models may lie; default: a new one")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts = given.parts or PARTS
    print(f"{os.cpu_count()} cores, Triton {newest_release()}\n", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder, lines = Path(name), []
        if MODEL in parts:
            lines += measure(folder, MODEL, size_mb=MODEL_MB, rounds=given.rounds).lines()
        if EXTERNAL in parts:
            lines += measure(folder, EXTERNAL, size_mb=given.external_mb, rounds=1).lines()
        if lines:
            print(aligned([HEAD, *lines], left=(0, 6, 7, 8)), "\n", flush=True)
        if CASES in parts:
            cases = measure_cases(folder, _cases(given.cases))
            print(aligned([CASES_HEAD, *cases.lines()], left=(0,)), *cases.words(), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
