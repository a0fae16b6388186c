"""WaiverService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, namespace_scope, page_request, time_us, timestamp
from registry.api.decisions import OUTCOMES, decision_to_proto
from registry.domain.promotions import Outcome
from registry.domain.waivers import Waiver, WaiverState
from registry.names import ModelName, VersionName, WaiverName
from registry.services.waivers import WaiverService
from registry.v1 import waivers_pb2 as pb

STATES = EnumCodec(pb.WaiverState, "WAIVER_STATE", WaiverState)


class WaiverServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["WaiverService"]

    def __init__(self, waivers: WaiverService) -> None:
        self._waivers = waivers

    def request_waiver(self, call: Call, request: pb.RequestWaiverRequest) -> pb.Waiver:
        expire_time_us = (
            time_us(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        )
        return to_proto(
            self._waivers.request(
                call.caller,
                _target(request.target),
                rule=request.rule,
                reason=request.reason,
                stage=request.stage,
                expire_time_us=expire_time_us,
                request_id=request.request_id,
            )
        )

    def get_waiver(self, call: Call, request: pb.GetWaiverRequest) -> pb.Waiver:
        return to_proto(self._waivers.get(call.caller, WaiverName.parse(request.name)))

    def list_waivers(self, call: Call, request: pb.ListWaiversRequest) -> pb.ListWaiversResponse:
        of_model = request.parent.startswith("models/")
        state = STATES.optional(request.state, "state")
        page = self._waivers.list(
            call.caller,
            model=ModelName.parse(request.parent, field="parent") if of_model else None,
            namespace=None if of_model else namespace_scope(request.parent, or_else=ModelName.FORM),
            state=None if state is None else WaiverState(state),
            rule=request.rule,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListWaiversResponse(
            waivers=[to_proto(waiver) for waiver in page.items],
            next_page_token=page.next_page_token,
        )

    def decide_waiver(self, call: Call, request: pb.DecideWaiverRequest) -> pb.Waiver:
        return to_proto(
            self._waivers.decide(
                call.caller,
                WaiverName.parse(request.name),
                outcome=Outcome(OUTCOMES.value_of(request.outcome, "outcome")),
                comment=request.comment,
                policy_digest=request.policy_digest,
            )
        )

    def withdraw_waiver(self, call: Call, request: pb.WithdrawWaiverRequest) -> pb.Waiver:
        return to_proto(self._waivers.withdraw(call.caller, WaiverName.parse(request.name)))

    def revoke_waiver(self, call: Call, request: pb.RevokeWaiverRequest) -> pb.Waiver:
        name = WaiverName.parse(request.name)
        return to_proto(self._waivers.revoke(call.caller, name, comment=request.comment))


def _target(text: str) -> ModelName | VersionName:
    if "/versions/" in text:
        return VersionName.parse(text, field="target")
    return ModelName.parse(text, field="target")


def to_proto(waiver: Waiver) -> pb.Waiver:
    return pb.Waiver(
        name=waiver.name,
        rule=waiver.rule,
        target=waiver.target,
        digest=waiver.digest,
        stage=waiver.stage,
        reason=waiver.reason,
        state=STATES.to_proto(waiver.state),
        requester=f"principals/{waiver.requester}",
        decision=None if waiver.decision is None else decision_to_proto(waiver.decision),
        create_time=timestamp(waiver.create_time_us),
        expire_time=timestamp(waiver.expire_time_us),
        end_time=timestamp(waiver.end_time_us),
        lapsed=waiver.lapsed,
    )
