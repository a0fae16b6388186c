"""The tables of webhooks and reminders, as `ports.tables` has the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.domain.inbox import InboxKind
from registry.domain.pages import Cursor
from registry.domain.webhooks import Delivery, Webhook


@dataclass(frozen=True, kw_only=True)
class Queued:
    """An event for a webhook: its place in the log, and its action."""

    shard: int
    number: int
    action: str


class Webhooks(Protocol):
    def insert(self, webhook: Webhook) -> Webhook: ...

    def get(self, id: str) -> Webhook | None: ...

    def lock(self, id: str) -> Webhook | None:
        """The webhook; until the transaction ends nobody else locks it. Taken before its
        deliveries."""

    def count(self) -> int: ...

    def list(self, after: Cursor | None) -> Sequence[Webhook]:
        """All by key, behind `after` = (key,)."""

    def enabled(self) -> Sequence[Webhook]: ...

    def save(self, webhook: Webhook) -> None:
        """Store all but key, id, pattern and creation of a webhook that is locked."""

    def delete(self, key: int) -> None:
        """With its deliveries."""


class Deliveries(Protocol):
    def queue(
        self, webhook: Webhook, events: Sequence[Queued], time_us: int, *, again: bool
    ) -> int:
        """Put events of a webhook that is locked into the queue; how many. One that is there is
        left alone, or with `again` sent once more; then its tries count from the start."""

    def get(self, webhook: Webhook, shard: int, number: int) -> Delivery | None: ...

    def list(self, webhook: Webhook, after: Cursor | None, limit: int) -> Sequence[Delivery]:
        """Newest first by key, behind `after` = (key,)."""

    def due(self, now_us: int, each: int) -> Sequence[Delivery]:
        """What may be tried now: the longest due of each webhook, at most `each` of it, or one of a
        webhook that fails, those that are leased counted. Of disabled webhooks only tests."""

    def lease(self, delivery: Delivery, until_us: int) -> bool:
        """Make it somebody's until then; false where it is somebody else's by now."""

    def record(self, delivery: Delivery, lease_until_us: int) -> bool:
        """Store how a try went, if the lease still is this one."""

    def purge(self, before_us: int) -> int:
        """Forget those that have ended and were made before; how many."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A reminder that has not been given yet."""

    kind: InboxKind
    number: int
    #: "half" or "last_day".
    mark: str


class Reminders(Protocol):
    def due(self, kind: InboxKind, now_us: int, limit: int) -> Sequence[Due]:
        """Of a kind what waits: "half" of its time is over, or "last_day" has begun. At most so
        many of each mark."""

    def mark(self, due: Due) -> bool:
        """Note that it is given; false where it was."""
