"""Reach: the part of a list that its reader may see, as a condition."""

from __future__ import annotations

from sqlalchemy import not_
from sqlalchemy.sql.elements import ColumnElement

from registry.db.arrays import array, covered, globbed, patterns
from registry.domain.access import Reach


def within(
    namespace: ColumnElement[str], path: ColumnElement[str] | None = None
) -> tuple[ColumnElement[bool], ...]:
    """What a namespace, and the path of a model in it, has to keep; see `reach_values`."""
    conditions = (covered(namespace, "patterns"), not_(covered(namespace, "denied")))
    return conditions if path is None else (*conditions, globbed(path, "models"))


def reach_values(reach: Reach) -> dict[str, str]:
    """The parameters of `within`."""
    return {
        "patterns": patterns(reach.allowed),
        "denied": patterns(reach.denied),
        "models": array(reach.models),
    }
