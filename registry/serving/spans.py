"""Spans of versions: a fact that held in most of a long row of them is written in a few letters.

`1.18.0-1.20.1 1.23.0-` is from 1.18.0 to 1.20.1, both included, and again from 1.23.0 to the newest
that was measured.

Law: for versions in ascending order and some of them, `covers(span_of(some, all), v)` is true for
just those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import groupby

_NUMBER = re.compile(r"[0-9]+")


def order(version: str) -> tuple[int, ...]:
    """By number, part by part: 1.9.0 stands before 1.10.0. What follows a plus counts for nothing,
    as in PEP 440's local versions."""
    return tuple(int(part) for part in _NUMBER.findall(version.partition("+")[0]))


def span_of(held: Collection[str], measured: Sequence[str]) -> str:
    """The span of the versions in which something held, among all that were measured, ascending."""
    parts = []
    for holds, run in groupby(measured, key=lambda version: version in held):
        versions = list(run)
        if holds:
            last = "" if versions[-1] == measured[-1] else versions[-1]
            parts.append(f"{versions[0]}-{last}")
    return " ".join(parts)


#: Tables have thousands of facts and dozens of spans.
@lru_cache(maxsize=4096)
def covers(span: str, version: str) -> bool:
    number = order(version)
    for part in span.split():
        since, _, until = part.partition("-")
        if order(since) <= number and (not until or number <= order(until)):
            return True
    return False
