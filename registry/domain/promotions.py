"""Promotions: requests that collect decisions, and the history of what was in a stage when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.policies import Requirement
from registry.errors import InvalidStateError


class PromotionState(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Outcome(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One person's word on a digest, under a policy."""

    outcome: Outcome
    decider: str
    #: Roles held on the namespace at that moment, sorted.
    roles: tuple[str, ...]
    digest: str
    policy_digest: str
    comment: str
    #: Lines of text for people; no gate judges them.
    conditions: tuple[str, ...] = ()
    #: When an approval stops counting, for what is still open then; None: never.
    expire_time_us: int | None = None
    create_time_us: int
    #: The person's stable id, whatever they are called.
    decider_uid: str = ""
    #: Of the version's verdict at that moment: what vetting knew when the word was given.
    rules_digest: str = ""
    #: Groups held in the company's directory at that moment, sorted.
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Promotion:
    #: 0 for one that was only validated.
    number: int
    model_key: int
    version_key: int
    model: str
    namespace: str
    version_number: int
    digest: str
    stage: str
    state: PromotionState
    requester: str
    note: str
    decisions: tuple[Decision, ...]
    waiting: tuple[Requirement, ...]
    #: What the stage held at the request; None for nothing.
    previous_number: int | None
    #: What the stage must hold when it moves: -1 nothing, 0 no condition.
    expected_current: int
    create_time_us: int
    expire_time_us: int
    end_time_us: int | None
    #: Whether it moved the stage without the decisions asked for.
    break_glass: bool = False

    @property
    def name(self) -> str:
        return f"promotions/{self.number}"

    @property
    def version(self) -> str:
        return f"models/{self.model}/versions/{self.version_number}"

    def state_at(self, now_us: int) -> PromotionState:
        """The state at a moment: time ends a promotion whether or not anybody looks."""
        if self.state is PromotionState.PENDING and now_us >= self.expire_time_us:
            return PromotionState.EXPIRED
        return self.state


@dataclass(frozen=True, kw_only=True)
class StagePeriod:
    """A version's time in a stage: [start, end), open while it is there."""

    key: int
    model: str
    version_key: int
    version_number: int
    digest: str
    stage: str
    start_time_us: int
    end_time_us: int | None
    #: The promotion in which this version was decided on for the stage, after a rollback too.
    promotion: int | None
    mover: str
    note: str
    rollback: bool
    previous_number: int | None

    @property
    def version(self) -> str:
        return f"models/{self.model}/versions/{self.version_number}"


def require_pending(promotion: Promotion, now_us: int, *, action: str) -> None:
    """Raise InvalidStateError unless the promotion still collects decisions."""
    state = promotion.state_at(now_us)
    if state is not PromotionState.PENDING:
        raise InvalidStateError(
            name=promotion.name,
            action=action,
            found=state.value.upper(),
            allowed="PENDING",
            fix=f"Open a new one: hallmark promote {promotion.model}@{promotion.version_number} "
            f"{promotion.stage}",
        )


def counts(
    decision: Decision,
    *,
    digest: str,
    policy_digest: str,
    rules_digest: str,
    now_us: int,
    validity_us: int,
) -> bool:
    """Whether a word still holds: of these bytes, under this policy and this verdict, and not run
    out. Policies decide by themselves what counts; this is for showing it."""
    if decision.expire_time_us is not None and now_us >= decision.expire_time_us:
        return False
    bound_to = (decision.digest, decision.policy_digest, decision.rules_digest)
    is_same = bound_to == (digest, policy_digest, rules_digest)
    return is_same and now_us < decision.create_time_us + validity_us


def with_decision(decisions: tuple[Decision, ...], new: Decision) -> tuple[Decision, ...]:
    """The decisions with `new` in place of an earlier one by the same person, in order of time."""
    return (*(d for d in decisions if d.decider != new.decider), new)
