"""Rollbacks, and what was in a stage when."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from registry.domain.access import Caller
from registry.domain.pages import PageRequest
from registry.domain.promotions import StagePeriod
from registry.domain.versions import Version, VersionState
from registry.errors import (
    AlreadyInStageError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    NothingBeforeError,
    PermissionDeniedError,
    RequestIdReusedError,
    TargetMovedError,
)
from registry.names import ModelName, VersionName
from registry.testing.story import NAME, Story, name_of


def roll_back(
    story: Story,
    *,
    to: Version | None = None,
    to_empty: bool = False,
    expected: int = 0,
    note: str = "bad news",
    validate_only: bool = False,
    request_id: str = "",
    by: Caller | None = None,
    stage: str = "production",
    model: ModelName = NAME,
) -> StagePeriod:
    return story.world.stages.rollback(
        by or story.dora,
        model,
        stage=stage,
        version=name_of(to) if to else None,
        to_empty=to_empty,
        expected_current=expected,
        note=note,
        validate_only=validate_only,
        request_id=request_id,
    )


def staged(story: Story, count: int) -> list[Version]:
    """Versions that were in production one after the other, the last one still."""
    versions = [story.released({"a.txt": b"%d" % n}) for n in range(count)]
    for version in versions:
        story.world.clock.advance(1_000_000)
        story.promote(version)
    story.world.clock.advance(1_000_000)
    return versions


def history(story: Story, at_time_us: int | None = None) -> list[StagePeriod]:
    found: list[StagePeriod] = []
    token = ""
    while True:
        page = story.world.stages.history(
            story.rosa,
            NAME,
            stage="production",
            at_time_us=at_time_us,
            page=PageRequest(size=2, token=token),
        )
        found += page.items
        token = page.next_page_token
        if not token:
            return found


def test_rollback(story: Story) -> None:
    """A rollback brings back what was there before, with the promotion that decided on it."""
    first, second = staged(story, 2)
    period = roll_back(story)
    assert period.version_number == first.number
    assert (period.promotion, period.mover, period.rollback) == (1, "dora", True)
    assert (period.previous_number, period.note) == (second.number, "bad news")
    assert period.start_time_us == story.world.clock.now_us()
    assert story.in_stage() == first.number
    assert history(story)[0] == period


def test_rollbacks_walk_back(story: Story) -> None:
    """Each call goes one further back, until nothing was before."""
    first, second, _ = staged(story, 3)
    assert roll_back(story).version_number == second.number
    assert roll_back(story).version_number == first.number
    with pytest.raises(NothingBeforeError, match="hallmark history"):
        roll_back(story)
    assert story.in_stage() == first.number


def test_rollback_of_an_empty_stage(story: Story) -> None:
    """A stage that never held anything has nowhere to go."""
    for to_empty in (False, True):
        with pytest.raises(NothingBeforeError):
            roll_back(story, to_empty=to_empty)


def test_rollback_to_a_version(story: Story) -> None:
    """A version that was ever there can be named, over several that came since."""
    first, _, third = staged(story, 3)
    assert roll_back(story, to=first).version_number == first.number
    assert roll_back(story, to=third).version_number == third.number


def test_rollback_to_what_was_never_there(story: Story) -> None:
    """A version that was never in the stage takes a promotion."""
    staged(story, 1)
    other = story.released({"b.txt": b"1"})
    with pytest.raises(NothingBeforeError, match="never there"):
        roll_back(story, to=other)


def test_rollback_to_what_is_there(story: Story) -> None:
    """The version that is in the stage is no target."""
    (first,) = staged(story, 1)
    with pytest.raises(AlreadyInStageError):
        roll_back(story, to=first)


def test_rollback_to_another_model(story: Story) -> None:
    """A version of another model is refused."""
    staged(story, 1)
    other = dataclasses.replace(story.released({"b.txt": b"1"}), model="fraud/other")
    with pytest.raises(InvalidFieldError, match="version"):
        roll_back(story, to=other)


@pytest.mark.parametrize("state", [s for s in VersionState if s is not VersionState.RELEASED])
def test_target_must_be_released(story: Story, state: VersionState) -> None:
    """A version that is no longer released does not come back."""
    first, second = staged(story, 2)
    story.world.database.write(lambda tx: tx.versions.set_state(first.key, state))
    for to in (None, first):
        with pytest.raises(InvalidStateError, match=state.value.upper()):
            roll_back(story, to=to)
    assert story.in_stage() == second.number


def test_to_empty(story: Story) -> None:
    """A stage can be emptied; what was left then does not count as before."""
    first, second = staged(story, 2)
    period = roll_back(story, to_empty=True)
    assert (period.version_number, period.previous_number) == (0, second.number)
    assert period.start_time_us == story.world.clock.now_us()
    assert story.in_stage() == 0
    with pytest.raises(NothingBeforeError):
        roll_back(story, to_empty=True)
    story.world.clock.advance(1)
    assert roll_back(story).version_number == first.number


def test_to_empty_excludes_a_version(story: Story) -> None:
    """One cannot both empty a stage and name a version."""
    first, _ = staged(story, 2)
    with pytest.raises(InvalidFieldError, match="to_empty"):
        roll_back(story, to=first, to_empty=True)


def test_expected_current(story: Story) -> None:
    """A rollback that expects another version in the stage changes nothing."""
    first, second = staged(story, 2)
    with pytest.raises(TargetMovedError, match="version 2"):
        roll_back(story, expected=first.number)
    assert roll_back(story, expected=second.number).version_number == first.number
    with pytest.raises(TargetMovedError):
        roll_back(story, expected=second.number)


def test_validate_only(story: Story) -> None:
    """What is only validated shows what would be, and changes nothing."""
    first, second = staged(story, 2)
    shown = roll_back(story, validate_only=True, request_id="r")
    assert (shown.version_number, shown.previous_number) == (first.number, second.number)
    assert story.in_stage() == second.number
    assert roll_back(story, validate_only=True, to_empty=True).version_number == 0
    assert roll_back(story, note="other", request_id="r").version_number == first.number


def test_repeats(story: Story) -> None:
    """A repeat with the same request_id goes no further back; other content is refused."""
    _, second, _ = staged(story, 3)
    done = roll_back(story, request_id="r")
    assert roll_back(story, request_id="r") == done
    assert story.in_stage() == second.number
    with pytest.raises(RequestIdReusedError):
        roll_back(story, request_id="r", note="other")


def test_repeats_of_emptying(story: Story) -> None:
    """A repeat of a rollback that emptied the stage answers as the first, also later on."""
    staged(story, 2)
    done = roll_back(story, to_empty=True, request_id="r")
    assert roll_back(story, to_empty=True, request_id="r") == done
    roll_back(story)
    assert roll_back(story, to_empty=True, request_id="r") == done


@pytest.mark.parametrize("stage", ["", "development", "live"])
def test_other_stages(story: Story, stage: str) -> None:
    """A stage that is not there is refused."""
    with pytest.raises(InvalidFieldError, match="stage"):
        roll_back(story, stage=stage)
    with pytest.raises(InvalidFieldError, match="stage"):
        story.world.stages.history(
            story.rosa, NAME, stage=stage, at_time_us=None, page=PageRequest()
        )


def test_missing_model(story: Story) -> None:
    """A model that is not there has no stages."""
    ghost = ModelName(path="fraud/ghost")
    with pytest.raises(NotFoundError):
        roll_back(story, model=ghost)
    with pytest.raises(NotFoundError):
        story.world.stages.history(
            story.rosa, ghost, stage="production", at_time_us=None, page=PageRequest()
        )


def test_history(story: Story) -> None:
    """History names every period, newest first; each ends where the next begins."""
    staged(story, 3)
    roll_back(story)
    periods = history(story)
    assert [p.version_number for p in periods] == [2, 3, 2, 1]
    assert [p.rollback for p in periods] == [True, False, False, False]
    assert periods[0].end_time_us is None
    for later, earlier in pairwise(periods):
        assert earlier.end_time_us == later.start_time_us
        assert later.previous_number == earlier.version_number


def test_history_at(story: Story) -> None:
    """Each moment belongs to one period, start inclusive, end exclusive; none before the first
    and none while the stage was empty."""
    staged(story, 2)
    roll_back(story, to_empty=True)
    second, first = history(story)
    assert first.end_time_us is not None
    assert second.end_time_us is not None
    assert history(story, first.start_time_us) == [first]
    assert history(story, first.end_time_us - 1) == [first]
    assert history(story, first.end_time_us) == [second]
    assert history(story, second.end_time_us) == []
    assert history(story, first.start_time_us - 1) == []


def test_permissions(story: Story) -> None:
    """Only deployers roll back."""
    staged(story, 2)
    for by in (story.rosa, story.alice, story.bob, story.sam, story.root, story.mallory):
        with pytest.raises(PermissionDeniedError):
            roll_back(story, by=by)
    with pytest.raises(PermissionDeniedError):
        story.world.stages.history(
            story.mallory, NAME, stage="production", at_time_us=None, page=PageRequest()
        )
    assert VersionName(model=NAME, number=2).number == story.in_stage()
