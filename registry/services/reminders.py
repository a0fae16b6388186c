"""Reminders: an event for what waits in an inbox, once at half of its time, once a day before its
end. Whoever has a webhook on them is told."""

from __future__ import annotations

from collections.abc import Callable

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.inbox import InboxKind
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Promotion
from registry.domain.reviews import APPROVALS, Review
from registry.domain.terms import Acceptance
from registry.domain.times import show_time
from registry.domain.waivers import Waiver
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

AT_ONCE = 200

_Waits = Promotion | Waiver | Acceptance | Review | PolicyChange
_Detail = dict[str, object]


class ReminderService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remind(self) -> bool:
        """Append what is due; whether there may be more. A restart repeats nothing: what was given
        is written down with its event."""
        more = [self._remind_of(kind) for kind in InboxKind]
        return any(more)

    def _remind_of(self, kind: InboxKind) -> bool:
        if not self._database.read(lambda tx: tx.reminders.due(kind, self._clock.now_us(), 1)):
            return False

        def fn(tx: Transaction) -> bool:
            now = self._clock.now_us()
            due = tx.reminders.due(kind, now, AT_ONCE)
            for each in due:
                # Behind the lock: it may have been decided, or another replica been here.
                found = _LOCK[kind](tx, each.number)
                if found and _is_pending(found, now) and tx.reminders.mark(each):
                    tx.events.append(_event(_ACTIONS[kind], found, each.mark))
            return len(due) >= AT_ONCE

        return self._database.write(fn)


_LOCK: dict[InboxKind, Callable[[Transaction, int], _Waits | None]] = {
    InboxKind.PROMOTION: lambda tx, number: tx.promotions.lock(number),
    InboxKind.WAIVER: lambda tx, number: tx.waivers.lock(number),
    InboxKind.ACCESS: lambda tx, number: tx.acceptances.lock(number),
    InboxKind.REVIEW: lambda tx, number: tx.reviews.lock(number),
    InboxKind.POLICY: lambda tx, number: tx.policies.change(number, lock=True),
}
_ACTIONS = {
    InboxKind.PROMOTION: "promotion.remind",
    InboxKind.WAIVER: "waiver.remind",
    InboxKind.ACCESS: "access.remind",
    InboxKind.REVIEW: "review.remind",
    InboxKind.POLICY: "policy.remind",
}


def _is_pending(found: _Waits, now_us: int) -> bool:
    return found.state.value == "pending" and now_us < found.expire_time_us


def _event(action: str, found: _Waits, mark: str) -> EventDraft:
    return EventDraft(
        action=action,
        resource=found.name,
        namespace="" if isinstance(found, PolicyChange) else found.namespace,
        actor=SYSTEM,
        detail={
            "when": mark,
            **_about(found),
            "waits_for": _waits_for(found),
            "since": show_time(found.create_time_us),
            "until": show_time(found.expire_time_us),
        },
    )


def _about(found: _Waits) -> _Detail:
    if isinstance(found, PolicyChange):
        asked = {"digest": found.digest, "from": found.base_digest}
        return {**asked, "requester": f"principals/{found.proposer}"}
    by: _Detail = {"requester": f"principals/{found.requester}"}
    match found:
        case Waiver():
            about = {"rule": found.rule, "target": found.target, "stage": found.stage}
            return {**about, "digest": found.digest, **by}
        case Acceptance():
            about = {"model": found.model, "principal": found.principal}
            return {**about, "terms_label": found.terms_label, **by}
        case Review():
            return {"promotion": found.promotion, **_version(found), **by}
        case Promotion():
            return {**_version(found), **by}


def _version(found: Promotion | Review) -> _Detail:
    return {"version": found.version, "digest": found.digest, "stage": found.stage}


def _waits_for(found: _Waits) -> list[dict[str, str]]:
    """What the policy's rules ask for; where no rule does, `rule` is empty."""
    if isinstance(found, Promotion):
        return [{"rule": each.rule, "message": each.message} for each in found.waiting]
    return [{"rule": "", "message": _who(found)}]


def _who(found: Waiver | Acceptance | Review | PolicyChange) -> str:
    match found:
        case Waiver():
            return (
                f"somebody who may decide on waivers in {found.namespace}, neither asked for it "
                "nor had a hand in the version"
            )
        case Acceptance():
            return (
                f"somebody who may decide on access in {found.namespace}, neither asked for it "
                "nor is to be let in"
            )
        case Review():
            return (
                f"{APPROVALS - len(found.decisions)} more of {APPROVALS} who may decide on "
                f"promotions in {found.namespace}, neither broke the glass nor had a hand in the "
                "version"
            )
        case PolicyChange():
            return "a second person who may decide on policies"
