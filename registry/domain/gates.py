"""What a gate shows to a policy."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.policies import Gate
from registry.domain.promotions import Decision
from registry.domain.versions import Evaluation, Version

#: A request that has no number yet is written so in commands.
UNNUMBERED = "PROMOTION"


@dataclass(frozen=True, kw_only=True)
class BaseFact:
    """A version above the one that a gate is asked about."""

    name: str
    #: What was made from it: that version, or another one above it.
    child: str
    #: Of its card; "" for one that is gone, or whose card names none.
    license: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a version beside its row."""

    #: See `file_formats.py`; sorted.
    formats: tuple[str, ...] = ()
    largest_file_bytes: int = 0
    #: All versions above it, by name.
    bases: tuple[BaseFact, ...] = ()
    #: Triton releases that it was found ready for.
    triton_ready: tuple[str, ...] = ()

    @property
    def base_licenses(self) -> tuple[str, ...]:
        """Each once, sorted; "" for a version above that has none."""
        return tuple(sorted({base.license for base in self.bases}))


@dataclass(frozen=True, kw_only=True)
class GrantedWaiver:
    """An exception to one rule, granted for what the gate is asked about."""

    id: str
    rule: str
    owner: str
    reason: str
    until_us: int


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the gate delete looks at."""

    name: str
    namespace: str
    latest_version: int
    stages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GateInput:
    """All that a policy may look at. What is not in it cannot sway a decision."""

    gate: Gate
    #: None at the gate delete, which is about a model.
    version: Version | None
    now_us: int
    #: Whose call asks; "principals/{id}" or "system".
    actor: str
    actor_kind: str = "system"
    actor_groups: tuple[str, ...] = ()
    actor_roles: tuple[str, ...] = ()
    #: Set for promotions: the stage, who requested it, the decisions so far (approvals only).
    stage: str = ""
    requester: str = ""
    promotion: int = 0
    note: str = ""
    break_glass: bool = False
    #: At the gate fetch: the caller named the digest.
    by_digest: bool = False
    #: At the gate fetch: the release of Triton that it is for, or empty.
    triton: str = ""
    decisions: tuple[Decision, ...] = ()
    waivers: tuple[GrantedWaiver, ...] = ()
    #: The version in the stage now.
    current: Version | None = None
    evaluations: tuple[Evaluation, ...] = ()
    current_evaluations: tuple[Evaluation, ...] = ()
    facts: Facts = Facts()
    current_facts: Facts = Facts()
    model: ModelFacts | None = None
