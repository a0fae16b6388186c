"""Yanks: withdraw a version from every name, and take that back."""

from __future__ import annotations

import pytest

from registry.domain.access import Caller
from registry.domain.promotions import PromotionState
from registry.domain.versions import Version, VersionState
from registry.errors import (
    InvalidFieldError,
    InvalidStateError,
    NotEmptyError,
    NotFoundError,
    PermissionDeniedError,
    TooLargeError,
)
from registry.names import PromotionName, VersionName
from registry.testing.story import NAME, Story, name_of


def yank(
    story: Story,
    version: Version,
    *,
    reason: str = "leaks",
    validate_only: bool = False,
    by: Caller | None = None,
) -> Version:
    return story.world.yanks.yank(
        by or story.alice, name_of(version), reason=reason, validate_only=validate_only
    )


def unyank(story: Story, version: Version, by: Caller | None = None) -> Version:
    return story.world.yanks.unyank(by or story.alice, name_of(version))


def test_yank(story: Story) -> None:
    """A yanked version says why, and remembers where it came from."""
    version = story.released()
    yanked = yank(story, version)
    assert (yanked.state, yanked.yank_reason) == (VersionState.YANKED, "leaks")
    assert yanked.yanked_from is VersionState.RELEASED
    assert story.now(version) == yanked


def test_yank_twice(story: Story) -> None:
    """A second yank changes nothing, the reason included."""
    version = story.released()
    first = yank(story, version)
    assert yank(story, version, reason="other") == first


def test_yank_in_a_stage(story: Story) -> None:
    """A version that is in a stage is not yanked; the error says how to empty it."""
    version = story.released()
    story.promote(version)
    for validate_only in (False, True):
        with pytest.raises(NotEmptyError, match="cannot be yanked: stage production"):
            yank(story, version, validate_only=validate_only)
    story.world.stages.rollback(
        story.dora,
        NAME,
        stage="production",
        version=None,
        to_empty=True,
        expected_current=0,
        note="",
        validate_only=False,
        request_id="",
    )
    assert yank(story, version).state is VersionState.YANKED


def test_yank_ends_promotions(story: Story) -> None:
    """Open requests for the version are withdrawn with it, in all stages, and no others."""
    version, other = story.released({"a.txt": b"1"}), story.released({"a.txt": b"2"})
    open_ones = [story.ask(version, "production"), story.ask(version, "staging")]
    kept = story.ask(other)
    yank(story, version)
    promotions = story.world.promotions
    for promotion in open_ones:
        found = promotions.get(story.rosa, PromotionName(number=promotion.number))
        assert found.state is PromotionState.WITHDRAWN
        assert found.end_time_us == story.world.clock.now_us()
    found = promotions.get(story.rosa, PromotionName(number=kept.number))
    assert found.state is PromotionState.PENDING


def test_yank_recalled(story: Story) -> None:
    """What was recalled stays so."""
    version = story.released()
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, VersionState.RECALLED))
    with pytest.raises(InvalidStateError, match="RECALLED"):
        yank(story, version)


def test_validate_only(story: Story) -> None:
    """What is only validated shows the yanked version and changes nothing."""
    version = story.released()
    assert yank(story, version, validate_only=True).state is VersionState.YANKED
    assert story.now(version).state is VersionState.RELEASED


@pytest.mark.parametrize(
    "state",
    [
        VersionState.QUARANTINED,
        VersionState.VETTED,
        VersionState.REJECTED,
        VersionState.RELEASED,
    ],
)
def test_unyank(story: Story, state: VersionState) -> None:
    """A yank undone leaves the version where it was."""
    version = story.push()
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, state))
    before = story.now(version)
    yank(story, version)
    wakes = story.world.wakes
    assert unyank(story, version) == before == story.now(version)
    # What is in quarantine again may be waiting for a verdict.
    assert story.world.wakes == wakes + (state is VersionState.QUARANTINED)


def test_unyank_what_is_not(story: Story) -> None:
    """Only a yanked version is unyanked."""
    with pytest.raises(InvalidStateError, match="QUARANTINED"):
        unyank(story, story.push())


def test_reason(story: Story) -> None:
    """A reason is required and bounded."""
    version = story.released()
    with pytest.raises(InvalidFieldError, match="reason"):
        yank(story, version, reason="")
    with pytest.raises(TooLargeError, match="reason"):
        yank(story, version, reason="x" * 2001)


def test_missing(story: Story) -> None:
    """A version that is not there is not found."""
    with pytest.raises(NotFoundError):
        story.world.yanks.unyank(story.alice, VersionName(model=NAME, number=9))


def test_permissions(story: Story) -> None:
    """Reviewers, readers and others do not yank; registrants, security and administrators do."""
    version = story.released()
    for by in (story.rosa, story.bob, story.dora, story.mallory):
        with pytest.raises(PermissionDeniedError):
            yank(story, version, by=by)
        with pytest.raises(PermissionDeniedError):
            unyank(story, version, by)
    for by in (story.ann, story.sam, story.root):
        assert yank(story, version, by=by).state is VersionState.YANKED
        unyank(story, version, by)
