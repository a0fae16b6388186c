"""Models: names under which versions are kept."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from registry.db.arrays import array, numbers
from registry.db.documents import names_of, names_text
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AnyRow
from registry.db.tables import (
    MINUTE_US,
    model_labels,
    model_numbers,
    models,
    refs,
    stage_periods,
    versions,
)
from registry.domain.access import Reach
from registry.domain.models import Model, ModelFields, ModelFilter
from registry.domain.pages import Cursor
from registry.domain.scopes import ANY

TAG = "tag"
OWNER = "owner"

_m = models.c
_ORDERS = {
    "name": _m.path,
    "create_time": _m.create_time_us,
    "update_time": _m.update_time_us,
    "likes": _m.like_count,
    "downloads": _m.download_count,
}

_INSERT = postgresql.insert(models).on_conflict_do_nothing().returning(_m.key)
_LABEL = insert(model_labels)
_UNLABEL = delete(model_labels).where(model_labels.c.model_key == bindparam("model_key"))
_open = and_(stage_periods.c.model_key == _m.key, stage_periods.c.end_time_us.is_(None))
# A row a stage, and one without where none is set.
_ONE = select(models, stage_periods.c.stage, stage_periods.c.version_number).outerjoin_from(
    models, stage_periods, _open
)
_GET = _ONE.where(_m.path == bindparam("path"))
_GET_FOLDED = _ONE.where(_m.folded == bindparam("folded"))
_LOCK = select(models).where(_m.path == bindparam("path")).with_for_update(key_share=True)
_STAGES = (
    select(stage_periods.c.model_key, stage_periods.c.stage, stage_periods.c.version_number)
    .where(stage_periods.c.model_key.in_(numbers("keys")), stage_periods.c.end_time_us.is_(None))
    .order_by(stage_periods.c.stage)
)
# The columns that are set are those of the parameters.
_UPDATE = update(models).where(_m.key == bindparam("of"), _m.etag == bindparam("expected"))
_SET = update(models).where(_m.key == bindparam("of"))
_DELETE_REFS = delete(refs).where(refs.c.model_key == bindparam("of"))
_DELETE = delete(models).where(_m.key == bindparam("of")).returning(_m.folded, _m.next_number)
_bury = postgresql.insert(model_numbers)
_BURY = _bury.on_conflict_do_update(index_elements=["folded"], set_={"next": _bury.excluded.next})
_NEXT_NUMBER = select(model_numbers.c.next).where(model_numbers.c.folded == bindparam("folded"))


class SqlModels:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, model: Model, folded: str) -> Model | None:
        given = {
            "uid": model.uid,
            "path": model.path,
            "folded": folded,
            "namespace": model.namespace,
            "create_time_us": model.create_time_us,
            "creator": model.creator,
            "latest_version": model.latest_version,
            "next_number": model.next_number,
            "like_count": model.like_count,
            "download_count": model.download_count,
            **_editable(model),
        }
        key = self._connection.execute(_INSERT, given).scalar_one_or_none()
        if key is None:
            return None
        self._label(key, model.fields)
        # By a statement of its own: the one above may have waited for whoever deletes the earlier
        # model, and does not see what that one wrote.
        taken = self._connection.execute(_NEXT_NUMBER, {"folded": folded}).scalar_one_or_none()
        if taken is None:
            return replace(model, key=key)
        self._connection.execute_later(_SET, {"of": key, "next_number": taken})
        return replace(model, key=key, next_number=taken)

    def get(self, path: str) -> Model | None:
        return self._one(_GET, {"path": path})

    def get_folded(self, folded: str) -> Model | None:
        return self._one(_GET_FOLDED, {"folded": folded})

    def lock(self, path: str) -> Model | None:
        row = self._connection.execute(_LOCK, {"path": path}).one_or_none()
        return None if row is None else model_of(row, ())

    def list(
        self,
        reach: Reach,
        where: ModelFilter,
        order: str,
        after: Cursor | None,
        limit: int,
    ) -> builtins.list[Model]:
        found = select(models).where(*_conditions(reach, where))
        found = _sorted(found, order, after).limit(limit)
        given = reach_values(reach)
        rows = self._connection.execute(found, given).all()
        stages: dict[int, builtins.list[tuple[str, int]]] = {row.key: [] for row in rows}
        if rows:
            keys = {"keys": array(stages.keys())}
            for key, stage, number in self._connection.execute(_STAGES, keys):
                stages[key].append((stage, number))
        return [model_of(row, stages[row.key]) for row in rows]

    def update(self, model: Model, expected_etag: str) -> bool:
        given = {"of": model.key, "expected": expected_etag, **_editable(model)}
        if not self._connection.execute(_UPDATE, given).rowcount:
            return False
        self._connection.execute_later(_UNLABEL, {"model_key": model.key})
        self._label(model.key, model.fields)
        return True

    def take_number(self, model: Model, time_us: int) -> int:
        number = model.next_number
        given = {
            "of": model.key,
            "latest_version": number,
            "next_number": number + 1,
            "update_time_us": time_us,
        }
        self._connection.execute_later(_SET, given)
        return number

    def delete(self, key: int) -> None:
        # All else of the model refers to it by foreign keys that cascade. Its references go first,
        # since for each commit that goes SQLite searches those of the model for it.
        self._connection.execute_later(_DELETE_REFS, {"of": key})
        row = self._connection.execute(_DELETE, {"of": key}).one_or_none()
        if row is not None:
            given = {"folded": row.folded, "next": row.next_number}
            self._connection.execute_later(_BURY, given)

    def _one(self, statement: Select[*tuple[Any, ...]], given: Mapping[str, str]) -> Model | None:
        rows = self._connection.execute(statement, given).all()
        if not rows:
            return None
        return model_of(rows[0], ((row.stage, row.version_number) for row in rows if row.stage))

    def _label(self, key: int, fields: ModelFields) -> None:
        labels = [(TAG, tag) for tag in fields.tags] + [(OWNER, owner) for owner in fields.owners]
        if labels:
            unique = dict.fromkeys(labels)
            rows = [{"model_key": key, "kind": kind, "value": value} for kind, value in unique]
            self._connection.execute_later(_LABEL, rows)


def _conditions(reach: Reach, where: ModelFilter) -> Iterator[ColumnElement[bool]]:
    one = reach.one_namespace
    if one is not None:
        # Unlike a pattern, it is looked up in the index.
        yield _m.namespace == one
    if one is None or ANY not in reach.models:
        yield from () if reach.is_everything else within(_m.namespace, _m.path)
    if where.text:
        text = where.text.casefold()
        yield or_(
            _m.folded.contains(text, autoescape=True),
            _m.description_folded.contains(text, autoescape=True),
        )
    if where.task:
        yield _m.task == where.task
    if where.library:
        yield _m.library == where.library
    if where.license:
        yield _m.license_folded == where.license.casefold()
    for tag in where.tags:
        yield _labelled(TAG, tag)
    if where.owner:
        yield _labelled(OWNER, where.owner)
    if where.state is not None:
        yield exists().where(versions.c.model_key == _m.key, versions.c.state == where.state.value)


def _labelled(kind: str, value: str) -> ColumnElement[bool]:
    of = model_labels.c
    return exists().where(of.model_key == _m.key, of.kind == kind, of.value == value)


def _sorted(
    found: Select[*tuple[Any, ...]], order: str, after: Cursor | None
) -> Select[*tuple[Any, ...]]:
    """By value, then by path, which goes up also where the value goes down."""
    name, _, direction = order.partition(" ")
    column, descending = _ORDERS[name], direction == "desc"
    by_time = column is _m.update_time_us
    if after is not None:
        value, path = after[0], after[-1]
        behind = column < value if descending else column > value
        if column is not _m.path:
            # Said so, an index on the value finds the place; an OR alone it could not use.
            from_here = column <= value if descending else column >= value
            behind = and_(from_here, or_(behind, _m.path > path))
        if by_time:
            minute = int(value) // MINUTE_US
            found = found.where(
                _m.update_minute <= minute if descending else _m.update_minute >= minute
            )
        found = found.where(behind)
    keys = (_m.update_minute, column) if by_time else (column,)
    return found.order_by(*(key.desc() if descending else key for key in keys), _m.path)


def _editable(model: Model) -> dict[str, object]:
    fields = model.fields
    return {
        "description": fields.description,
        "description_folded": fields.description.casefold(),
        "task": fields.task,
        "library": fields.library,
        "license": fields.license,
        "license_folded": fields.license.casefold(),
        "tags": names_text(fields.tags, field="tags"),
        "languages": names_text(fields.languages, field="languages"),
        "owners": names_text(fields.owners, field="owners"),
        "etag": model.etag,
        "update_time_us": model.update_time_us,
    }


def model_of(row: AnyRow, stages: Iterable[tuple[str, int]]) -> Model:
    """The model in a row with all columns of `models`."""
    return Model(
        key=row.key,
        uid=row.uid,
        path=row.path,
        namespace=row.namespace,
        fields=ModelFields(
            description=row.description,
            task=row.task,
            library=row.library,
            license=row.license,
            tags=names_of(row.tags),
            languages=names_of(row.languages),
            owners=names_of(row.owners),
        ),
        etag=row.etag,
        create_time_us=row.create_time_us,
        update_time_us=row.update_time_us,
        creator=row.creator,
        latest_version=row.latest_version,
        next_number=row.next_number,
        stages=tuple(sorted(stages)),
        like_count=row.like_count,
        download_count=row.download_count,
    )
