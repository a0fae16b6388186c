"""AccessService over gRPC."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.principals import ROLES, grant_to_proto, scope_to_proto
from registry.names import PrincipalName
from registry.services.access import AccessService, TokenRow
from registry.v1 import access_pb2 as pb


class AccessServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["AccessService"]

    def __init__(self, access: AccessService) -> None:
        self._access = access

    def explain_access(
        self, call: Call, request: pb.ExplainAccessRequest
    ) -> pb.ExplainAccessResponse:
        found = self._access.explain(
            call.caller,
            PrincipalName.parse(request.principal, field="principal"),
            action=request.action,
            resource=request.resource,
            stage=request.stage,
        )
        return pb.ExplainAccessResponse(
            allowed=found.allowed,
            rows=[
                pb.ExplainAccessResponse.Row(
                    grant=grant_to_proto(row.grant), from_group=row.from_group
                )
                for row in found.rows
            ],
            roles=[ROLES.to_proto(role) for role in found.roles],
            tokens=[_token_row(row) for row in found.tokens],
            disabled=found.disabled,
            own_right=found.own_right,
        )


def _token_row(row: TokenRow) -> pb.ExplainAccessResponse.TokenRow:
    return pb.ExplainAccessResponse.TokenRow(
        token=row.token.name,
        label=row.token.label,
        covers=row.covers,
        scope=None if row.scope is None else scope_to_proto(row.scope),
    )
