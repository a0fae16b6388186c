"""Deliveries: rows that are a queue. Who wants one leases it, so that no two send it at once."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from functools import cache

from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningInsert

from registry.db.arrays import columns_of
from registry.db.arrays import rows as rows_json
from registry.db.prepared import PreparedConnection
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import webhook_deliveries, webhooks
from registry.domain.pages import Cursor
from registry.domain.webhooks import TEST_SHARD, Attempt, Delivery, DeliveryState, Webhook
from registry.ports.webhook_tables import Queued

_d = webhook_deliveries.c
_PENDING = DeliveryState.PENDING.value
_ALL = select(*_d, webhooks.c.id.label("webhook")).join_from(webhook_deliveries, webhooks)
_GET = _ALL.where(
    _d.webhook_key == bindparam("of"),
    _d.shard == bindparam("shard"),
    _d.number == bindparam("number"),
)
_PAGE = (
    _ALL.where(_d.webhook_key == bindparam("of"), _d.key < bindparam("after"))
    .order_by(_d.key.desc())
    .limit(bindparam("limit"))
)
# As text, since a partial index answers only to its own condition.
_pending = literal_column("webhook_deliveries.state") == literal_column("'pending'")
_leased = literal_column("webhook_deliveries.lease_until_us") > literal_column("0")
_due = and_(
    _d.webhook_key == webhooks.c.key,
    _pending,
    _d.next_attempt_us <= bindparam("now_us"),
    or_(webhooks.c.enabled, _d.shard == TEST_SHARD),
)
_WITH_DUE = select(
    webhooks.c.key,
    webhooks.c.failing_since_us,
    select(func.count())
    .select_from(webhook_deliveries)
    .where(_d.webhook_key == webhooks.c.key, _leased, _d.lease_until_us > bindparam("now_us"))
    .correlate(webhooks)
    .scalar_subquery()
    .label("leased"),
).where(exists(select(literal(1)).select_from(webhook_deliveries).where(_due).correlate(webhooks)))
_DUE = (
    _ALL.where(_due, _d.webhook_key == bindparam("of"))
    .order_by(_d.next_attempt_us, _d.key)
    .limit(bindparam("limit"))
)
_LEASE = (
    update(webhook_deliveries)
    .where(
        _d.key == bindparam("of"),
        _d.state == _PENDING,
        _d.next_attempt_us == bindparam("seen_us"),
    )
    .values(lease_until_us=bindparam("until_us"), next_attempt_us=bindparam("until_us"))
)
_RECORD = update(webhook_deliveries).where(
    _d.key == bindparam("of"), _d.lease_until_us == bindparam("held_until_us")
)
_PURGE = delete(webhook_deliveries).where(
    _d.create_time_us < bindparam("before"), _d.state != _PENDING
)


@cache
def _queue(*, again: bool) -> ReturningInsert[tuple[int]]:
    shard, number, action = columns_of("events", Integer, BigInteger, Text)
    now = cast(bindparam("time_us"), BigInteger)
    values = {
        "webhook_key": cast(bindparam("of"), BigInteger),
        "shard": shard,
        "number": number,
        "action": action,
        "state": literal(_PENDING, Text),
        "attempts": literal("[]", Text),
        "attempt_count": literal(0),
        "start_time_us": now,
        "next_attempt_us": now,
        "lease_until_us": literal(0),
        "create_time_us": now,
    }
    # SQLite takes ON CONFLICT behind a SELECT for a join, unless there is a WHERE between.
    source = select(*values.values()).where(literal(1) == literal(1))
    queued = postgresql.insert(webhook_deliveries).from_select(list(values), source)
    place = ["webhook_key", "shard", "number"]
    if not again:
        return queued.on_conflict_do_nothing(index_elements=place).returning(_d.key)
    fresh = {
        name: queued.excluded[name]
        for name in ("state", "attempt_count", "start_time_us", "next_attempt_us")
    }
    # One that is on its way is left alone.
    return queued.on_conflict_do_update(
        index_elements=place, set_=fresh, where=_d.lease_until_us == 0
    ).returning(_d.key)


class SqlDeliveries:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def queue(
        self, webhook: Webhook, events: Sequence[Queued], time_us: int, *, again: bool
    ) -> int:
        given = {
            "of": webhook.key,
            "time_us": time_us,
            "events": rows_json((each.shard, each.number, each.action) for each in events),
        }
        return len(self._connection.execute(_queue(again=again), given).all())

    def get(self, webhook: Webhook, shard: int, number: int) -> Delivery | None:
        given = {"of": webhook.key, "shard": shard, "number": number}
        row = self._connection.execute(_GET, given).one_or_none()
        return None if row is None else _delivery(row)

    def list(self, webhook: Webhook, after: Cursor | None, limit: int) -> builtins.list[Delivery]:
        given = {"of": webhook.key, "after": behind(after, AFTER_ALL), "limit": limit}
        return [_delivery(row) for row in self._connection.execute(_PAGE, given)]

    def due(self, now_us: int, each: int) -> builtins.list[Delivery]:
        found: builtins.list[Delivery] = []
        for row in self._connection.execute(_WITH_DUE, {"now_us": now_us}).all():
            room = (each if row.failing_since_us is None else 1) - row.leased
            if room > 0:
                given = {"of": row.key, "now_us": now_us, "limit": room}
                found += map(_delivery, self._connection.execute(_DUE, given).all())
        found.sort(key=lambda delivery: (delivery.next_attempt_us, delivery.key))
        return found

    def lease(self, delivery: Delivery, until_us: int) -> bool:
        given = {"of": delivery.key, "seen_us": delivery.next_attempt_us, "until_us": until_us}
        return self._connection.execute(_LEASE, given).rowcount == 1

    def record(self, delivery: Delivery, lease_until_us: int) -> bool:
        given = {
            "of": delivery.key,
            "held_until_us": lease_until_us,
            "state": delivery.state.value,
            "attempts": json.dumps(
                [[a.time_us, a.duration_ms, a.status, a.error] for a in delivery.attempts]
            ),
            "attempt_count": delivery.attempt_count,
            "next_attempt_us": delivery.next_attempt_us,
            "lease_until_us": 0,
        }
        return self._connection.execute(_RECORD, given).rowcount == 1

    def purge(self, before_us: int) -> int:
        return self._connection.execute(_PURGE, {"before": before_us}).rowcount


def _delivery(row: AnyRow) -> Delivery:
    return Delivery(
        key=row.key,
        webhook_key=row.webhook_key,
        webhook=row.webhook,
        shard=row.shard,
        number=row.number,
        action=row.action,
        state=DeliveryState(row.state),
        attempts=tuple(
            Attempt(time_us=time_us, duration_ms=duration_ms, status=status, error=error)
            for time_us, duration_ms, status, error in json.loads(row.attempts)
        ),
        attempt_count=row.attempt_count,
        start_time_us=row.start_time_us,
        next_attempt_us=row.next_attempt_us,
        lease_until_us=row.lease_until_us,
        create_time_us=row.create_time_us,
    )
