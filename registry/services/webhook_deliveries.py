"""Deliveries as people see them: the log, a test, and sending again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.events import SHARDS, Event
from registry.domain.pages import Cursor, Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.times import show_time
from registry.domain.webhooks import TEST_ACTION, TEST_SHARD, Delivery, Webhook
from registry.errors import ConflictError, InvalidFieldError, NotFoundError, TooLargeError
from registry.names import EventName, WebhookDeliveryName, WebhookName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.tables import EventQuery
from registry.ports.webhook_tables import Queued
from registry.services.webhooks import existing, visible, webhook_event

REPLAYED_MAX = 10_000
LOOKED_AT_MAX = 200_000
_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """From, inclusive, until, exclusive."""

    start_us: int
    end_us: int | None


@dataclass(frozen=True, kw_only=True)
class EventRange:
    """Events of one shard, both inclusive."""

    first: EventName
    last: EventName


class WebhookDeliveryService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, caller: Caller, parent: WebhookName, page: PageRequest) -> Page[Delivery]:
        of = fingerprint("deliveries", parent.webhook)
        limit = page.limit()

        def fn(tx: Transaction) -> Sequence[Delivery]:
            webhook = visible(tx, caller, Action.WEBHOOK_READ, parent)
            after = decode_token(page.token, of, int)
            return tx.deliveries.list(webhook, after, limit + 1)

        return page_of(self._database.read(fn), limit, lambda delivery: (delivery.key,), of)

    def test(self, caller: Caller, name: WebhookName) -> Delivery:
        self._require_write(caller, name)

        def fn(tx: Transaction) -> Delivery:
            webhook = existing(tx, name, lock=True)
            now = self._clock.now_us()
            probe = Queued(shard=TEST_SHARD, number=now, action=TEST_ACTION)
            if not tx.deliveries.queue(webhook, [probe], now, again=False):
                raise ConflictError(what=f"a test of {webhook.name}")
            tx.events.append(webhook_event(caller.principal.name, TEST_ACTION, webhook))
            queued = tx.deliveries.get(webhook, TEST_SHARD, now)
            if queued is None:
                raise ConflictError(what=f"a test of {webhook.name}")
            return queued

        return self._database.write(fn)

    def replay_one(self, caller: Caller, parent: WebhookName, name: WebhookDeliveryName) -> int:
        webhook = self._require_write(caller, parent)
        shard, number = _place(parent, name)
        found = self._database.read(lambda tx: tx.deliveries.get(webhook, shard, number))
        if found is None:
            raise NotFoundError(
                kind="delivery",
                name=str(name),
                fix=f"See which there are: hallmark webhook deliveries {parent.webhook}",
            )
        event = Queued(shard=shard, number=number, action=found.action)
        return self._queue(caller, parent, [event], delivery=str(name))

    def replay_range(
        self, caller: Caller, parent: WebhookName, wanted: TimeRange | EventRange
    ) -> int:
        webhook = self._require_write(caller, parent)
        if isinstance(wanted, TimeRange):
            end_us = self._clock.now_us() if wanted.end_us is None else wanted.end_us
            events = self._in_time(webhook, wanted.start_us, end_us)
            detail = {"start": show_time(wanted.start_us), "end": show_time(end_us)}
        else:
            events = self._in_shard(*_ends(wanted))
            detail = {"first": str(wanted.first), "last": str(wanted.last)}
        fitting = _fitting(webhook, events)
        return self._queue(caller, parent, fitting, **detail) if fitting else 0

    def _queue(
        self, caller: Caller, name: WebhookName, events: Sequence[Queued], **detail: object
    ) -> int:
        def fn(tx: Transaction) -> int:
            webhook = existing(tx, name, lock=True)
            count = tx.deliveries.queue(webhook, events, self._clock.now_us(), again=True)
            actor = caller.principal.name
            tx.events.append(webhook_event(actor, "webhook.replay", webhook, count=count, **detail))
            return count

        return self._database.write(fn)

    def _require_write(self, caller: Caller, name: WebhookName) -> Webhook:
        return self._database.read(lambda tx: visible(tx, caller, Action.WEBHOOK_WRITE, name))

    def _in_time(self, webhook: Webhook, start_us: int, end_us: int) -> Iterator[Event]:
        pattern = webhook.namespace_pattern
        query = EventQuery(
            namespace=None if "*" in pattern else pattern,
            start_time_us=start_us,
            end_time_us=end_us,
            oldest_first=True,
        )
        after: Cursor | None = None
        while page := self._database.read(
            lambda tx: tx.events.list(query, after, _ROWS)  # noqa: B023 - read at once
        ):
            yield from page
            last = page[-1]
            after = (last.time_us, last.shard, last.number)

    def _in_shard(self, shard: int, first: int, last: int) -> Iterator[Event]:
        number = first - 1
        while number < last:
            limit = min(_ROWS, last - number)
            page = self._database.read(
                lambda tx: tx.events.shard(shard, number, limit)  # noqa: B023 - read at once
            )
            if not page:
                return
            yield from page
            number = page[-1].number


def _fitting(webhook: Webhook, events: Iterator[Event]) -> list[Queued]:
    fitting: list[Queued] = []
    for looked_at, event in enumerate(events):
        if webhook.fits(event):
            fitting.append(Queued(shard=event.shard, number=event.number, action=event.action))
        if len(fitting) > REPLAYED_MAX or looked_at >= LOOKED_AT_MAX:
            raise TooLargeError(
                what="replay",
                found="more events",
                limit=f"{REPLAYED_MAX} that the filter fits, of {LOOKED_AT_MAX} in all",
                fix="Replay a shorter range, then the next.",
            )
    return fitting


def _place(parent: WebhookName, name: WebhookDeliveryName) -> tuple[int, int]:
    """Shard and number of the event that a delivery is of."""
    shard, _, number = name.delivery.partition("-")
    if name.webhook != parent or not (shard.isdigit() and number.isdigit()) or len(number) > 16:
        raise InvalidFieldError(
            field="delivery",
            found=show(str(name)),
            expected=f"{parent}/deliveries/<shard>-<number>",
            fix="Send a test anew; other deliveries are named by hallmark webhook deliveries.",
        )
    return int(shard[:4]), int(number)


def _ends(wanted: EventRange) -> tuple[int, int, int]:
    shard = wanted.first.shard
    if shard != wanted.last.shard or shard >= SHARDS or wanted.first.number > wanted.last.number:
        raise InvalidFieldError(
            field="events",
            found=f"{wanted.first} to {wanted.last}",
            expected=f"first and last event of one shard below {SHARDS}, in this order",
            fix="Replay each shard by itself, or a time.",
        )
    return shard, wanted.first.number, wanted.last.number
