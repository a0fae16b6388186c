"""What a gate asks and what a policy answers: plain values, so that decisions can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Gate(StrEnum):
    REGISTER = "register"
    MIRROR = "mirror"
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
    #: What the placeholders of a failed rule's message and fix stood for.
    bound: Mapping[str, str] = field(default_factory=dict)
    #: The waiver by which a failed rule passes.
    waived_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    rule: str
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class GateAnswer:
    """Every rule's answer, none left out, and which policy gave it on what."""

    gate: Gate
    results: tuple[RuleResult, ...]
    policy_digest: str
    #: All that the rules were shown; see `gate_documents.py`.
    document: Mapping[str, object] = field(default_factory=dict, repr=False)

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


def results_value(results: tuple[RuleResult, ...]) -> list[object]:
    """Results as plain values, for canonical JSON: what a replay is compared with."""
    return [
        {
            "rule": each.rule,
            "passed": each.passed,
            "message": each.message,
            "fix": each.fix,
            "waits": each.waits,
            "bound": dict(each.bound),
            "waived_by": each.waived_by,
        }
        for each in results
    ]
