"""Lineage: which version was made from which. Versions go by resource name here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from registry.client.connection import new_request_id
from registry.client.decode import decode, number_of
from registry.client.service import PAGE_SIZE, Service
from registry.client.values import LineageEdge
from registry.v1 import lineage_pb2 as pb
from registry.v1 import versions_pb2
from registry.v1.lineage_pb2_grpc import LineageServiceStub


class Lineage(Service):
    STUB: ClassVar = LineageServiceStub

    def create(self, child: str, parent: str, *, kind: str) -> LineageEdge:
        """Declare that the child was made from the parent. Repeats safely."""
        number = number_of(versions_pb2.LineageKind, kind, field="kind")
        edge = pb.LineageEdge(child=child, parent=parent, kind=number)
        request = pb.CreateEdgeRequest(edge=edge, request_id=new_request_id())
        return self._read(self._stub.CreateEdge, request, LineageEdge)

    def delete(self, child: str, parent: str) -> None:
        edge = pb.LineageEdge(child=child, parent=parent)
        self._call(self._stub.DeleteEdge, pb.DeleteEdgeRequest(edge=edge), repeats=False)

    def ancestors(
        self, version: str, *, depth_max: int = 0, hidden: Callable[[int], None] | None = None
    ) -> Iterator[LineageEdge]:
        """Edges up to what it was made from, nearest first.

        `hidden` hears, page by page, how many edges were left out since the caller may not read
        their other side.
        """
        request = pb.ListAncestorsRequest(version=version, depth_max=depth_max)
        return self._edges(self._stub.ListAncestors, request, hidden)

    def descendants(
        self, version: str, *, depth_max: int = 0, hidden: Callable[[int], None] | None = None
    ) -> Iterator[LineageEdge]:
        """Edges down to what was made from it. Else as `ancestors`."""
        request = pb.ListDescendantsRequest(version=version, depth_max=depth_max)
        return self._edges(self._stub.ListDescendants, request, hidden)

    def _edges(
        self, method: Callable[..., Any], request: Any, hidden: Callable[[int], None] | None
    ) -> Iterator[LineageEdge]:
        request.page_size = PAGE_SIZE
        while True:
            reply = self._call(method, request, repeats=True)
            for edge in reply.edges:
                yield decode(LineageEdge, edge)
            if hidden is not None:
                hidden(reply.hidden_count)
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token
