"""Reviews: what is said afterwards of a stage that was moved without the decisions asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.promotions import Decision, Outcome

#: A review is due so long after the move.
DUE_US = 3 * 24 * 3600 * 1_000_000
#: So many people have to find the move right.
APPROVALS = 2


class ReviewState(StrEnum):
    PENDING = "pending"
    UPHELD = "upheld"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class Review:
    number: int
    promotion: int
    model_key: int
    version_key: int
    model: str
    namespace: str
    version_number: int
    digest: str
    stage: str
    #: Who broke the glass, and why.
    requester: str
    reason: str
    #: The rules that were passed by, sorted.
    rules: tuple[str, ...]
    state: ReviewState
    decisions: tuple[Decision, ...]
    create_time_us: int
    #: When it is due; nothing ends it but decisions.
    expire_time_us: int
    #: When it was written down that it is overdue.
    overdue_time_us: int | None
    end_time_us: int | None

    @property
    def name(self) -> str:
        return f"reviews/{self.number}"

    @property
    def version(self) -> str:
        return f"models/{self.model}/versions/{self.version_number}"


def state_after(decisions: tuple[Decision, ...]) -> ReviewState:
    """One no rejects, two different people's yes upholds."""
    if any(word.outcome is Outcome.REJECT for word in decisions):
        return ReviewState.REJECTED
    approvers = {word.decider for word in decisions}
    return ReviewState.UPHELD if len(approvers) >= APPROVALS else ReviewState.PENDING
