"""Reminders: an event for what waits for decisions, once at half of its time, once a day before its
end. Whoever has a webhook on them is told."""

from __future__ import annotations

import json

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.policy_sets import ChangeState, PolicyChange
from registry.domain.promotions import Promotion, PromotionState
from registry.domain.times import show_time
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.tables import EventQuery

AT_ONCE = 200
ACTION = "promotion.remind"
POLICY_ACTION = "policy.remind"
_DAY_US = 24 * 3600 * 1_000_000


class ReminderService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remind(self) -> bool:
        """Append what is due; whether there may be more. A restart repeats nothing: what was given
        is written down with its event, or is that event."""
        self._remind_of_policies()
        return self._remind_of_promotions()

    def _remind_of_promotions(self) -> bool:
        if not self._database.read(lambda tx: tx.reminders.due(self._clock.now_us(), 1)):
            return False

        def fn(tx: Transaction) -> bool:
            now = self._clock.now_us()
            found = tx.reminders.due(now, AT_ONCE)
            for due in found:
                promotion = tx.promotions.lock(due.promotion)
                waits = promotion and promotion.state_at(now) is PromotionState.PENDING
                if promotion and waits and tx.reminders.mark(due, now):
                    tx.events.append(_of_promotion(promotion, due.kind))
            return len(found) >= AT_ONCE

        return self._database.write(fn)

    def _remind_of_policies(self) -> None:
        """Proposals are few: which reminders were given is looked up in the log itself."""
        if not self._database.read(lambda tx: _due(tx, self._clock.now_us())):
            return

        def fn(tx: Transaction) -> None:
            now = self._clock.now_us()
            for number, _ in _due(tx, now):
                change = tx.policies.change(number, lock=True)
                assert change is not None
                # Another replica may have been here before the lock.
                for kind in _kinds(tx, change, now):
                    tx.events.append(_of_policy(change, kind))

        self._database.write(fn)


def _due(tx: Transaction, now_us: int) -> list[tuple[int, list[str]]]:
    """Proposals of which something is to be told, by number."""
    pending = tx.policies.changes(ChangeState.PENDING, now_us, None, AT_ONCE)
    found = [(change.number, _kinds(tx, change, now_us)) for change in pending]
    return [(number, kinds) for number, kinds in found if kinds]


def _kinds(tx: Transaction, change: PolicyChange, now_us: int) -> list[str]:
    """What is to be told of a proposal and was not yet."""
    start_us, end_us = change.create_time_us, change.expire_time_us
    when = {"half": start_us + (end_us - start_us) // 2, "last_day": end_us - _DAY_US}
    kinds = [kind for kind, time_us in when.items() if time_us <= now_us]
    if not kinds or change.state_at(now_us) is not ChangeState.PENDING:
        return []
    query = EventQuery(namespace=None, resource=change.name, action=POLICY_ACTION)
    given = [json.loads(each.detail_json)["when"] for each in tx.events.list(query, None, 10)]
    return [kind for kind in kinds if kind not in given]


def _of_promotion(promotion: Promotion, kind: str) -> EventDraft:
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


def _of_policy(change: PolicyChange, kind: str) -> EventDraft:
    return EventDraft(
        action=POLICY_ACTION,
        resource=change.name,
        namespace="",
        actor=SYSTEM,
        detail={
            "when": kind,
            "digest": change.digest,
            "from": change.base_digest,
            "requester": f"principals/{change.proposer}",
            "since": show_time(change.create_time_us),
            "until": show_time(change.expire_time_us),
        },
    )
