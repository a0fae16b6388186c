"""What a search finds: traits of files, and the versions that hold such files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select

from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.tables import commits, file_results, file_traits, manifest_files, versions
from registry.db.version_rows import select_versions, version_of
from registry.domain.access import Reach
from registry.domain.inspections import FileResult
from registry.domain.traits import Trait, TraitQuery, parameters_of, traits_of
from registry.domain.versions import Version

#: The kind of the rows that have a number.
PARAMETERS = "parameters"

_t, _v = file_traits.c, versions.c
_holder = versions.alias("holder")
_FORGET = delete(file_traits).where(_t.result_key == bindparam("of"))
_INSERT = insert(file_traits)
# Results belong to bytes and to what a name says that they are. The name is not compared here: the
# same bytes under another kind of name have results of their own, and most traits in common.
_HOLDERS = (
    select(_holder.c.key)
    .select_from(file_traits)
    .join(file_results, file_results.c.key == _t.result_key)
    .join(manifest_files, manifest_files.c.sha256 == file_results.c.sha256)
    .join(commits, commits.c.manifest_key == manifest_files.c.manifest_key)
    .join(_holder, _holder.c.commit_key == commits.c.key)
    .where(_holder.c.rules_digest == file_results.c.rules_digest)
)


def keep_traits(connection: PreparedConnection, key: int, result: FileResult) -> None:
    """Those of a stored result, in place of the ones that it had."""
    connection.execute_later(_FORGET, {"of": key})
    rows = [
        {"result_key": key, "kind": kind, "value": value, "number": None}
        for kind, value in traits_of(result.format, result.facts)
    ]
    parameters = parameters_of(result.facts)
    if parameters is not None:
        rows.append({"result_key": key, "kind": PARAMETERS, "value": "", "number": parameters})
    if rows:
        connection.execute_later(_INSERT, rows)


def versions_with(
    connection: PreparedConnection,
    reach: Reach,
    query: TraitQuery,
    before: int | None,
    limit: int,
) -> Sequence[Version]:
    """See `VettingTables.search`."""
    found = search(query, everything=reach.is_everything).limit(limit)
    if before is not None:
        found = found.where(_v.key < before)
    return [version_of(row) for row in connection.execute(found, reach_values(reach)).all()]


def search(query: TraitQuery, *, everything: bool) -> Select[*tuple[Any, ...]]:
    """The newest first."""
    conditions: list[ColumnElement[bool]] = [_v.key.in_(_with(each)) for each in query.traits]
    if query.parameters_min is not None or query.parameters_max is not None:
        conditions.append(_v.key.in_(_counting(query.parameters_min, query.parameters_max)))
    if not everything:
        conditions += within(_v.namespace, _v.model)
    return select_versions().where(*conditions).order_by(_v.key.desc())


def _with(trait: Trait) -> Select[tuple[int]]:
    return _HOLDERS.where(_t.kind == trait.kind, _t.value == trait.value)


def _counting(at_least: int | None, at_most: int | None) -> Select[tuple[int]]:
    """Versions by how many elements the tensors of all their files have together."""
    total = func.sum(_t.number)
    found = _HOLDERS.where(_t.kind == PARAMETERS).group_by(_holder.c.key)
    if at_least is not None:
        found = found.having(total >= at_least)
    if at_most is not None:
        found = found.having(total <= at_most)
    return found
