"""The audit log sent out: every event once, in order, from any place on.

A cursor says how far each shard was read, `shard:number` with commas between. Numbers have no gap
and become visible in order, so nothing is lost or repeated behind a cursor, whoever writes
meanwhile.
"""

from __future__ import annotations

import heapq
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from registry.domain.access import Action, Caller
from registry.domain.events import SHARDS, Event, shard_of
from registry.domain.pages import PAGE_BYTES_MAX, weight
from registry.errors import CallCancelledError, InvalidFieldError, QuotaError
from registry.names.text import show
from registry.ports.database import Database
from registry.services.events import shown_to
from registry.services.verification import heads_of

READ_ROWS = 200
#: Each holds a thread of the server for as long as its reader takes.
EXPORTS_MAX = 4
BATCH_EVENTS = 500
#: A reader whose filter finds nothing hears of the progress after so many.
SKIPPED_MAX = 20_000
_PLACE = re.compile(r"([0-9]{1,2}):([0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class ExportFilter:
    #: None: all namespaces, registry-wide events included.
    namespace: str | None
    #: An action, or the start of one.
    action: str = ""
    start_time_us: int | None = None
    end_time_us: int | None = None

    def takes(self, event: Event) -> bool:
        return (
            (self.namespace is None or event.namespace == self.namespace)
            and event.action.startswith(self.action)
            and (self.start_time_us is None or event.time_us >= self.start_time_us)
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    events: tuple[Event, ...]
    #: Behind these, and all before them that the filter left out.
    cursor: str


class AuditExport:
    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._running = threading.BoundedSemaphore(EXPORTS_MAX)

    def run(
        self, caller: Caller, wanted: ExportFilter, cursor: str, is_active: Callable[[], bool]
    ) -> Iterator[Batch]:
        """Events behind the cursor, up to what is committed now; by time, then shard and number.

        Permission and cursor are judged before the first batch is asked for.
        """
        namespace = wanted.namespace
        if namespace is None:
            caller.require_everywhere(Action.EVENT_READ, "namespaces/-")
        else:
            caller.require(Action.EVENT_READ, namespace, f"namespaces/{namespace}")
        return self._batches(caller, wanted, parse_cursor(cursor), is_active)

    def _batches(
        self,
        caller: Caller,
        wanted: ExportFilter,
        places: dict[int, int],
        is_active: Callable[[], bool],
    ) -> Iterator[Batch]:
        if not self._running.acquire(blocking=False):
            raise QuotaError(
                what="Exports of the audit log at once",
                found=EXPORTS_MAX + 1,
                limit=EXPORTS_MAX,
                fix="Wait until one has ended.",
            )
        try:
            for batch in self._walk(wanted, places, is_active):
                shown = tuple(shown_to(caller, event) for event in batch.events)
                yield replace(batch, events=shown)
        finally:
            self._running.release()

    def _walk(
        self, wanted: ExportFilter, places: dict[int, int], is_active: Callable[[], bool]
    ) -> Iterator[Batch]:
        found: list[Event] = []
        bytes_left, skipped = PAGE_BYTES_MAX, 0
        for event in heapq.merge(*self._shards(wanted, places), key=_order):
            if wanted.takes(event):
                bytes_left -= weight(event)
                if found and bytes_left < 0:
                    yield Batch(events=tuple(found), cursor=spell_cursor(places))
                    found, bytes_left = [], PAGE_BYTES_MAX - weight(event)
                found.append(event)
            else:
                skipped += 1
            places[event.shard] = event.number
            if len(found) == BATCH_EVENTS or skipped == SKIPPED_MAX:
                yield Batch(events=tuple(found), cursor=spell_cursor(places))
                found, bytes_left, skipped = [], PAGE_BYTES_MAX, 0
            if not is_active():
                raise CallCancelledError(what="Exporting the audit log")
        # Also without any event, so that whoever asks again need not go through them again.
        yield Batch(events=tuple(found), cursor=spell_cursor(places))

    def _shards(self, wanted: ExportFilter, places: dict[int, int]) -> list[Iterator[Event]]:
        """Of each shard what is asked for, and little more. Moves places to where time starts."""
        heads = self._database.snapshot(heads_of)
        if wanted.namespace is not None:
            heads = [heads[shard_of(wanted.namespace)]]
        for head in heads:
            if head.shard not in places and wanted.start_time_us is not None:
                places[head.shard] = self._before(head.shard, head.number, wanted.start_time_us)
        return [
            self._events(head.shard, places.get(head.shard, 0), head.number, wanted.end_time_us)
            for head in heads
        ]

    def _events(self, shard: int, after: int, last: int, end_us: int | None) -> Iterator[Event]:
        while after < last:
            at, limit = after, min(READ_ROWS, last - after)
            rows = self._database.read(lambda tx: tx.events.shard(shard, at, limit))  # noqa: B023
            if not rows:
                return
            for event in rows:
                # Within a shard time never goes back.
                if end_us is not None and event.time_us >= end_us:
                    return
                yield event
            after = rows[-1].number

    def _before(self, shard: int, last: int, time_us: int) -> int:
        """The number of the last event before a time, found by halving."""
        low, high = 0, last
        while low < high:
            middle = (low + high) // 2
            rows = self._database.read(lambda tx: tx.events.shard(shard, middle, 1))  # noqa: B023
            if rows and rows[0].time_us < time_us:
                low = middle + 1
            else:
                high = middle
        return low


def parse_cursor(text: str) -> dict[int, int]:
    """How far each shard was read; InvalidFieldError for what `spell_cursor` did not write."""
    places: dict[int, int] = {}
    for part in text.split(",") if text else ():
        place = _PLACE.fullmatch(part) if part.isascii() else None
        if place is None or int(place[1]) >= SHARDS or len(places) >= SHARDS:
            raise _refusal(text)
        places[int(place[1])] = int(place[2])
    if spell_cursor(places) != text:
        raise _refusal(text)
    return places


def spell_cursor(places: Mapping[int, int]) -> str:
    """Law: `parse_cursor(spell_cursor(places)) == places`."""
    return ",".join(f"{shard}:{number}" for shard, number in sorted(places.items()))


def _order(event: Event) -> tuple[int, int, int]:
    return event.time_us, event.shard, event.number


def _refusal(text: str) -> InvalidFieldError:
    return InvalidFieldError(
        field="cursor",
        found=show(text),
        expected="the cursor of an earlier export, or nothing",
        fix="Start again without a cursor.",
    )
