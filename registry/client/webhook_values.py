"""What the client returns of webhooks; see `values`, whose conventions hold here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Webhook:
    name: str
    #: Not shown, since it may hold the receiver's secret.
    url: str = field(repr=False)
    description: str
    actions: tuple[str, ...]
    namespace_pattern: str
    enabled: bool
    disable_reason: str
    failing_since_time: datetime | None
    etag: str
    create_time: datetime | None
    update_time: datetime | None
    creator: str

    @property
    def id(self) -> str:
        return self.name.removeprefix("webhooks/")


@dataclass(frozen=True, kw_only=True)
class NewWebhook:
    """A webhook and, this once, its secret; empty where the reply repeats an earlier one."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    time: datetime | None
    duration_ms: int
    status_code: int
    error: str


@dataclass(frozen=True, kw_only=True)
class WebhookDelivery:
    name: str
    message_id: str
    event: str
    action: str
    state: str
    attempts: tuple[Attempt, ...]
    next_attempt_time: datetime | None
    create_time: datetime | None

    @property
    def id(self) -> str:
        return self.name.rpartition("/")[2]
