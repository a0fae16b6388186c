"""TermsService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, namespace_scope, page_request, timestamp
from registry.api.decisions import OUTCOMES, decision_to_proto
from registry.domain.promotions import Outcome
from registry.domain.terms import Acceptance, AcceptanceState, Terms
from registry.names import AcceptanceName, ModelName, PrincipalName
from registry.services.acceptances import AcceptanceService
from registry.services.terms import TermsService
from registry.v1 import terms_pb2 as pb

STATES = EnumCodec(pb.AcceptanceState, "ACCEPTANCE_STATE", AcceptanceState)


class TermsServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["TermsService"]

    def __init__(self, terms: TermsService, acceptances: AcceptanceService) -> None:
        self._terms = terms
        self._acceptances = acceptances

    def set_model_terms(self, call: Call, request: pb.SetModelTermsRequest) -> pb.ModelTerms:
        return terms_to_proto(
            self._terms.set(
                call.caller,
                ModelName.parse(request.model, field="model"),
                label=request.label,
                text=request.text,
                url=request.url,
                validity_days=request.validity_days,
                approval_required=request.approval_required,
                etag=request.etag,
                request_id=request.request_id,
            )
        )

    def clear_model_terms(
        self, call: Call, request: pb.ClearModelTermsRequest
    ) -> pb.ClearModelTermsResponse:
        model = ModelName.parse(request.model, field="model")
        self._terms.clear(call.caller, model, etag=request.etag)
        return pb.ClearModelTermsResponse()

    def get_model_terms(self, call: Call, request: pb.GetModelTermsRequest) -> pb.ModelTerms:
        model = ModelName.parse(request.model, field="model")
        return terms_to_proto(self._terms.get(call.caller, model))

    def accept_terms(self, call: Call, request: pb.AcceptTermsRequest) -> pb.Acceptance:
        return to_proto(
            self._acceptances.accept(
                call.caller,
                ModelName.parse(request.model, field="model"),
                terms_digest=request.terms_digest,
                on_behalf_of=_principal(request.on_behalf_of, "on_behalf_of"),
                request_id=request.request_id,
            )
        )

    def request_access(self, call: Call, request: pb.RequestAccessRequest) -> pb.Acceptance:
        return to_proto(
            self._acceptances.request(
                call.caller,
                ModelName.parse(request.model, field="model"),
                terms_digest=request.terms_digest,
                reason=request.reason,
                on_behalf_of=_principal(request.on_behalf_of, "on_behalf_of"),
                request_id=request.request_id,
            )
        )

    def decide_access(self, call: Call, request: pb.DecideAccessRequest) -> pb.Acceptance:
        return to_proto(
            self._acceptances.decide(
                call.caller,
                AcceptanceName.parse(request.name),
                outcome=Outcome(OUTCOMES.value_of(request.outcome, "outcome")),
                comment=request.comment,
            )
        )

    def get_acceptance(self, call: Call, request: pb.GetAcceptanceRequest) -> pb.Acceptance:
        return to_proto(self._acceptances.get(call.caller, AcceptanceName.parse(request.name)))

    def list_acceptances(
        self, call: Call, request: pb.ListAcceptancesRequest
    ) -> pb.ListAcceptancesResponse:
        of_model = request.parent.startswith("models/")
        state = STATES.optional(request.state, "state")
        page = self._acceptances.list(
            call.caller,
            model=ModelName.parse(request.parent, field="parent") if of_model else None,
            namespace=None if of_model else namespace_scope(request.parent, or_else=ModelName.FORM),
            principal=_principal(request.principal, "principal"),
            state=None if state is None else AcceptanceState(state),
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListAcceptancesResponse(
            acceptances=[to_proto(acceptance) for acceptance in page.items],
            next_page_token=page.next_page_token,
        )

    def revoke_acceptance(self, call: Call, request: pb.RevokeAcceptanceRequest) -> pb.Acceptance:
        name = AcceptanceName.parse(request.name)
        return to_proto(self._acceptances.revoke(call.caller, name, comment=request.comment))


def _principal(text: str, field: str) -> str:
    return PrincipalName.parse(text, field=field).principal if text else ""


def terms_to_proto(terms: Terms) -> pb.ModelTerms:
    return pb.ModelTerms(
        model=f"models/{terms.model}",
        label=terms.label,
        text=terms.text,
        url=terms.url,
        validity_days=terms.validity_days,
        approval_required=terms.approval_required,
        digest=terms.digest,
        create_time=timestamp(terms.create_time_us),
        creator=f"principals/{terms.creator}",
    )


def to_proto(acceptance: Acceptance) -> pb.Acceptance:
    decision = acceptance.decision
    return pb.Acceptance(
        name=acceptance.name,
        model=f"models/{acceptance.model}",
        principal=f"principals/{acceptance.principal}",
        requester=f"principals/{acceptance.requester}",
        terms_digest=acceptance.terms_digest,
        terms_label=acceptance.terms_label,
        reason=acceptance.reason,
        state=STATES.to_proto(acceptance.state),
        decision=None if decision is None else decision_to_proto(decision),
        create_time=timestamp(acceptance.create_time_us),
        expire_time=timestamp(acceptance.expire_time_us),
        end_time=timestamp(acceptance.end_time_us),
    )
