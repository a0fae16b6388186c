"""Who wants to see bytes go by: the protocol that push and pull report to, and its sums."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 5.0


@dataclass(frozen=True, kw_only=True)
class FileStep:
    """A file in a step: how much of it there is to do, and how much of it was done before."""

    path: str
    size_bytes: int
    done_bytes: int = 0


class Progress(Protocol):
    """Hears of each piece, from several threads at once. Steps come one after the other."""

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        """A step ("hash", "send", "fetch", "check") over these files begins."""

    def advance(self, path: str, count: int) -> None:
        """So many bytes of a file are done; negative where some have to be done again."""

    def end(self) -> None:
        """The step is over, done or not."""


class Silent:
    """Tells nobody."""

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        return

    def advance(self, path: str, count: int) -> None:
        return

    def end(self) -> None:
        return


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How far a step is. Rate over the last seconds; `left_s` is None while that is unknown."""

    done_bytes: int
    total_bytes: int
    rate_bytes_s: float
    left_s: float | None


class Meter:
    """Adds pieces up. Times are seconds of any clock that never goes back."""

    def __init__(self, *, total_bytes: int, done_bytes: int = 0, now_s: float) -> None:
        self._total = total_bytes
        self._done = done_bytes
        self._marks = deque([(now_s, done_bytes)])

    def add(self, count: int, *, now_s: float) -> None:
        self._done += count
        # One mark in 100 ms is enough, however many pieces come.
        if now_s - self._marks[-1][0] >= 0.1:
            self._marks.append((now_s, self._done))
        while len(self._marks) > 2 and now_s - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    def pace(self, *, now_s: float) -> Pace:
        """Law: 0 <= left_s, and left_s is 0 when all is done."""
        since_s, before = self._marks[0]
        elapsed_s = now_s - since_s
        rate = max(0.0, (self._done - before) / elapsed_s) if elapsed_s > 0 else 0.0
        missing = max(0, self._total - self._done)
        left_s = 0.0 if missing == 0 else missing / rate if rate > 0 else None
        return Pace(
            done_bytes=self._done, total_bytes=self._total, rate_bytes_s=rate, left_s=left_s
        )
