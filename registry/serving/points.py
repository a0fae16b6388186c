"""How points are said: the rule's advice, the place in a text, and names of which there may be any
number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.names.text import show

#: Of a list of names; the rest is counted.
NAMES_MAX = 5


@dataclass(frozen=True, slots=True)
class Position:
    """In a text, both from 1 and in characters; 0 where that is not known."""

    line: int
    column: int


NOWHERE = Position(0, 0)


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
    """The rule's own mending stands in where there is none for the case."""
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


def node_named(name: str, op_type: str) -> str:
    """A node as the subject of a point. Most exporters name them; it need not be."""
    return f"node {show(name)} ({op_type})" if name else f"a node without a name ({op_type})"
