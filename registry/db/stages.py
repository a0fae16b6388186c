"""Stages: what is in one now, and what was when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, bindparam, insert, or_, select, update

from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import models, stage_periods
from registry.domain.pages import Cursor
from registry.domain.promotions import StagePeriod

_periods = stage_periods.c
_MODEL_ROW = select(models.c.key).where(models.c.key == bindparam("model_key"))
_LAST = (
    select(_periods.key, _periods.start_time_us, _periods.end_time_us)
    .where(_periods.model_key == bindparam("model_key"), _periods.stage == bindparam("stage"))
    .order_by(_periods.key.desc())
    .limit(1)
)
_END = (
    update(stage_periods)
    .where(_periods.key == bindparam("period_key"))
    .values(end_time_us=bindparam("time_us"))
)
_BEGIN = insert(stage_periods).returning(_periods.key)
_ALL = select(
    models.c.path.label("model"),
    _periods.key,
    _periods.version_key,
    _periods.version_number,
    _periods.digest,
    _periods.stage,
    _periods.start_time_us,
    _periods.end_time_us,
    _periods.promotion,
    _periods.mover,
    _periods.note,
    _periods.rollback,
    _periods.previous_number,
).join_from(models, stage_periods, _periods.model_key == models.c.key)
_BY_KEY = _ALL.where(_periods.key == bindparam("key"))
_of_model = _ALL.where(models.c.path == bindparam("model"))
_of_stage = _of_model.where(_periods.stage == bindparam("stage"))
_OF_MODEL = _of_model.where(_periods.end_time_us.is_(None)).order_by(_periods.stage)
_CURRENT = _of_stage.where(_periods.end_time_us.is_(None))
_HISTORY = (
    _of_stage.where(_periods.key < bindparam("before"))
    .order_by(_periods.key.desc())
    .limit(bindparam("limit"))
)
_AT = (
    _of_stage.where(
        _periods.start_time_us <= bindparam("time_us"),
        or_(_periods.end_time_us.is_(None), _periods.end_time_us > bindparam("time_us")),
    )
    .order_by(_periods.key.desc())
    .limit(1)
)
_HOLDS = (
    select(_periods.stage)
    .where(_periods.version_key == bindparam("version_key"), _periods.end_time_us.is_(None))
    .order_by(_periods.stage)
)


class SqlStages:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def current(self, model: str, stage: str) -> StagePeriod | None:
        return self._one(_CURRENT, {"model": model, "stage": stage})

    def of_model(self, model: str) -> Sequence[StagePeriod]:
        return [_period(row) for row in self._connection.execute(_OF_MODEL, {"model": model})]

    def move(self, model_key: int, period: StagePeriod) -> StagePeriod:
        last = self._lock_last(model_key, period.stage)
        start_time_us = period.start_time_us
        if last is not None and last.end_time_us is None:
            start_time_us = self._end(last, start_time_us)
        elif last is not None:
            start_time_us = max(start_time_us, last.end_time_us)
        key = self._connection.execute(
            _BEGIN,
            {
                "model_key": model_key,
                "version_key": period.version_key,
                "version_number": period.version_number,
                "digest": period.digest,
                "stage": period.stage,
                "start_time_us": start_time_us,
                "end_time_us": period.end_time_us,
                "promotion": period.promotion,
                "mover": period.mover,
                "note": period.note,
                "rollback": period.rollback,
                "previous_number": period.previous_number,
            },
        ).scalar_one()
        return replace(period, key=key, start_time_us=start_time_us)

    def clear(self, model_key: int, stage: str, time_us: int) -> StagePeriod | None:
        last = self._lock_last(model_key, stage)
        if last is None or last.end_time_us is not None:
            return None
        self._end(last, time_us)
        return self._one(_BY_KEY, {"key": last.key})

    def history(
        self, model: str, stage: str, after: Cursor | None, limit: int
    ) -> Sequence[StagePeriod]:
        before = behind(after, AFTER_ALL)
        parameters = {"model": model, "stage": stage, "before": before, "limit": limit}
        return [_period(row) for row in self._connection.execute(_HISTORY, parameters)]

    def at(self, model: str, stage: str, time_us: int) -> StagePeriod | None:
        return self._one(_AT, {"model": model, "stage": stage, "time_us": time_us})

    def holds(self, version_key: int) -> Sequence[str]:
        return self._connection.execute(_HOLDS, {"version_key": version_key}).scalars().all()

    def _lock_last(self, model_key: int, stage: str) -> AnyRow | None:
        """The latest period of a stage, open or not; nobody else moves a stage of the model."""
        lock_rows(self._connection, _MODEL_ROW, {"model_key": model_key})
        parameters = {"model_key": model_key, "stage": stage}
        last: AnyRow | None = self._connection.execute(_LAST, parameters).one_or_none()
        return last

    def _end(self, period: AnyRow, time_us: int) -> int:
        """End a period at a time, or a microsecond after its start: none is ever empty, so that
        history names each version that was in the stage. The time taken."""
        end_time_us: int = max(time_us, period.start_time_us + 1)
        self._connection.execute_later(_END, {"period_key": period.key, "time_us": end_time_us})
        return end_time_us

    def _one(self, statement: Select[Any], parameters: dict[str, object]) -> StagePeriod | None:
        row = self._connection.execute(statement, parameters).one_or_none()
        return None if row is None else _period(row)


def _period(row: AnyRow) -> StagePeriod:
    return StagePeriod(
        key=row.key,
        model=row.model,
        version_key=row.version_key,
        version_number=row.version_number,
        digest=row.digest,
        stage=row.stage,
        start_time_us=row.start_time_us,
        end_time_us=row.end_time_us,
        promotion=row.promotion,
        mover=row.mover,
        note=row.note,
        rollback=row.rollback,
        previous_number=row.previous_number,
    )
