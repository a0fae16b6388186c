"""Load by h2load: one cheap C program for both sides, speaking HTTP/1.1 to one, gRPC to the other.

Requests come from `CLIENTS` connections with one request in flight each, spread over several
targets, so that no side is measured on one hot row alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = 16

_RATE = re.compile(r"finished in .*?, ([0-9.]+) req/s")
_COUNTS = re.compile(r"(\d+) total, .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_STATUS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_DATA = re.compile(r"\((\d+)\) data")
_TIME = re.compile(r"time for request: +(\S+) +(\S+) +(\S+)")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to send what, again and again."""

    url: str
    headers: tuple[tuple[str, str], ...]
    #: None: a GET.
    body: Path | None
    http1: bool
    #: Of one right answer; 0 where it differs from one to the next.
    answer_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of it, all targets together."""

    per_s: float
    count: int
    mean_ms: float
    max_ms: float


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    per_s: float
    count: int
    failed: int
    data_bytes: int
    mean_ms: float
    max_ms: float
    text: str = field(repr=False)


def grpc_frame(message: bytes) -> bytes:
    """A message as gRPC sends it over HTTP/2: not compressed, its length, itself."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def drive(targets: Sequence[Target], *, seconds: float) -> Load:
    """Load all targets at once for so long. Raises SystemExit where one answer is no success."""
    outcomes = _run(targets, [f"--duration={seconds:g}"])
    count = sum(each.count for each in outcomes)
    if not count:
        raise SystemExit(f"no answer within {seconds:g} s\n{outcomes[0].text}")
    return Load(
        per_s=sum(each.per_s for each in outcomes),
        count=count,
        mean_ms=sum(each.mean_ms * each.count for each in outcomes) / count,
        max_ms=max(each.max_ms for each in outcomes),
    )


def check(targets: Sequence[Target], *, requests: int) -> None:
    """Send so many requests to each and compare the bytes that come back, to the byte.

    An error over gRPC has status 200 too, yet no message: where all bytes are there, all answers
    were whole.
    """
    for target, outcome in zip(targets, _run(targets, [f"--requests={requests}"]), strict=True):
        expected = requests * target.answer_bytes
        if outcome.count != requests or (expected and outcome.data_bytes != expected):
            raise SystemExit(
                f"{target.url}: {outcome.count} answers with {outcome.data_bytes} bytes, "
                f"expected {requests} with {expected}\n{outcome.text}"
            )


def _run(targets: Sequence[Target], timing: list[str]) -> list[_Outcome]:
    program = shutil.which("h2load")
    if program is None:
        raise SystemExit("h2load is missing. Install it: apt-get install nghttp2-client")
    clients = max(1, CLIENTS // len(targets))
    running = [
        subprocess.Popen(
            [program, *timing, f"--clients={clients}", "--max-concurrent-streams=1", *_of(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for target in targets
    ]
    outcomes = [_outcome(process.communicate()[0]) for process in running]
    for target, outcome in zip(targets, outcomes, strict=True):
        if outcome.failed:
            raise SystemExit(f"{target.url}: not all answers were successes\n{outcome.text}")
    return outcomes


def _of(target: Target) -> list[str]:
    options = ["--h1"] if target.http1 else []
    if target.body is not None:
        options.append(f"--data={target.body}")
    options += [f"--header={name}: {value}" for name, value in target.headers]
    return [*options, target.url]


def _outcome(text: str) -> _Outcome:
    rate, counts, status, data, time = (
        pattern.search(text) for pattern in (_RATE, _COUNTS, _STATUS, _DATA, _TIME)
    )
    if not (rate and counts and status and data and time):
        raise SystemExit(f"h2load said something else than expected:\n{text}")
    _total, succeeded, *bad = (int(number) for number in counts.groups())
    bad += [int(number) for number in status.groups()[1:]]
    return _Outcome(
        per_s=float(rate[1]),
        count=succeeded,
        failed=sum(bad),
        data_bytes=int(data[1]),
        max_ms=_ms(time[2]),
        mean_ms=_ms(time[3]),
        text=text[-2000:],
    )


def _ms(text: str) -> float:
    """A time as h2load writes it: 612us, 5.79ms, 1.20s."""
    for unit, factor in (("us", 1e-3), ("ms", 1.0), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise SystemExit(f"h2load wrote a time as {text!r}")
