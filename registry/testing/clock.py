"""A clock that tests move."""

from __future__ import annotations


class FixedClock:
    """Stands still until it is told to move."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, by_us: int) -> None:
        self._now_us += by_us
