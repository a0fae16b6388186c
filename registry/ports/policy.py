"""The policy port: may this pass the gate? Replaceable as a whole; nothing assumes its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from registry.domain.policies import Gate, GateAnswer
from registry.domain.promotions import Decision
from registry.domain.versions import Evaluation, Version


@dataclass(frozen=True, kw_only=True)
class GateInput:
    """All that a policy may look at. What is not in it cannot sway a decision."""

    gate: Gate
    version: Version
    now_us: int
    #: Whose call asks; "principals/{id}" or "system".
    actor: str
    #: Set for promotions: the stage, who requested it, the decisions so far (approvals only).
    stage: str = ""
    requester: str = ""
    decisions: tuple[Decision, ...] = ()
    #: The version in the stage now.
    current: Version | None = None
    evaluations: tuple[Evaluation, ...] = ()


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

    def evaluate(self, given: GateInput) -> GateAnswer:
        """Every rule's answer. Pure: no input but `given`, so that it can be replayed. Never
        raises: a rule that cannot be evaluated denies, and says why."""
