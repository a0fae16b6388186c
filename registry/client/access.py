"""Access: why somebody may do something, or may not."""

from __future__ import annotations

from typing import ClassVar

from registry.client.names import principal_name
from registry.client.service import Service
from registry.client.values import Explanation
from registry.v1 import access_pb2 as pb
from registry.v1.access_pb2_grpc import AccessServiceStub


class Access(Service):
    STUB: ClassVar = AccessServiceStub

    def explain(
        self, principal: str, action: str, resource: str, *, stage: str = ""
    ) -> Explanation:
        """`resource` is a model such as fraud/scorer, a namespace such as fraud, or "*"."""
        request = pb.ExplainAccessRequest(
            principal=principal_name(principal),
            action=action,
            resource=_whole(resource),
            stage=stage,
        )
        return self._read(self._stub.ExplainAccess, request, Explanation)


def _whole(resource: str) -> str:
    if resource == "*" or resource.startswith(("models/", "namespaces/")):
        return resource
    return f"{'models' if '/' in resource else 'namespaces'}/{resource}"
