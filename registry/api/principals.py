"""PrincipalService over gRPC: principals, their tokens, and the table of roles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, page_request, time_us, timestamp
from registry.domain.access import TABLE, Caller, Grant, Principal, PrincipalKind, Role, Token
from registry.domain.scopes import Scope
from registry.names import PrincipalName, TokenName
from registry.services.principals import PrincipalService
from registry.services.tokens import TokenService
from registry.v1 import principals_pb2 as pb

KINDS = EnumCodec(pb.PrincipalKind, "PRINCIPAL_KIND", PrincipalKind)
ROLES = EnumCodec(pb.Role, "ROLE", Role)


class PrincipalServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["PrincipalService"]

    def __init__(self, principals: PrincipalService, tokens: TokenService) -> None:
        self._principals = principals
        self._tokens = tokens

    def get_caller(self, call: Call, request: pb.GetCallerRequest) -> pb.Caller:
        return caller_to_proto(call.caller)

    def create_principal(self, call: Call, request: pb.CreatePrincipalRequest) -> pb.Principal:
        kind = KINDS.value_of(request.principal.kind, "principal.kind")
        return to_proto(
            self._principals.create(
                call.caller,
                request.principal_id,
                kind=PrincipalKind(kind),
                display_name=request.principal.display_name,
                grants=_grants(request.principal.grants),
                request_id=request.request_id,
                sponsor=_sponsor(request.principal.sponsor),
            )
        )

    def get_principal(self, call: Call, request: pb.GetPrincipalRequest) -> pb.Principal:
        return to_proto(self._principals.get(call.caller, PrincipalName.parse(request.name)))

    def list_principals(
        self, call: Call, request: pb.ListPrincipalsRequest
    ) -> pb.ListPrincipalsResponse:
        page = self._principals.list(
            call.caller, page_request(request.page_size, request.page_token)
        )
        return pb.ListPrincipalsResponse(
            principals=[to_proto(principal) for principal in page.items],
            next_page_token=page.next_page_token,
        )

    def update_principal(self, call: Call, request: pb.UpdatePrincipalRequest) -> pb.Principal:
        mask = request.update_mask.paths
        # What the mask leaves out is not looked at.
        grants = _grants(request.principal.grants) if {"grants", "*"} & set(mask) else ()
        return to_proto(
            self._principals.update(
                call.caller,
                PrincipalName.parse(request.principal.name, field="principal.name"),
                display_name=request.principal.display_name,
                grants=grants,
                disabled=request.principal.disabled,
                mask=mask,
                etag=request.principal.etag,
                sponsor=_sponsor(request.principal.sponsor) if {"sponsor", "*"} & set(mask) else "",
            )
        )

    def list_roles(self, call: Call, request: pb.ListRolesRequest) -> pb.ListRolesResponse:
        return pb.ListRolesResponse(
            rows=[
                pb.ListRolesResponse.Row(role=ROLES.to_proto(role), actions=sorted(TABLE[role]))
                for role in Role
            ]
        )

    def create_token(self, call: Call, request: pb.CreateTokenRequest) -> pb.CreateTokenResponse:
        expire_time_us = None
        if request.token.HasField("expire_time"):
            expire_time_us = time_us(request.token.expire_time, "token.expire_time")
        token, secret = self._tokens.create(
            call.caller,
            PrincipalName.parse(request.parent, field="parent"),
            label=request.token.label,
            expire_time_us=expire_time_us,
            request_id=request.request_id,
            scopes=[
                Scope(action=scope.action, model=scope.model, stage=scope.stage)
                for scope in request.token.scopes
            ],
        )
        return pb.CreateTokenResponse(token=token_to_proto(token), secret=secret)

    def rotate_token(self, call: Call, request: pb.RotateTokenRequest) -> pb.CreateTokenResponse:
        expire_time_us = None
        if request.HasField("expire_time"):
            expire_time_us = time_us(request.expire_time, "expire_time")
        token, secret = self._tokens.rotate(
            call.caller,
            TokenName.parse(request.name),
            overlap_us=request.overlap.seconds * 1_000_000 + request.overlap.nanos // 1000,
            expire_time_us=expire_time_us,
            request_id=request.request_id,
        )
        return pb.CreateTokenResponse(token=token_to_proto(token), secret=secret)

    def revoke_all_tokens(
        self, call: Call, request: pb.RevokeAllTokensRequest
    ) -> pb.RevokeAllTokensResponse:
        parent = PrincipalName.parse(request.parent, field="parent")
        count = self._tokens.revoke_all(call.caller, parent, except_current=request.except_current)
        return pb.RevokeAllTokensResponse(revoked_count=count)

    def list_tokens(self, call: Call, request: pb.ListTokensRequest) -> pb.ListTokensResponse:
        page = self._tokens.list(
            call.caller,
            PrincipalName.parse(request.parent, field="parent"),
            page_request(request.page_size, request.page_token),
        )
        return pb.ListTokensResponse(
            tokens=[token_to_proto(token) for token in page.items],
            next_page_token=page.next_page_token,
        )

    def revoke_token(self, call: Call, request: pb.RevokeTokenRequest) -> pb.Token:
        return token_to_proto(self._tokens.revoke(call.caller, TokenName.parse(request.name)))


def caller_to_proto(caller: Caller) -> pb.Caller:
    return pb.Caller(
        principal=to_proto(caller.principal),
        token=token_to_proto(caller.token),
        groups=caller.groups,
        group_grants=[grant_to_proto(grant) for grant in caller.group_grants],
    )


def to_proto(principal: Principal) -> pb.Principal:
    return pb.Principal(
        name=principal.name,
        uid=principal.uid,
        kind=KINDS.to_proto(principal.kind),
        display_name=principal.display_name,
        grants=[grant_to_proto(grant) for grant in principal.grants],
        disabled=principal.disabled,
        etag=principal.etag,
        create_time=timestamp(principal.create_time_us),
        update_time=timestamp(principal.update_time_us),
        sponsor=f"principals/{principal.sponsor}" if principal.sponsor else "",
    )


def grant_to_proto(grant: Grant) -> pb.Grant:
    return pb.Grant(
        role=ROLES.to_proto(grant.role),
        namespace_pattern=grant.namespace_pattern,
        deny=grant.deny,
    )


def scope_to_proto(scope: Scope) -> pb.Scope:
    return pb.Scope(action=scope.action, model=scope.model, stage=scope.stage)


def token_to_proto(token: Token) -> pb.Token:
    return pb.Token(
        name=token.name,
        label=token.label,
        create_time=timestamp(token.create_time_us),
        expire_time=timestamp(token.expire_time_us),
        revoke_time=timestamp(token.revoke_time_us),
        last_use_time=timestamp(token.last_use_time_us),
        creator=token.creator,
        scopes=[scope_to_proto(scope) for scope in token.scopes],
        makers=sorted(token.makers),
    )


def _sponsor(name: str) -> str:
    """The id in a sponsor's name; empty where there is none."""
    return PrincipalName.parse(name, field="principal.sponsor").principal if name else ""


def _grants(grants: Iterable[pb.Grant]) -> tuple[Grant, ...]:
    return tuple(
        Grant(
            role=Role(ROLES.value_of(grant.role, f"principal.grants[{number}].role")),
            namespace_pattern=grant.namespace_pattern,
            deny=grant.deny,
        )
        for number, grant in enumerate(grants)
    )
