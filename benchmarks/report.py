"""What was measured, as a table of ratios."""

from __future__ import annotations

import statistics
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest


@dataclass(kw_only=True)
class Row:
    """One thing measured on both sides, round by round."""

    what: str
    unit: str
    #: Ours over theirs is to reach it; None where no goal is set.
    goal: float | None = None
    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    #: Seconds, megabytes and the like: the ratio is theirs over ours then.
    less_is_better: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        theirs, ours = statistics.median(self.theirs), statistics.median(self.ours)
        return theirs / ours if self.less_is_better else ours / theirs

    def cells(self) -> tuple[str, ...]:
        goal = "" if self.goal is None else f"{self.goal:g}"
        verdict = ""
        if self.goal is not None:
            verdict = "reached" if self.ratio >= self.goal else "missed"
        return (
            self.what,
            _figures(self.theirs),
            _figures(self.ours),
            self.unit,
            f"{self.ratio:.2f}",
            goal,
            verdict,
            self.note,
        )


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One thing that must not be more than a bound."""

    what: str
    unit: str
    value: float
    most: float

    def cells(self) -> tuple[str, ...]:
        verdict = "reached" if self.value <= self.most else "missed"
        return (self.what, "", f"{self.value:.0f}", self.unit, "", f"<= {self.most:g}", verdict, "")


HEAD = ("", "MLflow", "Hallmark", "unit", "ratio", "goal", "", "")


def table(rows: Iterable[Row | Bound]) -> str:
    """The rows under one another, each column as wide as its widest cell."""
    return aligned([HEAD, *(row.cells() for row in rows)], left=(0, 3, 6, 7))


def aligned(lines: Sequence[Sequence[str]], *, left: Container[int]) -> str:
    """Lines of cells under one another; those of the columns `left` begin at one place, the others
    end at one."""
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    shown = []
    for line in lines:
        cells = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def _figures(values: list[float]) -> str:
    """The median, and between which figures the rounds lay."""
    if not values:
        return ""
    low, middle, high = min(values), statistics.median(values), max(values)
    form = "{:.0f}" if middle >= 100 else "{:.2f}"
    if len(values) == 1:
        return form.format(middle)
    return f"{form.format(middle)} ({form.format(low)}-{form.format(high)})"
