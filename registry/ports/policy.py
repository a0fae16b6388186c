"""The policy port: may this pass the gate? Replaceable as a whole; nothing assumes its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.versions import Verdict
from registry.ports.database import Transaction

__all__ = ["GateInput", "Policy", "PolicyReader", "PolicySets"]


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

    @property
    def approval_validity_us(self) -> int:
        """How long an approval counts, unless it says so itself."""

    def grace_us(self, verdict: Verdict) -> int:
        """How long a version that was released stays so once vetting says this of it."""

    @property
    def triton_releases(self) -> tuple[str, ...]:
        """Releases of Triton that stages run, sorted: versions are assessed for these."""

    def is_waivable(self, rule: str) -> bool:
        """Whether a waiver of this rule can ever help."""

    def reads_waivers(self, gate: Gate) -> bool:
        """Whether waivers can sway the gate's answer. Where not, it need not be shown any."""

    def evaluate(self, given: GateInput) -> GateAnswer:
        """Every rule's answer. Pure: no input but `given`, so that it can be replayed. Never
        raises: a rule that cannot be evaluated denies, and says why."""

    def replay(self, gate: Gate, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        """What `evaluate` answered to the document that is in its answer."""


class PolicySets(Protocol):
    def active(self, tx: Transaction) -> Policy:
        """The set that is active in this transaction, and in a unit of work stays so to its end."""

    def recent(self) -> Policy:
        """The set that was active when it was last looked, for what is prepared before a unit of
        work: that must compare its digest with the active one."""

    def of(self, tx: Transaction, digest: str) -> Policy | None:
        """A stored set; None where there is none of this digest."""


class PolicyReader(Protocol):
    def compile(self, content: bytes) -> Policy:
        """The set that was stored as these bytes."""

    def read(self, files: Mapping[str, bytes]) -> tuple[bytes, Policy]:
        """The set in files, and the bytes to store of it. InvalidRequestError for files that make
        no set, or one that fails its own examples; with all that is wrong."""
