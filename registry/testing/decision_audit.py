"""What is left of a history, judged by stored rows and events alone."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

from registry.domain.events import Event
from registry.domain.promotions import Outcome, Promotion, PromotionState, StagePeriod
from registry.names import PromotionName
from registry.ports.database import Transaction
from registry.ports.tables import EventQuery
from registry.testing.decision_history import MODEL, NAMESPACE, STAGES, History, ViolationError


def check_whole(h: History) -> None:
    """The log is intact; every move has its event and its grounds; every recorded decision is
    explained today as it was then. Raises ViolationError or the audit's own errors."""
    h.says("the end")
    # The directory may be down, and root is not of it.
    h.world.events.verify(h.caller(h.root), lambda: True)
    events = h.world.database.read(_events)
    periods = {stage: h.world.database.read(partial(_periods, stage=stage)) for stage in STAGES}
    _check_moves(events, periods)
    for stage in STAGES:
        seen: set[tuple[int, int | None]] = set()
        for period in periods[stage]:
            if period.rollback:
                if (period.version_number, period.promotion) not in seen:
                    raise ViolationError(f"{stage} was rolled back to what was never there")
            else:
                h.world.database.read(partial(_check_grounds, period=period, events=events))
            seen.add((period.version_number, period.promotion))
    for number in h.company.requests:
        _explain(h, number)


def _events(tx: Transaction) -> list[Event]:
    query = EventQuery(namespace=NAMESPACE, oldest_first=True)
    found: list[Event] = []
    while page := tx.events.list(
        query, (found[-1].time_us, found[-1].shard, found[-1].number) if found else None, 1000
    ):
        found.extend(page)
    return found


def _periods(tx: Transaction, stage: str) -> list[StagePeriod]:
    """Oldest first."""
    return list(tx.stages.history(MODEL.path, stage, None, 1000))[::-1]


def _check_moves(events: list[Event], periods: dict[str, list[StagePeriod]]) -> None:
    """One event a move, at its time; a stage that was emptied has an event and no period."""
    told = Counter(
        (e.time_us, e.resource.rpartition("/")[2], e.action)
        for e in events
        if e.action == "stage.move"
        or (e.action == "stage.rollback" and '"to":null' not in e.detail_json)
    )
    done = Counter(
        (p.start_time_us, stage, "stage.rollback" if p.rollback else "stage.move")
        for stage, found in periods.items()
        for p in found
    )
    if told != done:
        raise ViolationError(f"moves {done - told} without events, events {told - done} of nothing")


def _check_grounds(tx: Transaction, period: StagePeriod, events: list[Event]) -> None:
    """A completed promotion with approvals that its record says were enough, or with a review."""
    promotion = tx.promotions.get(period.promotion or 0)
    if promotion is None or promotion.state is not PromotionState.COMPLETED:
        raise ViolationError(f"{period.version} is in {period.stage} by {promotion}")
    if promotion.break_glass:
        if tx.reviews.of_promotion(promotion.number) is None:
            raise ViolationError(f"{promotion.name} broke the glass without a review")
        return
    _check_words(promotion, tx)
    told = Counter(
        e.actor for e in events if e.action == "promotion.decide" and e.resource == promotion.name
    )
    for word in promotion.decisions:
        if not told[f"principals/{word.decider}"]:
            raise ViolationError(f"{promotion.name}: no event of {word.decider}'s decision")


def _check_words(promotion: Promotion, tx: Transaction) -> None:
    version = tx.versions.by_key(promotion.version_key)
    assert version is not None
    last = promotion.decisions[-1] if promotion.decisions else None
    if last is None or last.outcome is not Outcome.APPROVE:
        raise ViolationError(f"{promotion.name} moved a stage after {last}")
    uids = [word.decider_uid for word in promotion.decisions]
    if len(set(uids)) < len(uids):
        raise ViolationError(f"{promotion.name}: somebody decided twice: {uids}")
    record = tx.policies.recorded(promotion.number, last.decider)
    if record is None or record[0].policy_digest != last.policy_digest:
        raise ViolationError(f"{promotion.name}: no record of {last.decider}'s decision")
    results = json.loads(record[0].results_json)
    if not all(each["passed"] or each["waived_by"] for each in results):
        raise ViolationError(f"{promotion.name} moved a stage, though a rule failed")


def _explain(h: History, number: int) -> None:
    """Each evaluation that was kept of a promotion says today what it said then."""
    promotion = h.world.database.read(lambda tx: tx.promotions.get(number))
    assert promotion is not None
    for who in {"", *(d.decider for d in promotion.decisions)}:
        explained = h.world.policies.explain(h.caller(h.root), PromotionName(number=number), who)
        if not explained.equal:
            raise ViolationError(f"promotions/{number}, {who or 'the request'}: {explained.again}")
