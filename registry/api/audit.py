"""AuditService over gRPC: unpack, call, pack."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from registry.api.calls import Call
from registry.api.convert import namespace_scope, page_request, time_us, timestamp
from registry.api.events import to_proto as event_to_proto
from registry.domain.checkpoints import StoredCheckpoint, read_checkpoint
from registry.errors import InvalidFieldError
from registry.names import CheckpointName, EventName
from registry.names.text import show
from registry.services.audit import NEWEST, AuditService, KeyHistory
from registry.services.audit_export import AuditExport, ExportFilter
from registry.services.audit_proofs import AuditProofs
from registry.v1 import audit_pb2 as pb


class AuditServicer:
    DESCRIPTOR: ClassVar[ServiceDescriptor] = pb.DESCRIPTOR.services_by_name["AuditService"]

    def __init__(self, audit: AuditService, export: AuditExport, proofs: AuditProofs) -> None:
        self._audit = audit
        self._export = export
        self._proofs = proofs

    def create_checkpoint(
        self, call: Call, request: pb.CreateCheckpointRequest
    ) -> pb.AuditCheckpoint:
        return to_proto(self._audit.create(call.caller, request_id=request.request_id))

    def replace_lost_key(self, call: Call, request: pb.ReplaceLostKeyRequest) -> pb.AuditCheckpoint:
        made = self._audit.replace_lost_key(
            call.caller,
            lost_key=request.lost_key,
            note=request.note,
            request_id=request.request_id,
        )
        return to_proto(made)

    def get_checkpoint(self, call: Call, request: pb.GetCheckpointRequest) -> pb.AuditCheckpoint:
        number = NEWEST
        if request.name != "checkpoints/-":
            number = CheckpointName.parse(request.name).number
        return to_proto(self._audit.get(call.caller, number))

    def list_checkpoints(
        self, call: Call, request: pb.ListCheckpointsRequest
    ) -> pb.ListCheckpointsResponse:
        if request.order_by not in ("", "number desc", "number"):
            raise InvalidFieldError(
                field="order_by",
                found=show(request.order_by),
                expected="'number desc' (newest first) or 'number'",
                fix="Leave it out for the newest first.",
            )
        page = self._audit.list(
            call.caller,
            page_request(request.page_size, request.page_token),
            oldest_first=request.order_by == "number",
        )
        return pb.ListCheckpointsResponse(
            checkpoints=[to_proto(each) for each in page.items],
            next_page_token=page.next_page_token,
        )

    def prove_event(self, call: Call, request: pb.ProveEventRequest) -> pb.EventProof:
        proof = self._proofs.prove_event(
            call.caller,
            EventName.parse(request.name),
            checkpoint=_number(request.checkpoint, "checkpoint"),
            is_active=call.is_active,
        )
        return pb.EventProof(
            event=event_to_proto(proof.event),
            size=proof.size,
            path=proof.path,
            checkpoint=proof.checkpoint,
            handovers=proof.handovers,
        )

    def prove_consistency(
        self, call: Call, request: pb.ProveConsistencyRequest
    ) -> pb.ConsistencyProof:
        proof = self._proofs.prove_consistency(
            call.caller,
            CheckpointName.parse(request.old, field="old").number,
            _number(request.new, "new"),
            is_active=call.is_active,
        )
        return pb.ConsistencyProof(
            old=proof.old,
            new=proof.new,
            shards=[
                pb.ConsistencyProof.Shard(
                    shard=each.shard,
                    old_size=each.old_size,
                    new_size=each.new_size,
                    path=each.path,
                )
                for each in proof.shards
            ],
        )

    def get_audit_keys(self, call: Call, request: pb.GetAuditKeysRequest) -> pb.AuditKeys:
        return _keys_to_proto(self._audit.keys())

    def export_events(
        self, call: Call, request: pb.ExportEventsRequest
    ) -> Iterator[pb.ExportEventsResponse]:
        batches = self._export.run(call.caller, _filter(request), request.cursor, call.is_active)
        for batch in batches:
            yield pb.ExportEventsResponse(
                events=[event_to_proto(event) for event in batch.events], cursor=batch.cursor
            )


def to_proto(stored: StoredCheckpoint) -> pb.AuditCheckpoint:
    signed = read_checkpoint(stored.note)
    said = signed.checkpoint
    return pb.AuditCheckpoint(
        name=said.name,
        time=timestamp(said.time_us),
        event_count=said.event_count,
        root=said.root,
        hash=signed.hash,
        public_key=said.public_key,
        note=stored.note,
    )


def _keys_to_proto(history: KeyHistory) -> pb.AuditKeys:
    keys = [
        pb.AuditKeys.Key(
            id=_id(use.public_key),
            public_key=use.public_key,
            first=f"checkpoints/{use.first}",
            last=f"checkpoints/{use.last}",
            first_time=timestamp(use.first_time_us),
            current=use.public_key == history.current and not history.is_lost,
        )
        for use in history.uses
    ]
    listed = {use.public_key for use in history.uses}
    for key in dict.fromkeys((history.due, history.current)):
        if key and key not in listed:
            current = key == history.current and not history.is_lost
            keys.append(pb.AuditKeys.Key(id=_id(key), public_key=key, current=current))
    return pb.AuditKeys(keys=keys)


def _id(public_key: str) -> str:
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()


def _number(name: str, field: str) -> int:
    return CheckpointName.parse(name, field=field).number if name else NEWEST


def _filter(request: pb.ExportEventsRequest) -> ExportFilter:
    start_time_us = end_time_us = None
    if request.HasField("start_time"):
        start_time_us = time_us(request.start_time, "start_time")
    if request.HasField("end_time"):
        end_time_us = time_us(request.end_time, "end_time")
    return ExportFilter(
        namespace=namespace_scope(request.parent),
        action=request.action,
        start_time_us=start_time_us,
        end_time_us=end_time_us,
    )
