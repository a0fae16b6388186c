"""Terms of models, and who accepted them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import number_of
from registry.client.judged import Acceptance, ModelTerms
from registry.client.names import acceptance_name, model_name, principal_name, scope_name
from registry.client.service import Service
from registry.v1 import decisions_pb2
from registry.v1 import terms_pb2 as pb
from registry.v1.terms_pb2_grpc import TermsServiceStub


class Terms(Service):
    STUB: ClassVar = TermsServiceStub

    def set(
        self,
        model: str,
        *,
        label: str,
        text: str = "",
        url: str = "",
        validity_days: int = 0,
        approval_required: bool = False,
        etag: str = "",
    ) -> ModelTerms:
        """Acceptances of other terms count no more. `etag` is the digest of those replaced."""
        request = pb.SetModelTermsRequest(
            model=model_name(model),
            label=label,
            text=text,
            url=url,
            validity_days=validity_days,
            approval_required=approval_required,
            etag=etag,
            request_id=new_request_id(),
        )
        return self._read(self._stub.SetModelTerms, request, ModelTerms)

    def clear(self, model: str, *, etag: str = "") -> None:
        request = pb.ClearModelTermsRequest(model=model_name(model), etag=etag)
        self._call(self._stub.ClearModelTerms, request, repeats=True)

    def get(self, model: str) -> ModelTerms:
        request = pb.GetModelTermsRequest(model=model_name(model))
        return self._read(self._stub.GetModelTerms, request, ModelTerms)

    def accept(self, model: str, *, terms_digest: str, on_behalf_of: str = "") -> Acceptance:
        """Accept the terms that were read; `on_behalf_of` is a robot."""
        request = pb.AcceptTermsRequest(
            model=model_name(model),
            terms_digest=terms_digest,
            on_behalf_of=principal_name(on_behalf_of) if on_behalf_of else "",
            request_id=new_request_id(),
        )
        return self._read(self._stub.AcceptTerms, request, Acceptance)

    def request(
        self, model: str, *, terms_digest: str, reason: str, on_behalf_of: str = ""
    ) -> Acceptance:
        """Accept the terms that were read, and ask for the approval that they need."""
        request = pb.RequestAccessRequest(
            model=model_name(model),
            terms_digest=terms_digest,
            reason=reason,
            on_behalf_of=principal_name(on_behalf_of) if on_behalf_of else "",
            request_id=new_request_id(),
        )
        return self._read(self._stub.RequestAccess, request, Acceptance)

    def decide(self, acceptance: str | int, outcome: str, *, comment: str = "") -> Acceptance:
        """`outcome` is approve or reject."""
        request = pb.DecideAccessRequest(
            name=acceptance_name(acceptance),
            outcome=number_of(decisions_pb2.DecisionOutcome, outcome, field="outcome"),
            comment=comment,
        )
        return self._read(self._stub.DecideAccess, request, Acceptance)

    def acceptance(self, acceptance: str | int) -> Acceptance:
        request = pb.GetAcceptanceRequest(name=acceptance_name(acceptance))
        return self._read(self._stub.GetAcceptance, request, Acceptance)

    def acceptances(
        self, scope: str = "", *, principal: str = "", state: str = ""
    ) -> Iterator[Acceptance]:
        """Of a model, a namespace, or all that the caller may read; newest first."""
        request = pb.ListAcceptancesRequest(
            parent=scope_name(scope),
            principal=principal_name(principal) if principal else "",
            state=number_of(pb.AcceptanceState, state, field="state"),
        )
        return self._pages(self._stub.ListAcceptances, request, "acceptances", Acceptance)

    def revoke(self, acceptance: str | int, *, comment: str = "") -> Acceptance:
        request = pb.RevokeAcceptanceRequest(name=acceptance_name(acceptance), comment=comment)
        return self._read(self._stub.RevokeAcceptance, request, Acceptance)
