"""Webhooks: which events go to whom, what is sent, and when it is tried again.

The form is that of the Standard Webhooks specification
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from registry.domain.access import REGISTRY_WIDE, matches
from registry.domain.canonical import canonical_json
from registry.domain.events import Event
from registry.domain.times import show_time

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US

FIRST_DELAY_US = 10 * SECOND_US
DELAY_US_MAX = 6 * HOUR_US
#: A delivery is given up, and a webhook to which nothing goes is disabled, after so long.
TRIED_FOR_US = 3 * DAY_US
#: So many tries are remembered: more than fit into the time above.
ATTEMPTS_MAX = 30
#: Secrets that sign at once.
SECRETS_MAX = 5
TEST_ACTION = "webhook.test"
#: In place of a shard, of which there is none for a test.
TEST_SHARD = -1

_SECRET_PREFIX = "whsec_"
_SECRET_BYTES = 32


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class WebhookSecret:
    """A secret as it is stored: sealed. It signs until it expires; None: as long as it is there."""

    sealed: str = field(repr=False)
    expire_time_us: int | None


@dataclass(frozen=True, kw_only=True)
class Webhook:
    key: int
    id: str
    #: Not shown, since path and query are often the receiver's only secret; `origin` may be. As it
    #: is stored it is the origin and, sealed, the rest: see services/webhook_urls.py.
    url: str = field(repr=False)
    description: str
    #: Beginnings of actions; none: all actions.
    actions: tuple[str, ...]
    namespace_pattern: str
    enabled: bool
    disable_reason: str
    #: The newest first.
    secrets: tuple[WebhookSecret, ...]
    #: The number of the last event of each shard that is in the queue, or was not for this webhook.
    position: tuple[int, ...]
    failing_since_us: int | None
    etag: str
    create_time_us: int
    update_time_us: int
    creator: str

    @property
    def name(self) -> str:
        return f"webhooks/{self.id}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def fits(self, event: Event) -> bool:
        """Whether an event is for this webhook. Registry-wide ones need the pattern "*"."""
        if not matches(self.namespace_pattern, event.namespace or REGISTRY_WIDE):
            return False
        return not self.actions or event.action.startswith(self.actions)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    time_us: int
    duration_ms: int
    #: 0 where there was no reply.
    status: int
    error: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event, or a test, on its way to one webhook."""

    key: int
    webhook_key: int
    #: The webhook's id.
    webhook: str
    shard: int
    number: int
    action: str
    state: DeliveryState
    attempts: tuple[Attempt, ...]
    #: Of all tries since `start_time_us`.
    attempt_count: int
    #: When it was put into the queue, for the first time or again.
    start_time_us: int
    next_attempt_us: int
    #: Until then it is somebody's, who is about to say how it went; 0: nobody's.
    lease_until_us: int
    create_time_us: int

    @property
    def is_test(self) -> bool:
        return self.shard == TEST_SHARD

    @property
    def id(self) -> str:
        return f"{'test' if self.is_test else self.shard}-{self.number}"

    @property
    def name(self) -> str:
        return f"webhooks/{self.webhook}/deliveries/{self.id}"

    @property
    def event(self) -> str:
        return "" if self.is_test else f"shards/{self.shard}/events/{self.number}"

    @property
    def message_id(self) -> str:
        """The same at every try. Another webhook's differs, for receivers of several."""
        return f"msg_{self.webhook}_{self.id}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a request. `status` 0: no reply, and `error` says why."""

    status: int
    error: str
    duration_ms: int
    #: The seconds of a Retry-After; None where there was none.
    retry_after_s: int | None = None

    @property
    def is_delivered(self) -> bool:
        return 200 <= self.status < 300 and not self.error

    @property
    def is_gone(self) -> bool:
        """410: the receiver wants nothing any more."""
        return self.status == 410


def new_secret() -> str:
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """`v1,` and base64 of the HMAC-SHA256 of id, time and body, with dots between."""
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def headers(
    signers: Sequence[str], *, message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The three headers of a request, signed by each secret, so that a receiver needs one."""
    signed = (
        signature(each, message_id=message_id, timestamp_s=timestamp_s, body=body)
        for each in signers
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signed),
    }


def event_body(event: Event) -> bytes:
    """What is sent of an event: canonical JSON, the same bytes at every try."""
    data = {
        "action": event.action,
        "actor": event.actor,
        "detail": json.loads(event.detail_json),
        "hash": event.hash,
        "name": event.name,
        "namespace": event.namespace,
        "number": event.number,
        "previous_hash": event.previous_hash,
        "resource": event.resource,
        "shard": event.shard,
        "time_us": event.time_us,
    }
    return _body(event.action, event.time_us, data)


def probe_body(delivery: Delivery) -> bytes:
    """What is sent to try a webhook out."""
    return _body(TEST_ACTION, delivery.create_time_us, {"webhook": f"webhooks/{delivery.webhook}"})


def _body(kind: str, time_us: int, data: Mapping[str, object]) -> bytes:
    return canonical_json({"type": kind, "timestamp": show_time(time_us), "data": data})


def delay_us(attempt_count: int, answer: Answer, chance: float) -> int:
    """The pause after so many failed tries; `chance` from 0 to 1 spreads it by a quarter, so that
    what failed together does not come back together. A receiver may ask for a longer one."""
    doubled = FIRST_DELAY_US << min(attempt_count - 1, 20)
    spread = int(min(doubled, DELAY_US_MAX) * (0.75 + chance / 2))
    return max(spread, min((answer.retry_after_s or 0) * SECOND_US, DELAY_US_MAX))


def after(delivery: Delivery, answer: Answer, *, now_us: int, chance: float) -> Delivery:
    """The delivery once a try has ended so: done, given up, or to be tried again."""
    attempt = Attempt(
        time_us=now_us - answer.duration_ms * 1000,
        duration_ms=answer.duration_ms,
        status=answer.status,
        error=answer.error,
    )
    count = delivery.attempt_count + 1
    state = DeliveryState.PENDING
    if answer.is_delivered:
        state = DeliveryState.DELIVERED
    elif delivery.is_test or answer.is_gone or now_us - delivery.start_time_us >= TRIED_FOR_US:
        state = DeliveryState.FAILED
    return dataclasses.replace(
        delivery,
        state=state,
        attempts=(*delivery.attempts, attempt)[-ATTEMPTS_MAX:],
        attempt_count=count,
        next_attempt_us=now_us + delay_us(count, answer, chance),
        lease_until_us=0,
    )


def webhook_after(webhook: Webhook, delivery: Delivery, answer: Answer, *, now_us: int) -> Webhook:
    """The webhook once a try has ended so: well, failing since then, or disabled."""
    if answer.is_delivered:
        return dataclasses.replace(webhook, failing_since_us=None)
    if answer.is_gone:
        return _disabled(webhook, "the receiver replied 410: it wants nothing any more")
    if delivery.is_test:
        return webhook
    since = webhook.failing_since_us
    if since is None:
        return dataclasses.replace(webhook, failing_since_us=now_us)
    if now_us - since >= TRIED_FOR_US:
        return _disabled(webhook, f"nothing could be delivered since {show_time(since)}")
    return webhook


def _disabled(webhook: Webhook, reason: str) -> Webhook:
    if not webhook.enabled:
        return webhook
    return dataclasses.replace(webhook, enabled=False, disable_reason=reason)
