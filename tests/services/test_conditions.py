"""Decisions that have conditions and a time."""

from __future__ import annotations

import pytest

from registry.domain.promotions import Outcome, Promotion
from registry.errors import InvalidFieldError, InvalidStateError, TooLargeError
from registry.names import PromotionName
from registry.testing.story import Story
from registry.testing.world import DAY_US


def test_conditions(story: Story) -> None:
    """An approval keeps its conditions and its time; a repeat with them changes nothing."""
    promotion, until = story.ask(story.released()), story.world.clock.now_us() + DAY_US

    def approve(*conditions: str, expire_time_us: int | None = until) -> Promotion:
        return story.world.promotions.decide(
            story.bob,
            PromotionName(number=promotion.number),
            outcome=Outcome.APPROVE,
            comment="",
            digest=promotion.digest,
            expected_current=0,
            conditions=conditions,
            expire_time_us=expire_time_us,
        )

    for lines in (("",), ("a\nb",), ("a\x00",)):
        with pytest.raises(InvalidFieldError, match="conditions"):
            approve(*lines)
    for many in (("x",) * 21, ("x" * 201,)):
        with pytest.raises(TooLargeError):
            approve(*many)
    for time_us in (until - DAY_US, until + 366 * DAY_US):
        with pytest.raises(InvalidFieldError, match="expire_time"):
            approve(expire_time_us=time_us)
    done = approve("watch the drift")
    (decision,) = done.decisions
    assert (decision.conditions, decision.expire_time_us) == (("watch the drift",), until)
    name = PromotionName(number=promotion.number)
    assert approve("watch the drift") == done == story.world.promotions.get(story.rosa, name)
    with pytest.raises(InvalidStateError):
        approve("another")


def test_a_rejection_has_no_time(story: Story) -> None:
    """A rejection with a time is refused: it ends the promotion at once."""
    promotion = story.ask(story.released())
    with pytest.raises(InvalidFieldError, match="expire_time"):
        story.world.promotions.decide(
            story.bob,
            PromotionName(number=promotion.number),
            outcome=Outcome.REJECT,
            comment="",
            digest=promotion.digest,
            expected_current=0,
            expire_time_us=story.world.clock.now_us() + 1,
        )
