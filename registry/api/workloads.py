"""WorkloadService over gRPC: a platform's token for one of ours."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import timestamp
from registry.services.workloads import WorkloadService
from registry.v1 import workloads_pb2 as pb


class WorkloadServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["WorkloadService"]

    def __init__(self, workloads: WorkloadService) -> None:
        self._workloads = workloads

    def exchange_token(
        self, call: Call, request: pb.ExchangeTokenRequest
    ) -> pb.ExchangeTokenResponse:
        token, secret = self._workloads.exchange(request.jwt, peer=call.peer.address)
        return pb.ExchangeTokenResponse(
            name=token.name,
            secret=secret,
            expire_time=timestamp(token.expire_time_us),
            principal=f"principals/{token.principal}",
        )
