"""Namespaces: the first segment of model names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from registry.client.connection import new_request_id
from registry.client.names import namespace_name
from registry.client.service import Service
from registry.client.values import Namespace
from registry.v1 import namespaces_pb2 as pb
from registry.v1.namespaces_pb2_grpc import NamespaceServiceStub


class Namespaces(Service):
    STUB: ClassVar = NamespaceServiceStub

    def create(self, namespace: str, *, description: str = "", owner: str = "") -> Namespace:
        request = pb.CreateNamespaceRequest(
            namespace_id=namespace.removeprefix("namespaces/"),
            namespace=pb.Namespace(description=description, owner=owner),
            request_id=new_request_id(),
        )
        return self._read(self._stub.CreateNamespace, request, Namespace)

    def get(self, namespace: str) -> Namespace:
        request = pb.GetNamespaceRequest(name=namespace_name(namespace))
        return self._read(self._stub.GetNamespace, request, Namespace)

    def list(self) -> Iterator[Namespace]:
        """Those on which the caller may read, by name."""
        request = pb.ListNamespacesRequest()
        return self._pages(self._stub.ListNamespaces, request, "namespaces", Namespace)

    def update(
        self,
        namespace: str,
        *,
        description: str | None = None,
        owner: str | None = None,
        etag: str = "",
    ) -> Namespace:
        """Change what is not None."""
        request = pb.UpdateNamespaceRequest(
            namespace=pb.Namespace(name=namespace_name(namespace), etag=etag)
        )
        for field, value in (("description", description), ("owner", owner)):
            if value is not None:
                setattr(request.namespace, field, value)
                request.update_mask.paths.append(field)
        # With an etag, a repeat of what was done would find its own etag stale.
        send = self._once if etag else self._read
        return send(self._stub.UpdateNamespace, request, Namespace)

    def delete(self, namespace: str, *, etag: str = "", validate_only: bool = False) -> None:
        request = pb.DeleteNamespaceRequest(
            name=namespace_name(namespace), etag=etag, validate_only=validate_only
        )
        self._call(self._stub.DeleteNamespace, request, repeats=validate_only)
