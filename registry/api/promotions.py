"""PromotionService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, namespace_scope, page_request, time_us, timestamp
from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Outcome, Promotion, PromotionState, StagePeriod
from registry.names import ModelName, PromotionName, VersionName
from registry.services.promotions import PromotionService
from registry.services.stages import StageService
from registry.v1 import decisions_pb2
from registry.v1 import promotions_pb2 as pb

STATES = EnumCodec(pb.PromotionState, "PROMOTION_STATE", PromotionState)
OUTCOMES = EnumCodec(decisions_pb2.DecisionOutcome, "DECISION_OUTCOME", Outcome)


class PromotionServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["PromotionService"]

    def __init__(self, promotions: PromotionService, stages: StageService) -> None:
        self._promotions = promotions
        self._stages = stages

    def create_promotion(self, call: Call, request: pb.CreatePromotionRequest) -> pb.Promotion:
        expire_time_us = (
            time_us(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        )
        return to_proto(
            self._promotions.create(
                call.caller,
                VersionName.parse(request.version, field="version"),
                stage=request.stage,
                note=request.note,
                expected_current=request.expected_current,
                expire_time_us=expire_time_us,
                validate_only=request.validate_only,
                request_id=request.request_id,
            )
        )

    def get_promotion(self, call: Call, request: pb.GetPromotionRequest) -> pb.Promotion:
        return to_proto(self._promotions.get(call.caller, PromotionName.parse(request.name)))

    def list_promotions(
        self, call: Call, request: pb.ListPromotionsRequest
    ) -> pb.ListPromotionsResponse:
        of_model = request.parent.startswith("models/")
        state = STATES.optional(request.state, "state")
        page = self._promotions.list(
            call.caller,
            model=ModelName.parse(request.parent, field="parent") if of_model else None,
            namespace=None if of_model else namespace_scope(request.parent, or_else=ModelName.FORM),
            state=None if state is None else PromotionState(state),
            stage=request.stage,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListPromotionsResponse(
            promotions=[to_proto(promotion) for promotion in page.items],
            next_page_token=page.next_page_token,
        )

    def decide_promotion(self, call: Call, request: pb.DecidePromotionRequest) -> pb.Promotion:
        return to_proto(
            self._promotions.decide(
                call.caller,
                PromotionName.parse(request.name),
                outcome=Outcome(OUTCOMES.value_of(request.outcome, "outcome")),
                comment=request.comment,
                digest=request.digest,
                expected_current=request.expected_current,
            )
        )

    def withdraw_promotion(self, call: Call, request: pb.WithdrawPromotionRequest) -> pb.Promotion:
        return to_proto(self._promotions.withdraw(call.caller, PromotionName.parse(request.name)))

    def rollback_stage(self, call: Call, request: pb.RollbackStageRequest) -> pb.StagePeriod:
        version = VersionName.parse(request.version, field="version") if request.version else None
        return period_to_proto(
            self._stages.rollback(
                call.caller,
                ModelName.parse(request.parent, field="parent"),
                stage=request.stage,
                version=version,
                to_empty=request.to_empty,
                expected_current=request.expected_current,
                note=request.note,
                validate_only=request.validate_only,
                request_id=request.request_id,
            )
        )

    def list_stage_history(
        self, call: Call, request: pb.ListStageHistoryRequest
    ) -> pb.ListStageHistoryResponse:
        at_time_us = time_us(request.at_time, "at_time") if request.HasField("at_time") else None
        page = self._stages.history(
            call.caller,
            ModelName.parse(request.parent, field="parent"),
            stage=request.stage,
            at_time_us=at_time_us,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListStageHistoryResponse(
            periods=[period_to_proto(period) for period in page.items],
            next_page_token=page.next_page_token,
        )


def to_proto(promotion: Promotion) -> pb.Promotion:
    return pb.Promotion(
        # One that was only validated has no number, hence no name.
        name=promotion.name if promotion.number else "",
        version=promotion.version,
        digest=promotion.digest,
        stage=promotion.stage,
        state=STATES.to_proto(promotion.state),
        requester=f"principals/{promotion.requester}",
        note=promotion.note,
        decisions=[_decision(decision) for decision in promotion.decisions],
        waiting=[_requirement(requirement) for requirement in promotion.waiting],
        previous_version=promotion.previous_number or 0,
        create_time=timestamp(promotion.create_time_us),
        expire_time=timestamp(promotion.expire_time_us),
        end_time=timestamp(promotion.end_time_us),
    )


def period_to_proto(period: StagePeriod) -> pb.StagePeriod:
    return pb.StagePeriod(
        # After a rollback that emptied the stage there is none.
        version=period.version if period.version_number else "",
        digest=period.digest,
        stage=period.stage,
        start_time=timestamp(period.start_time_us),
        end_time=timestamp(period.end_time_us),
        promotion="" if period.promotion is None else f"promotions/{period.promotion}",
        mover=f"principals/{period.mover}",
        note=period.note,
        rollback=period.rollback,
        previous_version=period.previous_number or 0,
    )


def _decision(decision: Decision) -> decisions_pb2.Decision:
    return decisions_pb2.Decision(
        outcome=OUTCOMES.to_proto(decision.outcome),
        decider=f"principals/{decision.decider}",
        roles=decision.roles,
        digest=decision.digest,
        policy_digest=decision.policy_digest,
        comment=decision.comment,
        create_time=timestamp(decision.create_time_us),
        groups=decision.groups,
    )


def _requirement(requirement: Requirement) -> decisions_pb2.Requirement:
    return decisions_pb2.Requirement(
        rule=requirement.rule,
        message=requirement.message,
        fix=requirement.fix,
    )
