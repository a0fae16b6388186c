"""The policy port: may this pass the gate? Replaceable as a whole; nothing assumes its rules."""

from __future__ import annotations

from typing import Protocol

from registry.domain.gates import GateInput
from registry.domain.policies import GateAnswer

__all__ = ["GateInput", "Policy"]


class Policy(Protocol):
    @property
    def digest(self) -> str:
        """Digest of the policy set in force, "sha256:..."; part of every decision."""

    @property
    def exclusive_stages(self) -> tuple[str, ...]:
        """Stages that point to at most one version, in order of promotion."""

    @property
    def label_stages(self) -> tuple[str, ...]:
        """Stage names that are labels: reserved, not resolvable."""

    @property
    def promotion_ttl_us(self) -> int:
        """How long a promotion waits for decisions."""

    def is_waivable(self, rule: str) -> bool:
        """Whether a waiver may be granted for the rule with this id."""

    def evaluate(self, given: GateInput) -> GateAnswer:
        """Every rule's answer. Pure: no input but `given`, so that it can be replayed. Never
        raises: a rule that cannot be evaluated denies, and says why."""
