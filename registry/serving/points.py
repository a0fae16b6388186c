"""How points are said: the rule's advice, and names of which there may be any number."""

from __future__ import annotations

from collections.abc import Iterable

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.names.text import show
from registry.serving.pbtxt import NOWHERE, Position

#: Of a list of names; the rest is counted.
NAMES_MAX = 5


def point(
    rule: Rule,
    weight: Weight,
    subject: str,
    found: str,
    expected: str = "",
    *,
    fix: str = "",
    path: str = "",
    position: Position = NOWHERE,
) -> Point:
    """What the rule says to do about it goes with it, where there is nothing better to say."""
    return Point(
        rule=rule.id,
        weight=weight,
        subject=subject,
        found=found,
        expected=expected,
        fix=fix or rule.fix,
        path=path,
        line=position.line,
        column=position.column,
    )


def some_of(names: Iterable[str]) -> str:
    """`'a', 'b' and 3 more`."""
    every = list(names)
    shown = ", ".join(map(show, every[:NAMES_MAX]))
    more = len(every) - NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown
