"""Audit events: read as they lie, appended under the lock of their shard's head."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert

from registry.db.arrays import array, insert_of, numbers, values_of
from registry.db.prepared import PreparedConnection
from registry.db.tables import event_heads, events
from registry.domain.events import SHARDS, Event, EventDraft, chain, shard_of
from registry.domain.pages import Cursor
from registry.ports.tables import EventQuery

_COLUMNS = (
    events.c.shard,
    events.c.number,
    events.c.time_us,
    events.c.actor,
    events.c.action,
    events.c.resource,
    events.c.namespace,
    events.c.detail_json,
    events.c.previous_hash,
    events.c.hash,
)
_SHARD = (
    select(*_COLUMNS)
    .where(events.c.shard == bindparam("shard"), events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
_HASHES = (
    select(events.c.hash)
    .where(events.c.shard == bindparam("shard"), events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("limit"))
)
_HEADS = (
    select(event_heads.c.shard, event_heads.c.number, event_heads.c.hash)
    .where(event_heads.c.number > 0)
    .order_by(event_heads.c.shard)
)
# In a column SQLite keeps what it likes: 2.5 is no shard either, and not between two.
_ASTRAY = (
    select(events.c.shard, events.c.number)
    .join_from(events, event_heads, events.c.shard == event_heads.c.shard, isouter=True)
    .where(
        or_(
            event_heads.c.shard.is_(None),
            events.c.shard.not_in(range(SHARDS)),
            events.c.number.is_(None),
            events.c.number < 1,
            events.c.number > event_heads.c.number,
        )
    )
    .order_by(events.c.shard, events.c.number)
    .limit(1)
)
# Sorted, so that two writers of the same shards never wait in a circle.
_LOCK = (
    select(event_heads.c.shard, event_heads.c.number, event_heads.c.hash, event_heads.c.time_us)
    .where(event_heads.c.shard.in_(numbers("shards")))
    .order_by(event_heads.c.shard)
    .with_for_update(of=event_heads)
)
_NAMES = tuple(column.key for column in _COLUMNS)
_HEAD = ("shard", "number", "hash", "time_us")
#: An event's values in the order of the names.
_row: Callable[[Event], tuple[object, ...]] = attrgetter(*_NAMES)
_head: Callable[[Event], tuple[object, ...]] = attrgetter(*_HEAD)
#: More events than that are stored by several statements.
_ROWS_MAX = 32


@cache
def _move(count: int) -> Insert:
    """Move so many heads, all of which are there."""
    moved = insert_of(event_heads, _HEAD, count)
    return moved.on_conflict_do_update(
        index_elements=["shard"],
        set_={name: moved.excluded[name] for name in _HEAD[1:]},
    )


class SqlEvents:
    def __init__(
        self, connection: PreparedConnection, drafts: builtins.list[EventDraft] | None
    ) -> None:
        """`drafts` collects what is appended; None where nothing can be."""
        self._connection = connection
        self._drafts = drafts

    def append(self, draft: EventDraft) -> None:
        if self._drafts is None:
            raise RuntimeError(f"{draft.action}: events are appended in Database.write only")
        self._drafts.append(draft)

    def list(self, query: EventQuery, after: Cursor | None, limit: int) -> Sequence[Event]:
        rows = self._connection.execute(_matching(query, after).limit(limit))
        return [_event(row) for row in rows]

    def shard(self, shard: int, after_number: int, limit: int) -> Sequence[Event]:
        given = {"shard": shard, "after": after_number, "limit": limit}
        return [_event(row) for row in self._connection.execute(_SHARD, given)]

    def hashes(self, shard: int, after_number: int, limit: int) -> Sequence[str]:
        given = {"shard": shard, "after": after_number, "limit": limit}
        return self._connection.execute(_HASHES, given).scalars().all()

    def heads(self) -> Sequence[tuple[int, int, str]]:
        return [(row[0], row[1], row[2]) for row in self._connection.execute(_HEADS)]

    def astray(self) -> tuple[int, int] | None:
        row = self._connection.execute(_ASTRAY, {}).one_or_none()
        return None if row is None else (row.shard, row.number)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the next event of a shard continues, where that is not at hand as an event."""

    number: int
    hash: str
    time_us: int


class Chain:
    """Events to be stored by the COMMIT that comes, in their places behind the heads.

    Heads are read, and on PostgreSQL locked, when they are first needed, and kept from then on.
    """

    def __init__(self) -> None:
        self._heads: dict[int, Head | Event] = {}
        self._new: list[Event] = []

    def add(
        self, connection: PreparedConnection, drafts: Sequence[EventDraft], now_us: int
    ) -> None:
        """Put all drafts into their places, or raise and put none."""
        shards = {shard_of(draft.namespace) for draft in drafts}
        if missing := shards - self._heads.keys():
            self._heads |= _lock(connection, missing)
        heads = {shard: self._heads[shard] for shard in shards}
        placed = []
        for draft in drafts:
            shard = shard_of(draft.namespace)
            head = heads[shard]
            event = chain(
                draft,
                number=head.number + 1,
                previous_hash=head.hash,
                # The clocks of several servers differ; within a shard time never goes back.
                time_us=max(now_us, head.time_us),
            )
            heads[shard] = event
            placed.append(event)
        self._heads |= heads
        self._new += placed

    def store(self, connection: PreparedConnection) -> None:
        """Insert what was added since the last time, and move the heads behind it."""
        for start in range(0, len(self._new), _ROWS_MAX):
            rows = [_row(event) for event in self._new[start : start + _ROWS_MAX]]
            inserted = insert_of(events, _NAMES, len(rows))
            connection.execute_later(inserted, values_of(_NAMES, rows))
        if self._new:
            last = {event.shard: event for event in self._new}
            heads = [_head(event) for event in last.values()]
            connection.execute_later(_move(len(heads)), values_of(_HEAD, heads))
            self._new = []


def _lock(connection: PreparedConnection, shards: Collection[int]) -> dict[int, Head]:
    found = connection.execute(_LOCK, {"shards": array(shards)})
    return {row.shard: Head(number=row.number, hash=row.hash, time_us=row.time_us) for row in found}


def _matching(query: EventQuery, after: Cursor | None) -> Select[*tuple[Any, ...]]:
    time_us: ColumnElement[int] = events.c.time_us
    if query.resource and query.namespace is None:
        # As a sum, or the log would be gone through in order of time for what its resource finds.
        time_us = time_us + literal_column("0")
    place = (time_us, events.c.shard, events.c.number)
    found = select(*_COLUMNS)
    if query.namespace is not None:
        found = found.where(events.c.namespace == query.namespace)
    if query.resource:
        # "0" follows "/" in ASCII: between the two is all that starts with the name and a slash.
        below = and_(
            events.c.resource >= query.resource + "/", events.c.resource < query.resource + "0"
        )
        found = found.where(or_(events.c.resource == query.resource, below))
    if query.actor:
        found = found.where(events.c.actor == query.actor)
    if query.action:
        found = found.where(events.c.action.startswith(query.action, autoescape=True))
    if query.start_time_us is not None:
        found = found.where(time_us >= query.start_time_us)
    if query.end_time_us is not None:
        found = found.where(time_us < query.end_time_us)
    if after is not None:
        here, there = tuple_(*place), tuple_(*after)
        found = found.where(here > there if query.oldest_first else here < there)
    return found.order_by(*(c if query.oldest_first else c.desc() for c in place))


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(
        shard=row.shard,
        number=row.number,
        time_us=row.time_us,
        actor=row.actor,
        action=row.action,
        resource=row.resource,
        namespace=row.namespace,
        detail_json=row.detail_json,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
