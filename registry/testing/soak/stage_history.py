"""What the history of a stage must be after a race: one line of moves, each of them explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from registry.client import Client
from registry.client.values import Promotion, StagePeriod
from registry.testing.soak.races import STAGE, Acknowledged


def check_history(client: Client, model: str, told: Acknowledged) -> list[str]:
    """Whether the stage's history is one line of moves, each of which somebody was told of."""
    periods = list(client.promotions.history(model, STAGE))[::-1]
    promotions = {each.number: each for each in client.promotions.list(model, stage=STAGE)}
    completed = {number for number, each in promotions.items() if each.state == "completed"}
    begun = [period for period in periods if not period.rollback]
    problems = _in_line(model, periods, client.models.get(model).stages.get(STAGE, 0))
    problems += [
        problem
        for period in periods
        for problem in _explained(model, period, promotions[_promotion_of(period)])
    ]
    by_promotion = [_promotion_of(period) for period in begun]
    if sorted(by_promotion) != sorted(completed) or completed != told.completed:
        problems.append(
            f"{model}: found moves by {sorted(by_promotion)}, completed are {sorted(completed)}, "
            f"acknowledged were {sorted(told.completed)}"
        )
    problems += _conditions_held(model, begun, told)
    brought = Counter(p.start_time for p in periods if p.rollback)
    acknowledged = Counter(p.start_time for p, _ in told.rollbacks if p.version)
    if brought != acknowledged:
        problems.append(f"{model}: found rollbacks {brought}, acknowledged were {acknowledged}")
    emptied = {p.start_time for p, _ in told.rollbacks if not p.version}
    found = _emptied(periods)
    if found != emptied:
        problems.append(f"{model}: found it emptied at {found}, acknowledged were {emptied}")
    return problems


def _in_line(model: str, periods: Sequence[StagePeriod], current: int) -> list[str]:
    problems = []
    for before, period in pairwise(periods):
        if before.end_time is None or period.start_time is None:
            problems.append(f"{model}: {before} does not end before {period}")
        elif before.end_time > period.start_time:
            problems.append(f"{model}: {before} overlaps {period}")
        # Between the two the stage may have been emptied, be it for no time at all.
        touch = before.end_time == period.start_time
        if period.previous_version not in ((0, _number_of(before)) if touch else (0,)):
            problems.append(f"{model}: {period} does not follow {before}")
    last = periods[-1] if periods and periods[-1].end_time is None else None
    if current != (_number_of(last) if last else 0):
        problems.append(f"{model}: {current} is in {STAGE}, the history ends with {last}")
    return problems


def _emptied(periods: Sequence[StagePeriod]) -> set[datetime | None]:
    """When nothing was left in the stage."""
    found = {before.end_time for before, after in pairwise(periods) if not after.previous_version}
    return found | {period.end_time for period in periods[-1:] if period.end_time}


def _explained(model: str, period: StagePeriod, promotion: Promotion) -> list[str]:
    approved = any(
        decision.outcome == "approve"
        and decision.digest == period.digest
        and decision.decider != "principals/alice"
        for decision in promotion.decisions
    )
    right = (promotion.version, promotion.state) == (period.version, "completed")
    return [] if approved and right else [f"{model}: {period} is not explained by {promotion}"]


def _conditions_held(model: str, begun: Sequence[StagePeriod], told: Acknowledged) -> list[str]:
    moves = [(period, told.asked[_promotion_of(period)]) for period in begun] + told.rollbacks
    return [
        f"{model}: {period} came about although {expected} was expected before"
        for period, expected in moves
        if expected not in (0, period.previous_version or -1)
    ]


def _promotion_of(period: StagePeriod) -> int:
    return int(period.promotion.removeprefix("promotions/"))


def _number_of(period: StagePeriod) -> int:
    return int(period.version.rpartition("/")[2])
