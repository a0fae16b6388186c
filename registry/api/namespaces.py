"""NamespaceService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import page_request, timestamp
from registry.domain.models import Namespace
from registry.names import NamespaceName
from registry.services.namespaces import NamespaceService
from registry.v1 import namespaces_pb2 as pb


class NamespaceServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["NamespaceService"]

    def __init__(self, namespaces: NamespaceService) -> None:
        self._namespaces = namespaces

    def create_namespace(self, call: Call, request: pb.CreateNamespaceRequest) -> pb.Namespace:
        return to_proto(
            self._namespaces.create(
                call.caller,
                request.namespace_id,
                description=request.namespace.description,
                owner=request.namespace.owner,
                request_id=request.request_id,
            )
        )

    def get_namespace(self, call: Call, request: pb.GetNamespaceRequest) -> pb.Namespace:
        return to_proto(self._namespaces.get(call.caller, NamespaceName.parse(request.name)))

    def list_namespaces(
        self, call: Call, request: pb.ListNamespacesRequest
    ) -> pb.ListNamespacesResponse:
        page = self._namespaces.list(
            call.caller, page_request(request.page_size, request.page_token)
        )
        return pb.ListNamespacesResponse(
            namespaces=[to_proto(namespace) for namespace in page.items],
            next_page_token=page.next_page_token,
        )

    def update_namespace(self, call: Call, request: pb.UpdateNamespaceRequest) -> pb.Namespace:
        return to_proto(
            self._namespaces.update(
                call.caller,
                NamespaceName.parse(request.namespace.name, field="namespace.name"),
                description=request.namespace.description,
                owner=request.namespace.owner,
                mask=request.update_mask.paths,
                etag=request.namespace.etag,
            )
        )

    def delete_namespace(
        self, call: Call, request: pb.DeleteNamespaceRequest
    ) -> pb.DeleteNamespaceResponse:
        self._namespaces.delete(
            call.caller,
            NamespaceName.parse(request.name),
            etag=request.etag,
            validate_only=request.validate_only,
        )
        return pb.DeleteNamespaceResponse()


def to_proto(namespace: Namespace) -> pb.Namespace:
    return pb.Namespace(
        name=namespace.name,
        uid=namespace.uid,
        description=namespace.description,
        owner=namespace.owner,
        etag=namespace.etag,
        create_time=timestamp(namespace.create_time_us),
        update_time=timestamp(namespace.update_time_us),
        creator=f"principals/{namespace.creator}",
    )
