"""Reminders of promotions that wait: which are due, and which were given."""

from __future__ import annotations

import builtins

from sqlalchemy import BigInteger, and_, bindparam, exists, literal, literal_column, select
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.tables import promotion_reminders, promotions
from registry.ports.webhook_tables import Due

_DAY_US = 24 * 3600 * 1_000_000
_p = promotions.c
_r = promotion_reminders.c
_now = bindparam("now_us", type_=BigInteger)
# As text, since a partial index answers only to its own condition.
_stored_pending = literal_column("promotions.state") == literal_column("'pending'")
_WHEN = {
    "half": _p.create_time_us + (_p.expire_time_us - _p.create_time_us) // 2 <= _now,
    # Not of one that never had more than a day.
    "last_day": and_(
        _p.expire_time_us - _DAY_US <= _now, _p.expire_time_us - _DAY_US > _p.create_time_us
    ),
}
_DUE = {
    kind: select(_p.number)
    .where(
        _stored_pending,
        _p.expire_time_us > _now,
        when,
        ~exists(
            select(literal(1))
            .select_from(promotion_reminders)
            .where(_r.promotion == _p.number, _r.kind == kind)
            .correlate(promotions)
        ),
    )
    # As the index of those that wait has them; else all promotions would be gone through.
    .order_by(_p.expire_time_us, _p.number)
    .limit(bindparam("limit"))
    for kind, when in _WHEN.items()
}
_MARK = postgresql.insert(promotion_reminders).on_conflict_do_nothing().returning(_r.time_us)


class SqlReminders:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def due(self, now_us: int, limit: int) -> builtins.list[Due]:
        given = {"now_us": now_us, "limit": limit}
        return [
            Due(promotion=row.number, kind=kind)
            for kind, statement in _DUE.items()
            for row in self._connection.execute(statement, given)
        ]

    def mark(self, due: Due, time_us: int) -> bool:
        given = {"promotion": due.promotion, "kind": due.kind, "time_us": time_us}
        return self._connection.execute(_MARK, given).scalar_one_or_none() is not None
