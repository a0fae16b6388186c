"""Policy sets: which is active, who changes it, and why a gate said what it said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import number_of
from registry.client.names import policy_change_name, principal_name, promotion_name
from registry.client.policy_values import (
    DecisionExplanation,
    GateEvaluation,
    PolicyChange,
    PolicySet,
)
from registry.client.service import Service
from registry.v1 import decisions_pb2
from registry.v1 import policies_pb2 as pb
from registry.v1.policies_pb2_grpc import PolicyServiceStub


class Policies(Service):
    STUB: ClassVar = PolicyServiceStub

    def active(self) -> PolicySet:
        request = pb.GetActivePolicySetRequest()
        return self._read(self._stub.GetActivePolicySet, request, PolicySet)

    def get(self, digest: str) -> PolicySet:
        request = pb.GetPolicySetRequest(digest=digest)
        return self._read(self._stub.GetPolicySet, request, PolicySet)

    def changes(self, *, state: str = "") -> Iterator[PolicyChange]:
        """Proposals, newest first."""
        request = pb.ListPolicyChangesRequest(
            state=number_of(pb.PolicyChangeState, state, field="state")
        )
        return self._pages(self._stub.ListPolicyChanges, request, "changes", PolicyChange)

    def propose(
        self, files: Mapping[str, bytes], *, note: str, validate_only: bool = False
    ) -> PolicyChange:
        """Ask for the set in these files to become the active one; somebody else has to agree."""
        request = pb.ProposePolicySetRequest(
            files=[pb.PolicyFile(name=name, content=files[name]) for name in sorted(files)],
            note=note,
            validate_only=validate_only,
            request_id="" if validate_only else new_request_id(),
        )
        return self._read(self._stub.ProposePolicySet, request, PolicyChange)

    def decide(
        self, change: str | int, outcome: str, *, digest: str, comment: str = ""
    ) -> PolicyChange:
        """`outcome` is approve or reject; `digest` that of the set that was looked at."""
        request = pb.DecidePolicyChangeRequest(
            name=policy_change_name(change),
            outcome=number_of(decisions_pb2.DecisionOutcome, outcome, field="outcome"),
            digest=digest,
            comment=comment,
        )
        return self._read(self._stub.DecidePolicyChange, request, PolicyChange)

    def withdraw(self, change: str | int) -> PolicyChange:
        request = pb.WithdrawPolicyChangeRequest(name=policy_change_name(change))
        return self._read(self._stub.WithdrawPolicyChange, request, PolicyChange)

    def evaluate(self, version: str, gate: str, *, stage: str = "") -> GateEvaluation:
        """What a gate would say to a version (by resource name) now; changes nothing."""
        request = pb.EvaluateGateRequest(version=version, gate=gate, stage=stage)
        return self._read(self._stub.EvaluateGate, request, GateEvaluation)

    def explain(self, promotion: str | int, *, decider: str = "") -> DecisionExplanation:
        """Of one person's decision, of the request itself with "-", or of what came last."""
        whose = principal_name(decider) if decider not in ("", "-") else ""
        request = pb.ExplainDecisionRequest(
            promotion=promotion_name(promotion),
            decider="principals/-" if decider == "-" else whose,
        )
        return self._read(self._stub.ExplainDecision, request, DecisionExplanation)
