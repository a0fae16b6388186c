"""Principals: who the caller is, the people and robots, what they may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import decode, number_of
from registry.client.names import principal_name
from registry.client.service import Service
from registry.client.values import Caller, Grant, Principal, RoleRow
from registry.v1 import principals_pb2 as pb
from registry.v1.principals_pb2_grpc import PrincipalServiceStub


class Principals(Service):
    STUB: ClassVar = PrincipalServiceStub

    def caller(self) -> Caller:
        """Who the token stands for."""
        return self._read(self._stub.GetCaller, pb.GetCallerRequest(), Caller)

    def roles(self) -> tuple[RoleRow, ...]:
        """The role x action table that every permission is judged by."""
        reply: pb.ListRolesResponse = self._call(
            self._stub.ListRoles, pb.ListRolesRequest(), repeats=True
        )
        return tuple(decode(RoleRow, row) for row in reply.rows)

    def create(
        self,
        principal: str,
        *,
        kind: str = "person",
        display_name: str = "",
        grants: Sequence[Grant] = (),
        sponsor: str = "",
    ) -> Principal:
        """`kind` is person or robot; a robot's sponsor is you, unless another person is named."""
        request = pb.CreatePrincipalRequest(
            principal_id=principal.removeprefix("principals/"),
            principal=pb.Principal(
                kind=number_of(pb.PrincipalKind, kind, field="kind"),
                display_name=display_name,
                grants=_messages(grants),
                sponsor=principal_name(sponsor) if sponsor else "",
            ),
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreatePrincipal, request, Principal)

    def get(self, principal: str) -> Principal:
        request = pb.GetPrincipalRequest(name=principal_name(principal))
        return self._read(self._stub.GetPrincipal, request, Principal)

    def list(self) -> Iterator[Principal]:
        request = pb.ListPrincipalsRequest()
        return self._pages(self._stub.ListPrincipals, request, "principals", Principal)

    def update(
        self,
        principal: str,
        *,
        display_name: str | None = None,
        grants: Sequence[Grant] | None = None,
        disabled: bool | None = None,
        sponsor: str | None = None,
        etag: str = "",
    ) -> Principal:
        """Change what is not None. Grants are replaced as a whole, so give the etag with them."""
        request = pb.UpdatePrincipalRequest(
            principal=pb.Principal(name=principal_name(principal), etag=etag)
        )
        if display_name is not None:
            request.principal.display_name = display_name
            request.update_mask.paths.append("display_name")
        if grants is not None:
            request.principal.grants.extend(_messages(grants))
            request.update_mask.paths.append("grants")
        if disabled is not None:
            request.principal.disabled = disabled
            request.update_mask.paths.append("disabled")
        if sponsor is not None:
            request.principal.sponsor = principal_name(sponsor)
            request.update_mask.paths.append("sponsor")
        # With an etag, a repeat of what was done would find its own etag stale.
        send = self._once if etag else self._read
        return send(self._stub.UpdatePrincipal, request, Principal)


def _messages(grants: Sequence[Grant]) -> list[pb.Grant]:
    return [
        pb.Grant(
            role=number_of(pb.Role, grant.role, field="role"),
            namespace_pattern=grant.namespace_pattern,
            deny=grant.deny,
        )
        for grant in grants
    ]
