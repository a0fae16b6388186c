"""PolicyService over gRPC."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, page_request, timestamp
from registry.api.decisions import OUTCOMES
from registry.domain.policies import RuleResult
from registry.domain.policy_sets import ChangeState, PolicyChange
from registry.domain.promotions import Outcome
from registry.names import PolicyChangeName, PrincipalName, PromotionName, VersionName
from registry.services.gate_trials import GateTrials
from registry.services.policies import Explanation, PolicyService, StoredSet
from registry.v1 import policies_pb2 as pb

STATES = EnumCodec(pb.PolicyChangeState, "POLICY_CHANGE_STATE", ChangeState)
#: Of a document; a larger one is left out of the reply, which has to stay under 4 MB.
DOCUMENT_BYTES_MAX = 3_000_000
#: As decider: the request itself.
NOBODY = "principals/-"


class PolicyServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["PolicyService"]

    def __init__(self, policies: PolicyService, trials: GateTrials) -> None:
        self._policies = policies
        self._trials = trials

    def get_active_policy_set(
        self, call: Call, request: pb.GetActivePolicySetRequest
    ) -> pb.PolicySet:
        return _set(self._policies.active(call.caller))

    def get_policy_set(self, call: Call, request: pb.GetPolicySetRequest) -> pb.PolicySet:
        return _set(self._policies.get(call.caller, request.digest))

    def list_policy_changes(
        self, call: Call, request: pb.ListPolicyChangesRequest
    ) -> pb.ListPolicyChangesResponse:
        state = STATES.optional(request.state, "state")
        page = self._policies.changes(
            call.caller,
            state=None if state is None else ChangeState(state),
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListPolicyChangesResponse(
            changes=[to_proto(change) for change in page.items],
            next_page_token=page.next_page_token,
        )

    def propose_policy_set(
        self, call: Call, request: pb.ProposePolicySetRequest
    ) -> pb.PolicyChange:
        return to_proto(
            self._policies.propose(
                call.caller,
                [(file.name, file.content) for file in request.files],
                note=request.note,
                validate_only=request.validate_only,
                request_id=request.request_id,
            )
        )

    def decide_policy_change(
        self, call: Call, request: pb.DecidePolicyChangeRequest
    ) -> pb.PolicyChange:
        return to_proto(
            self._policies.decide(
                call.caller,
                PolicyChangeName.parse(request.name),
                outcome=Outcome(OUTCOMES.value_of(request.outcome, "outcome")),
                digest=request.digest,
                comment=request.comment,
            )
        )

    def withdraw_policy_change(
        self, call: Call, request: pb.WithdrawPolicyChangeRequest
    ) -> pb.PolicyChange:
        return to_proto(self._policies.withdraw(call.caller, PolicyChangeName.parse(request.name)))

    def evaluate_gate(self, call: Call, request: pb.EvaluateGateRequest) -> pb.GateEvaluation:
        name = VersionName.parse(request.version, field="version")
        answer = self._trials.evaluate(call.caller, name, request.gate, request.stage)
        return pb.GateEvaluation(
            gate=answer.gate.value,
            policy_digest=answer.policy_digest,
            results=[result_to_proto(result) for result in answer.results],
        )

    def explain_decision(
        self, call: Call, request: pb.ExplainDecisionRequest
    ) -> pb.DecisionExplanation:
        decider: str | None = None
        if request.decider == NOBODY:
            decider = ""
        elif request.decider:
            decider = PrincipalName.parse(request.decider, field="decider").principal
        name = PromotionName.parse(request.promotion, field="promotion")
        return _explanation(self._policies.explain(call.caller, name, decider))


def to_proto(change: PolicyChange) -> pb.PolicyChange:
    return pb.PolicyChange(
        # One that was only validated has no number, hence no name.
        name=change.name if change.number else "",
        digest=change.digest,
        base_digest=change.base_digest,
        state=STATES.to_proto(change.state),
        proposer=f"principals/{change.proposer}",
        note=change.note,
        decider=f"principals/{change.decider}" if change.decider else "",
        comment=change.comment,
        create_time=timestamp(change.create_time_us),
        end_time=timestamp(change.end_time_us),
        expire_time=timestamp(change.expire_time_us),
    )


def result_to_proto(result: RuleResult) -> pb.RuleResult:
    return pb.RuleResult(
        rule=result.rule,
        passed=result.passed,
        message=result.message,
        fix=result.fix,
        waits=result.waits,
        bound=dict(result.bound),
        waived_by=result.waived_by,
    )


def _set(found: StoredSet) -> pb.PolicySet:
    return pb.PolicySet(digest=found.digest, content=found.content, active=found.active)


def _explanation(found: Explanation) -> pb.DecisionExplanation:
    record = found.record
    message = pb.DecisionExplanation(
        promotion=found.promotion.name,
        decider=f"principals/{record.decider}" if record.decider else "",
        policy_digest=record.policy_digest,
        # Of the whole document it would let hidden parts be guessed.
        input_sha256=record.input_sha256 if found.is_whole else "",
        document=found.document if len(found.document) <= DOCUMENT_BYTES_MAX else b"",
        results=[result_to_proto(result) for result in found.then],
        replayed=[result_to_proto(result) for result in found.again],
        equal=found.equal,
        create_time=timestamp(record.create_time_us),
    )
    if found.outcome is not None:
        message.outcome = OUTCOMES.to_proto(found.outcome)
    return message
