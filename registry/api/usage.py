"""UsageService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import timestamp
from registry.domain.usage import PrincipalUsage, Usage, VersionUsage
from registry.names import ModelName
from registry.services.usage import UsageService
from registry.v1 import usage_pb2 as pb


class UsageServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["UsageService"]

    def __init__(self, usage: UsageService) -> None:
        self._usage = usage

    def get_usage(self, call: Call, request: pb.GetUsageRequest) -> pb.Usage:
        return to_proto(self._usage.get(call.caller, _model(request)))

    def like_model(self, call: Call, request: pb.LikeModelRequest) -> pb.LikeModelResponse:
        return pb.LikeModelResponse(like_count=self._usage.like(call.caller, _model(request)))

    def unlike_model(self, call: Call, request: pb.UnlikeModelRequest) -> pb.UnlikeModelResponse:
        return pb.UnlikeModelResponse(like_count=self._usage.unlike(call.caller, _model(request)))


def to_proto(usage: Usage) -> pb.Usage:
    return pb.Usage(
        model=usage.model,
        download_count=usage.download_count,
        like_count=usage.like_count,
        liked=usage.liked,
        versions=[_version_row(row) for row in usage.versions],
        principals=[_principal_row(row) for row in usage.principals],
    )


def _version_row(row: VersionUsage) -> pb.Usage.VersionRow:
    return pb.Usage.VersionRow(
        version=row.version,
        download_count=row.download_count,
        last_time=timestamp(row.last_time_us),
    )


def _principal_row(row: PrincipalUsage) -> pb.Usage.PrincipalRow:
    return pb.Usage.PrincipalRow(
        principal=f"principals/{row.principal}",
        version=row.version,
        download_count=row.download_count,
        last_time=timestamp(row.last_time_us),
    )


def _model(request: pb.GetUsageRequest | pb.LikeModelRequest | pb.UnlikeModelRequest) -> ModelName:
    return ModelName.parse(request.model, field="model")
