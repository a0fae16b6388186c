"""What the tables of webhooks and deliveries have to do."""

from __future__ import annotations

import dataclasses
from typing import Any

from registry.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookSecret,
)
from registry.ports.database import Database, Transaction
from registry.ports.webhook_tables import Queued
from registry.testing.contracts.database.samples import T0

DAY_US = 24 * 3600 * 1_000_000


def webhook(id: str = "w1", **changes: Any) -> Webhook:
    value = Webhook(
        key=0,
        id=id,
        url="https://hooks.example/x",
        description="Ann's \N{SNOWMAN}",
        actions=("promotion.", "stage.move"),
        namespace_pattern="fraud",
        enabled=True,
        disable_reason="",
        secrets=(
            WebhookSecret(sealed="sealed-new", expire_time_us=None),
            WebhookSecret(sealed="sealed-old", expire_time_us=T0 + 5),
        ),
        position=tuple(range(16)),
        failing_since_us=None,
        etag="e1",
        create_time_us=T0,
        update_time_us=T0,
        creator="principals/ann",
    )
    return dataclasses.replace(value, **changes)


def delivery(**changes: Any) -> Delivery:
    value = Delivery(
        key=1,
        webhook_key=1,
        webhook="w1",
        shard=3,
        number=7,
        action="stage.move",
        state=DeliveryState.PENDING,
        attempts=(),
        attempt_count=0,
        start_time_us=T0,
        next_attempt_us=T0,
        lease_until_us=0,
        create_time_us=T0,
    )
    return dataclasses.replace(value, **changes)


def stored(database: Database, value: Webhook) -> Webhook:
    return database.write(lambda tx: tx.webhooks.insert(value))


def queue(
    database: Database, of: Webhook, *numbers: int, time_us: int = T0, again: bool = False
) -> int:
    events = [Queued(shard=3, number=number, action="stage.move") for number in numbers]
    return database.write(lambda tx: tx.deliveries.queue(of, events, time_us, again=again))


def due(database: Database, now_us: int = T0, each: int = 4) -> list[Delivery]:
    return list(database.read(lambda tx: tx.deliveries.due(now_us, each)))


def listed(database: Database, of: Webhook) -> list[Delivery]:
    return list(database.read(lambda tx: tx.deliveries.list(of, None, 100)))


def record(database: Database, value: Delivery, lease_until_us: int) -> bool:
    return database.write(lambda tx: tx.deliveries.record(value, lease_until_us))


class WebhooksContract:
    def test_comes_back_as_it_was_put_in(self, database: Database) -> None:
        """Every field is kept, and a save changes all that can change."""
        value = stored(database, webhook())
        assert value.key
        assert database.read(lambda tx: tx.webhooks.get("w1")) == value
        assert database.read(lambda tx: tx.webhooks.get("w2")) is None
        changed = webhook(
            key=value.key, url="https://other.example/", description="", actions=(),
            enabled=False, disable_reason="gone", secrets=value.secrets[:1],
            position=(9,) * 16, failing_since_us=T0, etag="e2", update_time_us=T0 + 1,
        )  # fmt: skip

        def fn(tx: Transaction) -> None:
            assert tx.webhooks.lock("w1") == value
            tx.webhooks.save(changed)

        database.write(fn)
        assert database.read(lambda tx: tx.webhooks.get("w1")) == changed
        assert list(database.read(lambda tx: tx.webhooks.enabled())) == []

    def test_a_list_goes_on_behind_a_webhook(self, database: Database) -> None:
        """All are listed by key, or those behind one."""
        patterns = ["fraud", "fraud*", "*"]
        for number, pattern in enumerate(patterns):
            stored(database, webhook(f"w{number}", namespace_pattern=pattern))
        found = database.read(lambda tx: tx.webhooks.list(None))
        assert [each.namespace_pattern for each in found] == patterns
        assert database.read(lambda tx: tx.webhooks.list((found[0].key,))) == found[1:]
        assert database.read(lambda tx: tx.webhooks.count()) == 3

    def test_an_event_is_queued_once(self, database: Database) -> None:
        """The same event again is no second delivery, unless it is asked for again."""
        of = stored(database, webhook())
        other = stored(database, webhook("w2"))
        assert queue(database, of, 1, 2) == 2
        assert queue(database, other, 1) == 1
        assert queue(database, of, 2, 3, time_us=T0 + 1) == 1
        assert [each.number for each in listed(database, of)] == [3, 2, 1]
        assert queue(database, of) == 0
        first = listed(database, of)[-1]
        assert first == delivery(key=first.key, webhook_key=of.key, number=1)
        assert database.read(lambda tx: tx.deliveries.get(of, 3, 1)) == first
        assert database.read(lambda tx: tx.deliveries.get(of, 4, 1)) is None

    def test_sent_again_it_counts_from_the_start(self, database: Database) -> None:
        """A replay keeps the row, and so its id, and what was tried; one on its way is left."""
        of = stored(database, webhook())
        queue(database, of, 1, 2)
        ended, leased = (each for each in reversed(listed(database, of)))
        tried = (Attempt(time_us=T0, duration_ms=5, status=500, error="status 500"),)
        given_up = dataclasses.replace(
            ended, state=DeliveryState.FAILED, attempts=tried, attempt_count=9
        )
        assert record(database, given_up, 0)
        assert database.write(lambda tx: tx.deliveries.lease(leased, T0 + 60))
        assert queue(database, of, 1, 2, 3, time_us=T0 + 9, again=True) == 2
        again = database.read(lambda tx: tx.deliveries.get(of, 3, 1))
        assert again == dataclasses.replace(
            given_up, state=DeliveryState.PENDING, attempt_count=0,
            start_time_us=T0 + 9, next_attempt_us=T0 + 9,
        )  # fmt: skip

    def test_due_is_what_may_be_tried_now(self, database: Database) -> None:
        """Longest due first, so many of each webhook, of one that fails one, of a disabled one
        tests alone."""
        well = stored(database, webhook("well"))
        failing = stored(database, webhook("failing", failing_since_us=T0))
        off = stored(database, webhook("off", enabled=False))
        queue(database, well, 1, 2, 3, time_us=T0 + 5)
        queue(database, failing, 1, 2, time_us=T0)
        queue(database, off, 1)
        probe = [Queued(shard=-1, number=T0, action="webhook.test")]
        database.write(lambda tx: tx.deliveries.queue(off, probe, T0 + 6, again=False))

        def places(**given: int) -> list[tuple[str, str]]:
            return [(each.webhook, each.id) for each in due(database, **given)]

        assert places(now_us=T0 - 1) == []
        assert places(now_us=T0 + 4) == [("failing", "3-1")]
        assert places(now_us=T0 + 9, each=2) == [
            ("failing", "3-1"), ("well", "3-1"), ("well", "3-2"), ("off", f"test-{T0}"),
        ]  # fmt: skip

    def test_a_lease_keeps_others_away_until_it_ends(self, database: Database) -> None:
        """One of two gets it; it counts as being tried; when it ends it is due again."""
        of = stored(database, webhook())
        queue(database, of, 1, 2)
        first = due(database)[0]
        assert database.write(lambda tx: tx.deliveries.lease(first, T0 + 60))
        assert not database.write(lambda tx: tx.deliveries.lease(first, T0 + 61))
        assert [each.number for each in due(database, T0 + 59)] == [2]
        assert due(database, T0 + 59, each=1) == []
        assert [each.number for each in due(database, T0 + 60)] == [2, 1]

    def test_only_who_holds_the_lease_records(self, database: Database) -> None:
        """What came too late is refused, and what was recorded comes back as it was."""
        of = stored(database, webhook())
        queue(database, of, 1)
        one = due(database)[0]
        database.write(lambda tx: tx.deliveries.lease(one, T0 + 60))
        tried = (Attempt(time_us=T0, duration_ms=5, status=204, error=""),)
        done = dataclasses.replace(
            one, state=DeliveryState.DELIVERED, attempts=tried, attempt_count=1
        )
        assert not record(database, done, T0 + 59)
        assert record(database, done, T0 + 60)
        assert not record(database, done, T0 + 60)
        assert listed(database, of) == [done]
        assert due(database, T0 + DAY_US) == []

    def test_old_ones_that_have_ended_are_forgotten(self, database: Database) -> None:
        """What waits stays, however old; a webhook that goes takes all of its own along."""
        of = stored(database, webhook())
        queue(database, of, 1, 2)
        ended = dataclasses.replace(listed(database, of)[0], state=DeliveryState.FAILED)
        record(database, ended, 0)
        assert database.write(lambda tx: tx.deliveries.purge(T0)) == 0
        assert database.write(lambda tx: tx.deliveries.purge(T0 + 1)) == 1
        assert [each.number for each in listed(database, of)] == [1]
        database.write(lambda tx: tx.webhooks.delete(of.key))
        assert due(database, T0 + DAY_US) == []
        assert database.read(lambda tx: tx.webhooks.get("w1")) is None
