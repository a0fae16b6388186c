"""Break-glass: a stage moves at once, and others judge that after."""

from __future__ import annotations

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.inbox import InboxScope
from registry.domain.pages import PageRequest
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.reviews import Review, ReviewState
from registry.domain.versions import Version, VersionState
from registry.errors import (
    InvalidFieldError,
    InvalidStateError,
    PermissionDeniedError,
    PolicyRefusedError,
    TargetMovedError,
)
from registry.names import PromotionName, ReviewName
from registry.ports.tables import EventQuery
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, grant

APPROVE, REJECT = Outcome.APPROVE, Outcome.REJECT


def break_glass(
    story: Story,
    version: Version,
    *,
    by: Caller | None = None,
    note: str = "production is down",
    expected: int = 0,
    validate_only: bool = False,
    request_id: str = "",
) -> Promotion:
    return story.world.promotions.create(
        by or story.sam,
        name_of(version),
        stage="production",
        note=note,
        expected_current=expected,
        expire_time_us=None,
        validate_only=validate_only,
        request_id=request_id,
        break_glass=True,
    )


def reviews(story: Story, by: Caller | None = None) -> list[Review]:
    page = story.world.reviews.list(
        by or story.rosa, model=None, namespace=None, state=None, page=PageRequest()
    )
    return list(page.items)


def decide(
    story: Story, review: Review, outcome: Outcome = APPROVE, *, by: Caller, comment: str = ""
) -> Review:
    name = ReviewName(number=review.number)
    return story.world.reviews.decide(by, name, outcome=outcome, comment=comment)


def actions(story: Story) -> list[str]:
    query = EventQuery(namespace="fraud", oldest_first=True)
    events = story.world.database.read(lambda tx: tx.events.list(query, None, 99))
    return [e.action for e in events if e.action.startswith(("promotion.", "stage.", "review."))]


def inbox(story: Story, by: Caller) -> list[str]:
    page = story.world.inbox.list(by, scope=InboxScope.WAITING_FOR_ME, page=PageRequest())
    return [item.name for item in page.items]


def test_the_stage_moves_at_once(story: Story) -> None:
    """No decision is waited for; what was passed by is in the review, due in three days."""
    version = story.released()
    promotion = break_glass(story, version)
    assert promotion.state is PromotionState.COMPLETED
    assert promotion.break_glass
    assert (promotion.decisions, promotion.waiting) == ((), ())
    assert story.in_stage() == version.number
    name = PromotionName(number=promotion.number)
    assert story.world.promotions.get(story.rosa, name) == promotion
    (review,) = reviews(story)
    assert (review.promotion, review.requester) == (promotion.number, "sam")
    assert (review.rules, review.reason) == (("FOUR-EYES",), "production is down")
    assert review.expire_time_us == story.world.clock.now_us() + 3 * DAY_US
    assert actions(story) == ["promotion.create", "promotion.break_glass", "stage.move"]


def test_two_others_uphold_it(story: Story) -> None:
    """It takes two people; each counts once, and a repeat changes nothing."""
    break_glass(story, story.released())
    (review,) = reviews(story)
    first = decide(story, review, by=story.bob)
    assert first.state is ReviewState.PENDING
    assert decide(story, review, by=story.bob) == first
    assert decide(story, review, by=story.bob, comment="still").state is ReviewState.PENDING
    second = decide(story, review, by=story.ben)
    assert second.state is ReviewState.UPHELD
    assert [word.decider for word in second.decisions] == ["bob", "ben"]
    assert reviews(story) == [second]
    with pytest.raises(InvalidStateError, match="UPHELD"):
        decide(story, review, REJECT, by=story.bob)
    assert actions(story)[-2:] == ["review.decide", "review.uphold"]


def test_one_rejects_it(story: Story) -> None:
    """One no ends the review; the stage stays where it is, and the review stays listed."""
    version = story.released()
    break_glass(story, version)
    (review,) = reviews(story)
    decide(story, review, by=story.bob)
    rejected = decide(story, review, REJECT, by=story.ben, comment="no need")
    assert rejected.state is ReviewState.REJECTED
    assert reviews(story) == [rejected]
    assert story.in_stage() == version.number
    assert actions(story)[-1] == "review.reject"


def test_what_was_rejected_does_not_come_back(story: Story) -> None:
    """A rollback brings back what was decided on, and that was not; a promotion still may."""
    version = story.released()
    break_glass(story, version)
    story.promote(story.released({"b.txt": b"b"}))

    def rollback(*, validate_only: bool) -> None:
        story.world.stages.rollback(
            story.dora,
            NAME,
            stage="production",
            version=None,
            to_empty=False,
            expected_current=0,
            note="",
            validate_only=validate_only,
            request_id="",
        )

    rollback(validate_only=True)
    decide(story, reviews(story)[0], REJECT, by=story.bob)
    with pytest.raises(InvalidStateError, match="hallmark promote"):
        rollback(validate_only=False)
    assert story.promote(version).state is PromotionState.COMPLETED


def test_who_may_not_break_the_glass(story: Story) -> None:
    """Nobody without the right, no robot, nobody for a version he had a hand in; nothing moves."""
    every = [grant(role, "fraud") for role in Role]
    author = story.world.caller("author", *every)
    robot = story.world.login("robot", *every, kind=PrincipalKind.ROBOT).caller
    story.commit({"a.txt": b"1"}, by=author)
    cutter = story.world.caller("cutter", *every)
    version = story.vetted(story.cut("main", by=cutter))
    for by in (story.alice, story.bob, story.dora, story.root, story.mallory, robot):
        with pytest.raises(PermissionDeniedError, match=r"promotion\.break_glass"):
            break_glass(story, version, by=by)
    for by in (author, cutter):
        with pytest.raises(PermissionDeniedError, match="contributed"):
            break_glass(story, version, by=by)
    assert (story.in_stage(), reviews(story), actions(story)) == (0, [], [])


def test_a_reason_is_needed(story: Story) -> None:
    """Who breaks the glass says why."""
    with pytest.raises(InvalidFieldError, match="note"):
        break_glass(story, story.released(), note="")


@pytest.mark.parametrize("state", [VersionState.QUARANTINED, VersionState.REJECTED])
def test_never_past_what_no_decision_satisfies(story: Story, state: VersionState) -> None:
    """What vetting has not passed enters no stage, however urgent."""
    version = story.released()
    story.world.database.write(lambda tx: tx.versions.set_state(version.key, state))
    with pytest.raises(PolicyRefusedError, match="VETTED"):
        break_glass(story, version)
    assert (story.in_stage(), reviews(story)) == (0, [])


@pytest.mark.parametrize("state", [VersionState.YANKED, VersionState.RECALLED])
def test_never_with_what_was_withdrawn(story: Story, state: VersionState) -> None:
    """A version that was yanked or recalled enters no stage."""
    version = story.released()
    story.world.database.write(
        lambda tx: tx.versions.set_state(version.key, state, yanked_from=VersionState.RELEASED)
    )
    with pytest.raises(InvalidStateError):
        break_glass(story, version)
    assert story.in_stage() == 0


def test_who_may_not_review(story: Story) -> None:
    """Neither who broke the glass, nor who had a hand in the version, nor a robot."""
    every = [grant(role, "fraud") for role in Role]
    author, breaker = story.world.caller("author", *every), story.world.caller("breaker", *every)
    robot = story.world.login("robot", *every, kind=PrincipalKind.ROBOT).caller
    version = story.vetted(story.push(by=author))
    break_glass(story, version, by=breaker)
    (review,) = reviews(story)
    for by in (author, breaker, robot, story.rosa, story.mallory):
        with pytest.raises(PermissionDeniedError):
            decide(story, review, by=by)
        assert review.name not in inbox(story, by)
    assert inbox(story, story.bob) == [review.name]


def test_an_overdue_review(story: Story) -> None:
    """It is told once, stays in the inbox, and until it is decided its author breaks no more."""
    first, second = story.released(), story.released({"b.txt": b"b"})
    break_glass(story, first)
    (review,) = reviews(story)
    story.world.clock.advance(3 * DAY_US - 1)
    assert story.world.reviews.tell_overdue() == 0
    story.world.clock.advance(1)
    assert [story.world.reviews.tell_overdue() for _ in range(2)] == [1, 0]
    assert actions(story).count("review.overdue") == 1
    assert inbox(story, story.bob) == [review.name]
    with pytest.raises(InvalidStateError, match="hallmark review decide"):
        break_glass(story, second)
    assert story.in_stage() == first.number
    sue = story.world.caller("sue", grant(Role.SECURITY, "fraud"))
    break_glass(story, second, by=sue)
    for by in (story.bob, story.ben):
        decide(story, review, by=by)
    break_glass(story, first)


def test_the_condition_on_what_is_there(story: Story) -> None:
    """A stage that holds something else than expected is left alone."""
    with pytest.raises(TargetMovedError):
        break_glass(story, story.released(), expected=7)
    assert reviews(story) == []


def test_trying_it(story: Story) -> None:
    """With validate_only nothing happens, and the answer shows what would be."""
    would = break_glass(story, story.released(), validate_only=True)
    assert (would.number, would.state) == (0, PromotionState.COMPLETED)
    assert (story.in_stage(), reviews(story), actions(story)) == (0, [], [])


def test_a_repeated_request(story: Story) -> None:
    """The same request_id returns the first promotion, and opens no second review."""
    version = story.released()
    first = break_glass(story, version, request_id="r1")
    assert break_glass(story, version, request_id="r1") == first
    assert len(reviews(story)) == 1


def test_an_open_request_is_overtaken(story: Story) -> None:
    """A request for the same that waits is withdrawn, since what it asks for is there."""
    version = story.released()
    asked = story.ask(version)
    break_glass(story, version)
    name = PromotionName(number=asked.number)
    assert story.world.promotions.get(story.rosa, name).state is PromotionState.WITHDRAWN


def test_reviews_of_others(story: Story) -> None:
    """Who may not read the promotions sees no review."""
    break_glass(story, story.released())
    assert reviews(story, story.mallory) == []
    for number in (1, 99):
        with pytest.raises(PermissionDeniedError):
            story.world.reviews.get(story.mallory, ReviewName(number=number))
    with pytest.raises(PermissionDeniedError):
        story.world.reviews.list(
            story.mallory, model=NAME, namespace=None, state=None, page=PageRequest()
        )


def test_a_check_of_the_registry_takes_the_review_for_the_decisions(story: Story) -> None:
    """A stage that was moved so is no damage; the decisions that it lacks are asked for after."""
    break_glass(story, story.released())
    (fact,) = story.world.database.read(lambda tx: tx.inspection.open_stages())
    assert (fact.approvals, fact.promotion_state) == (1, PromotionState.COMPLETED)
