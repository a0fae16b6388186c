"""What the server tells of policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class PolicySet:
    digest: str
    #: Canonical JSON.
    content: bytes
    active: bool


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    #: Empty where it was only validated.
    name: str
    digest: str
    base_digest: str
    #: pending, activated, rejected, withdrawn or expired.
    state: str
    proposer: str
    note: str
    decider: str
    comment: str
    create_time: datetime | None
    end_time: datetime | None
    expire_time: datetime | None

    @property
    def number(self) -> str:
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    rule: str
    passed: bool
    message: str
    fix: str
    waits: bool
    bound: Mapping[str, str]
    waived_by: str


@dataclass(frozen=True, kw_only=True)
class DecisionExplanation:
    promotion: str
    #: Empty for the request itself.
    decider: str
    policy_digest: str
    input_sha256: str
    #: Canonical JSON.
    document: bytes
    results: tuple[RuleResult, ...]
    replayed: tuple[RuleResult, ...]
    equal: bool
    create_time: datetime | None
    #: approve or reject; empty for the request itself.
    outcome: str


@dataclass(frozen=True, kw_only=True)
class GateEvaluation:
    gate: str
    policy_digest: str
    results: tuple[RuleResult, ...]
