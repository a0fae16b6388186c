"""Namespaces: who owns the names below them."""

from __future__ import annotations

import builtins
from dataclasses import replace

from sqlalchemy import bindparam, delete, exists, literal, select, update
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AnyRow, behind
from registry.db.tables import models, namespaces
from registry.domain.access import Reach
from registry.domain.models import Namespace
from registry.domain.pages import Cursor
from registry.errors import ConflictError

_INSERT = postgresql.insert(namespaces).on_conflict_do_nothing().returning(namespaces.c.key)
_ALL = select(namespaces)
_GET = _ALL.where(namespaces.c.id == bindparam("id"))
# Until this transaction ends nobody deletes the namespace, so that what is put into it has one.
_KEEP = _GET.with_for_update(read=True, key_share=True)
_PAGE = (
    _ALL.where(namespaces.c.id > bindparam("after"))
    .order_by(namespaces.c.id)
    .limit(bindparam("limit"))
)
_PAGE_COVERED = _PAGE.where(*within(namespaces.c.id))
# The columns that are set are those of the parameters.
_UPDATE = update(namespaces).where(
    namespaces.c.key == bindparam("of"), namespaces.c.etag == bindparam("expected")
)
_HOLDS = select(exists(select(literal(1)).where(models.c.namespace == bindparam("id"))))
# Waits for those who hold it by `_KEEP`; the next statement sees what they put into it.
_LOCK = select(namespaces.c.id).where(namespaces.c.key == bindparam("of")).with_for_update()
_DELETE = delete(namespaces).where(
    namespaces.c.key == bindparam("of"), ~exists().where(models.c.namespace == namespaces.c.id)
)


class SqlNamespaces:
    def __init__(self, connection: PreparedConnection, *, writing: bool) -> None:
        self._connection = connection
        self._get = _KEEP if writing else _GET

    def insert(self, namespace: Namespace) -> Namespace | None:
        key = self._connection.execute(_INSERT, _columns(namespace)).scalar_one_or_none()
        return None if key is None else replace(namespace, key=key)

    def get(self, id: str) -> Namespace | None:
        row = self._connection.execute(self._get, {"id": id}).one_or_none()
        return None if row is None else _namespace(row)

    def list(self, reach: Reach, after: Cursor | None, limit: int) -> builtins.list[Namespace]:
        page, given = _PAGE, {"after": behind(after, ""), "limit": limit}
        if not reach.is_everything:
            page, given = _PAGE_COVERED, {**given, **reach_values(reach)}
        return [_namespace(row) for row in self._connection.execute(page, given)]

    def update(self, namespace: Namespace, expected_etag: str) -> bool:
        given = {
            "of": namespace.key,
            "expected": expected_etag,
            "description": namespace.description,
            "owner": namespace.owner,
            "etag": namespace.etag,
            "update_time_us": namespace.update_time_us,
        }
        return self._connection.execute(_UPDATE, given).rowcount == 1

    def delete(self, key: int) -> None:
        """Raises ConflictError where a model was put into it meanwhile."""
        id = self._connection.execute(_LOCK, {"of": key}).scalar_one_or_none()
        if id is not None and not self._connection.execute(_DELETE, {"of": key}).rowcount:
            raise ConflictError(what=f"Namespace {id}")

    def holds_models(self, id: str) -> bool:
        return bool(self._connection.execute(_HOLDS, {"id": id}).scalar_one())


def _columns(namespace: Namespace) -> dict[str, object]:
    return {
        "id": namespace.id,
        "uid": namespace.uid,
        "description": namespace.description,
        "owner": namespace.owner,
        "etag": namespace.etag,
        "create_time_us": namespace.create_time_us,
        "update_time_us": namespace.update_time_us,
        "creator": namespace.creator,
    }


def _namespace(row: AnyRow) -> Namespace:
    return Namespace(
        key=row.key,
        id=row.id,
        uid=row.uid,
        description=row.description,
        owner=row.owner,
        etag=row.etag,
        create_time_us=row.create_time_us,
        update_time_us=row.update_time_us,
        creator=row.creator,
    )
