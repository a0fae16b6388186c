"""Which words on a promotion still stand, and which need to be said again."""

from __future__ import annotations

import dataclasses

from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Outcome, Promotion, PromotionState, counts
from registry.domain.versions import Version
from registry.ports.policy import Policy

#: The requirement of an open promotion that has approvals which no longer count.
AGAIN = "AGAIN"


def rules_of(version: Version) -> str:
    """The rules digest of its verdict, which a decision dies with."""
    return "" if version.vetting is None else version.vetting.rules_digest


def approvers(promotion: Promotion, policy: Policy, rules: str, now_us: int) -> list[str]:
    """Whose approvals stand."""
    return [
        each.decider
        for each in promotion.decisions
        if each.outcome is Outcome.APPROVE
        and _stands(each, promotion.digest, policy, rules, now_us)
    ]


def is_repeat(promotion: Promotion, new: Decision, policy: Policy, now_us: int) -> bool:
    """Whether the same was said before, and still counts where anything still can."""
    earlier = next((d for d in promotion.decisions if d.decider == new.decider), None)
    if earlier is None or any(
        getattr(earlier, field) != getattr(new, field)
        for field in ("outcome", "comment", "conditions", "expire_time_us")
    ):
        return False
    if promotion.state_at(now_us) is not PromotionState.PENDING:
        return True
    return _stands(earlier, new.digest, policy, new.rules_digest, now_us)


def with_dead(
    promotion: Promotion, policy: Policy, version: Version | None, now_us: int
) -> Promotion:
    """The promotion; an open one with a requirement that names whose approvals no longer count."""
    if promotion.state is not PromotionState.PENDING or version is None:
        return promotion
    rules = rules_of(version)
    dead = [
        each.decider
        for each in promotion.decisions
        if not _stands(each, promotion.digest, policy, rules, now_us)
    ]
    if not dead:
        return promotion
    again = Requirement(
        rule=AGAIN,
        message=f"{', '.join(dead)}: needs deciding again, since the policy or the vetting result "
        "has changed since then, or the approval ran out.",
        fix=f"Look at it anew: hallmark decide {promotion.number} --approve",
    )
    return dataclasses.replace(promotion, waiting=(*promotion.waiting, again))


def _stands(decision: Decision, digest: str, policy: Policy, rules: str, now_us: int) -> bool:
    return counts(
        decision,
        digest=digest,
        policy_digest=policy.digest,
        rules_digest=rules,
        now_us=now_us,
        validity_us=policy.approval_validity_us,
    )
