"""Usage: downloads and likes."""

from __future__ import annotations

from typing import ClassVar

from registry.client.names import model_name
from registry.client.service import Service
from registry.client.values import Usage as UsageOfModel
from registry.v1 import usage_pb2 as pb
from registry.v1.usage_pb2_grpc import UsageServiceStub


class Usage(Service):
    STUB: ClassVar = UsageServiceStub

    def get(self, model: str) -> UsageOfModel:
        request = pb.GetUsageRequest(model=model_name(model))
        return self._read(self._stub.GetUsage, request, UsageOfModel)

    def like(self, model: str) -> int:
        """How many principals like it now."""
        request = pb.LikeModelRequest(model=model_name(model))
        reply: pb.LikeModelResponse = self._call(self._stub.LikeModel, request, repeats=True)
        return reply.like_count

    def unlike(self, model: str) -> int:
        """How many principals like it now."""
        request = pb.UnlikeModelRequest(model=model_name(model))
        reply: pb.UnlikeModelResponse = self._call(self._stub.UnlikeModel, request, repeats=True)
        return reply.like_count
