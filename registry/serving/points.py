"""A point of a rule: how the rules of this folder say what they found."""

from __future__ import annotations

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.serving.pbtxt import NOWHERE, Position


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
