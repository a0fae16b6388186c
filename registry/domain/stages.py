"""Stages: what a rollback goes back to. The history of a stage is all that it takes.

The rule: a promotion puts a version on top of what was there, a rollback takes the top away. What a
rollback left, or what was left when the stage was emptied, does not count as before. So after 5, 6
and 8 the first rollback goes to 6, the second to 5, and the third has nowhere to go.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.domain.promotions import StagePeriod


def before(history: Sequence[StagePeriod]) -> StagePeriod | None:
    """The period whose version a rollback brings back; None where nothing was there before.

    `history` is the stage's, newest first. The period is the one that a promotion began.
    """
    entered = _entered(history)
    return entered[-2] if len(entered) > 1 else None


def last_of(history: Sequence[StagePeriod], version_number: int) -> StagePeriod | None:
    """The newest period of a version in a stage; None where it was never there."""
    return next((period for period in history if period.version_number == version_number), None)


def _entered(history: Sequence[StagePeriod]) -> list[StagePeriod]:
    """The periods on top of each other, what was there last on top."""
    entered: list[StagePeriod] = []
    for period in reversed(history):
        was_emptied = period.previous_number is None
        if entered and (was_emptied or period.rollback):
            entered.pop()
        if not period.rollback:
            if entered and entered[-1].version_number == period.version_number:
                # It lies there already, left bare when the stage was emptied.
                entered.pop()
            entered.append(period)
            continue
        place = next(
            (
                n
                for n in range(len(entered) - 1, -1, -1)
                if entered[n].version_number == period.version_number
            ),
            None,
        )
        if place is None:
            # Named by its number after a rollback had left it: it counts as fresh.
            entered.append(period)
        else:
            del entered[place + 1 :]
    return entered
