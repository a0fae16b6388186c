"""Reminders of what waits in an inbox: which are due, and which were given."""

from __future__ import annotations

import builtins

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.tables import (
    acceptances,
    policy_changes,
    promotions,
    reminders,
    reviews,
    waivers,
)
from registry.domain.inbox import InboxKind
from registry.domain.policy_sets import PROPOSAL_TTL_US
from registry.ports.webhook_tables import Due

_DAY_US = 24 * 3600 * 1_000_000
_r = reminders.c
_now = bindparam("now_us", type_=BigInteger)
#: Where each kind waits, and until when.
_WAITING: dict[InboxKind, tuple[Table, ColumnElement[int]]] = {
    InboxKind.PROMOTION: (promotions, promotions.c.expire_time_us),
    InboxKind.WAIVER: (waivers, waivers.c.expire_time_us),
    InboxKind.ACCESS: (acceptances, acceptances.c.expire_time_us),
    InboxKind.REVIEW: (reviews, reviews.c.expire_time_us),
    InboxKind.POLICY: (policy_changes, policy_changes.c.create_time_us + PROPOSAL_TTL_US),
}


def _marks(start: ColumnElement[int], end: ColumnElement[int]) -> dict[str, ColumnElement[bool]]:
    return {
        "half": start + (end - start) // 2 <= _now,
        # Not of one that never had more than a day.
        "last_day": and_(end - _DAY_US <= _now, end - _DAY_US > start),
    }


def _due(
    kind: InboxKind, table: Table, end: ColumnElement[int], mark: str, when: ColumnElement[bool]
) -> Select[int]:
    number = table.c.number
    given = (
        select(literal(1))
        .select_from(reminders)
        .where(_r.kind == kind.value, _r.number == number, _r.mark == mark)
        .correlate(table)
    )
    return (
        select(number)
        .where(
            # As text, since a partial index answers only to its own condition.
            literal_column(f"{table.name}.state") == literal_column("'pending'"),
            end > _now,
            when,
            ~exists(given),
        )
        # As the index of those that wait has them; else all rows would be gone through.
        .order_by(end, number)
        .limit(bindparam("limit"))
    )


_DUE = {
    (kind, mark): _due(kind, table, end, mark, when)
    for kind, (table, end) in _WAITING.items()
    for mark, when in _marks(table.c.create_time_us, end).items()
}
_MARK = postgresql.insert(reminders).on_conflict_do_nothing().returning(_r.number)


class SqlReminders:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def due(self, kind: InboxKind, now_us: int, limit: int) -> builtins.list[Due]:
        given = {"now_us": now_us, "limit": limit}
        return [
            Due(kind=kind, number=row.number, mark=mark)
            for (of, mark), statement in _DUE.items()
            if of is kind
            for row in self._connection.execute(statement, given)
        ]

    def mark(self, due: Due) -> bool:
        given = {"kind": due.kind.value, "number": due.number, "mark": due.mark}
        return self._connection.execute(_MARK, given).scalar_one_or_none() is not None
