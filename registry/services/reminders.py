"""Reminders: an event for a promotion that waits, once at half of its time, once a day before its
end. Whoever has a webhook on them is told."""

from __future__ import annotations

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.promotions import Promotion, PromotionState
from registry.domain.times import show_time
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

AT_ONCE = 200
ACTION = "promotion.remind"


class ReminderService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remind(self) -> bool:
        """Append what is due; whether there may be more. A restart repeats nothing: what was given
        is written down with its event."""
        if not self._database.read(lambda tx: tx.reminders.due(self._clock.now_us(), 1)):
            return False

        def fn(tx: Transaction) -> bool:
            now = self._clock.now_us()
            found = tx.reminders.due(now, AT_ONCE)
            for due in found:
                promotion = tx.promotions.lock(due.promotion)
                waits = promotion and promotion.state_at(now) is PromotionState.PENDING
                if promotion and waits and tx.reminders.mark(due, now):
                    tx.events.append(_event(promotion, due.kind))
            return len(found) >= AT_ONCE

        return self._database.write(fn)


def _event(promotion: Promotion, kind: str) -> EventDraft:
    return EventDraft(
        action=ACTION,
        resource=promotion.name,
        namespace=promotion.namespace,
        actor=SYSTEM,
        detail={
            "when": kind,
            "version": promotion.version,
            "digest": promotion.digest,
            "stage": promotion.stage,
            "requester": f"principals/{promotion.requester}",
            "waits_for": [
                {"rule": each.rule, "message": each.message} for each in promotion.waiting
            ],
            "since": show_time(promotion.create_time_us),
            "until": show_time(promotion.expire_time_us),
        },
    )
