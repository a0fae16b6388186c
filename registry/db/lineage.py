"""Lineage: edges between versions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql

from registry.db.arrays import array, numbers
from registry.db.locks import lock_number
from registry.db.prepared import PreparedConnection
from registry.db.references import target_name
from registry.db.rows import AnyRow
from registry.db.tables import lineage_edges, versions
from registry.domain.lineage import LineageEdge
from registry.domain.versions import LineageKind

#: What writers of edges hold, wherever in the graph they write. "edges" in ASCII.
_LOCK_NUMBER = 0x6564676573

_e = lineage_edges.c
_INSERT = (
    postgresql.insert(lineage_edges)
    .on_conflict_do_nothing(index_elements=["child_key", "parent"])
    .returning(_e.child_key)
)
_SET_KIND = (
    update(lineage_edges)
    .where(_e.child_key == bindparam("of_child"), _e.parent == bindparam("of_parent"))
    .values(kind=bindparam("to_kind"))
)
_DELETE = delete(lineage_edges).where(
    _e.child_key == bindparam("child_key"), _e.parent == bindparam("parent")
)
_ALL = select(
    _e.child_key,
    _e.parent_key,
    _e.parent,
    _e.parent_namespace,
    _e.kind,
    _e.creator,
    _e.create_time_us,
    versions.c.model.label("child_model"),
    versions.c.number.label("child_number"),
    versions.c.namespace.label("child_namespace"),
).join_from(lineage_edges, versions, versions.c.key == _e.child_key)
_ABOVE = _ALL.where(_e.child_key.in_(numbers("keys")))
_BELOW = _ALL.where(_e.parent_key.in_(numbers("keys")))


class SqlLineage:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def lock(self) -> None:
        lock_number(self._connection, _LOCK_NUMBER)

    def insert(self, edge: LineageEdge) -> bool:
        inserted = self._connection.execute(
            _INSERT,
            {
                "child_key": edge.child_key,
                "parent": edge.parent,
                "parent_key": edge.parent_key,
                "parent_namespace": edge.parent_namespace,
                "kind": edge.kind.value,
                "creator": edge.creator,
                "create_time_us": edge.create_time_us,
            },
        ).first()
        if inserted is not None:
            return True
        self._connection.execute_later(
            _SET_KIND,
            {"of_child": edge.child_key, "of_parent": edge.parent, "to_kind": edge.kind.value},
        )
        return False

    def delete(self, child_key: int, parent: str) -> bool:
        parameters = {"child_key": child_key, "parent": parent}
        return self._connection.execute(_DELETE, parameters).rowcount > 0

    def above(self, version_keys: Collection[int]) -> Sequence[LineageEdge]:
        rows = self._connection.execute(_ABOVE, {"keys": array(version_keys)})
        return sorted((_edge(row) for row in rows), key=attrgetter("child", "parent"))

    def below(self, version_keys: Collection[int]) -> Sequence[LineageEdge]:
        rows = self._connection.execute(_BELOW, {"keys": array(version_keys)})
        return sorted((_edge(row) for row in rows), key=attrgetter("parent", "child"))


def _edge(row: AnyRow) -> LineageEdge:
    return LineageEdge(
        child_key=row.child_key,
        parent_key=row.parent_key,
        child=target_name(row.child_model, number=row.child_number, commit_id=None),
        parent=row.parent,
        child_namespace=row.child_namespace,
        parent_namespace=row.parent_namespace,
        kind=LineageKind(row.kind),
        creator=row.creator,
        create_time_us=row.create_time_us,
    )
