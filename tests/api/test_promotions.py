"""PromotionService as a client sees it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from registry.domain.access import PrincipalKind, Role
from registry.testing.api import Api, code_of, outcome, reason_of, refusal
from registry.testing.story import MODEL, Story
from registry.testing.world import World, grant
from registry.v1 import decisions_pb2
from registry.v1 import promotions_pb2 as pb
from registry.v1.promotions_pb2_grpc import PromotionServiceStub

PARENT = f"models/{MODEL}"
APPROVE = decisions_pb2.DECISION_OUTCOME_APPROVE
NOW = Timestamp(seconds=1_700_000_000)


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)


def stub_of(world: World, api: Api, id: str, *roles: Role, robot: bool = False) -> Any:
    kind = PrincipalKind.ROBOT if robot else PrincipalKind.PERSON
    login = world.login(id, *(grant(role, "fraud") for role in roles), kind=kind)
    return PromotionServiceStub(api.channel(login.secret))


@pytest.fixture
def asker(world: World, api: Api, story: Story) -> Any:
    return stub_of(world, api, "asker", Role.DEPLOYER)


@pytest.fixture
def decider(world: World, api: Api, story: Story) -> Any:
    return stub_of(world, api, "decider", Role.REVIEWER)


def violations(error: Any) -> dict[str, str]:
    """Failed rules and what they say, from the PreconditionFailure."""
    status = rpc_status.from_call(error)
    assert status is not None
    failure = error_details_pb2.PreconditionFailure()
    for detail in status.details:
        if detail.Unpack(failure):
            return {v.type: v.description for v in failure.violations}
    raise AssertionError("no PreconditionFailure")


def test_a_promotion_on_the_wire(story: Story, asker: Any, decider: Any) -> None:
    """A request shows what it waits for; the decision that satisfies it moves the stage."""
    version = story.released()
    asked = asker.CreatePromotion(
        pb.CreatePromotionRequest(version=version.name, stage="production", note="weekly")
    )
    assert (asked.name, asked.version) == ("promotions/1", version.name)
    assert (asked.digest, asked.stage, asked.note) == (version.digest, "production", "weekly")
    assert (asked.state, asked.requester) == (pb.PROMOTION_STATE_PENDING, "principals/asker")
    assert [r.rule for r in asked.waiting] == ["FOUR-EYES"]
    assert asked.create_time == NOW
    assert asked.expire_time == Timestamp(seconds=1_700_000_000 + 14 * 24 * 3600)
    assert not asked.HasField("end_time")
    assert asker.GetPromotion(pb.GetPromotionRequest(name=asked.name)) == asked
    done = decider.DecidePromotion(
        pb.DecidePromotionRequest(
            name=asked.name, outcome=APPROVE, digest=version.digest, comment="ok"
        )
    )
    assert (done.state, done.end_time, len(done.waiting)) == (
        pb.PROMOTION_STATE_COMPLETED,
        NOW,
        0,
    )
    (decision,) = done.decisions
    assert (decision.decider, list(decision.roles)) == ("principals/decider", ["reviewer"])
    assert (decision.outcome, decision.comment) == (APPROVE, "ok")
    assert decision.policy_digest == story.world.policy.digest
    (period,) = asker.ListStageHistory(
        pb.ListStageHistoryRequest(parent=PARENT, stage="production")
    ).periods
    assert (period.version, period.promotion) == (version.name, asked.name)
    assert (period.start_time, period.mover) == (NOW, "principals/decider")
    assert not period.HasField("end_time")


def test_refused_by_policy(story: Story, asker: Any) -> None:
    """A refusal carries every failed rule with its mend."""
    version = story.push()
    for validate_only in (True, False):
        request = pb.CreatePromotionRequest(
            version=version.name, stage="production", validate_only=validate_only
        )
        error = refusal(partial(asker.CreatePromotion, request))
        assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "POLICY_REFUSED")
        found = violations(error)
        assert found.keys() == {"VETTED", "FOUR-EYES"}
        assert "QUARANTINED" in found["VETTED"]
        assert f"hallmark version show {version.ref}" in found["VETTED"]


def test_validate_only(story: Story, asker: Any) -> None:
    """What would be has no name and is nowhere."""
    version = story.released()
    shown = asker.CreatePromotion(
        pb.CreatePromotionRequest(version=version.name, stage="staging", validate_only=True)
    )
    assert (shown.name, shown.state) == ("", pb.PROMOTION_STATE_PENDING)
    listed = asker.ListPromotions(pb.ListPromotionsRequest(parent="namespaces/-"))
    assert len(listed.promotions) == 0


def test_robots(world: World, api: Api, story: Story) -> None:
    """A robot's decision is refused, whatever its roles."""
    robot = stub_of(world, api, "robot", Role.REVIEWER, robot=True)
    promotion = story.ask(story.released())
    request = pb.DecidePromotionRequest(
        name=promotion.name, outcome=APPROVE, digest=promotion.digest
    )
    assert outcome(partial(robot.DecidePromotion, request)) == "PERMISSION_DENIED"


def test_bad_values(story: Story, asker: Any, decider: Any) -> None:
    """Unknown outcomes, stages, times and names are INVALID_ARGUMENT."""
    promotion = story.ask(story.released())
    version = promotion.version
    for request in (
        pb.DecidePromotionRequest(name=promotion.name, digest=promotion.digest),
        pb.DecidePromotionRequest(name=promotion.name, outcome=APPROVE, digest="sha256:x"),
        pb.DecidePromotionRequest(name="promotions/x", outcome=APPROVE),
    ):
        assert outcome(partial(decider.DecidePromotion, request)) == "INVALID_ARGUMENT"
    for create in (
        pb.CreatePromotionRequest(version=version, stage="live"),
        pb.CreatePromotionRequest(version="x", stage="staging"),
        pb.CreatePromotionRequest(version=version, stage="staging", expected_current=-2),
        pb.CreatePromotionRequest(version=version, stage="staging", expire_time=NOW),
        pb.CreatePromotionRequest(
            version=version, stage="staging", expire_time=Timestamp(seconds=2**60)
        ),
    ):
        assert outcome(partial(asker.CreatePromotion, create)) == "INVALID_ARGUMENT"


def test_lists(story: Story, asker: Any) -> None:
    """Requests are listed by model, namespace or all, by state and stage, in pages."""
    first, second = (story.ask(story.released({"a.txt": b"%d" % n})) for n in range(2))
    story.approve(first)
    for parent in (PARENT, "namespaces/fraud", "namespaces/-"):
        page = asker.ListPromotions(pb.ListPromotionsRequest(parent=parent, page_size=1))
        assert [p.name for p in page.promotions] == [second.name]
        page = asker.ListPromotions(
            pb.ListPromotionsRequest(parent=parent, page_size=1, page_token=page.next_page_token)
        )
        assert [p.name for p in page.promotions] == [first.name]
    pending = pb.ListPromotionsRequest(parent=PARENT, state=pb.PROMOTION_STATE_PENDING)
    assert [p.name for p in asker.ListPromotions(pending).promotions] == [second.name]
    staging = pb.ListPromotionsRequest(parent=PARENT, stage="staging")
    assert len(asker.ListPromotions(staging).promotions) == 0
    bad = pb.ListPromotionsRequest(parent="fraud")
    assert outcome(partial(asker.ListPromotions, bad)) == "INVALID_ARGUMENT"


def test_rollback(story: Story, asker: Any) -> None:
    """A rollback shows the period that it began; one that empties the stage names no version."""
    first, second = (story.released({"a.txt": b"%d" % n}) for n in range(2))
    story.promote(first)
    story.world.clock.advance(5_000_000)
    story.promote(second)
    story.world.clock.advance(5_000_000)
    request = pb.RollbackStageRequest(
        parent=PARENT, stage="production", expected_current=2, note="bad", request_id="r"
    )
    period = asker.RollbackStage(request)
    assert (period.version, period.rollback) == (first.name, True)
    assert (period.promotion, period.previous_version) == ("promotions/1", 2)
    assert asker.RollbackStage(request) == period
    again = pb.RollbackStageRequest(parent=PARENT, stage="production", expected_current=2)
    error = refusal(partial(asker.RollbackStage, again))
    assert (code_of(error), reason_of(error)) == ("ABORTED", "TARGET_MOVED")
    no_more = pb.RollbackStageRequest(parent=PARENT, stage="production")
    error = refusal(partial(asker.RollbackStage, no_more))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "NOTHING_BEFORE")
    emptied = asker.RollbackStage(
        pb.RollbackStageRequest(parent=PARENT, stage="production", to_empty=True)
    )
    assert (emptied.version, emptied.previous_version) == ("", 1)
    at = pb.ListStageHistoryRequest(
        parent=PARENT, stage="production", at_time=Timestamp(seconds=1_700_000_004)
    )
    (was,) = asker.ListStageHistory(at).periods
    assert (was.version, was.end_time) == (first.name, Timestamp(seconds=1_700_000_005))


def test_withdraw(story: Story, asker: Any) -> None:
    """A request of one's own is withdrawn, another's is not."""
    version = story.released()
    own = asker.CreatePromotion(pb.CreatePromotionRequest(version=version.name, stage="staging"))
    done = asker.WithdrawPromotion(pb.WithdrawPromotionRequest(name=own.name))
    assert done.state == pb.PROMOTION_STATE_WITHDRAWN
    other = pb.WithdrawPromotionRequest(name=story.ask(version).name)
    assert outcome(partial(asker.WithdrawPromotion, other)) == "PERMISSION_DENIED"
