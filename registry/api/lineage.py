"""LineageService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import page_request, timestamp
from registry.api.versions import LINEAGE_KINDS
from registry.domain.lineage import LineageEdge
from registry.domain.versions import LineageKind
from registry.names import VersionName
from registry.services.lineage import LineageService
from registry.v1 import lineage_pb2 as pb


class LineageServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["LineageService"]

    def __init__(self, lineage: LineageService) -> None:
        self._lineage = lineage

    def create_edge(self, call: Call, request: pb.CreateEdgeRequest) -> pb.LineageEdge:
        child, parent = _ends(request.edge)
        kind = LineageKind(LINEAGE_KINDS.value_of(request.edge.kind, "edge.kind"))
        return to_proto(
            self._lineage.create(call.caller, child, parent, kind, request_id=request.request_id)
        )

    def delete_edge(self, call: Call, request: pb.DeleteEdgeRequest) -> pb.DeleteEdgeResponse:
        child, parent = _ends(request.edge)
        self._lineage.delete(call.caller, child, parent)
        return pb.DeleteEdgeResponse()

    def list_ancestors(
        self, call: Call, request: pb.ListAncestorsRequest
    ) -> pb.ListAncestorsResponse:
        page = self._lineage.ancestors(
            call.caller,
            VersionName.parse(request.version, field="version"),
            depth_max=request.depth_max,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListAncestorsResponse(
            edges=[to_proto(edge) for edge in page.edges],
            next_page_token=page.next_page_token,
            hidden_count=page.hidden_count,
        )

    def list_descendants(
        self, call: Call, request: pb.ListDescendantsRequest
    ) -> pb.ListDescendantsResponse:
        page = self._lineage.descendants(
            call.caller,
            VersionName.parse(request.version, field="version"),
            depth_max=request.depth_max,
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListDescendantsResponse(
            edges=[to_proto(edge) for edge in page.edges],
            next_page_token=page.next_page_token,
            hidden_count=page.hidden_count,
        )


def to_proto(edge: LineageEdge) -> pb.LineageEdge:
    return pb.LineageEdge(
        child=edge.child,
        parent=edge.parent,
        kind=LINEAGE_KINDS.to_proto(edge.kind),
        creator=f"principals/{edge.creator}",
        create_time=timestamp(edge.create_time_us),
        depth=edge.depth,
    )


def _ends(edge: pb.LineageEdge) -> tuple[VersionName, VersionName]:
    return (
        VersionName.parse(edge.child, field="edge.child"),
        VersionName.parse(edge.parent, field="edge.parent"),
    )
