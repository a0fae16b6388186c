"""ReferenceService over gRPC: unpack, call, pack."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import EnumCodec, Packed, page_request, timestamp
from registry.api.versions import to_proto as version_to_proto
from registry.domain.references import Reference, ReferenceKind, Resolved
from registry.names import ModelName, ReferenceName
from registry.services.references import ReferenceService
from registry.v1 import references_pb2 as pb

KINDS = EnumCodec(pb.ReferenceKind, "REFERENCE_KIND", ReferenceKind)


class ReferenceServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["ReferenceService"]

    def __init__(self, references: ReferenceService) -> None:
        self._references = references
        self._resolved = Packed(_resolved_to_proto)

    def resolve_reference(
        self, call: Call, request: pb.ResolveReferenceRequest
    ) -> pb.ResolveReferenceResponse:
        resolved = self._references.resolve(
            call.caller, ModelName.parse(request.parent, field="parent"), request.reference
        )
        return self._resolved.of(resolved, request.parent, request.reference)

    def get_reference(self, call: Call, request: pb.GetReferenceRequest) -> pb.Reference:
        return to_proto(self._references.get(call.caller, _name(request.name)))

    def list_references(
        self, call: Call, request: pb.ListReferencesRequest
    ) -> pb.ListReferencesResponse:
        kind = KINDS.optional(request.kind, "kind")
        page = self._references.list(
            call.caller,
            ModelName.parse(request.parent, field="parent"),
            kind=None if kind is None else ReferenceKind(kind),
            page=page_request(request.page_size, request.page_token),
        )
        return pb.ListReferencesResponse(
            references=[to_proto(reference) for reference in page.items],
            next_page_token=page.next_page_token,
        )

    def set_reference(self, call: Call, request: pb.SetReferenceRequest) -> pb.Reference:
        return to_proto(
            self._references.set(
                call.caller,
                _name(request.name),
                kind=ReferenceKind(KINDS.value_of(request.kind, "kind", never=ReferenceKind.STAGE)),
                target=request.target,
                expected_target=request.expected_target,
            )
        )

    def delete_reference(
        self, call: Call, request: pb.DeleteReferenceRequest
    ) -> pb.DeleteReferenceResponse:
        self._references.delete(
            call.caller, _name(request.name), expected_target=request.expected_target
        )
        return pb.DeleteReferenceResponse()


def _resolved_to_proto(resolved: Resolved) -> pb.ResolveReferenceResponse:
    return pb.ResolveReferenceResponse(
        version=version_to_proto(resolved.version),
        kind=pb.REFERENCE_KIND_UNSPECIFIED
        if resolved.kind is None
        else KINDS.to_proto(resolved.kind),
        promotion="" if resolved.promotion is None else f"promotions/{resolved.promotion}",
        since_time=timestamp(resolved.since_time_us),
    )


def to_proto(reference: Reference) -> pb.Reference:
    return pb.Reference(
        name=reference.name,
        id=reference.id,
        kind=KINDS.to_proto(reference.kind),
        target=reference.target,
        digest=reference.digest,
        update_time=timestamp(reference.update_time_us),
        updater=f"principals/{reference.updater}",
    )


def _name(text: str) -> ReferenceName:
    """Its form alone is judged here: a stage may be read, and the service knows them."""
    return ReferenceName.parse(text, stages=())
