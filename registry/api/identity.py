"""IdentityService over gRPC: logging in."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.principals import caller_to_proto
from registry.services.identity import IdentityService, Origin
from registry.v1 import identity_pb2 as pb


class IdentityServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["IdentityService"]

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity

    def login(self, call: Call, request: pb.LoginRequest) -> pb.LoginResponse:
        peer = call.peer
        caller, secret = self._identity.login(
            request.user,
            request.password,
            label=request.label,
            origin=Origin(address=peer.address, is_confidential=peer.is_confidential),
        )
        return pb.LoginResponse(caller=caller_to_proto(caller), secret=secret)
