"""Waivers: exceptions, for a time, from one rule of the policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.promotions import Decision
from registry.domain.versions import Version
from registry.errors import InvalidStateError


class WaiverState(StrEnum):
    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"


#: States that time ends.
OPEN = frozenset({WaiverState.PENDING, WaiverState.GRANTED})


@dataclass(frozen=True, kw_only=True)
class Waiver:
    number: int
    rule: str
    model_key: int
    model: str
    namespace: str
    #: None where it is for all versions of the model.
    version_key: int | None
    version_number: int | None
    #: The version's; empty where it is for the model.
    digest: str
    #: Empty: every stage, and gates that have none.
    stage: str
    reason: str
    state: WaiverState
    #: Who asked for it and owns it.
    requester: str
    decision: Decision | None
    create_time_us: int
    expire_time_us: int
    end_time_us: int | None
    #: Granted, and no longer counted: see `stands`. Worked out when it is shown, not stored.
    lapsed: bool = False

    @property
    def name(self) -> str:
        return f"waivers/{self.number}"

    @property
    def target(self) -> str:
        model = f"models/{self.model}"
        return model if self.version_number is None else f"{model}/versions/{self.version_number}"

    @property
    def ref(self) -> str:
        """The target as people write it."""
        return self.model if self.version_number is None else f"{self.model}@{self.version_number}"

    def state_at(self, now_us: int) -> WaiverState:
        """The state at a moment: time ends a waiver whether or not anybody looks."""
        if self.state in OPEN and now_us >= self.expire_time_us:
            return WaiverState.EXPIRED
        return self.state

    def counts_for(self, version: Version, stage: str, now_us: int) -> bool:
        """Whether a gate may take the rule for passed.

        Never for a version to which whoever granted it contributed: a waiver for a whole model may
        have been granted by somebody who only later had a hand in one of its versions.
        """
        return (
            self.state_at(now_us) is WaiverState.GRANTED
            and self.model_key == version.model_key
            and (self.version_key is None or self.version_key == version.key)
            and self.digest in ("", version.digest)
            and self.stage in ("", stage)
            and self.decision is not None
            and self.decision.decider not in {version.registrant, *version.contributors}
        )

    def stands(self, policy_digest: str, rules_digest: str) -> bool:
        """Whether it was granted under this policy and, of a version, under this verdict's rules.

        It is a decision, which dies with either.
        """
        word = self.decision
        return (
            word is not None
            and word.policy_digest == policy_digest
            and (self.version_key is None or word.rules_digest == rules_digest)
        )


def require_state(
    waiver: Waiver, allowed: WaiverState, now_us: int, *, action: str, fix: str
) -> None:
    """Raise InvalidStateError unless the waiver is in this state."""
    state = waiver.state_at(now_us)
    if state is not allowed:
        raise InvalidStateError(
            name=waiver.name,
            action=action,
            found=state.value.upper(),
            allowed=allowed.value.upper(),
            fix=fix,
        )
