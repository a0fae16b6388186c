"""What a gate shows to a policy."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.policies import Gate
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
