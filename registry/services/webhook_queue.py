"""The queue of deliveries: events go in, requests come out, whatever dies in between.

The rows are the queue. `queue_new` puts events in behind each webhook's position, a number for each
shard, in the transaction that moves the position: an event goes in once, and none is passed over,
since numbers of a shard have no gaps and become visible in order, which ids over all do not.
`claim` leases what is due; who holds the lease sends it, and records how it went, in `deliver`.
Whoever dies on the way leaves a lease that ends, and the delivery is due again, under the same
webhook-id. Replicas may do all of this at once.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.access import matches
from registry.domain.events import SYSTEM, Event
from registry.domain.scopes import model_in
from registry.domain.webhooks import (
    DAY_US,
    SECOND_US,
    Answer,
    Delivery,
    Webhook,
    after,
    event_body,
    headers,
    probe_body,
    webhook_after,
)
from registry.errors import StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.webhook_tables import Queued
from registry.ports.webhooks import SecretBox, Sender
from registry.services.events import shown_where
from registry.services.namespaces import new_etag
from registry.services.webhook_shares import EACH_MAX, Shares
from registry.services.webhook_urls import WebhookUrls
from registry.services.webhooks import webhook_event

logger = logging.getLogger(__name__)

#: Three times what a try takes at most, for clocks of replicas that differ.
LEASE_US = 60 * SECOND_US
KEPT_US = 30 * DAY_US
#: Events of a shard that are looked at in one go.
ROWS = 500

_Events = Callable[[int, int], Sequence[Event]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A delivery that is ours until `until_us`."""

    delivery: Delivery
    until_us: int


class WebhookQueue:
    """One thread calls `queue_new` and `claim`; many may call `deliver`."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sender: Sender,
        box: SecretBox,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sender = sender
        self._box = box
        self._urls = WebhookUrls(box)
        self._chance = chance
        self._shares = Shares()
        #: How far each webhook was looked through, by id and etag: a position is stored only where
        #: something fits, since a write for each event and webhook would cost more than a look.
        self._looked: dict[tuple[str, str], tuple[int, ...]] = {}

    def queue_new(self) -> bool:
        """Put new events into the queue; whether there are more."""
        webhooks = self._database.read(lambda tx: tx.webhooks.enabled())
        self._shares.keep(webhook.id for webhook in webhooks)
        if not webhooks:
            return False
        heads = self._database.read(lambda tx: tx.events.heads())
        events = self._reader()
        looked: dict[tuple[str, str], tuple[int, ...]] = {}
        more = False
        for webhook in webhooks:
            which = (webhook.id, webhook.etag)
            start = tuple(map(max, webhook.position, self._looked.get(which, webhook.position)))
            reached, found = list(start), []
            for shard, head, _ in heads:
                page = events(shard, start[shard]) if head > start[shard] else ()
                if page:
                    reached[shard] = page[-1].number
                    more = more or len(page) == ROWS
                    found += [event for event in page if webhook.fits(event)]
            if not found or self._queue(webhook, found, tuple(reached)):
                looked[which] = tuple(reached)
        self._looked = looked
        return more

    def _reader(self) -> _Events:
        """Reads events of a shard behind a number; each page once, for all webhooks."""
        pages: dict[tuple[int, int], Sequence[Event]] = {}

        def read(shard: int, number: int) -> Sequence[Event]:
            place = (shard, number)
            if place not in pages:
                pages[place] = self._database.read(lambda tx: tx.events.shard(shard, number, ROWS))
            return pages[place]

        return read

    def _queue(self, webhook: Webhook, found: Sequence[Event], reached: tuple[int, ...]) -> bool:
        """False where the webhook was changed, or another replica was quicker: the next look
        starts from what is there."""
        queued = [Queued(shard=e.shard, number=e.number, action=e.action) for e in found]

        def fn(tx: Transaction) -> bool:
            held = tx.webhooks.lock(webhook.id)
            if held is None or (held.etag, held.position) != (webhook.etag, webhook.position):
                return False
            tx.deliveries.queue(held, queued, self._clock.now_us(), again=False)
            tx.webhooks.save(dataclasses.replace(held, position=reached))
            return True

        return self._database.write(fn)

    def claim(self, limit: int) -> list[Claim]:
        """Lease what is due, at most so many."""

        def chosen(tx: Transaction) -> Sequence[Delivery]:
            now_us = self._clock.now_us()
            return self._shares.choose(tx.deliveries.due(now_us, EACH_MAX), limit, now_us)

        if limit < 1 or not self._database.read(chosen):
            return []

        def fn(tx: Transaction) -> list[Claim]:
            until_us = self._clock.now_us() + LEASE_US
            return [
                Claim(delivery=delivery, until_us=until_us)
                for delivery in chosen(tx)
                if tx.deliveries.lease(delivery, until_us)
            ]

        claims = self._database.write(fn)
        for claim in claims:
            self._shares.begin(claim.delivery, claim.until_us)
        return claims

    def deliver(self, claim: Claim) -> None:
        """Send what was claimed, and record how it went."""
        answer = None
        try:
            answer = self._sent(claim.delivery)
        finally:
            duration_ms = None if answer is None else answer.duration_ms
            self._shares.end(claim.delivery, duration_ms, self._clock.now_us())
        if answer is not None:
            self._database.write(lambda tx: self._record(tx, claim, answer))

    def purge(self) -> int:
        """Forget deliveries that ended long ago; how many."""
        before_us = self._clock.now_us() - KEPT_US
        return self._database.write(lambda tx: tx.deliveries.purge(before_us))

    def _sent(self, delivery: Delivery) -> Answer | None:
        """What came of a request; None where the webhook is gone."""
        webhook = self._database.read(lambda tx: tx.webhooks.get(delivery.webhook))
        if webhook is None:
            return None
        body = self._body(delivery, webhook.namespace_pattern)
        if body is None:
            return Answer(status=0, error="its event is not in the log", duration_ms=0)
        now_us = self._clock.now_us()
        try:
            url = self._urls.opened(webhook)
            signers = [
                self._box.open(each.sealed, of=webhook.id)
                for each in webhook.secrets
                if each.expire_time_us is None or each.expire_time_us > now_us
            ]
        except StorageError as error:
            return Answer(status=0, error=str(error), duration_ms=0)
        signed = headers(
            signers,
            message_id=delivery.message_id,
            timestamp_s=now_us // SECOND_US,
            body=body,
        )
        return self._sender.send(url, signed, body)

    def _body(self, delivery: Delivery, pattern: str) -> bytes | None:
        if delivery.is_test:
            return probe_body(delivery)
        number = delivery.number
        found = self._database.read(lambda tx: tx.events.shard(delivery.shard, number - 1, 1))
        if not found or found[0].number != number:
            return None
        # Whoever has the webhook may read what its pattern covers, and need not read more.
        return event_body(shown_where(found[0], lambda name: _covers(pattern, name)))

    def _record(self, tx: Transaction, claim: Claim, answer: Answer) -> None:
        now_us = self._clock.now_us()
        webhook = tx.webhooks.lock(claim.delivery.webhook)
        if webhook is None:
            return
        told = after(claim.delivery, answer, now_us=now_us, chance=self._chance())
        if not tx.deliveries.record(told, claim.until_us):
            logger.warning("%s took so long that its lease ended", told.name)
            return
        new = webhook_after(webhook, claim.delivery, answer, now_us=now_us)
        if webhook.enabled and not new.enabled:
            new = dataclasses.replace(new, etag=new_etag(), update_time_us=now_us)
            reason = new.disable_reason
            tx.events.append(webhook_event(SYSTEM, "webhook.disable", new, reason=reason))
        if new != webhook:
            tx.webhooks.save(new)


def _covers(pattern: str, version: str) -> bool:
    """Whether a webhook's pattern covers the namespace of a version, by its name."""
    return matches(pattern, (model_in(version) or "").partition("/")[0])
