"""How long reads take while the server vets, beside while it doesn't.

    python -m benchmarks.serving_while_vetting [--rounds 5] [--seconds 10]

One server, as `hallmark serve` starts it. One client resolves an alias over gRPC, one request
after the other with a pause between them: what counts is how long an answer takes, not how many
there are. In each round it does so while the server has nothing else to do, and while it vets a
queue of hostile and of ordinary files, of bytes that it has not seen before; in every other round
the other way about.

That vetting was at it all the time is not taken for granted: the processor time of the jails is
read once a second, each second has to have some, and the queue has to be longer than what is
measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from benchmarks.hallmark_server import HallmarkServer
from benchmarks.hostile_files import hostile, ordinary
from benchmarks.load import Target, grpc_frame
from benchmarks.processes import children_cpu_s, settle, tree_of
from benchmarks.report import aligned
from registry.client.values import Version

NAMESPACE = "team-0"
READ, LOAD = f"{NAMESPACE}/read", f"{NAMESPACE}/load"
PAUSE_S = 0.002
SLICE_S = 1.0
#: The queue is to be so many times as long as what is measured: some is done while the last is
#: still sent, and nothing else is to make it run dry.
MARGIN = 3.0
#: For all versions of one queue.
PATIENCE_S = 600.0
_WORKER = b"registry.app.inspection_worker"
HEAD = ("", "idle", "vetting", "ratio")


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was measured in one go."""

    taken_ms: Sequence[float]
    #: Processor time of the jails, slice by slice.
    jail_s: Sequence[float]
    #: Versions that got their verdict meanwhile, and that were still without one at its end.
    verdicts: int = 0
    left: int = 0

    def at(self, share: float) -> float:
        """The time within which so large a share of the answers came."""
        ordered = sorted(self.taken_ms)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True, kw_only=True)
class Round:
    idle: Window
    vetting: Window

    def ratio(self, share: float) -> float:
        """How many times as long an answer takes."""
        return self.vetting.at(share) / self.idle.at(share)

    def line(self) -> str:
        busy = self.vetting
        return (
            f"{len(self.idle.taken_ms)} reads idle, {len(busy.taken_ms)} while vetting: "
            f"{busy.verdicts} verdicts, {sum(busy.jail_s):.1f} s of the jails' processor time in "
            f"{len(busy.jail_s) * SLICE_S:g} s, at least {min(busy.jail_s):.2f} in each; "
            f"{busy.left} versions left"
        )


def measure(folder: Path, *, rounds: int, seconds: float) -> Iterator[Round]:
    """A server of its own. Raises SystemExit where vetting was not at it all the time, where
    something else was while nothing should have been, and for a verdict that is wrong."""
    if seconds < SLICE_S:
        raise SystemExit(f"found {seconds:g} s to measure, expected at least {SLICE_S:g}")
    with HallmarkServer(folder / "hallmark") as server:
        server.claim([NAMESPACE])
        (target,) = server.reads([READ])
        queue = _Queue(server, folder)
        # What is loaded at first use is there: what is read has been vetted.
        pairs = ceil(MARGIN * seconds / queue.work_off(1))
        with _reading(target) as read:

            def idle() -> Window:
                settle(server.pid)
                window = _window(server, read, seconds)
                if any(window.jail_s):
                    raise SystemExit("files were vetted while there should have been none")
                return window

            def vetting() -> Window:
                before_s = _jails_cpu_s(server.pid)
                queue.fill(pairs)
                _wait_for_jails(server.pid, before_s)
                window = queue.watch(lambda: _window(server, read, seconds))
                queue.drain()
                return window

            for number in range(rounds):
                if number % 2:
                    busy = vetting()
                    yield Round(idle=idle(), vetting=busy)
                else:
                    yield Round(idle=idle(), vetting=vetting())


class _Queue:
    """Versions to be vetted: of each pair one is hostile, one ordinary."""

    def __init__(self, server: HallmarkServer, folder: Path) -> None:
        self._client = server.client
        self._folder = folder
        self._numbers = count()
        self._hostile: set[str] = set()

    def fill(self, pairs: int) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            # All are written before any is sent: else the first is done when the last comes.
            written = [self._written(Path(name)) for _ in range(2 * pairs)]
            for folder, is_hostile in written:
                version = self._client.push(folder, LOAD).version
                if version is None:
                    raise SystemExit("nothing was pushed, though the bytes are new")
                if is_hostile:
                    self._hostile.add(version.name)

    def _written(self, folder: Path) -> tuple[Path, bool]:
        """The next version's files, and whether they are hostile."""
        number = next(self._numbers)
        is_hostile = number % 2 == 0
        source = folder / str(number)
        source.mkdir()
        (hostile if is_hostile else ordinary)(source, number)
        return source, is_hostile

    def watch(self, measured: Callable[[], Window]) -> Window:
        """The window, if vetting was at it from its first second to its last."""
        start = datetime.now(UTC)
        window = measured()
        end = datetime.now(UTC)
        versions = list(self._client.versions.list(LOAD))
        left = sum(not version.vetting.verdict for version in versions)
        if not left or not all(window.jail_s):
            raise SystemExit(
                f"{left} versions were left in the queue, and the jails took {window.jail_s} s; "
                "expected some left and some time in each second: nothing can be said of this run"
            )
        times = [version.vetting.time for version in versions]
        verdicts = sum(time is not None and start <= time <= end for time in times)
        return Window(taken_ms=window.taken_ms, jail_s=window.jail_s, verdicts=verdicts, left=left)

    def work_off(self, pairs: int) -> float:
        """How many seconds so many pairs take."""
        start = time.monotonic()
        self.fill(pairs)
        self.drain()
        return time.monotonic() - start

    def drain(self) -> None:
        """Wait until all have their verdicts, and see that they are right."""
        start = time.monotonic()
        while undone := [each for each in self._client.versions.list(LOAD) if not _is_judged(each)]:
            if time.monotonic() - start > PATIENCE_S:
                raise SystemExit(f"{len(undone)} versions had no verdict after {PATIENCE_S:g} s")
            time.sleep(0.2)
        for version in self._client.versions.list(LOAD):
            is_hostile = version.name in self._hostile
            if is_hostile is (version.vetting.verdict == "pass"):
                raise SystemExit(f"{version.ref}: vetting says {version.vetting.verdict}")


def _is_judged(version: Version) -> bool:
    return bool(version.vetting.verdict)


@contextmanager
def _reading(target: Target) -> Iterator[Callable[[], None]]:
    """One read over a connection that stays; its answer has to have the bytes of the right one."""
    assert target.body is not None
    address = urlsplit(target.url)
    request = target.body.read_bytes()[len(grpc_frame(b"")) :]
    metadata = [each for each in target.headers if each[0] == "authorization"]
    with grpc.insecure_channel(address.netloc) as channel:
        call: Any = channel.unary_unary(address.path)

        def read() -> None:
            answer = grpc_frame(call(request, metadata=metadata))
            if len(answer) != target.answer_bytes:
                raise SystemExit(f"{len(answer)} bytes came, expected {target.answer_bytes}")

        read()
        yield read


def _window(server: HallmarkServer, read: Callable[[], None], seconds: float) -> Window:
    """Read for so many whole seconds. Between two reads, once a second, the jails are looked at."""
    taken_ms: list[float] = []
    jail_s: list[float] = []
    slices = int(seconds / SLICE_S)
    start, was_s = time.monotonic(), _jails_cpu_s(server.pid)
    while len(jail_s) < slices:
        if time.monotonic() - start >= (len(jail_s) + 1) * SLICE_S:
            now_s = _jails_cpu_s(server.pid)
            jail_s.append(max(0.0, now_s - was_s))
            was_s = now_s
        begun = time.perf_counter()
        read()
        taken_ms.append((time.perf_counter() - begun) * 1e3)
        time.sleep(PAUSE_S)
    return Window(taken_ms=taken_ms, jail_s=jail_s)


def _jails_cpu_s(server: int) -> float:
    """Of all jails so far, those that have ended too: they are all that the process starts which
    looks at files."""
    return sum(children_cpu_s(each) for each in tree_of(server) if _WORKER in _command(each))


def _wait_for_jails(server: int, before_s: float) -> None:
    """Until files are looked at: the process that does so ends when there is nothing to do for a
    while, and takes a moment to be there again."""
    until = time.monotonic() + PATIENCE_S
    while _jails_cpu_s(server) in (0.0, before_s):
        if time.monotonic() > until:
            raise SystemExit(f"no file was looked at within {PATIENCE_S:g} s")
        time.sleep(0.1)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # It has ended since.
        return b""


def rows(measured: Sequence[Round]) -> Iterator[tuple[str, ...]]:
    for what, share in (("p50, ms", 0.5), ("p99, ms", 0.99)):
        yield (
            what,
            _spread([each.idle.at(share) for each in measured]),
            _spread([each.vetting.at(share) for each in measured]),
            _spread([each.ratio(share) for each in measured]),
        )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="where data may lie; default: a new one")
    given = parser.parse_args(arguments)
    measured = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for each in measure(Path(name), rounds=given.rounds, seconds=given.seconds):
            measured.append(each)
            print(each.line(), flush=True)
    print(f"\n{os.cpu_count()} cores, median (range) of {given.rounds} rounds in turns\n")
    print(aligned([HEAD, *rows(measured)], left=(0,)))


if __name__ == "__main__":
    main(sys.argv[1:])
