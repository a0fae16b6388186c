"""Waivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from registry.db.arrays import array, numbers
from registry.db.documents import decisions_of, decisions_text
from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import waivers
from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.promotions import Decision
from registry.domain.versions import Version
from registry.domain.waivers import OPEN, Waiver, WaiverState

_EVERY = "*"

_w = waivers.c
_INSERT = insert(waivers).returning(_w.number)
_ALL = select(waivers)
_GET = _ALL.where(_w.number == bindparam("number"))
_MANY = _ALL.where(_w.number.in_(numbers("numbers")))
_ROW = select(_w.number).where(_w.number == bindparam("number"))

# As text, since a partial index answers only to its own condition.
_pending = literal_column("waivers.state") == literal_column("'pending'")
_granted = literal_column("waivers.state") == literal_column("'granted'")
# What is pending or granted has not ended.
_open = _w.end_time_us.is_(None)
_running = _w.expire_time_us > bindparam("now_us")
_PENDING = _ALL.where(
    _w.model_key == bindparam("model_key"), _w.rule == bindparam("rule"), _pending, _running
).order_by(_w.number)
_LIVE = _ALL.where(
    _w.model_key == bindparam("model_key"),
    _granted,
    _running,
    or_(_w.version_key.is_(None), _w.version_key == bindparam("version_key")),
).order_by(_w.number)
_OVERDUE = (
    _ALL.where(_open, _w.expire_time_us <= bindparam("now_us"))
    .order_by(_w.expire_time_us, _w.number)
    .limit(bindparam("limit"))
)
_SET_STATE = (
    update(waivers)
    .where(_w.number == bindparam("waiver"))
    .values(
        state=bindparam("to_state"), decisions=bindparam("decided"), end_time_us=bindparam("end_us")
    )
)


@cache
def _list(
    *, everywhere: bool, by_model: bool, state: WaiverState | None, by_rule: bool
) -> Select[*tuple[object, ...]]:
    statement = _ALL.where(_w.number < bindparam("before"))
    if by_model:
        statement = statement.where(_w.model == bindparam("model"))
    elif not everywhere:
        statement = statement.where(*within(_w.namespace, _w.model))
    if state is WaiverState.EXPIRED:
        out_of_time = and_(_open, _w.expire_time_us <= bindparam("now_us"))
        statement = statement.where(or_(_w.state == state.value, out_of_time))
    elif state is not None:
        statement = statement.where(_w.state == state.value)
        if state in OPEN:
            statement = statement.where(_running)
    if by_rule:
        statement = statement.where(_w.rule == bindparam("rule"))
    return statement.order_by(_w.number.desc()).limit(bindparam("limit"))


class SqlWaivers:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, waiver: Waiver) -> Waiver:
        number = self._connection.execute(
            _INSERT,
            {
                "rule": waiver.rule,
                "model_key": waiver.model_key,
                "model": waiver.model,
                "namespace": waiver.namespace,
                "version_key": waiver.version_key,
                "version_number": waiver.version_number,
                "digest": waiver.digest,
                "stage": waiver.stage,
                "reason": waiver.reason,
                "state": waiver.state.value,
                "requester": waiver.requester,
                "decisions": _decided(waiver.decision),
                "create_time_us": waiver.create_time_us,
                "expire_time_us": waiver.expire_time_us,
                "end_time_us": waiver.end_time_us,
            },
        ).scalar_one()
        return replace(waiver, number=number)

    def get(self, number: int) -> Waiver | None:
        found = self._all(_GET, {"number": number})
        return found[0] if found else None

    def lock(self, number: int) -> Waiver | None:
        lock_rows(self._connection, _ROW, {"number": number})
        return self.get(number)

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        state: WaiverState | None,
        rule: str,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Waiver]:
        statement = _list(
            everywhere=reach.is_everything, by_model=bool(model), state=state, by_rule=bool(rule)
        )
        return self._all(
            statement,
            {
                **reach_values(reach),
                "model": model,
                "rule": rule,
                "now_us": now_us,
                "before": behind(after, AFTER_ALL),
                "limit": limit,
            },
        )

    def many(self, numbers_in_order: Sequence[int]) -> Sequence[Waiver]:
        """Those that are there, in the order of the numbers."""
        found = self._all(_MANY, {"numbers": array(numbers_in_order)}) if numbers_in_order else ()
        by_number = {waiver.number: waiver for waiver in found}
        return [by_number[number] for number in numbers_in_order if number in by_number]

    def pending(self, model_key: int, rule: str, now_us: int) -> Sequence[Waiver]:
        return self._all(_PENDING, {"model_key": model_key, "rule": rule, "now_us": now_us})

    def live(self, version: Version, stage: str, now_us: int) -> Sequence[Waiver]:
        found = self._all(
            _LIVE, {"model_key": version.model_key, "version_key": version.key, "now_us": now_us}
        )
        return [waiver for waiver in found if waiver.counts_for(version, stage, now_us)]

    def set_state(
        self, number: int, state: WaiverState, *, decision: Decision | None, end_time_us: int | None
    ) -> None:
        self._connection.execute_later(
            _SET_STATE,
            {
                "waiver": number,
                "to_state": state.value,
                "decided": _decided(decision),
                "end_us": end_time_us,
            },
        )

    def overdue(self, now_us: int, limit: int) -> Sequence[Waiver]:
        return self._all(_OVERDUE, {"now_us": now_us, "limit": limit})

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Waiver]:
        return [_waiver(row) for row in self._connection.execute(statement, parameters)]


def _decided(decision: Decision | None) -> str:
    return decisions_text(() if decision is None else (decision,))


def _waiver(row: AnyRow) -> Waiver:
    decided = decisions_of(row.decisions)
    return Waiver(
        number=row.number,
        rule=row.rule,
        model_key=row.model_key,
        model=row.model,
        namespace=row.namespace,
        version_key=row.version_key,
        version_number=row.version_number,
        digest=row.digest,
        stage=row.stage,
        reason=row.reason,
        state=WaiverState(row.state),
        requester=row.requester,
        decision=decided[0] if decided else None,
        create_time_us=row.create_time_us,
        expire_time_us=row.expire_time_us,
        end_time_us=row.end_time_us,
    )
