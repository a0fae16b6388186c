"""How points are said: the rule's advice, and names of which there may be any number."""

from __future__ import annotations

from collections.abc import Iterable

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.names.text import show

#: Of a list of names; the rest is counted.
NAMES_MAX = 5


def point(
    rule: Rule, weight: Weight, *, subject: str, found: str, expected: str = "", path: str = ""
) -> Point:
    """What the rule says to do about it goes with it."""
    return Point(
        rule=rule.id,
        weight=weight,
        subject=subject,
        found=found,
        expected=expected,
        fix=rule.fix,
        path=path,
    )


def some_of(names: Iterable[str]) -> str:
    """`'a', 'b' and 3 more`."""
    every = list(names)
    shown = ", ".join(map(show, every[:NAMES_MAX]))
    more = len(every) - NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def node_named(name: str, op_type: str) -> str:
    """A node as the subject of a point. Most exporters name them; it need not be."""
    return f"node {show(name)} ({op_type})" if name else f"a node without a name ({op_type})"
