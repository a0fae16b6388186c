"""Checkpoints of the audit log."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.tables import audit_checkpoints
from registry.domain.checkpoints import StoredCheckpoint
from registry.domain.merkle import Frontier
from registry.ports.audit_tables import KeyUse

_table = audit_checkpoints.c
_BRIEF = (_table.number, _table.time_us, _table.note, _table.public_key, _table.event_count)
_INSERT = (
    postgresql.insert(audit_checkpoints)
    .on_conflict_do_nothing(index_elements=["number"])
    .returning(_table.number)
)
_GET = select(*_BRIEF, _table.frontiers).where(_table.number == bindparam("number"))
_LAST = select(*_BRIEF, _table.frontiers).order_by(_table.number.desc()).limit(1)
_LIST = (
    select(*_BRIEF)
    .where(_table.number > bindparam("after"))
    .order_by(_table.number)
    .limit(bindparam("limit"))
)
_NEWEST = (
    select(*_BRIEF)
    .where(_table.number < bindparam("after"))
    .order_by(_table.number.desc())
    .limit(bindparam("limit"))
)
_KEYS = (
    select(
        _table.public_key,
        func.min(_table.number).label("first"),
        func.max(_table.number).label("last"),
        func.min(_table.time_us).label("first_time_us"),
    )
    .group_by(_table.public_key)
    .order_by(func.min(_table.number))
)


class SqlCheckpoints:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, stored: StoredCheckpoint) -> bool:
        given = {
            "number": stored.number,
            "time_us": stored.time_us,
            "note": stored.note,
            "public_key": stored.public_key,
            "event_count": stored.event_count,
            "frontiers": _packed(stored.frontiers),
        }
        return self._connection.execute(_INSERT, given).first() is not None

    def get(self, number: int) -> StoredCheckpoint | None:
        row = self._connection.execute(_GET, {"number": number}).one_or_none()
        return None if row is None else _stored(row, row.frontiers)

    def last(self) -> StoredCheckpoint | None:
        row = self._connection.execute(_LAST).one_or_none()
        return None if row is None else _stored(row, row.frontiers)

    def list(
        self, after: int, limit: int, *, newest_first: bool = False
    ) -> Sequence[StoredCheckpoint]:
        given = {"after": after, "limit": limit}
        rows = self._connection.execute(_NEWEST if newest_first else _LIST, given)
        return [_stored(row, None) for row in rows]

    def key_uses(self) -> builtins.list[KeyUse]:
        return [
            KeyUse(
                public_key=row.public_key,
                first=row.first,
                last=row.last,
                first_time_us=row.first_time_us,
            )
            for row in self._connection.execute(_KEYS)
        ]


def _stored(row: Row[*tuple[Any, ...]], frontiers: str | None) -> StoredCheckpoint:
    return StoredCheckpoint(
        number=row.number,
        time_us=row.time_us,
        note=row.note,
        public_key=row.public_key,
        event_count=row.event_count,
        frontiers=_unpacked(frontiers),
    )


def _packed(frontiers: Sequence[Frontier] | None) -> str | None:
    if frontiers is None:
        return None
    return json.dumps([[tree.size, *(root.hex() for root in tree.roots)] for tree in frontiers])


def _unpacked(text: str | None) -> tuple[Frontier, ...] | None:
    """None too for what somebody damaged: it can be made again, and is checked before use."""
    try:
        return tuple(
            Frontier(size=int(size), roots=tuple(map(bytes.fromhex, roots)))
            for size, *roots in json.loads(text or "null")
        )
    except (TypeError, ValueError):
        return None
