"""Promotions under a policy other than the built-in one: nothing assumes whose rules they are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from registry.domain.access import Caller
from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.promotions import Outcome, Promotion, PromotionState
from registry.domain.versions import Dataset, Verdict
from registry.errors import PolicyRefusedError
from registry.names import PromotionName
from registry.services.facts import VersionFacts
from registry.services.promotions import PromotionService
from registry.testing.policies import FixedPolicy
from registry.testing.story import Story, name_of
from registry.testing.world import DAY_US


class TwoApprovals:
    """Two approvals and an evaluation; stages of its own; a request lives for a day."""

    digest = "sha256:two"
    exclusive_stages = ("canary", "live")
    label_stages = ("attic",)
    triton_releases = ()
    promotion_ttl_us = DAY_US
    approval_validity_us = 90 * DAY_US

    def grace_us(self, verdict: Verdict) -> int:
        return 0

    def is_waivable(self, rule: str) -> bool:
        return False

    def reads_waivers(self, gate: Gate) -> bool:
        return False

    def replay(self, gate: Gate, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        raise NotImplementedError("nobody explains what this one said")

    def __init__(self) -> None:
        self.asked: list[GateInput] = []

    def evaluate(self, given: GateInput) -> GateAnswer:
        self.asked.append(given)
        ends = [d.expire_time_us for d in given.decisions]
        count = sum(end_us is None or given.now_us < end_us for end_us in ends)
        results = (
            RuleResult(
                rule="TWO",
                passed=count >= 2,
                message=f"{count} of 2 approvals.",
                fix="Ask.",
                waits=True,
            ),
            RuleResult(
                rule="MEASURED",
                passed=bool(given.evaluations),
                message="no evaluation.",
                fix="hallmark version evaluate",
            ),
        )
        return GateAnswer(gate=given.gate, results=results, policy_digest=self.digest)


@pytest.fixture
def policy() -> TwoApprovals:
    return TwoApprovals()


@pytest.fixture
def promotions(story: Story, policy: TwoApprovals) -> PromotionService:
    world = story.world
    return PromotionService(
        database=world.database,
        clock=world.clock,
        policies=FixedPolicy(policy),
        facts=VersionFacts(),
    )


def ask(story: Story, promotions: PromotionService, stage: str = "live") -> Promotion:
    version = story.push()
    story.world.evaluations.add(
        story.bob,
        name_of(version),
        evaluation="holdout",
        metrics=(("auc", 0.9),),
        dataset=Dataset(name="d", digest="sha256:" + "0" * 64),
        tool="",
        request_id="",
    )
    return promotions.create(
        story.alice,
        name_of(version),
        stage=stage,
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
    )


def approve(
    promotions: PromotionService,
    promotion: Promotion,
    by: Caller,
    comment: str = "",
    expire_time_us: int | None = None,
) -> Promotion:
    return promotions.decide(
        by,
        PromotionName(number=promotion.number),
        outcome=Outcome.APPROVE,
        comment=comment,
        digest=promotion.digest,
        expected_current=0,
        expire_time_us=expire_time_us,
    )


def test_an_approval_whose_time_is_over(story: Story, promotions: PromotionService) -> None:
    """An approval counts until its time; after that the promotion needs another one."""
    promotion = ask(story, promotions)
    approve(promotions, promotion, story.bob, expire_time_us=story.world.clock.now_us() + 10)
    story.world.clock.advance(10)
    second = approve(promotions, promotion, story.ben)
    assert second.state is PromotionState.PENDING
    assert [r.message for r in second.waiting] == ["1 of 2 approvals."]
    third = approve(promotions, promotion, story.bob)
    assert third.state is PromotionState.COMPLETED


def test_two_approvals(story: Story, promotions: PromotionService, policy: TwoApprovals) -> None:
    """A first approval is recorded and leaves the request waiting for what is still missing; the
    second one moves the stage."""
    promotion = ask(story, promotions)
    assert [r.message for r in promotion.waiting] == ["0 of 2 approvals."]
    assert promotion.expire_time_us == story.world.clock.now_us() + DAY_US
    first = approve(promotions, promotion, story.bob)
    assert first.state is PromotionState.PENDING
    assert [r.message for r in first.waiting] == ["1 of 2 approvals."]
    assert promotions.get(story.rosa, PromotionName(number=promotion.number)) == first
    assert story.in_stage("live") == 0
    second = approve(promotions, promotion, story.ben)
    assert second.state is PromotionState.COMPLETED
    assert [d.decider for d in second.decisions] == ["bob", "ben"]
    assert second.decisions[0].policy_digest == policy.digest
    assert story.in_stage("live") == promotion.version_number


def test_a_changed_mind_counts_once(story: Story, promotions: PromotionService) -> None:
    """Another word by the same person takes the place of the first."""
    promotion = ask(story, promotions)
    approve(promotions, promotion, story.bob)
    again = approve(promotions, promotion, story.bob, comment="still")
    assert [(d.decider, d.comment) for d in again.decisions] == [("bob", "still")]
    assert again.state is PromotionState.PENDING


def test_refusal(story: Story, promotions: PromotionService) -> None:
    """A rule that no decision can satisfy refuses the request, with the rule's own words."""
    version = story.push()
    with pytest.raises(PolicyRefusedError, match="hallmark version evaluate") as refused:
        promotions.create(
            story.alice,
            name_of(version),
            stage="live",
            note="",
            expected_current=0,
            expire_time_us=None,
            validate_only=False,
            request_id="",
        )
    assert refused.value.policy_digest == "sha256:two"
    assert (refused.value.failed, refused.value.total) == (2, 2)


def test_what_the_policy_sees(
    story: Story, promotions: PromotionService, policy: TwoApprovals
) -> None:
    """A policy sees the version, what is in the stage, who asked, the approvals and evaluations."""
    first = ask(story, promotions)
    for by in (story.bob, story.ben):
        approve(promotions, first, by)
    second = ask(story, promotions)
    approve(promotions, second, story.bob)
    given = policy.asked[-1]
    assert given.version is not None
    assert given.version.number == second.version_number
    assert given.current is not None
    assert given.current.number == first.version_number
    assert (given.stage, given.requester, given.actor) == ("live", "alice", "principals/bob")
    assert [d.decider for d in given.decisions] == ["bob"]
    assert [e.evaluation for e in given.evaluations] == ["holdout"]
