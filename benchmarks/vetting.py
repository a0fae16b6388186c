"""How fast vetting is, beside three scanners and beside nothing but sha256.

    python -m benchmarks.vetting [file ...] [--size-mb 1024] [--rounds 3]

Files of each format are looked at by Hallmark, with all that a server does: a jail is started,
locked in, and hashes and parses the file. Beside it stand sha256 by one core, and scanners of
others, each in an environment and a process of its own. They take turns; the page cache is hot.
What scanners import is not counted, what Hallmark's jail imports is.

A rate is the file's size over the time until the side has said something of it: who reads a
thousandth of the file is fast. So it is told how much each side read, and what processor time it
took, which says more where the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.model_files import FILES
from benchmarks.report import aligned
from benchmarks.scanning import ERROR, INCOMPLETE, SKIPS
from registry.testing.sound import pickled, weights

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).with_name("scanning.py")
OURS, HASH = "hallmark", "sha256"
SCANNERS = ("picklescan", "modelscan", "modelaudit")
#: Of one look: a little longer than a server waits for its jail over a file of 1 GB.
PATIENCE_S = 120.0
#: What Hallmark is to reach of the rate at which one core does nothing but hash, and from which
#: size on: the start of a jail takes as long as some hundreds of megabytes.
GOALS = {"safetensors": 0.5, "torch zip": 0.5}
GOAL_BYTES = 10**9
_TITLES = {OURS: "Hallmark", HASH: "sha256, one core"}
HEAD = ("", "GB/s", "CPU s/GB", "read", "peak MB", "says", "Hallmark / it", "goal", "")
START_HEAD = ("", "ms", "says")


@dataclass(kw_only=True)
class Figures:
    """One side's looks at one file."""

    side: str
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)
    read_bytes: int = 0
    #: What it said last, and whether that is an answer.
    said: str = ""

    @property
    def answers(self) -> bool:
        return self.said not in (SKIPS, INCOMPLETE) and not self.said.startswith(ERROR)

    def add(self, answer: dict[str, Any]) -> None:
        self.said = str(answer["said"])
        self.seconds.append(float(answer["seconds"]))
        self.cpu_s.append(float(answer["cpu_s"]))
        self.peaks_mb.append(float(answer["peak_mb"]))
        self.read_bytes = int(answer["read_bytes"])

    def rates(self, size_bytes: int) -> list[float]:
        return [size_bytes / each / 1e9 for each in self.seconds]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All sides on one file."""

    what: str
    size_bytes: int
    sides: Sequence[Figures]

    def ratio(self, side: Figures) -> float:
        """How many times as fast Hallmark is."""
        ours = next(each for each in self.sides if each.side == OURS)
        return statistics.median(side.seconds) / statistics.median(ours.seconds)

    def lines(self) -> list[tuple[str, ...]]:
        named = (f"{self.what}, {self.size_bytes / 1e6:,.1f} MB", *[""] * (len(HEAD) - 1))
        return [named, *(self._cells(side) for side in self.sides)]

    def _cells(self, side: Figures) -> tuple[str, ...]:
        title = f"  {_TITLES.get(side.side, side.side)}"
        if not side.answers:
            return (title, "", "", "", "", side.said, "", "", "")
        ratio = self.ratio(side)
        is_goal = side.side == HASH and self.size_bytes >= GOAL_BYTES
        goal = GOALS.get(self.what) if is_goal else None
        verdict = "" if goal is None else "reached" if ratio >= goal else "missed"
        return (
            title,
            spread(side.rates(self.size_bytes)),
            _shown(statistics.median(side.cpu_s) / self.size_bytes * 1e9),
            f"{100 * side.read_bytes / self.size_bytes:.1f}%",
            f"{max(side.peaks_mb):.0f}",
            side.said,
            "" if side.side == OURS else _shown(ratio),
            "" if goal is None else f"{goal:g}",
            verdict,
        )


def measure(
    folder: Path,
    *,
    size_mb: int,
    rounds: int,
    scanners: Path | None,
    files: Sequence[str] = tuple(FILES),
) -> Iterator[Comparison]:
    """Each format after the other. Without `scanners`, where their environments lie, they are left
    out."""
    for what in files:
        name, write = FILES[what]
        path = folder / name
        write(path, size_mb)
        sides = [Figures(side=side) for side in _sides(scanners)]
        # The first round only warms up.
        for number in range(rounds + 1):
            for side in sides:
                answer = look(side.side, path, scanners, folder)
                if number:
                    side.add(answer)
        ours, hashed = sides[:2]
        if ours.said != f"pass {hashed.said}":
            raise SystemExit(f"{what}: found {ours.said}, expected pass {hashed.said}: it is sound")
        yield Comparison(what=what, size_bytes=path.stat().st_size, sides=sides)
        path.unlink()


def starts(folder: Path, *, rounds: int, scanners: Path | None) -> Iterator[tuple[str, ...]]:
    """What the smallest files take, in ms: Hallmark from the call on, a jail with it; scanners from
    the start of their process on, since there is none that waits for files."""
    small = {"model.safetensors": weights(b"one"), "rows.pkl": pickled(1)}
    for name, data in small.items():
        path = folder / name
        path.write_bytes(data)
        yield (f"{name}, {len(data)} bytes", *[""] * (len(START_HEAD) - 1))
        for side in _sides(scanners):
            if side == HASH:
                continue
            looks = [_started(side, path, scanners, folder) for _ in range(rounds + 1)]
            # The first of each only warms up.
            taken_ms = [each_ms for each_ms, _ in looks[1:]]
            yield (f"  {_TITLES.get(side, side)}", spread(taken_ms), looks[-1][1])
        path.unlink()


def _started(side: str, path: Path, scanners: Path | None, home: Path) -> tuple[float, str]:
    start = time.perf_counter()
    answer = look(side, path, scanners, home)
    taken_s = answer["seconds"] if side == OURS else time.perf_counter() - start
    return taken_s * 1e3, answer["said"]


def look(side: str, path: Path, scanners: Path | None, home: Path) -> dict[str, Any]:
    """One look by one side, in a process of its own."""
    if side in (OURS, HASH):
        command = [sys.executable, "-m", "benchmarks.scanning"]
    else:
        assert scanners is not None
        # With nothing on its path but its own environment.
        command = [str(scanners / side / "bin" / "python"), "-I", str(SCRIPT)]
    environment = {
        **os.environ,
        # modelaudit tells its makers of each look otherwise, and keeps a cache at home.
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "HOME": str(home),
    }
    try:
        ended = subprocess.run(
            [*command, side, str(path)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return _none(f"{ERROR}: no answer in {PATIENCE_S:.0f} s")
    except subprocess.CalledProcessError as error:
        if side in (OURS, HASH):
            raise SystemExit(f"{side} crashed:\n{error.stderr.decode()[-4000:]}") from error
        return _none(f"{ERROR}: exit status {error.returncode}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def _none(said: str) -> dict[str, Any]:
    return {"said": said, "seconds": PATIENCE_S, "cpu_s": 0.0, "peak_mb": 0.0, "read_bytes": 0}


def _sides(scanners: Path | None) -> Sequence[str]:
    return (OURS, HASH, *(SCANNERS if scanners is not None else ()))


def spread(values: Sequence[float]) -> str:
    """The median, and between which figures the rounds lay."""
    low, middle, high = map(_shown, (min(values), statistics.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}-{high})"


def _shown(value: float) -> str:
    """Three figures, and no exponent: rates go from a few kB/s to hundreds of GB/s."""
    if value <= 0:
        # Processor time is told in hundredths of a second.
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", metavar="file", help=f"of {', '.join(FILES)}")
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where data may lie; default: a new one")
    parser.add_argument("--scanners", type=Path, default=ROOT / ".venv-scanners")
    given = parser.parse_args(arguments)
    if unknown := set(given.files) - FILES.keys():
        parser.error(f"no such file: {', '.join(sorted(unknown))}; there are {', '.join(FILES)}")
    for name in SCANNERS:
        if not (given.scanners / name / "bin" / "python").exists():
            parser.error(f"found no {name} in {given.scanners}; install it: make bench-setup")
    print(f"{os.cpu_count()} cores, median (range) of {given.rounds} rounds in turns\n", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        how = {"rounds": given.rounds, "scanners": given.scanners}
        print(aligned([START_HEAD, *starts(folder, **how)], left=(0, 2)), "\n", flush=True)
        lines = []
        for each in measure(folder, size_mb=given.size_mb, files=given.files or (*FILES,), **how):
            print(each.what, flush=True)
            lines += each.lines()
    print()
    print(aligned([HEAD, *lines], left=(0, 5, 8)))


if __name__ == "__main__":
    main(sys.argv[1:])
