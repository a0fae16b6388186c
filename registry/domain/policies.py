"""What a gate asks and what a policy answers: plain values, so that decisions can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Gate(StrEnum):
    REGISTER = "register"
    RELEASE = "release"
    PROMOTE = "promote"
    FETCH = "fetch"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """One rule's answer. `waits`: it fails now, and further decisions could satisfy it."""

    rule: str
    passed: bool
    message: str = ""
    fix: str = ""
    waits: bool = False


@dataclass(frozen=True, kw_only=True)
class Requirement:
    rule: str
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class GateAnswer:
    """Every rule's answer, none left out, and which policy gave it."""

    gate: Gate
    results: tuple[RuleResult, ...]
    policy_digest: str

    @property
    def allowed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def refusals(self) -> tuple[RuleResult, ...]:
        """Failed rules that no decision can satisfy."""
        return tuple(r for r in self.results if not r.passed and not r.waits)

    @property
    def waiting(self) -> tuple[Requirement, ...]:
        return tuple(
            Requirement(rule=r.rule, message=r.message, fix=r.fix)
            for r in self.results
            if not r.passed and r.waits
        )
